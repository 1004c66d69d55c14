"""The plots of a run: temperature, power, configuration and latency over one time axis."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgert.optional import needs
from edgert.records import FrameLog, Profile, RunHeader

_BLUE, _RED, _GREY, _GREEN = "#2f6fbb", "#c8402f", "#8a8f98", "#2e8b57"
_MOST_POINTS = 3000  # of one curve; more only makes the file larger


@dataclass(frozen=True)
class _Curve:
    """One field of the frames, and the limit that is drawn with it."""

    field: str
    label: str
    limit: float | None
    limit_name: str
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
    }  # fmt: skip
    shown = _thinned(frames)
    with matplotlib.rc_context(style):
        figure = figures.Figure(figsize=(10, 9), layout="constrained")
        axes = figure.subplots(4, 1, sharex=True, height_ratios=[1, 1, 1.2, 1])
        mark = mark_of(header)
        limits = header.limits
        deadline_ms = limits.deadline_s * 1e3 if limits.deadline_s else None
        temperature = _Curve("temp_c", f"temperature, °C{mark}", limits.temp_c, "limit")
        power = _Curve("power_w", f"power, W{mark}", limits.power_w, "budget")
        latency = _Curve("latency_s", "latency, ms", deadline_ms, "deadline", scale=1e3)
        _draw(axes[0], shown, temperature)
        _draw(axes[1], shown, power)
        _configurations(axes[2], frames, profile)
        _draw(axes[3], shown, latency)
        _late_frames(axes[3], frames)
        axes[3].set_xlabel("time, s")
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _thinned(frames: Sequence[FrameLog]) -> list[FrameLog]:
    """Every n-th frame, and all that are late or switch: these are what one looks for."""
    step = max(1, len(frames) // _MOST_POINTS)
    return [
        frame
        for index, frame in enumerate(frames)
        if index % step == 0 or frame.switched or frame.met_deadline is False
    ]


def _draw(axis: Any, frames: Sequence[FrameLog], curve: _Curve) -> None:
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
    if curve.limit is not None:
        axis.axhline(curve.limit, color=_RED, linewidth=1.1, linestyle="--")
        axis.annotate(
            f"{curve.limit_name} {curve.limit:.4g}", (1, curve.limit),
            xycoords=("axes fraction", "data"), xytext=(-4, 4), textcoords="offset points",
            ha="right", color=_RED,
        )  # fmt: skip
    axis.set_ylabel(curve.label)


def _late_frames(axis: Any, frames: Sequence[FrameLog]) -> None:
    late = [(f.time_s, (f.latency_s or 0) * 1e3) for f in frames if f.met_deadline is False]
    if late:
        axis.scatter(*zip(*late, strict=True), s=10, color=_RED, zorder=3, label="late")
        axis.legend(loc="upper left", frameon=False)


def _configurations(axis: Any, frames: Sequence[FrameLog], profile: Profile) -> None:
    """One line for each configuration, dearest on top; a dot where the run switched."""
    names = list(reversed([entry.name for entry in profile.entries]))
    place = {name: index for index, name in enumerate(names)}
    steps = [f for f in frames if f.configuration in place]
    kept = [
        f for i, f in enumerate(steps)
        if i in (0, len(steps) - 1) or f.configuration != steps[i - 1].configuration
    ]  # fmt: skip
    times_s, rungs = [f.time_s for f in kept], [place[f.configuration] for f in kept]
    axis.step(times_s, rungs, where="post", color=_GREEN, linewidth=1.8)
    switches = [f for f in steps if f.switched]
    axis.scatter(
        [f.time_s for f in switches], [place[f.configuration] for f in switches],
        s=14, color=_GREEN, zorder=3,
    )  # fmt: skip
    skipped = [f for f in steps if f.skip]
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
