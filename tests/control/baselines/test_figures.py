"""What the baselines read of profiles, limits and samples."""

import math

import pytest

from edgert.control.baselines.figures import (
    FUTURE_S,
    STALE_S,
    Timer,
    budget_w,
    finite_or_none,
    fresh,
    mean_power_w,
    powers,
    qualities,
    rungs_from_profile,
)
from edgert.records import Limits
from tests.control.baselines.bench_of_frames import profile_of, sample_at


def test_qualities_are_the_accuracies_where_all_are_stated():
    assert qualities(profile_of().entries) == (0.80, 0.76, 0.70, 0.60)


@pytest.mark.parametrize("gaps", [{"accuracy": False}, {"without": ("c50",)}])
def test_without_all_accuracies_the_dearer_counts_as_better(gaps):
    found = qualities(rungs_from_profile(profile_of(**gaps)))
    assert found[0] == 1.0
    assert list(found) == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(1 / 3)


def test_an_entry_without_power_counts_as_the_greatest_stated():
    assert powers(profile_of(without=("c30",)).entries) == (12.0, 10.0, 8.0, 12.0)


def test_powers_are_unknown_where_none_is_stated():
    assert powers(profile_of(power=False).entries) == (None,) * 4


@pytest.mark.parametrize(
    ("limits", "expected_w"),
    [
        (Limits(), None),
        (Limits(power_w=8), 8),
        (Limits(energy_j=600, mission_s=100), 6),
        (Limits(power_w=8, energy_j=600, mission_s=100), 6),
        (Limits(power_w=5, energy_j=600, mission_s=100), 5),
        (Limits(energy_j=600), None),
    ],
)
def test_a_mission_is_spent_evenly_and_the_lower_budget_counts(limits, expected_w):
    assert budget_w(limits) == expected_w


@pytest.mark.parametrize(
    ("idle_w", "period_s", "expected_w"),
    [(3.0, 0.04, 7.5), (None, 0.04, 12.0), (3.0, None, 12.0), (3.0, 0.01, 12.0)],
)
def test_mean_power_shares_the_period_between_running_and_idle(idle_w, period_s, expected_w):
    assert mean_power_w(12.0, idle_w, busy_s=0.02, period_s=period_s) == expected_w


def test_mean_power_of_unknown_power_is_unknown():
    assert mean_power_w(None, 3.0, busy_s=0.02, period_s=0.04) is None


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_missing(value):
    assert finite_or_none(value) is None


def test_zero_is_a_number():
    assert finite_or_none(0.0) == 0.0


@pytest.mark.parametrize(
    ("age_s", "counts"),
    [
        (0, True),
        (STALE_S, True),
        (STALE_S + 0.1, False),
        (-FUTURE_S, True),
        (-FUTURE_S - 1, False),
    ],
)
def test_only_a_sample_of_about_now_is_fresh(age_s, counts):
    assert (fresh(50.0, sample_at(50.0 - age_s)) is not None) is counts


def test_no_sample_is_not_fresh():
    assert fresh(50.0, None) is None


def test_a_timer_is_infinite_before_its_first_start():
    assert Timer().elapsed_s(5.0) == math.inf


def test_a_timer_counts_anew_when_time_goes_back():
    timer = Timer()
    timer.start(100.0)
    assert timer.elapsed_s(103.0) == 3.0
    assert timer.elapsed_s(103.0) == 3.0
    assert timer.elapsed_s(10.0) == 0.0
    assert timer.elapsed_s(14.0) == 4.0
