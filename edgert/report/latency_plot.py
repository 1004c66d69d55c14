"""How latencies of engines are spread: every run, with median and quartiles."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgert.report.style import BLUE, GREY, RED, PlotKind, drawn

_MOST_DOTS = 500  # of one engine


def plot_latency(
    times_s: Mapping[str, Sequence[float]], *, title: str, kind: PlotKind = "png"
) -> bytes:
    """Draw a row for each engine, the first on top.

    Runs beyond the fence of 1.5 times the middle half are red; the few that lie far out to the
    right are drawn at the edge and counted there, so that they don't squeeze the rest.

    Args:
        times_s: Seconds of every run, by engine; none is empty.
        title: Above the plot.
        kind: Which file.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    names = list(times_s)
    shortest_s = min(float(np.median(times)) for times in times_s.values())
    factor, unit = (1e6, "µs") if shortest_s < 1e-3 else (1e3, "ms")
    times_in = [np.asarray(times_s[name]) * factor for name in names]
    edge = 1.25 * max(_fence(times) for times in times_in)
    scatter = np.random.default_rng(0)

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        for row, times in enumerate(times_in):
            dots = times[:: max(1, len(times) // _MOST_DOTS)]
            colors = np.where(dots > _fence(times), RED, GREY)
            places = row + scatter.uniform(-0.22, 0.22, len(dots))
            axis.scatter(dots.clip(max=edge), places, s=6, c=colors, alpha=0.5, linewidths=0)
            if far := int((times > edge).sum()):
                axis.text(edge, row - 0.3, f"{far} up to {times.max():.3g} {unit}", color=RED,
                          fontsize=7, ha="right")  # fmt: skip
            _box(axis, row, times)
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.set_xlim(0, 1.03 * edge)
        axis.set_xlabel(
            f"latency, {unit}: every run, quartiles, whiskers at 1.5 times the middle half"
        )
        axis.set_title(title)

    return drawn(draw, size=(9, 1.2 + 0.55 * len(names)), kind=kind)


def _box(axis: Any, row: int, times: Any) -> None:
    """Quartiles, median and whiskers; Axes.boxplot turned its own way of lying on the side."""
    first, median, third = np.percentile(times, [25, 50, 75])
    inside = times[(times >= first - 1.5 * (third - first)) & (times <= _fence(times))]
    axis.barh(row, third - first, left=first, height=0.5, fill=False, edgecolor=BLUE)
    axis.vlines(median, row - 0.25, row + 0.25, color=BLUE, linewidth=2)
    axis.hlines([row, row], [inside.min(), third], [first, inside.max()], color=BLUE)


def _fence(times: Any) -> float:
    first, third = np.percentile(times, [25, 75])
    return float(third + 1.5 * (third - first))
