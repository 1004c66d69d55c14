"""Runs under the same conditions over one time axis, one colour each."""

import bisect
import math
from collections.abc import Sequence
from typing import Any

from edgert.records import FrameLog, Profile, RunHeader, TracePoint
from edgert.report.limit_line import draw_limit, steps_of
from edgert.report.plots import mark_of, numbered
from edgert.report.run_figures import accuracy_so_far, limits_of_frames
from edgert.report.style import BLUE, COLORS, GREY, RED, PlotKind, drawn

Run = tuple[RunHeader, Sequence[FrameLog]]

_MOST_POINTS = 2000  # of one curve
_APART = 0.16  # rungs between two runs that run the same configuration


def comparison_plot(
    runs: Sequence[Run], *, trace: Sequence[TracePoint] = (), kind: PlotKind = "png"
) -> bytes:
    """Configuration, temperature, power and accuracy so far, of runs with a profile each.

    Args:
        runs: At least one; the first one's limits are drawn.
        trace: What happened meanwhile; its tags are marked, its air is drawn.
        kind: Of the file; an SVG is ready to stand in a page.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    picture = drawn(lambda figure: _fill(figure, runs, trace), size=(10, 10), kind=kind)
    if kind == "png":
        return picture
    text = picture.decode()
    return numbered(text[text.index("<svg") :]).encode()


def color_of(place: int) -> str:
    """The colour of the run at this place."""
    return COLORS[place % len(COLORS)]


def _fill(figure: Any, runs: Sequence[Run], trace: Sequence[TracePoint]) -> None:
    axes = figure.subplots(4, 1, sharex=True, height_ratios=[1.5, 1.2, 1.2, 1])
    header, frames = runs[0]
    end_s = max(frames[-1].time_s for _, frames in runs)
    _configurations(axes[0], runs)
    mark = mark_of(header)
    for axis, field, label, name, unit in (
        (axes[1], "temp_c", f"temperature, °C{mark}", "limit", "°C"),
        (axes[2], "power_w", f"power, W{mark}", "budget", "W"),
    ):
        for place, (_, lines) in reversed(list(enumerate(runs))):
            _curve(axis, lines, [getattr(line, field) for line in lines], place)
        steps = steps_of(frames, limits_of_frames(header, frames), field)
        if words := draw_limit(axis, steps, color=RED):
            axis.set_title(f"- - {name} {words} {unit}", loc="right", color=RED)
        axis.set_ylabel(label)
    for place, (other, lines) in reversed(list(enumerate(runs))):
        _curve(axes[3], lines, accuracy_so_far(other.profile, lines), place)
    axes[3].set_ylabel("accuracy so far,\nlate and skipped zero")
    axes[3].set_xlabel("time, s")
    axes[3].set_xlim(0, end_s)
    _surroundings(axes, trace, end_s)
    handles = [axes[0].plot([], [], color=color_of(k), linewidth=2)[0] for k in range(len(runs))]
    names = [header.controller for header, _ in runs]
    figure.legend(handles, names, loc="outside upper center", ncols=len(runs), fontsize=10)


def _configurations(axis: Any, runs: Sequence[Run]) -> None:
    """A step line for each run, dearest on top, runs of one configuration side by side."""
    names = [entry.name for entry in reversed(_profile(runs[0][0]).entries)]
    rung = {name: index for index, name in enumerate(names)}
    for place, (_, frames) in reversed(list(enumerate(runs))):
        kept = [
            frame
            for index, frame in enumerate(frames)
            if index in (0, len(frames) - 1)
            or frame.configuration != frames[index - 1].configuration
        ]
        offset = ((len(runs) - 1) / 2 - place) * _APART
        axis.step(
            [frame.time_s for frame in kept],
            [rung.get(frame.configuration, -1) + offset for frame in kept],
            where="post", color=color_of(place), linewidth=1.7,
        )  # fmt: skip
        skipped = [frame for frame in frames if frame.skip]
        skipped = skipped[:: max(1, math.ceil(len(skipped) / 500))]
        axis.scatter(
            [frame.time_s for frame in skipped],
            [rung.get(frame.configuration, -1) + offset for frame in skipped],
            color=color_of(place), marker="x", s=14, linewidths=0.8,
        )  # fmt: skip
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(-0.6, len(names) - 0.4)
    axis.set_ylabel("configuration")


def _curve(
    axis: Any, frames: Sequence[FrameLog], values: Sequence[float | None], place: int
) -> None:
    points = [
        (frame.time_s, value)
        for frame, value in zip(frames, values or [None] * len(frames), strict=True)
        if value is not None
    ]
    points = points[:: max(1, math.ceil(len(points) / _MOST_POINTS))]
    if points:
        axis.plot(*zip(*points, strict=True), color=color_of(place), linewidth=1.3)


def _surroundings(axes: Sequence[Any], trace: Sequence[TracePoint], end_s: float) -> None:
    """The air in the plot of temperatures, and a mark for each tag above the uppermost plot."""
    air = [(p.time_s, p.ambient_c) for p in trace if p.ambient_c is not None and p.time_s <= end_s]
    if air:
        axes[1].plot(
            [time_s for time_s, _ in air] + [end_s],
            [ambient_c for _, ambient_c in air] + [_ambient_at(trace, end_s)],
            color=GREY, linewidth=1.1, linestyle=":",
        )  # fmt: skip
        axes[1].set_title("· · air around the board", loc="left", color=GREY)
    for point in trace:
        if point.tag and point.time_s <= end_s:
            for axis in axes:
                axis.axvline(point.time_s, color=GREY, linewidth=0.6, alpha=0.5)
            axes[0].annotate(
                point.tag, (point.time_s, 1), xycoords=("data", "axes fraction"),
                xytext=(2, 3), textcoords="offset points", rotation=18, fontsize=8, color=BLUE,
            )  # fmt: skip


def _ambient_at(trace: Sequence[TracePoint], time_s: float) -> float:
    known = [(p.time_s, p.ambient_c) for p in trace if p.ambient_c is not None]
    place = bisect.bisect_right(known, time_s, key=lambda point: point[0])
    if place == len(known):
        return known[-1][1]
    (start_s, start_c), (stop_s, stop_c) = known[place - 1], known[place]
    return start_c + (time_s - start_s) / (stop_s - start_s) * (stop_c - start_c)


def _profile(header: RunHeader) -> Profile:
    if header.profile is None:
        raise ValueError("a run without its profile can't be compared")
    return header.profile
