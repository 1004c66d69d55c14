"""What every controller in the table keeps to, whoever wrote it."""

import inspect
import math

import pytest

from edgert.control import CONTROLLERS, open_controller
from edgert.control.base import Policy
from edgert.records import Decision, Limits
from tests.control.toy_board import (
    EIGHT,
    NAMES,
    PERIOD_S,
    TRUE,
    ToyBoard,
    entry,
    outcome,
    profile_of,
    sample,
)

ALL = Limits(
    deadline_s=0.03,
    period_s=PERIOD_S,
    power_w=7.0,
    temp_c=45.0,
    energy_j=4000.0,
    mission_s=600.0,
)
BARE = profile_of(*(entry(each.name, each.latency_s, None, None) for each in EIGHT.entries))
HALF = profile_of(entry("a", 0.01, 6.0, None), entry("b", 0.02, None, 0.7))
PROFILES = {"full": EIGHT, "bare": BARE, "half": HALF}

every_controller = pytest.mark.parametrize("name", CONTROLLERS)


def frames_of(name, limits, count, *, profile=EIGHT, thermal=TRUE, **board) -> list[Decision]:
    """The decisions of a run on the toy board."""
    toy, decisions = ToyBoard(profile=profile, **board), []
    controller = open_controller(name, profile, limits, thermal)
    for _ in range(count):
        frame = toy.run(controller, PERIOD_S)[0]
        decisions.append(frame.decision)
    return decisions


@every_controller
def test_it_is_constructed_and_spoken_to_as_the_protocol_says(name):
    controller: Policy = open_controller(name, EIGHT, ALL)
    assert controller.limits is ALL
    assert list(inspect.signature(controller.decide).parameters) == ["now_s", "telemetry"]
    assert list(inspect.signature(controller.observe).parameters) == ["outcome"]
    assert isinstance(open_controller(name, EIGHT, ALL, TRUE), type(controller))


@every_controller
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("limits", [Limits(), ALL], ids=["free", "limited"])
def test_every_decision_names_a_configuration_and_a_reason(name, profile, limits):
    known = {each.name for each in PROFILES[profile].entries}
    for decision in frames_of(name, limits, 200, profile=PROFILES[profile]):
        assert decision.configuration in known
        assert decision.reason.strip()
        assert "\n" not in decision.reason
        assert isinstance(decision.skip, bool)
        assert all(math.isfinite(value) for value in decision.numbers.values())


@every_controller
def test_it_does_without_telemetry_and_without_outcomes(name):
    controller = open_controller(name, EIGHT, ALL)
    for frame in range(100):
        assert controller.decide(frame * PERIOD_S, None).configuration in NAMES


@every_controller
def test_it_does_with_telemetry_that_has_nothing_in_it(name):
    controller = open_controller(name, EIGHT, ALL)
    for frame in range(100):
        now_s = frame * PERIOD_S
        decision = controller.decide(now_s, sample(now_s))
        assert decision.reason
        controller.observe(outcome(decision.configuration, 0.02))


@every_controller
def test_one_configuration_is_run_whatever_the_limits(name):
    only = profile_of(entry("only", 0.02, 9.0, 0.7))
    for limits in (Limits(), ALL, Limits(deadline_s=1e-3), Limits(power_w=0.1, temp_c=0.0)):
        decisions = frames_of(name, limits, 60, profile=only)
        assert {decision.configuration for decision in decisions} == {"only"}


@every_controller
@pytest.mark.parametrize("now_s", [0.0, 12.5])
def test_time_may_stand_still(name, now_s):
    controller = open_controller(name, EIGHT, ALL, TRUE)
    seen = sample(now_s, power_w=6.0, temp_c=40.0)
    for _ in range(100):
        decision = controller.decide(now_s, seen)
        assert decision.configuration in NAMES
        latency_s = EIGHT.entry(decision.configuration).latency_s
        controller.observe(outcome(decision.configuration, latency_s))


@every_controller
def test_limits_may_be_replaced_between_two_frames(name):
    board, controller = ToyBoard(), open_controller(name, EIGHT, ALL, TRUE)
    for limits in (ALL, Limits(), Limits(deadline_s=0.02), Limits(temp_c=30.0), ALL):
        controller.limits = limits
        assert controller.limits is limits
        frames = board.run(controller, 3.0)
        assert all(frame.name in NAMES and frame.decision.reason for frame in frames)


@every_controller
def test_two_thousand_frames_go_twice_the_same_way(name):
    board = {"slowdown": 1.2, "power_ratio": 1.1, "quiet": ((20.0, 30.0),)}
    decisions = frames_of(name, ALL, 2000, **board)
    assert frames_of(name, ALL, 2000, **board) == decisions


@pytest.mark.parametrize("name", [name for name in CONTROLLERS if not name.startswith("fixed-")])
def test_those_that_switch_give_way_to_a_deadline_and_come_back(name):
    board, controller = ToyBoard(), open_controller(name, EIGHT, Limits(deadline_s=0.03), TRUE)
    controller.limits = Limits(deadline_s=0.03, period_s=PERIOD_S)
    before = board.run(controller, 20.0)[-1].name
    board.slowdown = 2.0
    during = board.run(controller, 20.0)[-1].name
    board.slowdown = 1.0
    after = board.run(controller, 40.0)[-1].name
    if name == "lookup":  # it has only the profile to go by
        assert before == during == after
        return
    assert NAMES.index(during) < NAMES.index(before)
    assert NAMES.index(after) > NAMES.index(during)
