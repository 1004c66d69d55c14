"""The predictive controller when telemetry, limits, clocks, frames and profiles are odd."""

import math
import random
import statistics
from itertools import pairwise

import msgspec
import pytest

from edgert.control.controller import Controller
from edgert.errors import NoFeasibleConfigurationError
from edgert.records import FrameOutcome, Limits
from tests.control.toy_board import (
    ALL,
    BUDGET,
    COOL,
    EIGHT,
    FAST,
    NAMES,
    PERIOD_S,
    TRUE,
    ToyBoard,
    driven,
    entry,
    mean_w,
    names,
    outcome,
    power_at,
    profile_of,
    reasons,
    sample,
)

# ------------------------------------------------------------ telemetry


def test_a_blind_start_under_a_temperature_limit_takes_the_cheapest_until_it_sees():
    controller = Controller(EIGHT, COOL, TRUE)
    decision = controller.decide(0.0, None)
    assert decision.configuration == "c1"
    assert decision.reason == "no temperature was read yet: c1, the cheapest; no telemetry"
    frames = ToyBoard().run(controller, 10.0)
    assert frames[-1].name != "c1"
    # Without a limit that needs it nobody misses it.
    assert Controller(EIGHT, FAST).decide(0.0, None).configuration == "c7"


def test_a_blind_start_under_a_budget_trusts_the_profile_and_without_one_nothing():
    told = Controller(EIGHT, BUDGET).decide(0.0, None)
    assert told.configuration not in {"c1", "c8"}
    assert told.reason.endswith("; no telemetry")
    bare = profile_of(*(entry(e.name, e.latency_s, None, e.accuracy) for e in EIGHT.entries))
    blind = Controller(bare, BUDGET).decide(0.0, None)
    assert blind.configuration == "c1"
    assert "no power was read, and the profile has none" in blind.reason


def test_telemetry_that_goes_away_is_said_heat_stays_safe_and_it_comes_back():
    controller = Controller(EIGHT, COOL, TRUE)
    board = ToyBoard(quiet=((120.0, 240.0),))
    before = board.run(controller, 120.0)
    board.ambient_c += 3.0
    gone = board.run(controller, 120.0)
    after = board.run(controller, 120.0)
    assert not any("telemetry" in reason for reason in reasons(before[300:]))
    said = [frame for frame in gone if "telemetry is" in frame.decision.reason]
    assert len(said) > 0.95 * len(gone)
    assert any("no temperature for" in reason for reason in reasons(gone))
    assert max(frame.die_c for frame in gone) <= 42.0
    assert mean_w(gone[-300:]) < mean_w(before[-300:])  # more careful
    assert not any("telemetry" in reason for reason in reasons(after[30:]))
    assert max(frame.die_c for frame in after) <= 42.0
    assert mean_w(after[-900:]) > mean_w(gone[-300:])


@pytest.mark.parametrize("lost", ["temp_c", "power_w"])
def test_telemetry_that_comes_without_what_is_needed_is_said(lost):
    limits = msgspec.structs.replace(ALL, temp_c=80.0)
    controller, _, _ = driven(limits, 5.0)
    for frame in range(200):
        now_s = 5.0 + frame * PERIOD_S
        seen = {"power_w": 6.0, "temp_c": 35.0}
        seen[lost] = math.nan
        decision = controller.decide(now_s, sample(now_s, **seen))
    word = {"temp_c": "no temperature for", "power_w": "no power for"}[lost]
    assert word in decision.reason


@pytest.mark.parametrize(
    ("telemetry", "words"),
    [
        (sample(500.0, temp_c=20.0, power_w=3.0), "telemetry from the future (490.0 s ahead)"),
        (sample(math.nan, temp_c=20.0, power_w=3.0), "telemetry without a time"),
        (sample(1.0, temp_c=20.0, power_w=3.0), "telemetry is 9.0 s old"),
    ],
)
def test_telemetry_of_an_odd_time_is_not_believed(telemetry, words):
    controller = Controller(EIGHT, COOL, TRUE)
    decision = controller.decide(10.0, telemetry)
    assert decision.configuration == "c1"
    assert words in decision.reason


# ------------------------------------------------------------ limits that change


def test_limits_changed_between_two_frames_hold_from_the_next_one_on():
    controller, board, frames = driven(Limits(period_s=PERIOD_S), 10.0)
    assert frames[-1].name == "c8"
    controller.limits = Limits(period_s=PERIOD_S, power_w=6.5)
    frame = board.run(controller, PERIOD_S)[0]
    assert power_at(frame.name) <= 6.5
    assert "the budget of 6.50 W" in frame.decision.reason
    controller.limits = msgspec.structs.replace(BUDGET, deadline_s=0.009)
    frame = board.run(controller, PERIOD_S)[0]
    assert EIGHT.entry(frame.name).latency_s < 0.009
    controller.limits = Limits(period_s=PERIOD_S)
    assert board.run(controller, 10.0)[-1].name == "c8"


def test_a_temperature_limit_that_falls_is_gone_under_in_time():
    controller, board, _ = driven(msgspec.structs.replace(COOL, temp_c=60.0), 300.0)
    assert board.die_c > 44.0
    assert board.die_c > 50.0
    controller.limits = COOL
    frames = board.run(controller, 200.0)
    assert frames[0].name == "c1"
    # As fast as a board without any load cools: the heat sink decides.
    idle_c = ToyBoard(ambient_c=25.0)
    idle_c.die_c, idle_c.sink_c = 53.0, 47.0
    while idle_c.die_c > 42.0:
        idle_c.live(None, 0.5, 0.0)
    under_s = next(frame.now_s for frame in frames if frame.die_c <= 42.0) - frames[0].now_s
    assert under_s < 1.5 * idle_c.now_s
    assert max(frame.die_c for frame in frames[-1800:]) <= 42.0


# ------------------------------------------------------------ over-current


@pytest.mark.parametrize("limits", [msgspec.structs.replace(FAST, power_w=7.6), FAST])
def test_over_current_lowers_the_power_for_a_while_and_it_comes_back(limits):
    controller = Controller(EIGHT, limits, TRUE)
    board = ToyBoard(events={"oc3": 5})
    before = board.run(controller, 20.0)[-150:]
    assert not any("over-current" in reason for reason in reasons(before))
    board.events["oc3"] += 40
    during = board.run(controller, 50.0)
    assert mean_w(during[-300:]) <= 0.96 * mean_w(before)
    assert any("over-current events (40 oc3)" in reason for reason in reasons(during))
    after = board.run(controller, 40.0)[-150:]
    assert mean_w(after) == pytest.approx(mean_w(before), rel=0.02)
    assert not any("over-current" in reason for reason in reasons(after))


# ------------------------------------------------------------ learning from frames


def test_preprocessing_counts_against_the_deadline_but_not_as_slowdown():
    controller = Controller(EIGHT, FAST)
    for frame in range(300):
        decision = controller.decide(frame * PERIOD_S, None)
        engine_s = EIGHT.entry(decision.configuration).latency_s
        controller.observe(outcome(decision.configuration, engine_s + 0.01, preprocess_s=0.01))
    assert decision.numbers["slowdown"] == pytest.approx(1.0, abs=0.01)
    assert decision.configuration == "c4"  # 16 + 10 ms of 30; c5 would leave no margin


@pytest.mark.parametrize("latency_s", [math.nan, math.inf, -math.inf, 0.0, -1.0])
def test_an_outcome_that_is_no_number_teaches_nothing(latency_s):
    controller, twin = Controller(EIGHT, FAST), Controller(EIGHT, FAST)
    for each in (controller, twin):
        each.decide(0.0, None)
    controller.observe(outcome("c7", latency_s, met=False))
    controller.observe(outcome("unheard-of", 0.02))
    controller.observe(outcome("c7", 0.02, preprocess_s=math.nan))
    assert controller.decide(0.03, None) == twin.decide(0.03, None)


def test_one_spike_is_no_reason_to_leave_for_long():
    controller, board, frames = driven(FAST, 30.0)
    best = frames[-1].name
    decision = controller.decide(board.now_s, board.telemetry())
    controller.observe(outcome(decision.configuration, 0.2, met=False))
    board.live(decision.configuration, 0.2, 0.2)
    after = board.run(controller, 20.0)
    assert names(after[-300:]).count(best) > 280


# ------------------------------------------------------------ odd profiles and clocks


def test_an_empty_profile_is_refused():
    with pytest.raises(NoFeasibleConfigurationError, match="expected at least one configuration"):
        Controller(profile_of(), Limits())


def test_one_configuration_always_runs():
    one = profile_of(entry("only", 0.02, 9.0, None))
    for limits in (Limits(), ALL, Limits(deadline_s=1e-3), Limits(power_w=0.1)):
        assert set(names(driven(limits, 3.0, profile=one)[2])) == {"only"}


@pytest.mark.parametrize("latency_s", [math.nan, math.inf])
def test_latencies_that_are_no_numbers_are_refused(latency_s):
    with pytest.raises(NoFeasibleConfigurationError, match="latency_s of bad"):
        Controller(profile_of(entry("bad", latency_s, 9.0, 0.5)), Limits())


def test_time_that_stands_still_changes_nothing_and_stops_nothing():
    controller = Controller(EIGHT, ALL, TRUE)
    seen = sample(7.0, power_w=5.0, temp_c=30.0)
    ran = []
    for _ in range(200):
        decision = controller.decide(7.0, seen)
        ran.append(decision.configuration)
        latency_s = EIGHT.entry(decision.configuration).latency_s
        controller.observe(outcome(decision.configuration, latency_s))
    assert sum(one != other for one, other in pairwise(ran)) <= 1
    assert ToyBoard(now_s=7.0).run(controller, 10.0)[-1].name in NAMES


def test_a_clock_that_goes_back_is_told_once_and_gone_on_from():
    controller, board, frames = driven(BUDGET, 20.0)
    board.now_s -= 12.0
    board.pending.clear()
    board.newest = None
    board.next_read_s = board.now_s
    after = board.run(controller, 20.0)
    told = [frame for frame in after if "the clock went back" in frame.decision.reason]
    assert told == after[:1]
    assert "12.0 s" in told[0].decision.reason
    assert names(after[-100:]) == names(frames[-100:])


@pytest.mark.parametrize("now_s", [math.nan, math.inf, -math.inf, 1e300, -1e300])
def test_a_time_that_is_absurd_stops_nothing(now_s):
    controller, _, frames = driven(ALL, 5.0)
    assert controller.decide(now_s, None).configuration in NAMES
    assert controller.decide(5.1, sample(5.1, power_w=5.0, temp_c=30.0)).reason
    assert frames


# ------------------------------------------------------------ replay


def test_the_same_inputs_give_the_same_decisions():
    controller, board, frames = driven(ALL, 60.0)
    again = ToyBoard().run(Controller(EIGHT, ALL, TRUE), 60.0)
    assert [frame.decision for frame in again] == [frame.decision for frame in frames]
    other = ToyBoard(seed=1).run(Controller(EIGHT, ALL, TRUE), 60.0)
    assert [frame.decision for frame in other] != [frame.decision for frame in frames]
    assert controller.limits == ALL
    assert board.now_s == pytest.approx(60.0, abs=0.1)


def test_a_caller_without_telemetry_may_tell_power_with_each_frame():
    """Of a profile that knows no power, a budget can still be kept."""
    bare = [msgspec.structs.replace(each, power_w=None, energy_j=None) for each in EIGHT.entries]
    limits = Limits(deadline_s=0.05, period_s=PERIOD_S, power_w=8.0)
    controller = Controller(msgspec.structs.replace(EIGHT, entries=bare), limits)
    chance, drawn_w = random.Random(1), []
    for frame in range(900):
        decision = controller.decide(frame * PERIOD_S, None)
        power_w = power_at(decision.configuration) * chance.gauss(1, 0.01)
        drawn_w.append(power_w)
        latency_s = EIGHT.entry(decision.configuration).latency_s
        name = decision.configuration
        controller.observe(
            FrameOutcome(
                configuration=name, latency_s=latency_s, met_deadline=True, power_w=power_w
            )
        )
    assert 6.0 < statistics.fmean(drawn_w[-300:]) < 8.0
    assert power_at("c8") > 8.0  # the control: the dearest would not keep it


def test_energy_without_a_mission_is_said_not_to_be_paced():
    told = Controller(EIGHT, Limits(energy_j=100.0)).decide(0.0, None).reason
    assert "the energy is not paced: mission_s says how long it must last" in told
    paced = Controller(EIGHT, Limits(energy_j=100.0, mission_s=60.0)).decide(0.0, None).reason
    assert "not paced" not in paced
