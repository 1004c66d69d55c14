"""How much power may be drawn, by each limit apart and by all together."""

import math

import pytest

from edgert.control.caps import (
    NO_CAP,
    Cap,
    budget_cap,
    energy_cap,
    heat_cap,
    over_current_cap,
    tightest,
)
from edgert.control.energy_plan import EnergyPlan
from edgert.control.over_current import OverCurrent
from edgert.control.thermal_model import ThermalModel
from edgert.control.tuning import Tuning
from edgert.records import Limits
from tests.control.toy_board import TRUE

TUNING = Tuning()


def events(ratio: float) -> OverCurrent:
    over_current = OverCurrent(Tuning(over_current_ratio=1 - ratio))
    over_current.observe(0.0, {"oc3": 0})
    over_current.observe(1.0, {"oc3": 1})
    return over_current


def test_without_limits_there_is_no_cap():
    quiet, plan = OverCurrent(TUNING), EnergyPlan(TUNING)
    assert budget_cap(Limits(), quiet, TUNING) is None
    assert energy_cap(Limits(), plan, TUNING) is None
    assert over_current_cap(8.0, quiet) is None
    assert heat(Limits()) is None
    assert tightest([]) == NO_CAP
    assert math.isinf(NO_CAP.hold_w)


def test_the_tightest_is_named_after_what_binds_an_entry():
    caps = [Cap(9.0, 8.0, "budget"), Cap(7.0, 7.0, "heat"), Cap(6.5, 12.0, "energy")]
    assert tightest(caps) == Cap(6.5, 7.0, "heat")


def test_a_budget_keeps_room_and_more_of_it_to_enter():
    cap = budget_cap(Limits(power_w=10.0), OverCurrent(TUNING), TUNING)
    assert 9.0 < cap.enter_w < cap.hold_w < 10.0
    assert cap.words == "the budget of 10.00 W"


def test_events_take_their_share_off_the_budget_or_off_what_was_drawn():
    with_budget = budget_cap(Limits(power_w=10.0), events(0.9), TUNING)
    quiet = budget_cap(Limits(power_w=10.0), OverCurrent(TUNING), TUNING)
    assert with_budget.hold_w == pytest.approx(0.9 * quiet.hold_w)
    assert "over-current" in with_budget.words
    without = over_current_cap(8.0, events(0.9))
    assert (without.hold_w, without.enter_w) == pytest.approx((7.2, 7.2))


def heat(limits=None, *, thermal=TRUE, die_c=55.0, now_s=0.0, read_s=0.0, drawn_w=8.0):
    limits = limits or Limits(temp_c=60.0)
    model = ThermalModel(thermal, horizons_s=(TUNING.hold_s, TUNING.enter_s))
    model.observe(0.0, die_c, 8.0)
    return heat_cap(limits, model, TUNING, now_s=now_s, drawn_w=drawn_w, read_s=read_s)


def test_heat_caps_less_the_nearer_the_limit_is():
    near, far = heat(die_c=58.0), heat(die_c=45.0)
    assert near.hold_w < far.hold_w
    assert near.enter_w < far.enter_w
    assert near.enter_w <= near.hold_w
    assert near.words == "the limit of 60.0 °C"


def test_over_the_limit_no_power_is_left_and_never_less_than_none():
    assert heat(die_c=100.0) == Cap(0.0, 0.0, "the limit of 60.0 °C")


def test_a_guess_of_a_board_is_given_more_room_than_a_step_test():
    careful = heat(thermal=None, die_c=55.0)
    known = heat(thermal=TRUE.__class__(
        die_j_per_k=4.0, sink_j_per_k=40.0, die_to_sink_k_per_w=1.0, sink_to_ambient_k_per_w=2.0
    ), die_c=55.0)  # fmt: skip
    assert careful.hold_w < known.hold_w


def test_the_cap_sinks_while_no_temperature_comes_and_ends_at_what_is_safe_for_ever():
    caps = [heat(now_s=now_s, die_c=45.0) for now_s in (0.0, 5.0, 10.0)]
    assert [cap.hold_w for cap in caps] == sorted((cap.hold_w for cap in caps), reverse=True)
    blind = heat(now_s=40.0, die_c=45.0)
    assert "no temperature for 40 s" in blind.words
    assert blind.hold_w == blind.enter_w
    nodes_c = 45.0 - 8.0 * 2.5  # the air, as the first reading has it
    safe_c = nodes_c + 5.0 + blind.hold_w * 2.5
    assert safe_c < 60.0 - TUNING.guard_c


def test_surprise_above_the_forecast_is_taken_off():
    model = ThermalModel(TRUE, horizons_s=(TUNING.hold_s, TUNING.enter_s))
    model.observe(0.0, 50.0, 8.0)
    given = {"now_s": 0.0, "drawn_w": 8.0, "read_s": 0.0}
    before = heat_cap(Limits(temp_c=60.0), model, TUNING, **given)
    model.surprise_c = 2.0
    assert heat_cap(Limits(temp_c=60.0), model, TUNING, **given).hold_w < before.hold_w
    model.surprise_c = -2.0
    assert heat_cap(Limits(temp_c=60.0), model, TUNING, **given) == before


# ------------------------------------------------------------ energy


MISSION = Limits(energy_j=6000.0, mission_s=900.0)


def test_energy_lets_savings_be_used_sooner_by_what_runs():
    plan = EnergyPlan(TUNING)
    plan.advance(30.0, 90.0, 6000.0, 900.0)
    cap = energy_cap(MISSION, plan, TUNING)
    assert cap.hold_w > cap.enter_w > 6000 / 900
    assert cap.words == "the energy of 6000 J for 900 s"


def test_energy_in_debt_is_strict_to_what_enters():
    plan = EnergyPlan(TUNING)
    plan.advance(30.0, 400.0, 6000.0, 900.0)
    cap = energy_cap(MISSION, plan, TUNING)
    assert cap.enter_w < cap.hold_w < 6000 / 900


def test_energy_after_the_mission_and_without_its_length():
    plan = EnergyPlan(TUNING)
    plan.advance(901.0, 100.0, 6000.0, 900.0)
    assert energy_cap(MISSION, plan, TUNING) is None
    counted = Limits(energy_j=6000.0)
    assert energy_cap(counted, plan, TUNING) is None
    plan.advance(1.0, 5900.0, 6000.0, None)
    spent = energy_cap(counted, plan, TUNING)
    assert (spent.hold_w, spent.enter_w) == (0.0, 0.0)
    assert "which is spent" in spent.words
