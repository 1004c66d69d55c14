"""How often the 95 % interval of an energy holds the truth: many measurements of emulated boards.

Each measurement draws a board's idle power, an engine's power and time, the phases of camera and
sensor and the pauses between windows. Where the sensor is `drawn`, its gains and offsets too, from
the bounds that its data sheet states. The truth is the emulated board's own energy.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from edgert.emulator import ina3221
from edgert.emulator.ina3221 import Ina3221Spec
from edgert.emulator.spec import BoardSpec
from edgert.emulator.trace import PowerTrace, Runs
from edgert.profiling.energy.estimate import (
    Estimate,
    Stretch,
    estimate_energy,
    mean_of,
)
from edgert.profiling.energy.sensor_bound import SensorBound, ina3221_bound

Floats = npt.NDArray[np.float64]

IDLE_S = 30.0
LEAD_S = 5.0  # the load runs that long before the first window
PAUSE_S = (1.0, 2.0)  # and so long from one window to the next
TAIL_S = 1.0
REST_S = 2.0  # from the load's end to idle
FRAME_S = 1 / 30
# What the INA3221 may be off by, of the power, the shunt and the bus (TI SBOS576).
GAIN, SHUNT_V, BUS_V = 0.0025, 80e-6, 16e-3


class Look(NamedTuple):
    """How a board's power is looked at.

    samples: conversions that the chip averages: 1 is the driver's default, 64 take 422 ms.
    """

    interval_s: float
    samples: int = 1
    dithered: bool = True


class Outcome(NamedTuple):
    """What a measurement came to, and what was true.

    `estimate` comes from a chip that is exact but for its steps, `drawn` from one with errors.
    """

    estimate: Estimate
    drawn: Estimate
    total_j: float
    marginal_j: float


class _Load(NamedTuple):
    runs: Runs
    first_s: float  # when an inference begins; the others follow by `period_s`
    period_s: float


def _back_to_back(random: np.random.Generator, start_s: float, seconds: float) -> _Load:
    """One inference right behind the other, 4 to 20 ms each, 97 % busy, scattered by 1 %."""
    period_s = random.uniform(0.004, 0.02)
    count = math.ceil(seconds / period_s)
    scatter = 1 + 0.01 * random.standard_normal(count)
    runs = Runs.paced(
        start_s=start_s,
        period_s=period_s,
        busy_s=0.97 * period_s * scatter.clip(0.5, 1.03),
        count=count,
        compute_ratio=random.uniform(0.5, 1.0),
    )
    return _Load(runs, start_s, period_s)


def _frames(jitter: float) -> Callable[[np.random.Generator, float, float], _Load]:
    """30 frames a second, the engine busy for 30 to 50 % of each; `jitter` is of a frame."""

    def load(random: np.random.Generator, start_s: float, seconds: float) -> _Load:
        first_s = start_s + random.uniform(0, FRAME_S)
        count = math.ceil(seconds / FRAME_S)
        runs = Runs.paced(
            start_s=first_s,
            period_s=FRAME_S,
            busy_s=random.uniform(0.3, 0.5) * FRAME_S,
            count=count,
            jitter_s=jitter * FRAME_S * random.standard_normal(count),
            compute_ratio=random.uniform(0.5, 1.0),
        )
        return _Load(runs, first_s, FRAME_S)

    return load


def _constant(random: np.random.Generator, start_s: float, seconds: float) -> _Load:
    """One power all the time: nothing scatters, and only the sensor's own errors are left."""
    runs = Runs.at(start_s, seconds, compute_ratio=random.uniform(0.5, 1.0))
    return _Load(runs, start_s, 0.01)


LOADS: dict[str, Callable[[np.random.Generator, float, float], _Load]] = {
    "back to back": _back_to_back,
    "30 fps": _frames(0.0),
    "30 fps, 2 % jitter": _frames(0.02),
    "constant": _constant,
}


def measure_many(
    spec: BoardSpec,
    load: str,
    looks: Sequence[Look],
    *,
    window_s: float,
    windows: int = 5,
    runs: int = 400,
    seed: int = 0,
) -> list[list[Outcome]]:
    """Measurements `seed`, `seed` + 1, … of one load; for each look its outcomes."""
    outcomes = [
        measure_once(spec, load, looks, window_s=window_s, windows=windows, seed=seed + number)
        for number in range(runs)
    ]
    return [list(column) for column in zip(*outcomes, strict=True)]


def measure_once(
    spec: BoardSpec, load: str, looks: Sequence[Look], *, window_s: float, windows: int, seed: int
) -> list[Outcome]:
    """One measurement, idle, windows, idle, looked at in several ways."""
    random = np.random.default_rng([seed, 7])
    idle_w = random.uniform(0.8, 1.2) * spec.power.idle_w
    power = msgspec.structs.replace(spec.power, idle_w=idle_w)
    spec = msgspec.structs.replace(spec, power=power)
    seconds = LEAD_S + windows * (window_s + PAUSE_S[1]) + TAIL_S
    ran = LOADS[load](random, IDLE_S, seconds)
    after_s = IDLE_S + seconds + REST_S
    end_s = after_s + IDLE_S
    busy = ran.runs.compute_ratio * (ran.runs.end_s - ran.runs.start_s)
    settled_w = idle_w + (power.compute_w + power.memory_w) * float(busy.sum()) / seconds
    trace = PowerTrace.from_runs(spec, ran.runs, end_s=end_s, settled_w=settled_w)
    # Windows hold whole inferences, as the procedure's do.
    inferences = max(1, round(window_s / ran.period_s))
    edges_s = []
    time_s = IDLE_S + LEAD_S
    for _ in range(windows):
        begun = math.ceil((time_s - ran.first_s) / ran.period_s)
        from_s = ran.first_s + begun * ran.period_s
        edges_s.append((from_s, from_s + inferences * ran.period_s))
        time_s = edges_s[-1][1] + random.uniform(*PAUSE_S)
    true_j = sum(float(trace.energy_j(*edges)) for edges in edges_s)
    duration_s = windows * inferences * ran.period_s
    stretches = [(*edges, inferences) for edges in edges_s]
    stretches += [(1.0, IDLE_S, 0), (after_s, end_s - 0.5, 0)]
    outcomes = []
    for number, look in enumerate(looks):
        own = np.random.default_rng([seed, 11, number])
        reader = Reader(own, trace, look, end_s)
        estimates = []
        for errors in (np.zeros(4), own.uniform(-1, 1, 4)):
            power_w, bound = reader.readings(errors)
            means = [
                mean_of(Stretch(reader.time_s, power_w, from_s, to_s, count), bound)
                for from_s, to_s, count in stretches
            ]
            estimates.append(estimate_energy(means[:-2], means[-2:], bound))
        count = windows * inferences
        marginal_j = (true_j - idle_w * duration_s) / count
        outcomes.append(Outcome(estimates[0], estimates[1], true_j / count, marginal_j))
    return outcomes


def instants(
    random: np.random.Generator, interval_s: float, end_s: float, *, dithered: bool
) -> Floats:
    """When a sensor is read: every h U(0.5, 1.5), or every h as a timer keeps it (200 ppm)."""
    count = math.ceil(1.1 * end_s / interval_s) + 50
    if dithered:
        steps_s = interval_s * random.uniform(0.5, 1.5, count)
    else:
        steps_s = interval_s * (1 + 2e-4 * random.standard_normal(count))
    times_s = random.uniform(0, interval_s) + np.cumsum(steps_s)
    return times_s[times_s < end_s]


class Reader:
    """A chip on a trace, read at random instants: what it saw, and what it makes of that."""

    def __init__(
        self, random: np.random.Generator, trace: PowerTrace, look: Look, end_s: float
    ) -> None:
        chip = msgspec.convert({"samples": look.samples}, Ina3221Spec)
        phase_s = -random.uniform(0, chip.update_period_s)
        self._chip = msgspec.structs.replace(chip, phase_s=phase_s)
        self.time_s = instants(random, look.interval_s, end_s, dithered=look.dithered)
        batches = ina3221.batches_at(self._chip, 0, self.time_s)
        first = np.append(True, np.diff(batches) > 0)
        self._place = np.cumsum(first) - 1
        looks_s = ina3221.looks_of(self._chip, 0, batches[first])
        self._seen_w = trace.mean_w(looks_s, looks_s + chip.conversion_s).mean(axis=1)

    def readings(self, errors: Floats) -> tuple[Floats, SensorBound]:
        """Powers at the instants, of a chip that is off by these shares of its bounds."""
        chip = msgspec.structs.replace(
            self._chip,
            shunt_gain_ratio=1 + GAIN * float(errors[0]),
            shunt_offset_v=SHUNT_V * float(errors[1]),
            bus_offset_v=BUS_V * float(errors[2]),
        )
        steps = ina3221.current_steps(chip, self._seen_w)[self._place]
        volts = ina3221.bus_v(chip) * (1 + GAIN * float(errors[3]))
        bound = ina3221_bound([(chip.shunt_ohm, chip.supply_v)], update_s=chip.update_period_s)
        if not errors.any():
            bound = msgspec.structs.replace(bound, ratios=[], offsets_w=[])
        return steps * (chip.current_step_a * volts), bound


# ---------------------------------------------------------------- what many come to


def coverage(
    outcomes: Sequence[Outcome], *, drawn: bool = False, width: float = 1.0
) -> dict[str, Any]:
    """Bias, error, share of intervals that hold the truth and their width; total and marginal.

    Args:
        outcomes: Of one case.
        drawn: Of the chip with errors.
        width: What intervals are multiplied by; below 1 to see that too narrow ones are caught.
    """
    chip = "drawn" if drawn else "estimate"
    result: dict[str, Any] = {"runs": len(outcomes)}
    for name in ("total", "marginal"):
        got, half, true = (
            np.array([getattr(*pick) for pick in picks])
            for picks in (
                [(getattr(o, chip), f"{name}_j") for o in outcomes],
                [(getattr(o, chip), f"{name}_half_j") for o in outcomes],
                [(o, f"{name}_j") for o in outcomes],
            )
        )
        error = got / true - 1
        held = int((np.abs(got - true) <= width * half).sum())
        low, high = share_interval(held, len(outcomes))
        result[name] = {
            "bias_ratio": float(error.mean()),
            "error_median_ratio": float(np.median(np.abs(error))),
            "error_p95_ratio": float(np.quantile(np.abs(error), 0.95)),
            "coverage": held / len(outcomes),
            "coverage_interval": [low, high],
            "half_width_ratio": float((half / true).mean()) * width,
        }
    return result


def share_interval(held: int, runs: int) -> tuple[float, float]:
    """95 % interval of a share of runs (Wilson, 1927)."""
    z = 1.959964
    share = held / runs
    middle = (share + z * z / (2 * runs)) / (1 + z * z / runs)
    half = z / (1 + z * z / runs) * math.sqrt(share * (1 - share) / runs + (z / (2 * runs)) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)
