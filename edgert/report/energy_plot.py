"""Energy against accuracy: every engine with its interval, and the frontier through them."""

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

from edgert.records import Profile, ProfileEntry
from edgert.report.style import BLUE, GREEN, ORANGE, PlotKind, drawn

_COLORS = {"measured": BLUE, "emulated": ORANGE, "modelled": GREEN}


class EnergyPoint(NamedTuple):
    """An engine: its energy in J with the interval, where there is one, and its score."""

    name: str
    provenance: str
    energy_j: float
    interval_j: tuple[float, float] | None
    accuracy: float


def plot_energy(profile: Profile, *, kind: PlotKind = "png") -> bytes:
    """Draw total energy and, where it was measured, energy above idle.

    Engines without an energy or an accuracy are left out. What is measured, emulated and modelled
    has a color and a frontier of its own.

    Raises:
        ValueError: No engine has both; see `energy_points`.
        MissingDependencyError: matplotlib is not installed.
    """
    panels = {
        name: points
        for name in ("total", "above idle")
        if (points := energy_points(profile.entries, above_idle=name == "above idle"))
    }
    if "total" not in panels:
        raise ValueError("no engine has an energy and an accuracy")

    def draw(figure: Any) -> None:
        axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axis, (name, points) in zip(axes, panels.items(), strict=True):
            _draw_panel(axis, points)
            axis.set_xlabel(f"energy per inference, {name}, mJ, 95 % intervals")
        axes[0].set_ylabel(f"accuracy, %\n{_wrapped(profile.entries[0].accuracy_from)}")
        board = next((e.energy.board for e in profile.entries if e.energy), profile.board)
        figure.suptitle(f"{profile.family} on {board or profile.device}", fontsize=10)

    return drawn(draw, size=(5.2 * len(panels) + 0.8, 4.6), kind=kind)


def energy_points(
    entries: Sequence[ProfileEntry], *, above_idle: bool = False
) -> list[EnergyPoint]:
    """The engines that have an energy and an accuracy."""
    points = []
    for entry in entries:
        if entry.accuracy is None or entry.energy_j is None or entry.energy_from is None:
            continue
        figure, value_j, interval_j = entry.energy, entry.energy_j, None
        if figure is not None:
            value_j, interval_j = figure.total_j, figure.total_interval_j
        if above_idle:
            if figure is None:
                continue
            value_j, interval_j = figure.marginal_j, figure.marginal_interval_j
        points.append(
            EnergyPoint(entry.name, entry.energy_from, value_j, interval_j, entry.accuracy)
        )
    return points


def frontier_of(points: Sequence[EnergyPoint]) -> list[EnergyPoint]:
    """Those that no other beats in energy and in accuracy, cheapest first."""
    kept: list[EnergyPoint] = []
    for point in sorted(points, key=lambda p: (p.energy_j, -p.accuracy)):
        if not kept or point.accuracy > kept[-1].accuracy:
            kept.append(point)
    return kept


def _draw_panel(axis: Any, points: Sequence[EnergyPoint]) -> None:
    for provenance, color in _COLORS.items():
        own = [point for point in points if point.provenance == provenance]
        if not own:
            continue
        line = frontier_of(own)
        axis.plot(
            [p.energy_j * 1e3 for p in line], [p.accuracy * 100 for p in line],
            color=color, linewidth=1.2, alpha=0.6, label=f"{provenance}, frontier",
        )  # fmt: skip
        axis.errorbar(
            [p.energy_j * 1e3 for p in own], [p.accuracy * 100 for p in own],
            xerr=[[_half(p, 0) for p in own], [_half(p, 1) for p in own]],
            color=color, linestyle="none", marker="o", markersize=4.5, capsize=3, linewidth=1.1,
            label=provenance,
        )  # fmt: skip
    # Neighbours are named on different sides, so that names of engines alike can be read.
    for number, point in enumerate(sorted(points, key=lambda p: p.energy_j)):
        offset, side = ((5, -11), "left") if number % 2 == 0 else ((-5, 6), "right")
        axis.annotate(
            point.name, (point.energy_j * 1e3, point.accuracy * 100),
            xytext=offset, textcoords="offset points", fontsize=8, ha=side,
        )  # fmt: skip
    axis.margins(0.12, 0.15)
    axis.legend(loc="lower right")


def _half(point: EnergyPoint, side: int) -> float:
    """How far the interval reaches below (0) or above (1), in mJ."""
    if point.interval_j is None:
        return 0.0
    return max(0.0, abs(point.interval_j[side] - point.energy_j) * 1e3)


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 48))
