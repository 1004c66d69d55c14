"""Two engines on one emulated board that is still warming up: how honest the ratio's interval is.

Leakage makes every watt dearer with heat, so who runs later pays more. Windows that take turns
(A B B A) cancel that; all of A before all of B does not, and is shown beside it.
"""

import math
from typing import Any, NamedTuple

import msgspec
import numpy as np

from benchmarks.energy_coverage import FRAME_S, GAIN, Look, Reader, share_interval
from edgert.emulator.spec import BoardSpec
from edgert.emulator.trace import PowerTrace, Runs
from edgert.profiling.energy.compare import compare_energy, order
from edgert.profiling.energy.estimate import Mean, Stretch, mean_of

PAIRS = 6
WINDOW_S = 10.0
_LEAD_S, _IDLE_S = 2.0, 30.0
_LOOK = Look(0.02)


class Pair(NamedTuple):
    """A ratio with its interval, and what was true."""

    ratio: float
    interval: tuple[float, float]
    true: float


def ratio_row(
    spec: BoardSpec, *, paced: bool, turns: bool, runs: int, seed: int
) -> dict[str, Any]:
    """Error and coverage of many comparisons.

    Args:
        spec: The board.
        paced: 30 frames a second; else back to back.
        turns: Windows take turns; else one engine is measured after the other.
        runs: How many comparisons.
        seed: Of the first.
    """
    pairs = [_compare_once(spec, seed + n, paced=paced, turns=turns) for n in range(runs)]
    errors = np.array([pair.ratio / pair.true - 1 for pair in pairs])
    held = sum(pair.interval[0] <= pair.true <= pair.interval[1] for pair in pairs)
    widths = [(pair.interval[1] - pair.interval[0]) / 2 / pair.true for pair in pairs]
    return {
        "load": "30 fps" if paced else "back to back",
        "order": "ABBA" if turns else "AA BB",
        "runs": runs,
        "bias_ratio": float(errors.mean()),
        "error_median_ratio": float(np.median(np.abs(errors))),
        "coverage": held / runs,
        "coverage_interval": share_interval(held, runs),
        "half_width_ratio": float(np.mean(widths)),
    }


def line_of(row: dict[str, Any]) -> str:
    """A row as text."""
    low, high = row["coverage_interval"]
    return (
        f"{row['load']:<19}{row['order']:<7}{row['bias_ratio']:>+8.2%}"
        f"{row['error_median_ratio']:>8.2%}{row['coverage']:>8.1%} ({low:>5.1%} to {high:.1%})"
        f"{row['half_width_ratio']:>8.2%}"
    )


def _compare_once(spec: BoardSpec, seed: int, *, paced: bool, turns: bool) -> Pair:
    random = np.random.default_rng([seed, 13])
    names = order(["a", "b"], PAIRS)
    if not turns:
        names = [(n, name) for name in "ab" for n in range(PAIRS)]
    # The same work at the same power: what differs is how long it takes.
    busy_s = dict(zip("ab", random.uniform(0.008, 0.02, 2).tolist(), strict=True))
    ratio = random.uniform(0.6, 1.0)
    parts, edges_s = [], []
    time_s = _IDLE_S
    for _, name in names:
        period_s = FRAME_S if paced else busy_s[name] / 0.97
        lead = math.ceil(_LEAD_S * random.uniform(1, 2) / period_s)
        count = round(WINDOW_S / period_s)
        parts.append(
            Runs.paced(
                start_s=time_s,
                period_s=period_s,
                busy_s=busy_s[name],
                count=lead + count + 2,
                compute_ratio=ratio,
            )
        )
        from_s = time_s + lead * period_s
        edges_s.append((from_s, from_s + count * period_s, count))
        time_s = parts[-1].start_s[-1] + period_s + random.uniform(0.0, 0.1)
    trace = PowerTrace.from_runs(spec, Runs.join(*parts), end_s=time_s + 2.0)
    reader = Reader(random, trace, _LOOK, time_s + 1.0)
    power_w, bound = reader.readings(random.uniform(-1, 1, 4))
    bound = msgspec.structs.replace(bound, ratios=[GAIN, GAIN])
    windows: dict[str, list[tuple[int, Mean, float]]] = {"a": [], "b": []}
    for (number, name), (from_s, to_s, count) in zip(names, edges_s, strict=True):
        mean = mean_of(Stretch(reader.time_s, power_w, from_s, to_s, count), bound)
        true_j = float(trace.energy_j(from_s, to_s)) / count
        windows[name].append((number, mean, true_j))
    for found in windows.values():
        found.sort(key=lambda window: window[0])
    idle = [mean_of(Stretch(reader.time_s, power_w, 1.0, _IDLE_S), bound)]
    ours, base = ([mean for _, mean, _ in windows[name]] for name in "ba")
    result = compare_energy(ours, base, idle, bound, name="a")
    if result is None:
        raise ValueError("too few pairs")
    return Pair(result.total, result.total_interval, _true_ratio(spec, trace, windows))


def _true_ratio(
    spec: BoardSpec, trace: PowerTrace, windows: dict[str, list[tuple[int, Mean, float]]]
) -> float:
    """The ratio of energies with each window's die taken at the mean temperature of all."""
    power = spec.power
    mean_c = float(
        np.mean(
            [trace.temp_at(mean.middle_s) for found in windows.values() for _, mean, _ in found]
        )
    )

    def factor(temp_c: float) -> float:
        return 1 + power.leakage_per_k * (temp_c - power.leakage_reference_c)

    logs = {}
    for name, found in windows.items():
        energies_j = []
        for _, mean, true_j in found:
            idle_j = power.idle_w * mean.duration_s / mean.inferences
            hot = factor(float(trace.temp_at(mean.middle_s)))
            energies_j.append(idle_j + (true_j - idle_j) * factor(mean_c) / hot)
        logs[name] = float(np.mean(np.log(energies_j)))
    return math.exp(logs["b"] - logs["a"])
