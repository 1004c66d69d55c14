"""The books and what is reckoned from them, by hand."""

import pytest

from edgert.evaluation.outcome import outcome_from_tally
from edgert.evaluation.sensing import TICK_S
from edgert.evaluation.tally import Tally
from edgert.records import Limits
from tests.evaluation.days import day_of, with_limits


def lived(day, power_w, die_c):
    """A tally after a day of ticks with these; each may depend on the second."""
    tally = Tally(day, ["big", "small"])
    for second in range(day.duration_s):
        for _ in range(20):
            tally.tick(power_w(second), die_c(second), throttled=die_c(second) > 80)
        tally.second()
    return tally


def test_windows_are_held_against_the_budget_of_their_second():
    day = with_limits(day_of(4), Limits(power_w=9.0), Limits(power_w=6.0))
    tally = lived(day, lambda second: 8.0, lambda second: 40.0)
    assert (tally.windows, tally.broken_windows) == (4, 2)
    assert tally.mean_w == pytest.approx([8.0] * 4)
    assert outcome_from_tally(day, tally, []).broken_window_ratio == 0.5


def test_seconds_without_a_budget_are_no_windows():
    day = with_limits(day_of(4), Limits(), Limits(power_w=6.0))
    tally = lived(day, lambda second: 8.0, lambda second: 40.0)
    assert (tally.windows, tally.broken_windows) == (2, 2)
    assert lived(day_of(4), lambda second: 99.0, lambda second: 40.0).windows == 0


def test_heat_over_the_limit_is_time_and_integral():
    day = day_of(4, limits=Limits(temp_c=60.0))
    tally = lived(day, lambda second: 5.0, lambda second: (59.0, 60.0, 61.0, 64.0)[second])
    assert tally.hot_s == pytest.approx(2.0)
    assert tally.hot_k_s == pytest.approx(1.0 + 4.0)
    assert tally.die_c == [59.0, 60.0, 61.0, 64.0]


def test_a_limit_that_changes_counts_from_its_second_on():
    day = with_limits(day_of(4), Limits(temp_c=70.0), Limits(temp_c=50.0))
    tally = lived(day, lambda second: 5.0, lambda second: 60.0)
    assert tally.hot_s == pytest.approx(2.0)


def test_throttled_time_is_counted():
    tally = lived(day_of(4), lambda second: 5.0, lambda second: 75.0 + 3 * second)
    assert tally.throttled_s == pytest.approx(2.0)


def test_switches_are_changes_of_what_runs():
    tally = Tally(day_of(1), ["big", "small"])
    for place in (0, 0, 1, 1, 0):
        tally.count(place, 0.5, met=True)
    assert tally.switches == 2
    assert tally.runs == [3, 2]


def test_frames_after_the_energy_is_spent_score_nothing():
    day = day_of(2, limits=Limits(energy_j=10.0, mission_s=2.0))
    tally = Tally(day, ["big", "small"])
    for _ in range(20):
        tally.tick(10.0, 40.0, throttled=False)
    tally.count(0, 0.8, met=True)  # 10 J of 10 J
    tally.tick(10.0, 40.0, throttled=False)
    tally.count(0, 0.8, met=True)
    tally.die_c.append(40.0)
    outcome = outcome_from_tally(day, tally, [])
    assert (tally.score, tally.unpowered) == (0.8, 1)
    assert outcome.overdrawn_j == pytest.approx(10.0 * TICK_S)
    assert outcome.unpowered_ratio == 1 / 20
    assert not outcome.keeps_limits


def test_outcome_counts_all_that_arrived_and_excuses_skipped_frames_from_misses():
    day = day_of(1)
    tally = lived(day, lambda second: 5.0, lambda second: 40.0)
    for _ in range(4):
        tally.count(0, 0.8, met=True)
    tally.count(1, 0.6, met=False)
    tally.dropped, tally.skipped = 1, 4
    outcome = outcome_from_tally(day, tally, [3e-6, 1e-6, 2e-6])
    assert outcome.accuracy == pytest.approx(4 * 0.8 / 10)
    assert outcome.miss_ratio == pytest.approx(2 / 6)
    assert outcome.skipped_ratio == pytest.approx(0.4)
    assert outcome.frame_j == pytest.approx(0.5)
    assert outcome.shares == pytest.approx({"big": 0.8, "small": 0.2})
    assert outcome.switches_per_min == 60.0
    assert (outcome.decide_p50_s, outcome.decide_p99_s) == (2e-6, 3e-6)
    assert outcome.keeps_limits


def test_outcome_of_a_day_on_which_everything_was_skipped():
    day = day_of(1)
    tally = lived(day, lambda second: 3.5, lambda second: 40.0)
    tally.skipped = 10
    outcome = outcome_from_tally(day, tally, [])
    assert (outcome.accuracy, outcome.miss_ratio, outcome.skipped_ratio) == (0, 0, 1)
    assert outcome.decide_p99_s == 0
