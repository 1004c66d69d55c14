"""Days as traces and back: what was recorded around a device, replayed in virtual time."""

import math
import statistics
from collections.abc import Callable
from typing import TypeVar

from edgert.artifacts.trace import AmbientCourse
from edgert.errors import ArtifactError
from edgert.evaluation.board import WorldBoard
from edgert.evaluation.day import PERIOD_S, Day
from edgert.records import Limits, TracePoint

_T = TypeVar("_T")
_END = "end"  # tag of the point that only says how long the trace is
_LONGEST_S = 24 * 3600
_ROOM_C = 25.0


def points_from_day(day: Day) -> list[TracePoint]:
    """A day as points: one for each second, and one for each gap's ends and each event.

    A second's slowdown is the median of its frames, so single spikes and noise are lost. Energy
    budgets have no place in a trace.
    """
    points = [
        TracePoint(time_s=start_s, telemetry=False, tag="sensor gap") for start_s, _ in day.gaps
    ]
    points += [TracePoint(time_s=min(end_s, day.duration_s), telemetry=True)
               for _, end_s in day.gaps]  # fmt: skip
    points += [
        TracePoint(time_s=time_s, over_current_events={cause: 1})
        for time_s, cause in day.over_current
    ]
    per_s = 1 / day.period_s
    for second, limits in enumerate(day.limits):
        frames = day.slowdown[round(second * per_s) : round((second + 1) * per_s)]
        points.append(
            TracePoint(
                time_s=float(second),
                ambient_c=day.ambient_c[second],
                fan_running=day.fan_running[second],
                slowdown=statistics.median(frames),
                power_limit_w=limits.power_w,
                temp_limit_c=limits.temp_c,
                deadline_s=limits.deadline_s,
            )
        )
    points.append(TracePoint(time_s=float(day.duration_s), tag=_END))
    return sorted(points, key=lambda point: point.time_s)


def day_from_points(
    points: list[TracePoint],
    board: WorldBoard,
    *,
    name: str = "trace",
    seed: int = 0,
    period_s: float = PERIOD_S,
) -> Day:
    """A day that follows a trace, on a board that is made up.

    It lasts until the last point. A value holds from its point on, but for the air, which goes in
    a straight line to the next; a second takes what holds at its begin, a frame what holds when
    it arrives. Before the first word of it the air has 25 °C,
    the fan runs, nothing slows engines down, and there is no limit.

    Args:
        points: In order of time.
        board: Power, heat and throttle of the board that is simulated.
        name: Told as the scenario.
        seed: Of the sensors' noise.
        period_s: Time between frames.

    Raises:
        ArtifactError: The trace lasts less than a second, or more than a day and night.
    """
    end_s = points[-1].time_s if points else 0.0
    if not 1 <= end_s <= _LONGEST_S:
        raise ArtifactError(
            f"replay {name}",
            expected=f"a trace of 1 to {_LONGEST_S} s",
            got=f"{end_s:g} s",
            advice="The last point says how long it is",
        )
    duration_s = math.floor(end_s)
    seconds = [float(second) for second in range(duration_s)]
    arrivals = [frame * period_s for frame in range(round(duration_s / period_s))]
    return Day(
        scenario=name,
        seed=seed,
        duration_s=duration_s,
        period_s=period_s,
        board=board,
        slowdown=_held(points, arrivals, lambda point: point.slowdown, 1.0),
        ambient_c=_ambient(points, seconds),
        fan_running=_held(points, seconds, lambda point: point.fan_running, True),
        limits=_limits(points, seconds, period_s),
        gaps=_gaps(points),
        over_current=[
            (point.time_s, cause)
            for point in points
            for cause, count in point.over_current_events.items()
            for _ in range(count)
        ],
    )


def _held(
    points: list[TracePoint],
    times_s: list[float],
    of: Callable[[TracePoint], _T | None],
    first: _T,
) -> list[_T]:
    """What holds at each of `times_s`, which rise."""
    values, place, value = [], 0, first
    for time_s in times_s:
        while place < len(points) and points[place].time_s <= time_s + 1e-9:
            said = of(points[place])
            value = value if said is None else said
            place += 1
        values.append(value)
    return values


def _ambient(points: list[TracePoint], times_s: list[float]) -> list[float]:
    course = AmbientCourse(points)
    stated = (course.at(time_s) for time_s in times_s)
    return [_ROOM_C if ambient_c is None else ambient_c for ambient_c in stated]


def _limits(points: list[TracePoint], seconds: list[float], period_s: float) -> list[Limits]:
    power_w = _held(points, seconds, lambda point: point.power_limit_w, None)
    temp_c = _held(points, seconds, lambda point: point.temp_limit_c, None)
    deadline_s = _held(points, seconds, lambda point: point.deadline_s, None)
    each = list(zip(power_w, temp_c, deadline_s, strict=True))
    known = {
        three: Limits(
            power_w=three[0], temp_c=three[1], deadline_s=three[2], period_s=period_s
        )
        for three in set(each)
    }  # fmt: skip
    return [known[three] for three in each]


def _gaps(points: list[TracePoint]) -> list[tuple[float, float]]:
    gaps: list[tuple[float, float]] = []
    began_s: float | None = None
    for point in points:
        if point.telemetry is False and began_s is None:
            began_s = point.time_s
        elif point.telemetry is True and began_s is not None:
            gaps.append((began_s, point.time_s))
            began_s = None
    if began_s is not None:
        gaps.append((began_s, math.inf))
    return gaps
