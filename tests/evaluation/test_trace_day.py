"""Days as traces and back, and what a sparse trace means."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.artifacts.trace import read_trace, write_trace
from edgert.errors import ArtifactError
from edgert.evaluation.day import make_day
from edgert.evaluation.family import wide_profile
from edgert.evaluation.run import Static, run_policy
from edgert.evaluation.trace_day import day_from_points, points_from_day
from edgert.records import TracePoint
from tests.evaluation.days import TWO, board_of


@pytest.mark.parametrize("scenario", ["deadline", "power", "thermal", "both"])
def test_day_comes_back_from_its_file(tmp_path, scenario):
    seed = (
        4
        if scenario != "both"
        else next(seed for seed in range(50) if make_day("both", seed, duration_s=60).over_current)
    )
    day = make_day(scenario, seed, duration_s=60)
    write_trace(tmp_path / "day.jsonl", points_from_day(day))
    points = read_trace(tmp_path / "day.jsonl")
    again = day_from_points(points, day.board, name=scenario, seed=seed)
    assert again.ambient_c == day.ambient_c
    assert again.fan_running == day.fan_running
    assert again.limits == day.limits
    assert again.gaps == day.gaps
    assert again.over_current == day.over_current
    assert again.duration_s == day.duration_s
    off = [abs(b / a - 1) for a, b in zip(day.slowdown, again.slowdown, strict=True)]
    assert sorted(off)[len(off) // 2] < 0.03  # medians of seconds: noise and spikes are lost


def test_replayed_day_behaves_like_the_day_itself():
    day, profile = make_day("both", 4, duration_s=120), wide_profile()
    again = day_from_points(points_from_day(day), day.board, seed=4)
    first, replayed = (run_policy(each, profile, Static("w150", each.limits[0]))[0]
                       for each in (day, again))  # fmt: skip
    assert replayed.energy_j == pytest.approx(first.energy_j, rel=0.01)
    assert max(replayed.die_c) == pytest.approx(max(first.die_c), abs=0.5)
    assert replayed.score == pytest.approx(first.score, rel=0.01)


def test_limits_of_a_trace_are_one_object_until_they_change():
    day = make_day("power", 1, duration_s=60)
    again = day_from_points(points_from_day(day), day.board)
    assert len({id(limits) for limits in again.limits}) == len(set(day.power_limit_w))


def test_a_value_holds_until_a_later_point_says_otherwise():
    points = [
        TracePoint(time_s=0.0, slowdown=1.2),
        TracePoint(time_s=2.0, ambient_c=40.0, power_limit_w=8.0, tag="sun"),
        TracePoint(time_s=3.0, slowdown=1.5, fan_running=False, deadline_s=0.05),
        TracePoint(time_s=4.0, power_limit_w=6.0, temp_limit_c=70.0, telemetry=False),
        TracePoint(time_s=5.5),
    ]
    day = day_from_points(points, board_of(), period_s=0.5)
    assert (day.duration_s, day.frames) == (5, 10)
    assert day.ambient_c == [25.0, 25.0, 40.0, 40.0, 40.0]
    assert day.fan_running == [True, True, True, False, False]
    assert day.power_limit_w == [None, None, 8.0, 8.0, 6.0]
    assert day.temp_limit_c == 70.0
    assert day.deadline_s == 0.05
    assert day.slowdown == [1.2] * 6 + [1.5] * 4
    assert day.gaps == [(4.0, math.inf)]


def test_gaps_open_and_close_once_however_often_it_is_said():
    points = [
        TracePoint(time_s=time_s, telemetry=telemetry)
        for time_s, telemetry in ((0, True), (1, False), (2, False), (3, True), (4, True))
    ]
    assert day_from_points(points, board_of()).gaps == [(1, 3)]


def test_events_count_as_often_as_they_happened():
    points = [TracePoint(time_s=1.0, over_current_events={"oc1": 2, "oc3": 1}),
              TracePoint(time_s=2.0)]  # fmt: skip
    day = day_from_points(points, board_of())
    assert day.over_current == [(1.0, "oc1"), (1.0, "oc1"), (1.0, "oc3")]


@given(
    times_s=st.lists(st.floats(0, 20), max_size=8),
    data=st.data(),
    end_s=st.floats(1, 25),
    period_s=st.sampled_from([0.02, 1 / 30, 0.1]),
)
@settings(max_examples=60, deadline=None)
def test_any_trace_becomes_a_day_that_can_be_run(times_s, data, end_s, period_s):
    maybe = st.none() | st.floats(0.5, 9.0)
    points = [
        TracePoint(
            time_s=min(time_s, end_s),
            slowdown=data.draw(maybe),
            power_limit_w=data.draw(maybe),
            telemetry=data.draw(st.none() | st.booleans()),
            fan_running=data.draw(st.none() | st.booleans()),
        )
        for time_s in sorted(times_s)
    ]
    day = day_from_points([*points, TracePoint(time_s=end_s)], board_of(), period_s=period_s)
    assert len(day.limits) == len(day.ambient_c) == day.duration_s == int(end_s)
    assert day.frames == round(day.duration_s / period_s)
    assert all(begin_s <= stop_s for begin_s, stop_s in day.gaps)
    tally, _ = run_policy(day, TWO, Static("small", day.limits[0]))
    assert tally.ran + tally.dropped == day.frames
    assert len(tally.mean_w) == day.duration_s


@pytest.mark.parametrize("end_s", [0.0, 0.9, 1e9, math.inf, math.nan])
def test_trace_of_no_length_or_of_years_is_refused(end_s):
    points = [TracePoint(time_s=0.0), TracePoint(time_s=end_s)]
    with pytest.raises(ArtifactError, match="replay trace: expected a trace of 1 to 86400 s"):
        day_from_points(points, board_of())
    with pytest.raises(ArtifactError, match="got 0 s"):
        day_from_points([], board_of())
