"""Results as tables: means over seeds, their standard errors, and the share of the oracle."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from edgert.evaluation.outcome import Outcome
from edgert.evaluation.results import ORACLE, ResultLine


class Mean(NamedTuple):
    """A mean over seeds and its standard error, which is 0 for a single seed."""

    value: float
    error: float


class Row(NamedTuple):
    """One controller in one scenario and variant, over `seeds` days.

    `share` is of the oracle's accuracy, per seed and then averaged; None where the oracle was
    asked on none of the days. `worst` holds the highest value of a day by the outcome's field.
    """

    scenario: str
    variant: str
    controller: str
    seeds: int
    accuracy: Mean
    share: Mean | None
    means: dict[str, Mean]
    worst: dict[str, float]


FIGURES: dict[str, Callable[[Outcome], float]] = {
    "miss_ratio": lambda outcome: outcome.miss_ratio,
    "skipped_ratio": lambda outcome: outcome.skipped_ratio,
    "hot_s": lambda outcome: outcome.hot_s,
    "hot_k_s": lambda outcome: outcome.hot_k_s,
    "broken_window_ratio": lambda outcome: outcome.broken_window_ratio,
    "overdrawn_j": lambda outcome: outcome.overdrawn_j,
    "frame_j": lambda outcome: outcome.frame_j,
    "switches_per_min": lambda outcome: outcome.switches_per_min,
    "throttled_s": lambda outcome: outcome.throttled_s,
    "decide_p50_s": lambda outcome: outcome.decide_p50_s,
    "decide_p99_s": lambda outcome: outcome.decide_p99_s,
}
_HEAD = (
    "controller", "accuracy", "of the oracle", "misses", "skipped", "over temp", "°C·s over",
    "windows broken", "overdrawn", "a frame", "switches", "throttled", "decision p50 / p99",
)  # fmt: skip


def mean_of(values: Sequence[float]) -> Mean:
    """The mean of at least one value."""
    spread = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Mean(statistics.fmean(values), spread)


def rows_of(lines: Iterable[ResultLine]) -> list[Row]:
    """A row for each scenario, variant and controller, in the order of their first lines."""
    oracles: dict[tuple[str, int], float] = {}
    groups: dict[tuple[str, str, str], dict[int, Outcome]] = {}
    for line in lines:
        key = line.key
        if line.oracle is not None:
            oracles[key.scenario, key.seed] = line.oracle
        elif line.outcome is not None:
            group = groups.setdefault((key.scenario, key.variant, key.controller), {})
            group[key.seed] = line.outcome
    return [_row(place, outcomes, oracles) for place, outcomes in groups.items()]


def markdown_from_rows(rows: Sequence[Row], *, note: str = "") -> str:
    """Tables in Markdown, one for each scenario and variant, best share first.

    Args:
        rows: From `rows_of`.
        note: A line on top: family, seeds, what the figures are.
    """
    parts = [note] if note else []
    for scenario, variant in dict.fromkeys((row.scenario, row.variant) for row in rows):
        these = [row for row in rows if (row.scenario, row.variant) == (scenario, variant)]
        these.sort(key=lambda row: -row.accuracy.value)
        parts.append(f"### {scenario}, {variant}\n\n{_table(these)}")
    return "\n\n".join(parts) + "\n"


def _row(
    place: tuple[str, str, str],
    outcomes: dict[int, Outcome],
    oracles: dict[tuple[str, int], float],
) -> Row:
    scenario, variant, controller = place
    shares = [
        outcome.accuracy / oracles[scenario, seed]
        for seed, outcome in outcomes.items()
        if oracles.get((scenario, seed))
    ]
    each = list(outcomes.values())
    return Row(
        scenario=scenario,
        variant=variant,
        controller=controller,
        seeds=len(outcomes),
        accuracy=mean_of([outcome.accuracy for outcome in each]),
        share=mean_of(shares) if shares else None,
        means={name: mean_of([of(outcome) for outcome in each]) for name, of in FIGURES.items()},
        worst={name: max(of(outcome) for outcome in each) for name, of in FIGURES.items()},
    )


def _table(rows: Sequence[Row]) -> str:
    lines = ["| " + " | ".join(_HEAD) + " |", "|---" * len(_HEAD) + "|"]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
    return "\n".join(lines)


def _cells(row: Row) -> list[str]:
    means = {name: mean.value for name, mean in row.means.items()}
    share = "" if row.share is None else _percent(row.share)
    return [
        f"`{row.controller}`" if row.controller != ORACLE else ORACLE,
        f"{row.accuracy.value:.4f} ± {row.accuracy.error:.4f}",
        share,
        f"{means['miss_ratio']:.2%}",
        f"{means['skipped_ratio']:.2%}",
        f"{means['hot_s']:.1f} s",
        f"{means['hot_k_s']:.1f}",
        f"{means['broken_window_ratio']:.2%}",
        f"{means['overdrawn_j']:.0f} J",
        f"{means['frame_j'] * 1e3:.0f} mJ",
        f"{means['switches_per_min']:.1f} /min",
        f"{means['throttled_s']:.1f} s",
        f"{means['decide_p50_s'] * 1e6:.1f} / {means['decide_p99_s'] * 1e6:.1f} µs",
    ]


def _percent(share: Mean) -> str:
    return f"{share.value:.1%} ± {share.error * 100:.1f}"
