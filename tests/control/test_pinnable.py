"""Every controller runs what it is told to, and chooses again when it is let go."""

import pytest

from edgert.control import CONTROLLERS, Controller, open_controller
from edgert.control.baselines.ladder import HysteresisLadder
from edgert.control.pinnable import Pinnable
from edgert.records import Decision, Limits
from tests.control.toy_board import EIGHT, FAST, NAMES, PERIOD_S, TRUE, ToyBoard, names

HOT = Limits(deadline_s=0.03, period_s=PERIOD_S, power_w=2.0, temp_c=40.0)  # nothing keeps these


@pytest.mark.parametrize("name", CONTROLLERS)
def test_a_pin_holds_from_the_next_frame_on_whatever_the_limits_say(name):
    controller, toy = open_controller(name, EIGHT, HOT, TRUE), ToyBoard()
    before = names(toy.run(controller, 2.0))
    pin = next(one for one in NAMES if one not in before)
    controller.pin(pin)
    frames = toy.run(controller, 2.0)
    assert set(names(frames)) == {pin}
    assert not any(frame.decision.skip for frame in frames)
    assert all(f.decision.reason.startswith(f"{pin} is pinned by the op") for f in frames)
    controller.pin(None)
    after = toy.run(controller, 5.0)
    assert after[-1].name != pin
    assert not any("pinned" in frame.decision.reason for frame in after)


@pytest.mark.parametrize("name", CONTROLLERS)
def test_a_pin_on_nothing_is_refused_and_changes_nothing(name):
    controller = open_controller(name, EIGHT, FAST, TRUE)
    controller.pin("c2")
    with pytest.raises(KeyError, match="'c9' is not among"):
        controller.pin("c9")
    assert controller.decide(0.0, None).configuration == "c2"


@pytest.mark.parametrize("name", [name for name in CONTROLLERS if name != "predictive"])
def test_without_a_pin_nothing_is_different(name):
    """The control: wrapped or not, the same decisions to the last digit."""
    wrapped = open_controller(name, EIGHT, FAST, TRUE)
    assert isinstance(wrapped, Pinnable)
    bare = wrapped._policy
    twin = open_controller(name, EIGHT, FAST, TRUE)
    decisions = [f.decision for f in ToyBoard(slowdown=1.2).run(twin, 10.0)]
    assert [f.decision for f in ToyBoard(slowdown=1.2).run(bare, 10.0)] == decisions


def test_limits_are_the_controller_s_own():
    ladder = HysteresisLadder(EIGHT, FAST)
    wrapped = Pinnable(ladder, EIGHT)
    assert wrapped.limits is FAST
    wrapped.limits = HOT
    assert ladder.limits is HOT


def test_the_predictive_controller_has_a_pin_of_its_own():
    assert isinstance(open_controller("predictive", EIGHT, FAST), Controller)


def test_what_the_controller_expects_of_its_own_choice_is_not_told_of_the_pinned_one():
    class Telling:
        limits = FAST

        def decide(self, now_s, telemetry):
            numbers = {"cap_w": 7.0, "expected_power_w": 5.0, "expected_latency_s": 0.01}
            return Decision(configuration="c8", reason="told", skip=True, numbers=numbers)

        def observe(self, outcome):
            raise AssertionError

    wrapped = Pinnable(Telling(), EIGHT)
    assert wrapped.decide(0.0, None).skip
    wrapped.pin("c1")
    decision = wrapped.decide(0.0, None)
    assert (decision.configuration, decision.skip) == ("c1", False)
    assert decision.numbers == {"cap_w": 7.0}
