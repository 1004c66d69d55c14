"""A mission's energy on a load that follows the plan's cap."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.control.energy_plan import EnergyPlan
from edgert.control.tuning import Tuning

TUNING = Tuning()
STEP_S = 0.1
MISSION = {"energy_j": 6000.0, "mission_s": 900.0}


def spend(plan: EnergyPlan, duration_s: float, *, choices=(4.0, 6.0, 8.0), horizon_s=40.0):
    """A plant that always takes the largest of a few powers within the cap; joules it drew."""
    drawn_j = 0.0
    for _ in range(round(duration_s / STEP_S)):
        cap_w = plan.cap_w(horizon_s, **MISSION)
        power_w = max([each for each in choices if each <= cap_w], default=min(choices))
        plan.advance(STEP_S, power_w * STEP_S, *MISSION.values())
        drawn_j += power_w * STEP_S
    return drawn_j


def test_a_mission_is_spent_within_its_energy_and_nearly_all_of_it():
    drawn_j = spend(EnergyPlan(TUNING), 900.0)
    assert drawn_j <= 6000.0
    assert drawn_j > 0.97 * 6000.0


def test_the_reserve_is_what_is_kept_back():
    plain = spend(EnergyPlan(Tuning(energy_reserve_ratio=0.0)), 900.0)
    careful = spend(EnergyPlan(Tuning(energy_reserve_ratio=0.1)), 900.0)
    assert careful <= 0.905 * 6000.0
    assert plain > careful + 400.0


def test_the_even_rate_is_what_is_left_over_the_time_left():
    plan = EnergyPlan(Tuning(energy_reserve_ratio=0.0))
    assert plan.rate_w(**MISSION) == pytest.approx(6000 / 900)
    plan.advance(300.0, 600.0, *MISSION.values())
    saved_j = plan.cap_w(1.0, **MISSION) - plan.rate_w(**MISSION)
    assert saved_j > 0
    assert plan.rate_w(**MISSION) * 600 + saved_j == pytest.approx(6000 - 600)


def test_savings_may_be_spent_and_debt_is_paid_back():
    thrifty, lavish = EnergyPlan(TUNING), EnergyPlan(TUNING)
    thrifty.advance(20.0, 20.0 * 4.0, *MISSION.values())
    lavish.advance(20.0, 20.0 * 9.0, *MISSION.values())
    for plan, sign in ((thrifty, 1), (lavish, -1)):
        rate_w = plan.rate_w(**MISSION)
        assert sign * (plan.cap_w(40.0, **MISSION) - rate_w) > 0
        near, far = plan.cap_w(5.0, **MISSION), plan.cap_w(40.0, **MISSION)
        assert sign * (near - far) > 0  # the sooner, the more of it


def test_a_debt_is_paid_back_by_a_plant_that_follows_the_cap():
    plan = EnergyPlan(TUNING)
    plan.advance(30.0, 30.0 * 12.0, *MISSION.values())
    drawn_j = 360.0 + spend(plan, 870.0)
    assert drawn_j <= 6000.0


def test_what_readings_say_more_is_booked():
    plan, told = EnergyPlan(TUNING), EnergyPlan(TUNING)
    for each in (plan, told):
        each.advance(100.0, 600.0, *MISSION.values())
    told.correct(50.0)
    assert told.spent_j == plan.spent_j + 50.0
    assert told.cap_w(5.0, **MISSION) < plan.cap_w(5.0, **MISSION)
    told.correct(-1e9)
    assert told.spent_j == 0.0


def test_a_restart_goes_on_with_what_is_left():
    before = EnergyPlan(TUNING)
    drawn_j = spend(before, 450.0)
    after = EnergyPlan(TUNING)
    after.spent_j, after.elapsed_s = before.spent_j, before.elapsed_s
    drawn_j += spend(after, 450.0)
    assert 0.95 * 6000.0 < drawn_j <= 6000.0
    # The control: one that forgot starts the mission anew and overdraws it.
    assert spend(EnergyPlan(TUNING), 450.0, choices=(13.0,)) > 5800.0


def test_after_the_mission_nothing_is_rationed():
    plan = EnergyPlan(TUNING)
    plan.advance(901.0, 100.0, *MISSION.values())
    assert math.isinf(plan.rate_w(**MISSION))


def test_without_a_mission_s_length_energy_is_only_counted():
    plan = EnergyPlan(TUNING)
    plan.advance(10.0, 123.0, 6000.0, None)
    assert (plan.spent_j, plan.elapsed_s) == (123.0, 10.0)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1e4)), max_size=60))
def test_the_cap_is_never_negative_nor_more_than_what_is_left(frames):
    plan = EnergyPlan(TUNING)
    for past_s, used_j in frames:
        plan.advance(past_s, used_j, *MISSION.values())
        cap_w = plan.cap_w(40.0, **MISSION)
        assert cap_w >= 0
        left_s = 900.0 - plan.elapsed_s
        if left_s > 40.0:
            assert cap_w * 40.0 <= max(6000.0 - plan.spent_j, 0.0) + 1e-6
