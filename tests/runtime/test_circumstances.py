"""What a trace says happens: around an emulated board, and to the limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.clock import VirtualClock
from edgert.emulator.board import EmulatedBoard, loads_from_profile
from edgert.errors import UsageError
from edgert.records import Limits, TracePoint
from edgert.runtime.circumstances import Circumstances, TracedBoard
from tests.runtime.fakes import PROFILE, SPEC, FakeSource, Rig, ScriptedPolicy, controlled

LIMITS = Limits(deadline_s=0.07, period_s=0.069, power_w=12.0, temp_c=70.0)


def board(clock=None):
    return EmulatedBoard(SPEC, clock or VirtualClock(), loads=loads_from_profile(PROFILE))


def followed(*points, limits=LIMITS):
    traced = TracedBoard(board())
    return traced, Circumstances([TracePoint(**point) for point in points], traced)


def test_ambient_is_interpolated_between_points_and_held_after_the_last():
    inner = board()
    trace = [
        TracePoint(time_s=10, ambient_c=30.0),
        TracePoint(time_s=15, power_limit_w=5.0),  # says nothing of the air
        TracePoint(time_s=20, ambient_c=50.0),
    ]
    circumstances = Circumstances(trace, TracedBoard(inner))
    seen = []
    for time_s in (0, 9.9, 10, 12.5, 15, 20, 99):
        circumstances.advance(time_s, LIMITS)
        seen.append(inner.ambient_c)
    first = SPEC.thermal.ambient_c  # the board's own until the trace says something
    assert seen == pytest.approx([first, first, 30, 35, 40, 50, 50])


def test_two_ambients_at_one_time_are_a_step():
    inner = board()
    trace = [TracePoint(time_s=t, ambient_c=c) for t, c in ((0, 20), (5, 20), (5, 40), (9, 40))]
    circumstances = Circumstances(trace, TracedBoard(inner))
    circumstances.advance(4.999, LIMITS)
    assert inner.ambient_c == 20
    circumstances.advance(5, LIMITS)
    assert inner.ambient_c == 40


@given(
    st.lists(
        st.tuples(st.floats(0, 1000), st.floats(-20, 60)),
        min_size=1, max_size=8,
    ),
    st.lists(st.floats(0, 1200), min_size=1, max_size=20),
)  # fmt: skip
def test_the_air_never_leaves_what_the_trace_says(points, times_s):
    inner = board()
    points = sorted(points, key=lambda point: point[0])
    trace = [TracePoint(time_s=t, ambient_c=c) for t, c in points]
    circumstances = Circumstances(trace, TracedBoard(inner))
    low, high = min(c for _, c in points), max(c for _, c in points)
    for time_s in sorted(times_s):
        circumstances.advance(time_s, LIMITS)
        if time_s >= points[0][0]:
            assert low - 1e-9 <= inner.ambient_c <= high + 1e-9


def test_fan_contention_and_sensors_step_and_stay():
    inner = board()
    traced = TracedBoard(inner)
    circumstances = Circumstances(
        [
            TracePoint(time_s=1, fan_running=False, slowdown=1.5, telemetry=False),
            TracePoint(time_s=2, tag="nothing new"),
            TracePoint(time_s=3, fan_running=True, slowdown=1.0, telemetry=True),
        ],
        traced,
    )
    seen = []
    for time_s in (0, 1, 2, 3):
        circumstances.advance(time_s, LIMITS)
        seen.append((inner.fan_running, traced.slowdown, traced.read() is not None))
    quiet, busy = (True, 1.0, True), (False, 1.5, False)
    assert seen == [quiet, busy, busy, quiet]


def test_contention_comes_on_top_of_the_board_s_own_slowdown():
    inner = board()
    inner.throttle.clock_ratio = 0.5
    traced = TracedBoard(inner)
    traced.contention = 1.5
    assert traced.slowdown == pytest.approx(3.0)


def test_over_current_events_are_counters_that_stay():
    traced, circumstances = followed(
        {"time_s": 1, "over_current_events": {"oc3": 2}},
        {"time_s": 2, "over_current_events": {"oc3": 1, "oc1": 1}},
    )
    counters = []
    for time_s in (0, 1, 1.5, 2, 9):
        circumstances.advance(time_s, LIMITS)
        counters.append(traced.read().over_current_events)
    after = {"oc3": 3, "oc1": 1}
    assert counters == [{}, {"oc3": 2}, {"oc3": 2}, after, after]


def test_a_silent_sensor_does_not_stop_the_board():
    clock = VirtualClock()
    traced = TracedBoard(board(clock))
    traced.sensors_answer = False
    clock.sleep(2.0)
    assert traced.read() is None
    assert traced.energy_j > 0


def test_limits_of_the_trace_take_the_place_of_the_operator_s():
    circumstances = Circumstances(
        [
            TracePoint(time_s=1, power_limit_w=8.0),
            TracePoint(time_s=2, temp_limit_c=60.0, deadline_s=0.1),
        ],
        None,
    )
    assert circumstances.advance(0, LIMITS) is LIMITS
    assert circumstances.advance(1, LIMITS) == Limits(
        deadline_s=0.07, period_s=0.069, power_w=8.0, temp_c=70.0
    )
    other = Limits(power_w=99.0, energy_j=5.0)  # the operator's, meanwhile
    assert circumstances.advance(3, other) == Limits(
        deadline_s=0.1, power_w=8.0, temp_c=60.0, energy_j=5.0
    )


@pytest.mark.parametrize(
    "stated",
    [
        {"ambient_c": 20.0},
        {"fan_running": True},
        {"slowdown": 1.0},
        {"telemetry": True},
        {"over_current_events": {"oc3": 1}},
    ],
)
def test_without_an_emulated_board_only_limits_may_change(stated):
    limits_only = TracePoint(time_s=0, power_limit_w=5.0, tag="night")
    Circumstances([limits_only], None)
    [name] = stated
    with pytest.raises(UsageError, match=f"follow a trace's {name}: expected an emulated board"):
        Circumstances([limits_only, TracePoint(time_s=1, **stated)], None)


def traced_rig(policy, points, *, limits=LIMITS, frames=20, **parts):
    clock = VirtualClock()
    traced = TracedBoard(board(clock))
    rig = Rig(
        policy,
        limits=limits,
        source=FakeSource(frames),
        clock=clock,
        circumstances=Circumstances(points, traced),
        **parts,
    )
    rig.loop._serving.board = rig.loop._serving.telemetry = traced
    return rig


def test_the_loop_holds_the_limits_of_the_moment_and_logs_where_they_change():
    policy = ScriptedPolicy("c30")
    points = [
        TracePoint(time_s=0.5, power_limit_w=6.0),
        TracePoint(time_s=0.9, deadline_s=0.02),
    ]
    rig = traced_rig(policy, points)
    summary = rig.run()
    changed = {line.frame: line.limits for line in rig.lines if line.limits is not None}
    assert list(changed) == [8, 14]  # frames every 69 ms
    assert (changed[8].power_w, changed[8].deadline_s) == (6.0, 0.07)
    assert (changed[14].power_w, changed[14].deadline_s) == (6.0, 0.02)
    assert policy.limits == changed[14]
    assert [line.met_deadline for line in rig.lines] == [True] * 14 + [False] * 6
    assert summary.misses == 6


def test_the_tally_judges_each_moment_by_its_own_limits():
    """A budget that no board keeps, for half a second."""
    points = [
        TracePoint(time_s=0.34, power_limit_w=0.5, temp_limit_c=1.0),
        TracePoint(time_s=0.82, power_limit_w=50.0, temp_limit_c=99.0),
    ]
    summary = traced_rig("full", points).run()
    assert summary.over_power_s == pytest.approx(7 * 0.069)
    assert summary.over_temp_s == pytest.approx(7 * 0.069)


def test_contention_makes_frames_longer_and_the_controller_is_told():
    policy = ScriptedPolicy("c30")
    rig = traced_rig(policy, [TracePoint(time_s=0.3, slowdown=2.0)], frames=10)
    rig.run()
    latencies = [outcome.latency_s for outcome in policy.outcomes]
    assert latencies[:5] == pytest.approx([0.024] * 5)
    assert latencies[5:] == pytest.approx([0.048] * 5)


def test_no_telemetry_where_the_trace_says_so():
    policy = ScriptedPolicy("full")
    points = [TracePoint(time_s=0.3, telemetry=False), TracePoint(time_s=0.5, telemetry=True)]
    rig = traced_rig(policy, points, frames=10)
    summary = rig.run()
    gone = [sample is None for sample in policy.samples]
    assert gone == [False] * 5 + [True] * 3 + [False] * 2
    assert summary.telemetry_gaps == 3
    assert rig.lines[5].sample_s is None
    assert rig.lines[8].sample_s is not None


def test_the_ladder_steps_down_for_a_budget_that_falls_and_up_when_it_is_back():
    points = [
        TracePoint(time_s=0, ambient_c=10.0),  # so that heat plays no part
        TracePoint(time_s=20, power_limit_w=8.0),
        TracePoint(time_s=40, power_limit_w=20.0),
    ]
    limits = Limits(deadline_s=0.069, period_s=0.069, power_w=20.0)
    rig = traced_rig(controlled("ladder", limits), points, limits=limits, frames=1300)
    summary = rig.run()
    at = {round(line.time_s): line.configuration for line in rig.lines}
    assert (at[19], at[89]) == ("full", "full")
    assert at[35] != "full"
    assert summary.over_power_s < 2.0
