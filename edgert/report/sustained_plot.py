"""What heat does over minutes: latency, power, temperature and clock over one time axis."""

from collections.abc import Callable, Sequence
from typing import Any

from edgert.profiling.sustained import SustainedBin, SustainedRun
from edgert.report.style import BLUE, GREEN, GREY, ORANGE, RED, PlotKind, drawn

_Value = Callable[[SustainedBin], float | None]


def plot_sustained(played: SustainedRun, *, kind: PlotKind = "png") -> bytes:
    """Draw a run; bins in which the board throttled are shaded.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """

    def draw(figure: Any) -> None:
        axes = figure.subplots(4, 1, sharex=True)
        bins = played.bins
        factor, unit = (1e6, "µs") if bins[0].latency_median_s < 1e-3 else (1e3, "ms")
        _curve(axes[0], bins, lambda b: b.latency_p95_s * factor, GREY, "p95")
        _curve(axes[0], bins, lambda b: b.latency_median_s * factor, BLUE, "median")
        axes[0].legend(loc="upper left", ncols=2)
        mark = f"({played.provenance})"
        _curve(axes[1], bins, lambda b: b.power_w, ORANGE)
        _curve(axes[2], bins, lambda b: b.temp_c, RED)
        _curve(axes[3], bins, lambda b: b.clock_ratio, GREEN)
        labels = (
            f"latency, {unit}\n({played.latency_from})",
            f"power, W\n{mark}",
            f"hottest zone, °C\n{mark}",
            f"lowest clock of its cap\n{mark}",
        )
        for axis, label in zip(axes, labels, strict=True):
            axis.set_ylabel(label)
            for one in bins:
                if one.throttled:
                    axis.axvspan(one.from_s, one.to_s, color=RED, alpha=0.08, linewidth=0)
            if played.first_throttle_s is not None:
                axis.axvline(played.first_throttle_s, color=RED, linewidth=1, linestyle="--")
        # Room for the legend above the curves.
        axes[0].set_ylim(0, 1.35 * factor * max(one.latency_p95_s for one in bins))
        axes[1].set_ylim(bottom=0)
        axes[3].set_xlim(0, bins[-1].to_s)
        axes[3].set_ylim(0, 1.05)
        axes[3].set_xlabel("time, s")
        figure.suptitle(_title(played), fontsize=10)

    return drawn(draw, size=(9, 8), kind=kind)


def _title(played: SustainedRun) -> str:
    pace = "back to back" if played.paced_hz is None else f"at {played.paced_hz:g} fps"
    told = f"{played.engine} of {played.family}, {pace}, on {played.board}"
    if played.first_throttle_s is None:
        return f"{told}: no throttling"
    return f"{told}: throttles from {played.first_throttle_s:.0f} s on"


def _curve(
    axis: Any, bins: Sequence[SustainedBin], value: _Value, color: str, label: str = ""
) -> None:
    """A step for each bin; a gap where the value is not known."""
    known = [(one, found) for one in bins if (found := value(one)) is not None]
    if not known:
        axis.text(0.5, 0.5, "not read", transform=axis.transAxes, ha="center", va="center")
        return
    middles_s = [(one.from_s + one.to_s) / 2 for one, _ in known]
    axis.plot(
        middles_s, [found for _, found in known],
        color=color, linewidth=1.4, marker="o", markersize=2.5, label=label,
    )  # fmt: skip
