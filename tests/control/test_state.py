"""What a controller learned survives a restart, and is refused anywhere else."""

import msgspec
import pytest

from edgert.control.controller import Controller
from edgert.control.state import thermal_fingerprint
from edgert.errors import ArtifactError
from edgert.records import ControllerState, Limits
from tests.control.heated import wrong
from tests.control.toy_board import EIGHT, TRUE, ToyBoard, names, profile_of

LIMITS = Limits(deadline_s=0.03, period_s=1 / 30, power_w=8.0, temp_c=60.0)


def learned(duration_s: float = 120.0, *, profile=EIGHT, thermal=TRUE, limits=LIMITS):
    board = ToyBoard(slowdown=1.2, power_ratio=1.15, own_ratios={"c5": 1.1})
    controller = Controller(profile, limits, thermal)
    board.run(controller, duration_s)
    return controller, board


def test_the_state_goes_through_json_and_back():
    controller, _ = learned()
    state = controller.state()
    assert msgspec.json.decode(msgspec.json.encode(state), type=ControllerState) == state


def test_the_state_holds_what_was_learned():
    state = learned()[0].state()
    assert state.slowdown == pytest.approx(1.2, abs=0.03)
    assert state.power_bias * max(state.own_power_biases.values()) > 1.08
    assert (state.family, state.device) == ("toy", "modelled")
    fresh = Controller(EIGHT, LIMITS, TRUE).state()
    assert (fresh.slowdown, fresh.power_bias) == (1.0, 1.0)  # the control


def test_a_restored_controller_has_the_state_it_was_given():
    state = learned()[0].state()
    again = Controller(EIGHT, LIMITS, TRUE)
    again.restore(state)
    kept = again.state()
    for field in state.__struct_fields__:
        if field != "thermal_corrections":
            assert getattr(kept, field) == getattr(state, field), field
    assert kept.thermal_corrections == pytest.approx(state.thermal_corrections)


def test_a_restored_controller_decides_as_the_old_one_goes_on():
    controller, board = learned()
    state = controller.state()
    twin = ToyBoard(slowdown=1.2, power_ratio=1.15, own_ratios={"c5": 1.1}, seed=board.seed)
    twin.run(Controller(EIGHT, LIMITS, TRUE), 120.0)  # to the same place
    assert twin.die_c == board.die_c
    again = Controller(EIGHT, LIMITS, TRUE)
    again.restore(state)
    went_on = board.run(controller, 30.0)
    restarted = twin.run(again, 30.0)
    assert all(not frame.late for frame in restarted[:3])
    same = sum(a == b for a, b in zip(names(went_on), names(restarted), strict=True))
    assert same > 0.75 * len(went_on)
    # One that starts with nothing learned is late, or over the budget, at first.
    fresh = ToyBoard(slowdown=1.2, power_ratio=1.15, own_ratios={"c5": 1.1}, now_s=0.0)
    frames = fresh.run(Controller(EIGHT, Limits(deadline_s=0.03, period_s=1 / 30)), 1.0)
    assert any(frame.late for frame in frames[:3])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"family": "other"}, "expected one of family 'other', got one of 'toy'"),
        ({"device": "orin"}, "expected one of device 'orin', got one of 'modelled'"),
        ({"board": "nano"}, "expected one of board 'nano', got one of ''"),
    ],
)
def test_a_state_from_elsewhere_is_refused_and_nothing_taken_over(changes, words):
    state = learned(20.0)[0].state()
    other = Controller(msgspec.structs.replace(EIGHT, **changes), LIMITS, TRUE)
    before = other.state()
    with pytest.raises(ArtifactError) as error:
        other.restore(state)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert other.state() == before


def test_a_state_of_another_profile_is_refused():
    state = learned(20.0)[0].state()
    entries = list(EIGHT.entries)
    entries[3] = msgspec.structs.replace(entries[3], latency_s=0.0161)
    with pytest.raises(ArtifactError, match="expected one of profile"):
        Controller(profile_of(*entries), LIMITS, TRUE).restore(state)


def test_corrections_of_other_thermal_constants_are_left_behind():
    controller, _ = learned(120.0, thermal=wrong(1.0, 1.25, 1.25, 1.0))
    state = controller.state()
    assert state.thermal_corrections != pytest.approx((1, 1, 1), abs=0.02)
    again = Controller(EIGHT, LIMITS, TRUE)
    again.restore(state)
    assert again.state().thermal_corrections == (1.0, 1.0, 1.0)
    assert again.state().slowdown == state.slowdown


def test_a_pin_and_the_mission_survive():
    limits = Limits(period_s=1 / 30, energy_j=6000.0, mission_s=900.0)
    controller, _ = learned(30.0, limits=limits)
    controller.pin("c3")
    state = controller.state()
    assert state.elapsed_s == pytest.approx(30.0, abs=0.1)
    assert state.spent_j > 100.0
    again = Controller(EIGHT, limits, TRUE)
    again.restore(state)
    decision = again.decide(0.0, None)
    assert decision.configuration == "c3"
    assert again.state().spent_j == state.spent_j
    assert again.state().elapsed_s == state.elapsed_s


def test_a_pin_to_what_is_gone_is_let_go():
    controller = Controller(EIGHT, LIMITS, TRUE)
    again = Controller(EIGHT, LIMITS, TRUE)
    again.restore(msgspec.structs.replace(controller.state(), pinned="gone"))
    assert again.state().pinned is None


def test_a_state_comes_before_the_first_decision():
    controller, _ = learned(5.0)
    with pytest.raises(ValueError, match="before the first decision"):
        controller.restore(controller.state())


def test_figures_out_of_bounds_are_brought_within():
    wild = msgspec.structs.replace(
        Controller(EIGHT, LIMITS, TRUE).state(),
        slowdown=1e-9,
        margin_ratio=50.0,
        power_bias=1e9,
        own_power_biases={"c1": 1e9, "gone": 1.1},
        thermal_corrections=(1e9, 1e-9, 1.0),
    )
    controller = Controller(EIGHT, LIMITS, TRUE)
    controller.restore(wild)
    frames = ToyBoard().run(controller, 30.0)
    assert all(frame.decision.reason for frame in frames)
    assert frames[-1].power_w < 8.0


def test_thermal_fingerprints():
    assert thermal_fingerprint(None) == ""
    assert thermal_fingerprint(TRUE) == thermal_fingerprint(
        msgspec.structs.replace(TRUE, zone="x")
    )
    assert thermal_fingerprint(TRUE) != thermal_fingerprint(wrong(1, 1, 1, 1.01))
