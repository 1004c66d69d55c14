"""The predictive controller as others drive it: interface, branches and their words, bad input."""

import inspect

import msgspec
import pytest

import edgert.control
from edgert.control.controller import Controller
from edgert.control.tuning import Tuning
from edgert.records import Decision, FrameOutcome, Limits, TelemetrySample
from tests.control.toy_board import (
    ALL,
    BUDGET,
    COOL,
    EIGHT,
    FAST,
    IDLE_W,
    NAMES,
    PERIOD_S,
    TRUE,
    ToyBoard,
    driven,
    entry,
    mean_w,
    names,
    power_at,
    profile_of,
    reasons,
    sample,
    switches,
)

# ------------------------------------------------------------ the interface


def test_it_is_spoken_to_as_the_project_promised():
    assert inspect.signature(edgert.control.open_controller).parameters["thermal"].default is None
    parameters = inspect.signature(Controller).parameters
    assert list(parameters)[:3] == ["profile", "limits", "thermal"]
    assert parameters["thermal"].default is None
    controller = Controller(EIGHT, ALL)
    telemetry = sample(0.0, power_w=6.0, temp_c=30.0)
    assert isinstance(telemetry, TelemetrySample)
    decision = controller.decide(0.0, telemetry)
    assert isinstance(decision, Decision)
    assert decision.configuration in NAMES
    assert isinstance(decision.reason, str)
    assert decision.skip is False
    done = FrameOutcome(
        configuration=decision.configuration, latency_s=0.02, met_deadline=True, power_w=None
    )
    assert controller.observe(done) is None
    assert controller.decide(0.03, None).reason


def test_a_decision_shows_its_numbers():
    controller, _, frames = driven(ALL, 20.0)
    numbers = frames[-1].decision.numbers
    assert set(numbers) == {
        "slowdown",
        "margin_ratio",
        "expected_latency_s",
        "expected_power_w",
        "cap_w",
        "enter_cap_w",
        "ambient_c",
    }
    assert numbers["slowdown"] == pytest.approx(1.0, abs=0.03)
    assert numbers["expected_power_w"] == pytest.approx(power_at(frames[-1].name), abs=0.3)
    assert numbers["ambient_c"] == pytest.approx(25.0, abs=5.0)
    assert numbers["enter_cap_w"] <= numbers["cap_w"] <= 8.0
    row = EIGHT.entry(frames[-1].name)
    expected_s = row.latency_s * numbers["slowdown"] * (1 + numbers["margin_ratio"])
    assert numbers["expected_latency_s"] == pytest.approx(expected_s)
    free = Controller(EIGHT, Limits()).decide(0.0, None).numbers
    assert not {"cap_w", "enter_cap_w", "ambient_c"} & set(free)
    assert controller.limits is ALL


# ------------------------------------------------------------ what it decides


def test_without_limits_the_most_accurate_runs():
    frames = driven(Limits(), 3.0)[2]
    assert set(names(frames)) == {"c8"}
    assert frames[0].decision.reason == "start with c8, the most accurate that fits"
    assert frames[-1].decision.reason == "hold c8, the most accurate"


@pytest.mark.parametrize(("slowdown", "best"), [(1.0, "c7"), (1.4, "c5"), (2.8, "c2")])
def test_a_deadline_is_kept_at_the_highest_accuracy(slowdown, best):
    frames = driven(FAST, 60.0, slowdown=slowdown)[2][600:]
    assert sum(frame.late for frame in frames) <= 0.01 * len(frames)
    assert names(frames).count(best) > 0.8 * len(frames)


def test_a_power_budget_is_kept_at_the_highest_accuracy():
    frames = driven(BUDGET, 60.0)[2][300:]
    assert mean_w(frames) < 6.5
    best = max(name for name in NAMES if power_at(name) < 6.5 * 0.97)
    assert names(frames).count(best) > 0.9 * len(frames)


def test_a_power_budget_is_kept_on_a_board_that_draws_more_than_its_profile():
    frames = driven(BUDGET, 60.0, power_ratio=1.3)[2][300:]
    assert 5.5 < mean_w(frames) < 6.5


def test_a_temperature_limit_is_never_passed_and_nearly_used():
    frames = driven(COOL, 400.0)[2]
    hottest_c = max(frame.die_c for frame in frames)
    assert 40.0 < hottest_c <= 42.0
    # The control: what runs without the limit passes it by far.
    assert max(frame.die_c for frame in driven(FAST, 400.0)[2]) > 46.0


@pytest.mark.parametrize("delay_s", [0.1, 0.7, 2.6])
def test_a_temperature_limit_holds_with_late_telemetry_and_without_a_step_test(delay_s):
    frames = driven(COOL, 400.0, thermal=None, delay_s=delay_s)[2]
    assert 39.0 < max(frame.die_c for frame in frames) <= 42.0


def test_a_mission_s_energy_lasts_and_is_used():
    limits = Limits(deadline_s=0.04, period_s=PERIOD_S, energy_j=3300.0, mission_s=600.0)
    frames = driven(limits, 600.0, power_ratio=1.1)[2]
    spent_j = mean_w(frames) * 600.0
    assert 0.94 * 3300.0 < spent_j <= 3300.0


def test_all_limits_together_hold():
    frames = driven(ALL, 300.0)[2]
    assert max(frame.die_c for frame in frames) <= 45.0
    assert mean_w(frames) * 2 <= 4000.0
    assert switches(frames) <= 30 * 5
    assert sum(frame.late for frame in frames) <= 0.01 * len(frames)


def test_equal_accuracies_run_what_draws_least():
    profile = profile_of(
        entry("fast", 0.01, 12.0, 0.7), entry("slow", 0.02, 6.0, 0.7), entry("bad", 0.03, 13, 0.6)
    )
    assert set(names(driven(Limits(period_s=PERIOD_S), 2.0, profile=profile)[2])) == {"slow"}


def test_a_profile_without_power_keeps_a_budget_by_its_readings():
    bare = profile_of(*(entry(e.name, e.latency_s, None, e.accuracy) for e in EIGHT.entries))
    board = ToyBoard()
    frames = board.run(Controller(bare, BUDGET, TRUE), 90.0)[600:]
    assert 5.0 < mean_w(frames) < 6.6


# ------------------------------------------------------------ reasons


def test_every_switch_and_every_wait_has_its_words():
    limits = msgspec.structs.replace(BUDGET, temp_c=80.0)
    controller, board, frames = driven(limits, 10.0)
    held = frames[-1].decision.reason
    assert held.startswith(f"hold {frames[-1].name}: ")
    assert " W of " in held
    assert "(the budget of 6.50 W)" in held
    controller.limits = FAST
    board.run(controller, 5.0)
    board.slowdown = 2.0
    frames = board.run(controller, 5.0)
    assert any("would take" in reason and ": down to " in reason for reason in reasons(frames))
    board.slowdown = 1.0
    frames = board.run(controller, 20.0)
    assert any(reason.startswith("there is room: from ") for reason in reasons(frames))
    controller.limits = msgspec.structs.replace(limits, power_w=4.6)
    frames = board.run(controller, 5.0)
    assert any(
        "would draw" in reason and "(the budget of 4.60 W): down to" in reason
        for reason in reasons(frames)
    )
    controller.limits = msgspec.structs.replace(limits, power_w=None, temp_c=board.die_c + 0.5)
    frames = board.run(controller, 10.0)
    assert any("°C): down to" in reason for reason in reasons(frames))


def test_what_the_wait_is_for_is_told():
    controller, _, _ = driven(FAST, 2.0)
    controller.limits = msgspec.structs.replace(FAST, deadline_s=0.014)
    controller.decide(2.1, None)
    controller.limits = FAST
    assert "has only just begun" in controller.decide(2.11, None).reason
    slow = Controller(
        EIGHT, FAST, tuning=Tuning(dwell_s=1e-3, climbs_per_min=1e-3, climbs_saved=1)
    )
    now_s, told = 0.0, set()
    for frame in range(40):
        now_s += 0.1
        slow.limits = msgspec.structs.replace(FAST, deadline_s=0.014 if frame % 4 < 2 else 0.03)
        told.add(slow.decide(now_s, None).reason)
    assert any("there were switches enough" in each for each in told)
    late = Controller(EIGHT, FAST, tuning=Tuning(dwell_s=1e-3, retry_s=2.0, retry_most_s=2.0))
    late.decide(0.0, None)
    late.limits = msgspec.structs.replace(FAST, deadline_s=0.014)
    late.decide(0.1, None)
    late.limits = FAST
    assert "was late a moment ago" in late.decide(0.2, None).reason


def test_limits_that_nothing_meets_get_the_least_bad_and_say_so():
    decision = Controller(EIGHT, Limits(deadline_s=1e-4)).decide(0.0, None)
    assert decision.configuration == "c1"
    assert decision.reason == "start with c1, the fastest; nothing keeps the deadline"
    decision = Controller(EIGHT, Limits(power_w=0.5, period_s=PERIOD_S)).decide(0.0, None)
    assert decision.configuration == "c1"
    assert "which draws least; nothing keeps the budget of 0.50 W" in decision.reason
    both = Limits(deadline_s=1e-4, power_w=0.5, temp_c=-50.0, energy_j=1e-3, mission_s=1e5)
    frames = driven(both, 5.0)[2]
    assert set(names(frames)) == {"c1"}
    assert any(not frame.decision.skip for frame in frames)


# ------------------------------------------------------------ skipping


def test_frames_are_skipped_only_when_nothing_else_helps_and_bring_the_mean_to_the_cap():
    least_w = power_at("c1")
    limits = Limits(period_s=PERIOD_S, power_w=(least_w + IDLE_W) / 2)
    frames = driven(limits, 60.0)[2]
    skipped = [frame for frame in frames if frame.decision.skip]
    assert set(names(frames)) == {"c1"}
    assert len(skipped) == pytest.approx(0.5 * len(frames), rel=0.15)
    assert mean_w(frames) == pytest.approx(limits.power_w, rel=0.03)
    assert all(each.decision.reason.endswith("; this frame is skipped") for each in skipped)
    roomy = driven(Limits(period_s=PERIOD_S, power_w=least_w * 1.1), 20.0)[2]
    assert not any(frame.decision.skip for frame in roomy)


def test_a_heat_that_nothing_can_lower_still_lets_some_frames_run():
    frames = driven(Limits(period_s=PERIOD_S, temp_c=20.0), 60.0, ambient_c=35.0)[2]
    ran = sum(not frame.decision.skip for frame in frames)
    assert 0.02 * len(frames) < ran < 0.2 * len(frames)


# ------------------------------------------------------------ pin


def test_a_pin_holds_against_every_limit_and_says_what_it_breaks():
    controller, board, _ = driven(BUDGET, 5.0)
    controller.pin("c8")
    frames = board.run(controller, 10.0)
    assert set(names(frames)) == {"c8"}
    assert not any(frame.decision.skip for frame in frames)
    reason = frames[-1].decision.reason
    assert reason.startswith("c8 is pinned by the operator")
    assert "late: " in reason
    assert "over the budget of 6.50 W" in reason
    controller.pin(None)
    frames = board.run(controller, 10.0)
    assert frames[0].name != "c8"
    assert mean_w(frames[90:]) < 6.5


def test_a_pin_to_a_dominated_one_is_kept_and_one_to_nothing_refused():
    profile = profile_of(entry("good", 0.01, 6, 0.8), entry("bad", 0.02, 9, 0.5))
    controller = Controller(profile, Limits())
    controller.decide(0.0, None)
    controller.pin("bad")
    assert controller.decide(0.1, None).configuration == "bad"
    with pytest.raises(KeyError, match=r"'gone' is not among \['good', 'bad'\]"):
        controller.pin("gone")
    assert controller.decide(0.2, None).configuration == "bad"
    controller.pin(None)
    assert controller.decide(0.3, None).configuration == "good"
