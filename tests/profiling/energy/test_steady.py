"""Warm or not: slopes of temperature, halves of power."""

import math

import numpy as np
import pytest

from edgert.profiling.energy.steady import Steady, slope_c_per_s, why_unsteady

TIME = np.arange(0.0, 60.0, 0.1)
FLAT = np.full(len(TIME), 10.0)


def why(power_w=FLAT, temp_c=FLAT * 5, to_s=59.9, **wanted):
    return why_unsteady(TIME, power_w, temp_c, to_s, Steady(**wanted))


def test_nothing_moves():
    assert why() == ""


def test_a_temperature_that_rises_is_not_steady():
    assert why(temp_c=50 + 0.03 * TIME) == "temperature moves by +0.030 °C/s"
    assert why(temp_c=50 - 0.03 * TIME) == "temperature moves by -0.030 °C/s"
    assert why(temp_c=50 + 0.01 * TIME) == ""


def test_what_lies_further_back_does_not_count():
    assert why(temp_c=np.where(TIME < 25, 20.0, 50.0)) == ""


def test_halves_that_differ_are_not_steady():
    assert why(power_w=np.where(TIME < 45, 10.0, 10.2)) == "power moves by +2.0% in 15 s"
    assert why(power_w=np.where(TIME < 45, 10.0, 10.03)) == ""


def test_halves_may_differ_by_what_samples_scatter():
    scattered = 10 + 5 * np.random.default_rng(0).standard_normal(len(TIME))
    assert why(power_w=scattered) == ""
    assert why(power_w=scattered + np.where(TIME < 45, 0.0, 3.0)) != ""


def test_a_board_without_zones_is_judged_by_its_power():
    nothing = np.full(len(TIME), math.nan)
    assert why(temp_c=nothing) == ""
    assert why(power_w=np.where(TIME < 45, 10.0, 11.0), temp_c=nothing) != ""
    assert math.isnan(slope_c_per_s(TIME, nothing))


@pytest.mark.parametrize("to_s", [0.5, 10.0, 100.0])
def test_too_few_samples_are_not_steady(to_s):
    assert why(to_s=to_s) == "too few samples"
