"""The sensor's own errors: data sheet numbers, and what rounding can do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.profiling.energy.sensor_bound import (
    SensorBound,
    ina3221_bound,
    level_shares,
    rounding_w,
)

ORIN_NANO = ina3221_bound([(0.005, 5.0)])


def test_the_bound_of_an_orin_nano_is_that_of_the_notes():
    # Shunt offset 80 uV on 5 mOhm at 5 V; steps of 8 mA at 5 V; bus 16 mV of 5 V; 0.25 % twice.
    assert ORIN_NANO.offsets_w == pytest.approx([0.08])
    assert ORIN_NANO.step_w == pytest.approx(0.04)
    assert ORIN_NANO.ratios == pytest.approx([0.0025, 0.0025, 0.0032, 0.0008])
    # +-2.3 % at 3.5 W idle is the worst offset alone.
    assert ORIN_NANO.offsets_w[0] / 3.5 == pytest.approx(0.0229, abs=1e-3)
    assert ORIN_NANO.bound_w(14.0) == pytest.approx(0.060, abs=0.005)


def test_several_rails_add_up_and_share_their_gain():
    bound = ina3221_bound([(0.002, 5.0), (0.002, 5.0), (0.002, 5.0)])
    assert bound.offsets_w == pytest.approx([0.2] * 3)
    assert bound.step_w == pytest.approx(0.3)
    assert bound.ratios[0] == 0.0025
    assert "3 rails" in bound.source
    with pytest.raises(ValueError, match="no rails"):
        ina3221_bound([])


def test_an_unknown_sensor_has_no_bound_and_says_so():
    assert SensorBound().bound_w(10.0) == 0.0
    assert SensorBound().source == "unknown: not included"


def test_levels_take_the_weight_of_their_samples():
    shares = level_shares(np.array([1.0, 1.04, 1.04, 2.0]), np.array([1.0, 1.0, 1.0, 2.0]), 0.04)
    assert shares == pytest.approx({25: 0.2, 26: 0.4, 50: 0.4})
    assert level_shares(np.array([1.0]), np.array([1.0]), 0.0) == {}


def test_a_value_that_stands_still_may_be_off_by_half_a_step():
    assert rounding_w({25: 1.0}, {}, 0.04) == pytest.approx([0.02])


def test_two_separate_levels_err_apart():
    assert rounding_w({25: 0.6, 300: 0.4}, {}, 0.04) == pytest.approx([0.012, 0.008])


def test_the_level_of_idle_cancels_where_the_load_rests_on_it():
    widths = rounding_w({25: 0.6, 300: 0.4}, {25: 1.0}, 0.04)
    assert sorted(widths) == pytest.approx([0.008, 0.008])
    # A load on the very level of idle has nothing above it, and no error either.


def test_a_load_that_shows_nothing_but_idle_s_level_may_be_a_step_away():
    assert rounding_w({25: 1.0}, {25: 1.0}, 0.04) == pytest.approx([0.04])
    assert rounding_w({25: 1.0}, {26: 1.0}, 0.04) == pytest.approx([0.02, 0.02])


def test_a_stray_sample_does_not_make_a_value_wander():
    assert rounding_w({24: 0.001, 25: 0.998, 26: 0.001}, {}, 0.04) == pytest.approx([0.02])


def test_a_value_between_two_levels_is_known_better_than_either():
    assert rounding_w({25: 0.5, 26: 0.5}, {}, 0.04) == pytest.approx([0.01])
    assert rounding_w({25: 0.9, 26: 0.1}, {}, 0.04) == pytest.approx([0.02 * 0.82])


def test_without_steps_nothing_is_rounded():
    assert rounding_w({}, {}, 0.0) == []


@settings(max_examples=200, deadline=None)
@given(
    place=st.floats(0, 1),
    spread=st.one_of(st.just(0.0), st.floats(0.0, 4.0)),
    normal=st.booleans(),
)
def test_what_rounding_does_to_a_mean_stays_within(place, spread, normal):
    """A value somewhere between two steps, still or wandering, whatever its distribution."""
    grid = (np.arange(20000) + 0.5) / 20000 - 0.5
    if normal:
        grid = np.sort(np.random.default_rng(0).standard_normal(20000)) / 3
    true = 100 + place + spread * grid
    rounded = np.round(true)
    widths = rounding_w(level_shares(rounded, np.ones(len(true)), 1.0), {}, 1.0)
    assert abs(rounded.mean() - true.mean()) <= sum(widths) + 0.011
