"""Results as pictures: shares of the oracle, and one day as three controllers lived it."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgert.evaluation.day import Day
from edgert.evaluation.table import Row
from edgert.evaluation.tally import Tally
from edgert.report.style import COLORS, GREY, RED, PlotKind, drawn

_SIMULATED = "simulated days, no device"
_AXIS_FROM = 60  # %; what lies below is told in figures


def shares_plot(rows: Sequence[Row], variant: str, *, kind: PlotKind = "png") -> bytes:
    """Bars of the mean share of the oracle, a group for each scenario, whiskers two errors.

    The axis begins at 60 %. Bars of controllers that broke a temperature limit or 1 % of the
    power windows, or overdrew the energy, are pale: more than the oracle is no merit then.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    these = [row for row in rows if row.variant == variant and row.share is not None]
    scenarios = list(dict.fromkeys(row.scenario for row in these))
    names = list(dict.fromkeys(row.controller for row in these))
    width = 0.85 / max(len(names), 1)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for row in these:
            if row.share is None:
                continue
            place = names.index(row.controller)
            at = scenarios.index(row.scenario) + (place - (len(names) - 1) / 2) * width
            axes.bar(
                at,
                row.share.value * 100,
                width * 0.92,
                yerr=2 * row.share.error * 100,
                color=COLORS[place % len(COLORS)],
                alpha=0.3 if _breaks_limits(row) else 1.0,
                error_kw={"ecolor": GREY, "elinewidth": 0.8},
            )
            if row.share.value * 100 < _AXIS_FROM:
                axes.text(at, _AXIS_FROM + 0.5, f"{row.share.value:.0%}",
                          rotation=90, ha="center", fontsize=7)  # fmt: skip
        for place, name in enumerate(names):
            axes.bar(0, 0, color=COLORS[place % len(COLORS)], label=name)
        axes.axhline(95, color=RED, linewidth=0.8, linestyle="--")
        axes.set_xticks(range(len(scenarios)), scenarios)
        axes.set_ylim(_AXIS_FROM, None)
        axes.set_ylabel(f"% of the oracle's accuracy, from {_AXIS_FROM}")
        axes.set_title(f"{variant}; pale: broke a limit; {_SIMULATED}", loc="left")
        figure.legend(loc="outside lower center", ncols=min(len(names), 5))

    return drawn(draw, size=(10, 4.6), kind=kind)


def day_plot(day: Day, tallies: Mapping[str, Tally], *, kind: PlotKind = "png") -> bytes:
    """Configuration, temperature and power over time, as each controller had them.

    Args:
        day: What was run.
        tallies: The books of each controller, by name.
        kind: Which file.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    seconds = range(day.duration_s)

    def draw(figure: Any) -> None:
        top, middle, bottom = figure.subplots(3, 1, sharex=True)
        for place, (name, tally) in enumerate(tallies.items()):
            style = {"color": COLORS[place % len(COLORS)], "linewidth": 1.0}
            top.step(seconds, [_none_below(value) for value in tally.place],
                     where="post", label=name, **style)  # fmt: skip
            middle.plot(seconds, tally.die_c, **style)
            bottom.plot(seconds, tally.mean_w, **style)
        names = next(iter(tallies.values())).names if tallies else []
        top.set_yticks(range(len(names)), names)
        top.invert_yaxis()
        top.set_ylabel("configuration")
        _limit(middle, seconds, [limits.temp_c for limits in day.limits])
        middle.plot(seconds, day.ambient_c, color=GREY, linewidth=0.8, label="air")
        middle.set_ylabel("die, °C")
        _limit(bottom, seconds, list(day.power_limit_w))
        bottom.set_ylabel("power, W, 1-s means")
        bottom.set_xlabel("s")
        top.set_title(f"{day.scenario}, seed {day.seed}; {_SIMULATED}", loc="left")
        middle.legend(loc="lower right")
        figure.legend(*top.get_legend_handles_labels(), loc="outside lower center", ncols=4)

    return drawn(draw, size=(10, 7.5), kind=kind)


def _limit(axes: Any, seconds: Sequence[int], values: list[float | None]) -> None:
    if any(value is not None for value in values):
        known = [float("nan") if value is None else value for value in values]
        style = {"color": RED, "linewidth": 1.0, "linestyle": "--"}
        axes.step(seconds, known, where="post", label="limit", **style)


def _none_below(place: int) -> float:
    return float("nan") if place < 0 else float(place)


def _breaks_limits(row: Row) -> bool:
    means = row.means
    broken = means["broken_window_ratio"].value > 0.01
    return means["hot_s"].value > 0 or broken or means["overdrawn_j"].value > 0
