"""The plot of a search: cost against score, every trial, and the frontier through them."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgert.optional import needs

_BLUE, _RED, _GREY, _GREEN, _ORANGE = "#2f6fbb", "#c8402f", "#8a8f98", "#2e8b57", "#d98a1f"
_MARKS = (("s", _GREEN), ("o", _BLUE), ("^", _ORANGE))


@dataclass(frozen=True)
class PlottedTrial:
    """One trial.

    Attributes:
        cost: Of the full model's.
        score: 0..1.
        error: Standard error of the score's distance from the full model's; None if unknown.
    """

    cost: float
    score: float
    error: float | None = None


def png_from_search(
    trials: Sequence[PlottedTrial],
    marked: Mapping[str, Sequence[PlottedTrial]],
    frontier: Sequence[PlottedTrial],
    full: PlottedTrial,
    *,
    title: str,
    cost: str,
    score: str,
    lowest: float,
) -> bytes:
    """Draw a search.

    Args:
        trials: All of them, in grey.
        marked: Those of some ways of searching, by name; at most three.
        frontier: What came out, joined by a line, with error bars.
        full: The full model.
        title: Above the plot.
        cost: What the horizontal axis is.
        score: What the vertical axis is.
        lowest: The score at the lower edge; what lies below is not shown.

    Returns:
        A PNG file.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    figures = needs("matplotlib.figure", "report", "to draw plots")
    matplotlib = needs("matplotlib", "report", "to draw plots")
    style = {
        "font.family": "sans-serif", "font.size": 10, "axes.spines.top": False,
        "axes.spines.right": False, "axes.edgecolor": _GREY, "axes.labelcolor": _GREY,
        "xtick.color": _GREY, "ytick.color": _GREY, "text.color": _GREY, "axes.grid": True,
        "grid.alpha": 0.25, "axes.labelsize": 9, "axes.titlesize": 10, "text.parse_math": False,
        "legend.frameon": False, "legend.fontsize": 9,
    }  # fmt: skip
    with matplotlib.rc_context(style):
        figure = figures.Figure(figsize=(9, 6), layout="constrained")
        axis = figure.subplots()
        axis.scatter(*_places(trials), s=9, color=_GREY, alpha=0.5, label="all trials")
        for (name, some), (mark, color) in zip(marked.items(), _MARKS, strict=False):
            axis.scatter(
                *_places(some), s=26, marker=mark, facecolors="none", edgecolors=color, label=name
            )
        line = sorted([full, *frontier], key=lambda trial: trial.cost)
        axis.errorbar(
            *_places(line), yerr=[100 * (trial.error or 0.0) for trial in line],
            color=_RED, linewidth=1.4, marker="o", markersize=4, capsize=2, label="frontier",
        )  # fmt: skip
        highest = max(trial.score for trial in [full, *frontier, *trials])
        axis.set_ylim(100 * lowest, 100 * highest + 100 * 0.1 * max(highest - lowest, 1e-3))
        axis.set_xlim(0, 1.05)
        axis.set_xlabel(f"{cost}, of the full model's")
        axis.set_ylabel(f"{score}, %")
        axis.set_title(title)
        axis.legend(loc="lower right")
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=120, metadata={"Software": None})
    return out.getvalue()


def _places(trials: Sequence[PlottedTrial]) -> tuple[list[float], list[float]]:
    return [trial.cost for trial in trials], [100 * trial.score for trial in trials]
