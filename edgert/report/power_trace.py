"""The power trace of a measurement: all of it in grey, the windows that counted in color."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgert.profiling.energy.journal import Window
from edgert.report.style import COLORS, GREY, RED, PlotKind, drawn

Floats = npt.NDArray[np.float64]

_MOST_POINTS = 4000  # of the grey trace; more only makes the file larger
_BETWEEN_SESSIONS_S = 10.0


def plot_power(
    windows: Sequence[Window],
    *,
    title: str,
    trace: tuple[Floats, Floats] | None = None,
    kind: PlotKind = "png",
) -> bytes:
    """Draw windows over time.

    Sessions of a measurement that was started again stand one behind the other. Rejected windows
    are red, with their reason.

    Args:
        windows: At least one, in the order of their measuring.
        title: Above the plot.
        trace: Times and powers of all samples of the last session, with what lies between windows.
        kind: Which file.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    shifts_s = session_shifts_s(windows)
    names = list(dict.fromkeys(window.engine for window in windows if window.engine))
    colors = {name: COLORS[index % len(COLORS)] for index, name in enumerate(names)}

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        if trace is not None:
            time_s, power_w = _thinned(*trace)
            shift_s = shifts_s[max(shifts_s)]
            axis.plot(time_s + shift_s, power_w, color=GREY, linewidth=0.6, alpha=0.7)
        for window in windows:
            _draw_window(axis, window, shifts_s[window.session], colors)
        axis.set_xlabel("time, s")
        provenance = windows[0].conditions.provenance
        axis.set_ylabel(f"power, W ({provenance})")
        axis.set_ylim(bottom=0)
        axis.set_title(title)
        _legend(axis, colors, rejected=any(window.rejected for window in windows))

    return drawn(draw, size=(11, 4.2), kind=kind)


def session_shifts_s(windows: Sequence[Window]) -> dict[int, float]:
    """What moves each session's clock so that the first begins at 0 and others follow it."""
    shifts_s: dict[int, float] = {}
    end_s = 0.0
    for session in sorted({window.session for window in windows}):
        own = [window for window in windows if window.session == session]
        shifts_s[session] = end_s - min(window.from_s for window in own)
        end_s = max(window.to_s for window in own) + shifts_s[session] + _BETWEEN_SESSIONS_S
    return shifts_s


def _draw_window(axis: Any, window: Window, shift_s: float, colors: Mapping[str, str]) -> None:
    from_s, to_s = window.from_s + shift_s, window.to_s + shift_s
    color = RED if window.rejected else colors.get(window.engine, "#4c5159")
    axis.axvspan(from_s, to_s, color=color, alpha=0.12, linewidth=0)
    time_s, power_w = _thinned(np.array(window.time_s), np.array(window.power_w))
    axis.plot(time_s + shift_s, power_w, color=color, linewidth=0.8)
    inside = [
        power_w
        for time_s, power_w in zip(window.time_s, window.power_w, strict=True)
        if window.from_s <= time_s <= window.to_s
    ]
    if inside:
        mean_w = sum(inside) / len(inside)
        axis.plot([from_s, to_s], [mean_w, mean_w], color=color, linewidth=2)
    if window.rejected:
        axis.text(
            from_s, 0.02, f" {window.rejected}", rotation=90, fontsize=6, color=RED,
            transform=axis.get_xaxis_transform(), va="bottom", ha="left",
        )  # fmt: skip


def _legend(axis: Any, colors: Mapping[str, str], *, rejected: bool) -> None:
    shown = {**colors, "idle": "#4c5159", **({"rejected": RED} if rejected else {})}
    for name, color in shown.items():
        axis.plot([], [], color=color, linewidth=2, label=name)
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _thinned(time_s: Floats, power_w: Floats) -> tuple[Floats, Floats]:
    step = max(1, math.ceil(len(time_s) / _MOST_POINTS))
    return time_s[::step], power_w[::step]
