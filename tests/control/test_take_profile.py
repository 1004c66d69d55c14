"""Other figures of the same engines while a controller runs: what stays, what is put on them."""

import copy
import math

import msgspec
import pytest

from edgert.control import CONTROLLERS, open_controller
from edgert.control.base import LearningPolicy
from edgert.control.controller import Controller
from edgert.control.options import fingerprint
from edgert.control.power_model import PowerModel
from edgert.control.tuning import DEFAULT_TUNING
from edgert.errors import NoFeasibleConfigurationError
from edgert.records import Limits, Profile
from tests.control.toy_board import (
    EIGHT,
    FAST,
    IDLE_W,
    PERIOD_S,
    TRUE,
    driven,
    entry,
    names,
    profile_of,
)

WATCHED = Limits(deadline_s=0.03, period_s=PERIOD_S, power_w=8.0, temp_c=60.0)


def measured_again(latency: float = 1.0, power: float = 1.0, **accuracies: float) -> Profile:
    """The same eight, so many times as slow and as dear above idle."""
    return profile_of(
        *(
            entry(
                each.name,
                each.latency_s * latency,
                IDLE_W + ((each.power_w or 0.0) - IDLE_W) * power,
                accuracies.get(each.name, each.accuracy),
            )
            for each in EIGHT.entries
        )
    )


def expected(controller: Controller) -> dict[str, tuple[float, float]]:
    """Seconds and watts that each configuration is expected to take and draw."""
    rows = controller._expected(controller._options.all_rows.values())
    return {row.option.name: (row.latency_s, row.power_w) for row in rows}


def test_figures_that_were_wrong_alike_for_all_change_no_expectation():
    # The board is 1.25 times as slow and 1.2 times as dear as measured; then somebody measures it.
    controller, _, _ = driven(WATCHED, 30.0, slowdown=1.25, power_ratio=1.2)
    before = expected(controller)
    assert controller.state().slowdown == pytest.approx(1.25, rel=0.03)
    controller.take_profile(measured_again(1.25, 1.2))
    assert controller.state().slowdown == pytest.approx(1.0, rel=0.03)
    assert expected(controller) == {
        name: pytest.approx(figures, rel=1e-6) for name, figures in before.items()
    }


def test_what_was_learned_is_not_kept_as_it_is():
    """The control: with the old estimates on new figures the slow board is booked twice."""
    controller, _, _ = driven(WATCHED, 30.0, slowdown=1.25)
    state = controller.state()
    profile = measured_again(1.25)
    kept = Controller(profile, WATCHED, TRUE)
    kept.restore(msgspec.structs.replace(state, profile=fingerprint(profile)))
    controller.take_profile(profile)
    assert expected(kept)["c4"][0] > 1.2 * expected(controller)["c4"][0]


def test_what_ran_is_expected_as_it_was_seen_and_the_others_by_the_new_figures_beside_it():
    controller, _, frames = driven(FAST, 10.0)
    ran = frames[-1].name
    before = expected(controller)
    slower = {"c1": 2.0}  # one engine was measured wrongly
    entries = [
        msgspec.structs.replace(each, latency_s=each.latency_s * slower.get(each.name, 1.0))
        for each in EIGHT.entries
    ]
    controller.take_profile(profile_of(*entries))
    after = expected(controller)
    assert ran != "c1"
    assert after[ran] == pytest.approx(before[ran])
    assert after["c1"][0] == pytest.approx(2 * before["c1"][0])


def test_a_board_goes_on_without_a_late_frame_or_a_switch_too_many():
    controller, toy, frames = driven(WATCHED, 60.0, slowdown=1.3, power_ratio=1.2)
    before, profile = names(frames)[-30:], measured_again(1.3, 1.2)
    twin, kept = copy.deepcopy(toy), Controller(profile, WATCHED, TRUE)
    kept.restore(msgspec.structs.replace(controller.state(), profile=fingerprint(profile)))
    controller.take_profile(profile)
    after = toy.run(controller, 60.0)
    assert not any(frame.late for frame in after[:30])
    assert names(after[:30]) == before
    # The control: one that keeps its estimates as they are gives accuracy away.
    assert names(twin.run(kept, 60.0)[:30]) != before


def test_new_accuracies_are_chosen_by_from_the_next_decision_on():
    controller, toy, frames = driven(FAST, 20.0)
    assert frames[-1].name != "c3"
    controller.take_profile(measured_again(c3=0.99))
    assert toy.run(controller, 20.0)[-1].name == "c3"


def test_heat_and_energy_and_events_are_the_board_s_and_stay():
    limits = Limits(period_s=PERIOD_S, temp_c=60.0, energy_j=4000.0, mission_s=600.0)
    controller, toy, _ = driven(limits, 60.0)
    before = controller.state()
    forecast_c = controller.forecast_c(5.0)
    controller.take_profile(measured_again(1.1, 1.3))
    after = controller.state()
    for name in ("spent_j", "elapsed_s", "thermal_corrections", "margin_ratio"):
        assert getattr(after, name) == getattr(before, name), name
    assert before.spent_j > 100
    assert after.profile != before.profile
    assert controller.forecast_c(5.0) == pytest.approx(forecast_c, abs=0.5)
    assert all(frame.die_c <= 60.0 for frame in toy.run(controller, 60.0))


def test_a_state_that_is_kept_afterwards_is_the_new_profile_s():
    controller, _, _ = driven(WATCHED, 20.0, slowdown=1.2)
    profile = measured_again(1.2)
    controller.take_profile(profile)
    again = Controller(profile, WATCHED, TRUE)
    again.restore(controller.state())
    assert again.state().slowdown == pytest.approx(1.0, rel=0.03)


def test_before_the_first_frame_the_new_figures_are_taken_as_they_are():
    controller = Controller(EIGHT, WATCHED, TRUE)
    controller.take_profile(measured_again(1.5, 2.0))
    fresh = Controller(measured_again(1.5, 2.0), WATCHED, TRUE)
    assert expected(controller) == expected(fresh)


def test_what_the_profile_has_no_figures_of_is_left_and_not_pinned():
    controller, toy, frames = driven(FAST, 20.0)
    ran = frames[-1].name
    controller.pin(ran)
    controller.take_profile(profile_of(*(e for e in EIGHT.entries if e.name != ran)))
    after = toy.run(controller, 5.0)
    assert ran not in names(after)
    assert after[0].decision.reason.startswith("start with")
    assert controller.state().pinned is None
    controller.pin("c1")
    controller.take_profile(EIGHT)
    assert controller.state().pinned == "c1"


def test_beliefs_are_forgotten_with_the_profile_that_they_were_told_beside():
    controller, toy, _ = driven(FAST, 10.0)
    controller.believe({name: 0.9 if name == "c2" else 0.1 for name in names_of(EIGHT)})
    controller.take_profile(EIGHT)
    assert controller._options.all_rows["c2"].accuracy == EIGHT.entry("c2").accuracy
    controller.believe({})  # nothing to bring back
    assert toy.run(controller, 5.0)


def test_a_profile_that_can_not_be_chosen_from_changes_nothing():
    controller, _, _ = driven(WATCHED, 10.0, slowdown=1.2)
    before, state = expected(controller), controller.state()
    twice = profile_of(*EIGHT.entries, EIGHT.entries[0])
    for bad in (profile_of(), twice, measured_again(math.inf)):
        with pytest.raises(NoFeasibleConfigurationError):
            controller.take_profile(bad)
    assert (expected(controller), controller.state()) == (before, state)


def test_power_that_was_learned_without_a_profile_s_figures_goes_on_with_them():
    bare = profile_of(*(entry(e.name, e.latency_s, None, e.accuracy) for e in EIGHT.entries))
    controller, toy, _ = driven(WATCHED, 30.0, controller=Controller(bare, WATCHED, TRUE))
    seen_w = toy.seen_w
    controller.take_profile(EIGHT)
    ran = controller._current.name
    assert expected(controller)[ran][1] == pytest.approx(seen_w, abs=0.5)
    # And the other way round.
    controller.take_profile(bare)
    assert expected(controller)[controller._current.name][1] == pytest.approx(seen_w, abs=0.5)


def test_readings_that_are_on_their_way_find_the_past_on_the_new_figures():
    model = PowerModel(idle_w=3.0, power_known=True, tuning=DEFAULT_TUNING)
    for step in range(200):
        model.advance(step * 0.03, "a", 0.1)
    model.rescale({"a": 0.5}, "a", 1.0)  # an inference has twice the energy by the new figures
    assert model.bias == pytest.approx(0.5)
    model.advance(200 * 0.03, "a", 0.2)
    drawn_w = 3.0 + 0.1 / 0.03
    for step in range(150, 201):
        model.observe(step * 0.03, drawn_w)
    assert model.bias * model.own["a"] == pytest.approx(0.5, rel=0.02)


def test_own_corrections_stay_in_watts_and_within_bounds():
    model = PowerModel(idle_w=3.0, power_known=True, tuning=DEFAULT_TUNING)
    model.restore(1.0, 1.0, {"a": 1.2, "b": 1.5, "gone": 1.1})
    model.rescale({"a": 2.0, "b": 3.0}, "a", 1.0)
    assert model.bias == pytest.approx(2.0)
    assert model.own == pytest.approx({"a": 1.2, "b": 2.0})  # 2.25, were there no bounds


@pytest.mark.parametrize("name", CONTROLLERS)
def test_who_learns_takes_a_profile(name):
    controller = open_controller(name, EIGHT, WATCHED)
    assert isinstance(controller, LearningPolicy) == (name == "predictive")


def names_of(profile: Profile) -> list[str]:
    return [each.name for each in profile.entries]
