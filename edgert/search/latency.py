"""What choices cost on this device, against the full model: rounds in which they take turns.

A machine gets busier and slower over the hour that a search takes. A ratio to the full model,
measured in the same rounds, stays what it is; milliseconds don't.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Run = Callable[[], object]
_MAD = 1.4826  # median absolute deviation to standard deviation, of a normal distribution
_MEDIAN = 1.2533  # standard error of a median over that of a mean, likewise


@dataclass(frozen=True)
class Cost:
    """What a choice costs.

    Attributes:
        ratio: Of the full model's cost.
        error: Standard error of the ratio; 0 where the cost is counted, not measured.
        spread: Interquartile range of the ratio over rounds.
        median_s: Median seconds of a run; None where the cost is no time.
    """

    ratio: float
    error: float = 0.0
    spread: float = 0.0
    median_s: float | None = None


FULL_COST = Cost(1.0)


def measure_costs(
    full: Run,
    runs_by_key: Mapping[str, Run],
    *,
    rounds: int,
    runs_per_round: int = 2,
    patience: int = 1,
    error: float = 0.01,
) -> tuple[Cost, dict[str, Cost]]:
    """Time some engines against the full model.

    Args:
        full: Runs the full model once.
        runs_by_key: What runs each of the others once.
        rounds: How often each has its turn, at least 2.
        runs_per_round: Timed runs in a turn, after one untimed.
        patience: Go on for up to this many times the rounds while some ratio is less sure than
            `error`: on a machine that does something else beside.
        error: Standard error of a ratio that is good enough.

    Returns:
        The cost of the full model, its ratio 1, and of each of the others.
    """
    all_runs = {"": full, **runs_by_key}
    times_s: dict[str, list[list[float]]] = {key: [] for key in all_runs}
    costs: dict[str, Cost] = {}
    for done in range(1, rounds * patience + 1):
        for key, run in all_runs.items():
            times_s[key].append(_turn(run, runs_per_round))
        if done >= rounds:
            costs = _costs(times_s)
            if all(cost.error <= error for cost in costs.values()):
                break
    return costs.pop(""), costs


def cost_from_ratios(ratios: NDArray[np.float64], median_s: float) -> Cost:
    """Median of the rounds' ratios, with its spread and its standard error."""
    first, median, third = np.percentile(ratios, [25, 50, 75])
    deviation = _MAD * float(np.median(np.abs(ratios - median)))
    return Cost(
        ratio=float(median),
        error=_MEDIAN * deviation / len(ratios) ** 0.5,
        spread=float(third - first),
        median_s=median_s,
    )


def _costs(times_s: Mapping[str, list[list[float]]]) -> dict[str, Cost]:
    base = np.array([min(turn) for turn in times_s[""]])
    costs = {}
    for key, turns in times_s.items():
        ratios = np.array([min(turn) for turn in turns]) / base
        costs[key] = cost_from_ratios(ratios, float(np.median(np.concatenate(turns))))
    return costs


def _turn(run: Run, runs: int) -> list[float]:
    """One untimed run, since caches belong to whoever ran before; then the timed ones."""
    run()
    times_s = []
    for _ in range(runs):
        start_s = time.perf_counter()
        run()
        times_s.append(time.perf_counter() - start_s)
    return times_s
