"""Seconds that a run takes: warmed up, measured in rounds that take turns, with its spread."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgert.records import LatencyStatistics

Progress = Callable[[int, int, str], None]
# Seconds of every run of one round, by engine.
RoundTimes = Mapping[str, list[float]]


def measure_latencies(
    runs_by_name: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 10,
    runs_per_round: int = 5,
    warmup_runs: int = 3,
    progress: Progress | None = None,
    finished: Sequence[RoundTimes] = (),
    keep: Callable[[RoundTimes], None] | None = None,
) -> dict[str, LatencyStatistics]:
    """Time several engines against each other.

    The engines take turns round by round, so that a machine that gets slower or busier meets all
    of them alike; one after the other would blame whoever came last.

    Args:
        runs_by_name: For each engine, what runs it once.
        rounds: How often each engine gets its turn.
        runs_per_round: Timed runs in a turn.
        warmup_runs: Untimed runs before the first round, and one before each turn: caches and
            clocks belong to the engine that ran before.
        progress: Called before each turn.
        finished: Rounds of a measurement that was broken off; it goes on behind them.
        keep: Called with the times of each round as it ends.
    """
    begun = len(finished)
    if begun < rounds:
        for run in runs_by_name.values():
            for _ in range(warmup_runs):
                run()
    times_s = {name: [s for kept in finished for s in kept[name]] for name in runs_by_name}
    for turn in range(begun, rounds):
        if progress is not None:
            progress(turn, rounds, f"round {turn + 1}")
        for name, run in runs_by_name.items():
            run()
            for _ in range(runs_per_round):
                start_s = time.perf_counter()
                run()
                times_s[name].append(time.perf_counter() - start_s)
        if keep is not None:
            keep({name: times[-runs_per_round:] for name, times in times_s.items()})
    if progress is not None:
        progress(rounds, rounds, "done")
    warmed = warmup_runs + rounds
    return {name: latency_statistics(times, warmup_runs=warmed) for name, times in times_s.items()}


def latency_statistics(times_s: list[float], *, warmup_runs: int = 0) -> LatencyStatistics:
    """Median, tail and spread of measured times in seconds."""
    first, median, third, p95, p99 = np.percentile(times_s, [25, 50, 75, 95, 99])
    return LatencyStatistics(
        median_s=float(median),
        p95_s=float(p95),
        p99_s=float(p99),
        iqr_s=float(third - first),
        runs=len(times_s),
        warmup_runs=warmup_runs,
    )
