"""The plots of a run: temperature, power, configuration and latency over one time axis."""

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgert.optional import needs
from edgert.records import FrameLog, Profile, RunHeader
from edgert.report.limit_line import Steps, draw_limit, steps_of
from edgert.report.run_figures import limits_of_frames

_BLUE, _RED, _GREY, _GREEN = "#2f6fbb", "#c8402f", "#8a8f98", "#2e8b57"
_MOST_POINTS = 3000  # of one curve; more only makes the file larger
_MOST_DOTS = 1000  # a dot takes some hundred bytes


@dataclass(frozen=True)
class _Curve:
    """One field of the frames, and the limit that is drawn with it."""

    field: str
    label: str
    limit_field: str
    limit_name: str
    unit: str
    scale: float = 1.0


def svg_from_run(header: RunHeader, frames: Sequence[FrameLog], profile: Profile) -> str:
    """Four plots over one time axis, as one SVG element.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    figures = needs("matplotlib.figure", "report", "to draw plots")
    matplotlib = needs("matplotlib", "report", "to draw plots")
    style = {
        "svg.fonttype": "none", "svg.hashsalt": "edgert", "font.family": "sans-serif",
        "font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
        "axes.edgecolor": _GREY, "axes.labelcolor": _GREY, "xtick.color": _GREY,
        "ytick.color": _GREY, "text.color": _GREY, "axes.grid": True, "grid.alpha": 0.25,
        "axes.labelsize": 9, "axes.titlesize": 9, "axes.titlepad": 3, "text.parse_math": False,
    }  # fmt: skip
    shown = _thinned(frames)
    with matplotlib.rc_context(style):
        figure = figures.Figure(figsize=(10, 9), layout="constrained")
        axes = figure.subplots(4, 1, sharex=True, height_ratios=[1, 1, 1.2, 1])
        mark = mark_of(header)
        temperature = _Curve("temp_c", f"temperature, °C{mark}", "temp_c", "limit", "°C")
        power = _Curve("power_w", f"power, W{mark}", "power_w", "budget", "W")
        latency = _Curve("latency_s", "latency, ms", "deadline_s", "deadline", "ms", scale=1e3)
        held = limits_of_frames(header, frames)
        for axis, curve in ((axes[0], temperature), (axes[1], power), (axes[3], latency)):
            late = [] if curve is not latency else [f for f in frames if f.met_deadline is False]
            _draw(axis, shown, curve, steps_of(frames, held, curve.limit_field), late=_few(late))
        _configurations(axes[2], frames, profile)
        axes[3].set_xlabel("time, s")
        out = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    text = out.getvalue()
    return numbered(text[text.index("<svg") :])


def numbered(svg: str) -> str:
    """Clip paths by number: matplotlib names them after addresses in memory."""
    names = list(dict.fromkeys(re.findall(r'<clipPath id="(\w+)"', svg)))
    for index, name in enumerate(names):
        svg = svg.replace(f'"{name}"', f'"clip{index}"').replace(f"#{name})", f"#clip{index})")
    return svg


def _thinned(frames: Sequence[FrameLog]) -> list[FrameLog]:
    """Every n-th frame, and all that switch: these are what one looks for."""
    step = math.ceil(len(frames) / _MOST_POINTS)
    return [frame for index, frame in enumerate(frames) if index % step == 0 or frame.switched]


def _few(frames: Sequence[FrameLog]) -> Sequence[FrameLog]:
    """Every n-th of frames that get a dot each."""
    return frames[:: max(1, math.ceil(len(frames) / _MOST_DOTS))]


def _draw(
    axis: Any,
    frames: Sequence[FrameLog],
    curve: _Curve,
    limit: Steps,
    *,
    late: Sequence[FrameLog],
) -> None:
    """The curve, its limit, and a dot for each late frame."""
    values = [getattr(frame, curve.field) for frame in frames]
    points = [
        (frame.time_s, value * curve.scale)
        for frame, value in zip(frames, values, strict=True)
        if value is not None
    ]
    if points:
        axis.plot(*zip(*points, strict=True), color=_BLUE, linewidth=1.3)
    else:
        axis.text(0.5, 0.5, "not read", transform=axis.transAxes, ha="center", va="center")
    notes = []
    if words := draw_limit(axis, limit, color=_RED, scale=curve.scale):
        notes.append(f"- - {curve.limit_name} {words} {curve.unit}")
    if late:
        places = [(frame.time_s, (frame.latency_s or 0.0) * curve.scale) for frame in late]
        axis.scatter(*zip(*places, strict=True), s=7, color=_RED, zorder=3)
        notes.append("\N{BULLET} late")
    # Above the plot, where it can't cover the curve.
    axis.set_title("    ".join(notes), loc="right", color=_RED)
    axis.set_ylabel(curve.label)


def _configurations(axis: Any, frames: Sequence[FrameLog], profile: Profile) -> None:
    """One line for each configuration, dearest on top; a dot where the run switched."""
    known = [entry.name for entry in profile.entries]
    unknown = sorted({frame.configuration for frame in frames} - set(known))
    names = [*unknown, *reversed(known)]
    place = {name: index for index, name in enumerate(names)}
    kept = [
        f for i, f in enumerate(frames)
        if i in (0, len(frames) - 1) or f.configuration != frames[i - 1].configuration
    ]  # fmt: skip
    times_s, rungs = [f.time_s for f in kept], [place[f.configuration] for f in kept]
    axis.step(times_s, rungs, where="post", color=_GREEN, linewidth=1.8)
    switches = _few([f for f in frames if f.switched])
    axis.scatter(
        [f.time_s for f in switches], [place[f.configuration] for f in switches],
        s=14, color=_GREEN, zorder=3,
    )  # fmt: skip
    skipped = _few([f for f in frames if f.skip])
    axis.scatter(
        [f.time_s for f in skipped], [place[f.configuration] for f in skipped],
        s=8, color=_GREY, marker="x",
    )  # fmt: skip
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(-0.5, len(names) - 0.5)
    axis.set_ylabel("configuration")


def mark_of(header: RunHeader) -> str:
    """What is put behind the name of power and temperature: " (emulated)"."""
    return f" ({header.provenance})" if header.provenance else ""
