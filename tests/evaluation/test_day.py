"""Days: fixed by their seed, and such that their scenarios ask what they mean to ask."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.errors import SettingsError
from edgert.evaluation.board import COOLEST_C, HOTTEST_C
from edgert.evaluation.day import make_day
from edgert.evaluation.family import bundled_profile, wide_profile
from edgert.evaluation.outcome import outcome_from_tally
from edgert.evaluation.run import Static, run_policy
from edgert.evaluation.scenarios import REPORTED_SEEDS, SCENARIOS, TUNING_SEEDS

SOME = [0, 7, 100, 139]


def static(day, profile, place):
    name = profile.entries[place].name
    return outcome_from_tally(day, *run_policy(day, profile, Static(name, day.limits[0])))


def test_seeds_for_tuning_are_not_reported():
    assert len(REPORTED_SEEDS) == 40
    assert not set(TUNING_SEEDS) & set(REPORTED_SEEDS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_same_seed_gives_the_same_day_and_another_one_another(name):
    once, again, other = (make_day(name, seed, duration_s=60) for seed in (3, 3, 4))
    assert msgspec.json.encode(once) == msgspec.json.encode(again)
    assert once.slowdown != other.slowdown
    assert once.board != other.board


def test_all_scenarios_of_a_seed_share_their_slowdown_and_board():
    days = [make_day(name, 5, duration_s=60) for name in SCENARIOS]
    assert all(day.slowdown == days[0].slowdown for day in days)
    assert len({day.board.thermal.die_j_per_k for day in days}) == 1


@pytest.mark.parametrize("name", SCENARIOS)
@given(seed=st.integers(0, 10_000), duration_s=st.integers(1, 150))
@settings(max_examples=25, deadline=None)
def test_lists_have_the_length_of_the_day_whatever_the_seed(name, seed, duration_s):
    day = make_day(name, seed, duration_s=duration_s)
    assert day.frames == round(duration_s * 30)
    assert len(day.ambient_c) == len(day.fan_running) == len(day.limits) == duration_s
    assert all(0 <= start_s < end_s <= duration_s for start_s, end_s in day.gaps)
    assert all(0 <= time_s <= duration_s for time_s, _ in day.over_current)
    assert all(0.9 <= ratio < 5 for ratio in day.slowdown)


def test_limits_are_one_object_until_they_change():
    day = make_day("power", 0)
    changes = sum(a.power_w != b.power_w for a, b in zip(day.limits, day.limits[1:], strict=False))
    assert changes >= 2
    assert len({id(limits) for limits in day.limits}) == len({*day.power_limit_w})


def test_power_budget_starts_at_9_w_and_steps_within_its_range():
    for seed in SOME:
        budgets_w = make_day("power", seed).power_limit_w
        assert budgets_w[0] == 9.0
        assert min(budgets_w) < 7.5
        assert all(6.2 <= budget_w <= 7.4 or budget_w == 9.0 for budget_w in budgets_w)


def test_air_warms_up_where_the_scenario_says_so():
    hot, cool = make_day("thermal", 2), make_day("power", 2)
    assert hot.ambient_c[0] == COOLEST_C
    assert hot.ambient_c[-1] == HOTTEST_C
    assert hot.ambient_c == sorted(hot.ambient_c)
    assert set(cool.ambient_c) == {25.0}


def test_fan_stops_on_some_days_for_a_minute_or_two():
    stopped_s = [make_day("thermal", seed).fan_running.count(False) for seed in range(20)]
    assert 4 <= sum(seconds > 0 for seconds in stopped_s) <= 16
    assert all(60 <= seconds <= 120 for seconds in stopped_s if seconds)


def test_each_scenario_has_its_limits_and_no_other():
    for name, scenario in SCENARIOS.items():
        day = make_day(name, 1, duration_s=60)
        limits = day.limits[0]
        assert limits.deadline_s == day.deadline_s == day.period_s
        assert (limits.power_w is not None) == scenario.budget
        assert (day.temp_limit_c is not None) == scenario.heat
        assert (day.energy_j is not None) == scenario.battery
        assert limits.mission_s == (60.0 if scenario.battery else None)


def test_own_throttle_lies_above_the_operators_limit():
    day = make_day("thermal", 1, duration_s=60)
    assert day.board.throttle.release_c > day.temp_limit_c


def test_calm_day_disturbs_nothing():
    day = make_day("thermal", 1, duration_s=60, calm=True)
    assert set(day.slowdown) == {1.0}
    assert not day.gaps
    assert not day.over_current
    assert all(day.fan_running)
    entry = wide_profile().entries[0]
    assert day.board.power_w(entry) == entry.power_w


def test_telemetry_has_two_gaps_of_3_to_10_s():
    for seed in SOME:
        gaps = make_day("both", seed).gaps
        assert len(gaps) == 2
        assert gaps[0][1] < gaps[1][0]
        assert all(3 <= end_s - start_s <= 10 for start_s, end_s in gaps)


def test_over_current_events_come_on_some_days_with_a_budget():
    counts = [len(make_day("both", seed, duration_s=60).over_current) for seed in range(40)]
    assert 0 < sum(count > 0 for count in counts) < 25
    assert not make_day("thermal", counts.index(max(counts)), duration_s=60).over_current


def test_bad_requests_are_refused():
    with pytest.raises(SettingsError, match="expected one of deadline, power, thermal"):
        make_day("sunny", 1)
    with pytest.raises(ValueError, match="at least a second"):
        make_day("power", 1, duration_s=0)


# ---------------------------------------------------------------- what scenarios promise


def check_promises(seed, profile):
    day = make_day("deadline", seed)
    assert static(day, profile, 0).miss_ratio > 0.05
    assert static(day, profile, -1).miss_ratio < 0.0004  # lone spikes

    day = make_day("power", seed)
    assert static(day, profile, -1).broken_window_ratio == 0
    assert static(day, profile, 0).broken_window_ratio > 0.5

    day = make_day("thermal", seed)
    least, most = static(day, profile, -1), static(day, profile, 0)
    assert (least.hot_s, least.skipped_ratio) == (0, 0)
    assert most.hot_s > 100
    assert overshoot_k(day, profile.entries[0]) > 10

    day = make_day("energy", seed)
    assert static(day, profile, -1).overdrawn_j == 0
    assert static(day, profile, 0).overdrawn_j > 1000


def overshoot_k(day, entry):
    """Above the limit for ever in the hottest air, paced, without leakage or throttle."""
    idle_w, busy = day.board.idle_w, min(entry.latency_s / day.period_s, 1.0)
    power_w = idle_w + (day.board.power_w(entry) - idle_w) * busy
    return day.board.physics(HOTTEST_C).steady_state(power_w)[0] - day.temp_limit_c


@pytest.mark.parametrize("profile", [wide_profile(), bundled_profile()], ids=["wide", "bundled"])
def test_smallest_keeps_every_limit_and_dearest_breaks_them(profile):
    check_promises(SOME[2], profile)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*TUNING_SEEDS, *REPORTED_SEEDS])
def test_promises_hold_on_every_seed(seed):
    check_promises(seed, wide_profile())
    check_promises(seed, bundled_profile())
