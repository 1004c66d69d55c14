"""What no plant may break, whatever runs on it: heat and energy add up, worse is never better."""

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.emulator.throttle import ThrottleSpec
from edgert.evaluation.day import make_day
from edgert.evaluation.family import wide_profile
from edgert.evaluation.outcome import outcome_from_tally
from edgert.evaluation.plant import Plant
from edgert.evaluation.run import Static, run_policy
from edgert.evaluation.sensing import JTOP, LATE, TICK_S
from edgert.records import Limits
from tests.evaluation.days import TWO, Scripted, board_of, day_of

NAMES = st.lists(st.sampled_from(["big", "small", ""]), min_size=1, max_size=6)


class Watched(Plant):
    """A plant that keeps both temperatures before each tick, and the power in it."""

    def __init__(self, *arguments) -> None:
        self.states = []
        super().__init__(*arguments)
        tick = self.tally.tick

        def watch(power_w, die_c, *, throttled):
            self.states.append((power_w, die_c, self.sink_c))
            tick(power_w, die_c, throttled=throttled)

        self.tally.tick = watch


def lived(day, *names, profile=TWO):
    plant, policy = Watched(day, profile), Scripted(*names)
    begin = (plant.die_c, plant.sink_c)
    while plant.next_frame():
        decision = policy.decide(plant.now_s, plant.telemetry)
        if decision.skip:
            plant.skip()
        else:
            policy.observe(plant.run(decision.configuration))
    return plant, begin, policy


@given(names=NAMES, fan_running=st.booleans(), ambient_c=st.floats(0, 50))
@settings(max_examples=30, deadline=None)
def test_heat_that_came_in_is_stored_or_given_to_the_air(names, fan_running, ambient_c):
    day = day_of(30, fan_running=[fan_running] * 30, ambient_c=[ambient_c] * 30)
    plant, (die_c, sink_c), _ = lived(day, *names)
    thermal, board = day.board.thermal, day.board
    stored_j = thermal.die_j_per_k * (plant.die_c - die_c)
    stored_j += thermal.sink_j_per_k * (plant.sink_c - sink_c)
    sinks_c = [sink_c, *(state[2] for state in plant.states)]
    resistance = board.sink_to_ambient_k_per_w(fan_running=fan_running)
    given_j = sum(
        ((before + after) / 2 - ambient_c) / resistance * TICK_S
        for before, after in itertools.pairwise(sinks_c)
    )
    assert stored_j + given_j == pytest.approx(plant.tally.energy_j, rel=1e-4)


@given(names=NAMES, leakage=st.floats(0, 0.02))
@settings(max_examples=30, deadline=None)
def test_power_of_every_tick_lies_between_idle_and_the_dearest(names, leakage):
    day = day_of(10, board=board_of(leakage_per_k=leakage), ambient_c=[50.0] * 10)
    plant, _, _ = lived(day, *names)
    hottest_c = max(state[1] for state in plant.states)
    most_w = 3.5 + 6.5 * max(day.board.leakage(hottest_c), 1.0)
    assert all(3.5 - 1e-9 <= state[0] <= most_w + 1e-9 for state in plant.states)
    assert len(plant.states) == 200


@given(names=NAMES, worse=st.floats(1.0, 3.0))
@settings(max_examples=30, deadline=None)
def test_more_contention_never_scores_more(names, worse):
    limits = Limits(deadline_s=0.1)
    day = day_of(5, limits=limits)
    slower = msgspec.structs.replace(day, slowdown=[worse] * day.frames)
    always = [name or "small" for name in names]
    first, second = (
        run_policy(each, TWO, Static(name, limits))[0].score
        for name in always[:1]
        for each in (day, slower)
    )
    assert second <= first


@given(ambient_c=st.floats(20, 50), warmer_k=st.floats(0.5, 20))
@settings(max_examples=30, deadline=None)
def test_warmer_air_never_cools_a_board(ambient_c, warmer_k):
    dies = [
        lived(day_of(10, ambient_c=[air_c] * 10), "big", "small")[0].die_c
        for air_c in (ambient_c, ambient_c + warmer_k)
    ]
    assert dies[1] > dies[0]


def test_leakage_and_throttle_are_taken_at_the_ticks_begin():
    throttle = ThrottleSpec(trip_c=20, release_c=10, clock_step_ratio=0.1, clock_floor_ratio=0.5)
    day = day_of(10, board=board_of(throttle=throttle))  # always above its trip point
    plant, _, policy = lived(day, "big")
    latencies = [outcome.latency_s for outcome in policy.outcomes]
    assert latencies[0] == 0.06
    assert latencies[-1] == pytest.approx(0.12)
    assert plant.throttle.clock_ratio == 0.5
    busy_w = plant.tally.mean_w[-1]
    assert busy_w == pytest.approx(3.5 + 6.5 * 0.5**2.2, rel=1e-6)  # 120 ms of every 100: always


@pytest.mark.parametrize("scenario", ["power", "thermal", "both", "energy"])
@pytest.mark.parametrize("name", ["w310", "w150", "w75"])
def test_figures_of_an_outcome_fit_each_other(scenario, name):
    day, profile = make_day(scenario, 3, duration_s=60), wide_profile()
    tally, decide_s = run_policy(day, profile, Static(name, day.limits[0]))
    outcome = outcome_from_tally(day, tally, decide_s)
    assert outcome.frame_j * day.frames == pytest.approx(outcome.energy_j)
    assert 0 <= outcome.accuracy <= profile.entry(name).accuracy * (1 - outcome.miss_ratio) + 1e-9
    assert outcome.shares[name] == 1.0
    assert outcome.hottest_c == max(tally.die_c)
    assert (outcome.hot_s > 0) == (
        day.temp_limit_c is not None and outcome.hottest_c > day.temp_limit_c
    )
    assert tally.windows == (60 if day.limits[0].power_w is not None else 0)
    assert outcome.switches_per_min == 0


def test_late_telemetry_changes_what_is_seen_and_nothing_else():
    day, profile = make_day("both", 3, duration_s=30), wide_profile()
    seen = {}
    for sensing in (JTOP, LATE):
        policy = Scripted("w150", "w75")
        tally, _ = run_policy(day, profile, policy, sensing)
        samples = {sample.time_s: sample.power_w for _, sample in policy.seen if sample}
        seen[sensing.delay_s] = (tally.energy_j, tally.score, samples)
    (energy_j, score, early), (late_energy_j, late_score, late) = seen.values()
    assert (energy_j, score) == (late_energy_j, late_score)
    both = set(early) & set(late)
    assert len(both) > 100
    assert all(early[time_s] == late[time_s] for time_s in both)
    assert max(late) < max(early)
