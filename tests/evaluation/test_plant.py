"""The plant by hand-reckoned frames, and against the emulated board."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.clock import VirtualClock
from edgert.emulator.board import BoardSpec, EmulatedBoard
from edgert.emulator.power import PowerSpec
from edgert.emulator.thermal import ThermalSpec
from edgert.emulator.throttle import ThrottleSpec
from edgert.evaluation.day import make_day
from edgert.evaluation.family import wide_profile
from edgert.evaluation.plant import COLD_RATIO, Plant
from edgert.evaluation.run import Static, run_policy
from edgert.evaluation.sensing import EXACT
from edgert.records import Limits
from tests.evaluation.days import (
    CONSTANTS,
    TWO,
    Scripted,
    board_of,
    day_of,
    entry,
    profile_of,
    with_limits,
)


def ran(day, profile, *names, sensing=EXACT):
    policy = Scripted(*names)
    tally, _ = run_policy(day, profile, policy, sensing)
    return tally, policy


# ---------------------------------------------------------------- frames in time


def test_frames_start_when_they_arrive_and_take_the_profiles_time():
    tally, policy = ran(day_of(1), TWO, "big")
    assert [now_s for now_s, _ in policy.seen] == pytest.approx([k / 10 for k in range(10)])
    assert {outcome.latency_s for outcome in policy.outcomes} == {0.06}
    assert (tally.ran, tally.late, tally.dropped) == (10, 0, 0)


def test_slowdown_is_the_frames_own():
    day = day_of(1, slowdown=[1.0, 1.5, 1.2] + [1.0] * 7)
    _, policy = ran(day, TWO, "big")
    assert [outcome.latency_s for outcome in policy.outcomes[:3]] == pytest.approx(
        [0.06, 0.09, 0.072]
    )


def test_late_frame_scores_nothing_and_delays_the_next():
    day = day_of(1, limits=Limits(deadline_s=0.1), slowdown=[1.0, 2.0] + [1.0] * 8)
    tally, policy = ran(day, TWO, "big")
    starts_s = [now_s for now_s, _ in policy.seen]
    assert starts_s[:4] == pytest.approx([0.0, 0.1, 0.22, 0.3])
    assert [outcome.met_deadline for outcome in policy.outcomes[:3]] == [True, False, True]
    assert (tally.late, tally.dropped, tally.ran) == (1, 0, 10)
    assert tally.score == pytest.approx(9 * 0.8)


def test_of_frames_that_wait_the_newest_is_kept_and_the_others_are_dropped():
    day = day_of(1, slowdown=[1.0, 6.0] + [1.0] * 8)  # 0.1 to 0.46: frames 2, 3, 4 arrive
    tally, policy = ran(day, TWO, "big")
    assert [now_s for now_s, _ in policy.seen][:4] == pytest.approx([0.0, 0.1, 0.46, 0.52])
    assert tally.dropped == 2
    assert tally.ran + tally.dropped == tally.frames == 10


def test_frame_that_outlasts_the_day_ends_it():
    day = day_of(1, slowdown=[1.0] * 8 + [50.0, 1.0])
    tally, _ = ran(day, TWO, "big")
    assert (tally.ran, tally.dropped) == (9, 1)
    assert len(tally.mean_w) == 1


def test_skipped_frames_take_no_time_and_are_not_observed():
    tally, policy = ran(day_of(1), TWO, "big", "")
    assert (tally.ran, tally.skipped, len(policy.outcomes)) == (5, 5, 5)
    assert tally.score == pytest.approx(5 * 0.8)


def test_first_frame_after_ten_idle_seconds_is_cold():
    names = ["big"] + ["small"] * 105 + ["big", "big"]
    _, policy = ran(day_of(20), TWO, *names)
    at = [place for place, outcome in enumerate(policy.outcomes) if outcome.configuration == "big"]
    latencies = [policy.outcomes[place].latency_s for place in at[:3]]
    assert latencies == pytest.approx([0.06, 0.06 * COLD_RATIO, 0.06])


def test_limits_reach_the_policy_at_the_second_they_change():
    first, then = Limits(power_w=9.0), Limits(power_w=6.0)
    _, policy = ran(with_limits(day_of(4), first, then), TWO, "small")
    for (now_s, _), limits in zip(policy.seen, policy.limits_seen, strict=True):
        assert limits is (first if now_s < 2 - 1e-6 else then)


def test_unknown_configuration_is_a_key_error():
    plant = Plant(day_of(1), TWO)
    assert plant.next_frame()
    with pytest.raises(KeyError, match="huge"):
        plant.run("huge")


@given(
    slowdown=st.lists(st.floats(0.9, 12.0), min_size=40, max_size=40),
    names=st.lists(st.sampled_from(["big", "small", ""]), min_size=1, max_size=7),
)
@settings(max_examples=60, deadline=None)
def test_every_frame_is_counted_once_and_energy_lies_between_its_bounds(slowdown, names):
    day = day_of(4, slowdown=slowdown, limits=Limits(deadline_s=0.1))
    tally, policy = ran(day, TWO, *names)
    assert tally.ran + tally.dropped + tally.skipped == tally.frames == 40
    assert len(policy.seen) == tally.ran + tally.skipped
    starts_s = [now_s for now_s, _ in policy.seen]
    assert starts_s == sorted(starts_s)
    assert 3.5 * 4 - 1e-9 <= tally.energy_j <= 10.0 * 4 + 1e-9
    assert sum(tally.mean_w) == pytest.approx(tally.energy_j)


# ---------------------------------------------------------------- power and heat


def test_energy_is_idle_plus_what_frames_took_above_it():
    tally, policy = ran(day_of(10), TWO, "big", "small", "")
    busy = {"big": 10.0 - 3.5, "small": 6.0 - 3.5}
    above_j = sum(busy[each.configuration] * each.latency_s for each in policy.outcomes)
    assert tally.energy_j == pytest.approx(3.5 * 10 + above_j, rel=1e-9)


def test_settles_at_the_emulators_steady_state():
    full = profile_of(entry("full", 0.1, 10.0))
    day = day_of(1200)
    plant = Plant(day, full, EXACT)
    while plant.next_frame():
        plant.run("full")
    assert (plant.die_c, plant.sink_c) == pytest.approx(
        day.board.physics(25.0).steady_state(10.0), abs=1e-3
    )


def test_leakage_makes_a_hot_board_draw_more():
    energies = [
        ran(day_of(60, board=board_of(leakage_per_k=leak)), TWO, "big")[0].energy_j
        for leak in (0.0, 0.006)
    ]
    assert energies[1] != energies[0]
    hot = day_of(60, board=board_of(leakage_per_k=0.006), ambient_c=[60.0] * 60)
    assert ran(hot, TWO, "big")[0].energy_j > energies[0]


def test_stopped_fan_and_warmer_air_heat_the_board():
    base = max(ran(day_of(60), TWO, "big")[0].die_c)
    assert max(ran(day_of(60, fan_running=[False] * 60), TWO, "big")[0].die_c) > base + 1
    warmer = day_of(60, ambient_c=[25.0] * 30 + [40.0] * 30)
    assert max(ran(warmer, TWO, "big")[0].die_c) > base + 1


def test_own_throttle_lengthens_frames_and_lowers_power():
    throttle = ThrottleSpec(trip_c=37, release_c=36, clock_floor_ratio=0.5)
    held = day_of(150, board=board_of(throttle=throttle))
    tally, policy = ran(held, TWO, "big")
    free, _ = ran(day_of(150), TWO, "big")
    assert tally.throttled_s > 10
    assert max(outcome.latency_s for outcome in policy.outcomes) > 0.06 * 1.09
    assert tally.energy_j < free.energy_j
    assert max(tally.die_c) < 38.5 < max(free.die_c)
    throttled = [sample for _, sample in policy.seen if sample is not None and sample.throttled]
    assert throttled


def emulated(day, name_of_frame):
    """The same frames on the emulated board, whose engines draw what the profile's do."""
    spec = BoardSpec(
        name="toy",
        description="as in days.py",
        power=PowerSpec(idle_w=3.5, compute_w=6.5, memory_w=0.0),
        thermal=ThermalSpec(
            ambient_c=25.0,
            die_j_per_k=CONSTANTS.die_j_per_k,
            sink_j_per_k=CONSTANTS.sink_j_per_k,
            die_to_sink_k_per_w=CONSTANTS.die_to_sink_k_per_w,
            sink_to_ambient_k_per_w=CONSTANTS.sink_to_ambient_k_per_w,
            fan_stopped_k_per_w=3.0,
        ),
        throttle=day.board.throttle,
    )
    clock = VirtualClock()
    board = EmulatedBoard(spec, clock)
    for frame in range(day.frames):
        latency_s = {"big": 0.06, "small": 0.02}[name_of_frame(frame)]
        board.book_run("any", frame * day.period_s, latency_s)
        clock.sleep((frame + 1) * day.period_s - clock.now_s())
        board.advance()
    return board


def test_energy_and_heat_are_the_emulated_boards():
    profile = profile_of(entry("big", 0.06, 10.0), entry("small", 0.02, 10.0))
    names = ["big"] * 7 + ["small"] * 4
    day = day_of(120, board=board_of(leakage_per_k=0.006))
    plant = Plant(day, profile)
    while plant.next_frame():
        plant.run(names[plant.frame % len(names)])
    board = emulated(day, lambda frame: names[frame % len(names)])
    assert plant.tally.energy_j == pytest.approx(board.energy_j, rel=1e-4)
    assert plant.die_c == pytest.approx(board.thermal.die_c, abs=0.15)  # a frame's ripple
    assert plant.sink_c == pytest.approx(board.thermal.sink_c, abs=0.01)


# ---------------------------------------------------------------- whole days


def test_runs_are_the_same_every_time():
    day, profile = make_day("both", 5, duration_s=40), wide_profile()
    first, again = (ran(day, profile, "w185", "w75", "w310") for _ in range(2))
    assert first[0].energy_j == again[0].energy_j
    assert first[0].die_c == again[0].die_c
    assert first[1].seen == again[1].seen


def test_the_day_does_not_change_with_what_runs():
    day = make_day("both", 5, duration_s=40)
    before = msgspec.json.encode(day)
    ran(day, wide_profile(), "w310")
    assert msgspec.json.encode(day) == before


@pytest.mark.parametrize("scenario", ["deadline", "thermal", "power"])
def test_calm_day_misses_nothing_even_on_the_dearest(scenario):
    day, profile = make_day(scenario, 3, duration_s=60, calm=True), wide_profile()
    tally, _ = run_policy(day, profile, Static("w310", day.limits[0]))
    assert (tally.late, tally.dropped, tally.throttled_s) == (0, 0, 0)
    assert tally.score == pytest.approx(0.8 * day.frames)


@pytest.mark.parametrize("scenario", ["thermal", "power", "both"])
def test_dearest_breaks_limits_where_there_are_any(scenario):
    """The negative control: a plant on which nothing can go wrong would prove nothing."""
    day, profile = make_day(scenario, 3, duration_s=300), wide_profile()
    tally, _ = run_policy(day, profile, Static("w310", day.limits[0]))
    assert tally.dropped + tally.late > 0
    if scenario != "power":
        assert tally.hot_s > 5
        assert tally.hot_k_s > 5
    if scenario != "thermal":
        assert tally.broken_windows > 0.9 * tally.windows == 0.9 * 300
