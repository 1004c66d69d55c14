"""How every plot of a profile looks, and how it becomes a file."""

import io
from collections.abc import Callable
from typing import Any, Literal

from edgert.optional import needs

PlotKind = Literal["png", "svg"]

BLUE, RED, GREY, GREEN, ORANGE = "#2f6fbb", "#c8402f", "#8a8f98", "#2e8b57", "#d98a1f"
# Of engines, in the order of the family; more than these repeat.
COLORS = (BLUE, ORANGE, GREEN, "#8357b5", "#b5577f", "#3aa3a0", "#7a6a53", "#5b7083",
          "#c8a21f", "#a6c34c", "#d98fb0", "#1f4e79")  # fmt: skip
_STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "edgert", "font.family": "sans-serif",
    "font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
    "axes.edgecolor": GREY, "axes.labelcolor": "#4c5159", "xtick.color": GREY,
    "ytick.color": GREY, "text.color": "#4c5159", "axes.grid": True, "grid.alpha": 0.25,
    "axes.axisbelow": True, "axes.labelsize": 9, "axes.titlesize": 10, "text.parse_math": False,
    "legend.frameon": False, "legend.fontsize": 9,
}  # fmt: skip


def drawn(draw: Callable[[Any], None], *, size: tuple[float, float], kind: PlotKind) -> bytes:
    """A figure as a file's bytes; the same input gives the same bytes.

    Args:
        draw: Fills the matplotlib figure that it is given.
        size: Width and height in inches.
        kind: Which file.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    figures = needs("matplotlib.figure", "report", "to draw plots")
    matplotlib = needs("matplotlib", "report", "to draw plots")
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context(_STYLE):
        figure = figures.Figure(figsize=size, layout="constrained")
        draw(figure)
        out = io.BytesIO()
        metadata = nothing if kind == "svg" else {"Software": None}
        figure.savefig(out, format=kind, dpi=120, metadata=metadata)
    return out.getvalue()
