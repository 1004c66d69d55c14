"""Two engines whose windows took turns: the ratio of their energies, with its interval.

Pairs of neighbouring windows have the heat, the air and the supply in common, and share a sensor:
what these do to both falls out of the ratio, and does not out of two figures from different hours.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgert.profiling.energy.estimate import Idle, Mean, idle_around, join_within, mean_levels
from edgert.profiling.energy.scatter import LEVEL, Scatter, join_scatter, window_scatter
from edgert.profiling.energy.sensor_bound import SensorBound, rounding_w
from edgert.profiling.energy.student import half_width
from edgert.records import EnergyRatio


def order(names: Sequence[str], rounds: int) -> list[tuple[int, str]]:
    """Turns of engines: forth, back, forth, …: A B B A A B. Drift that is straight cancels."""
    return [
        (number, name)
        for number in range(rounds)
        for name in (names if number % 2 == 0 else reversed(names))
    ]


def compare_energy(
    ours: Sequence[Mean],
    baseline: Sequence[Mean],
    idle: Sequence[Mean],
    bound: SensorBound,
    *,
    name: str,
) -> EnergyRatio | None:
    """The ratio of energies per inference from pairs of windows; None for fewer than two pairs.

    Args:
        ours: One window for each turn.
        baseline: As many, each of the same turn.
        idle: As for `estimate_energy`.
        bound: The sensor's; what grows with the power is the same in both and falls out.
        name: The baseline's.
    """
    if len(ours) != len(baseline):
        raise ValueError(f"{len(ours)} windows and {len(baseline)} of the baseline make no pairs")
    if len(ours) < 2:
        return None
    total = _ratio(_Side(ours, None), _Side(baseline, None), bound)
    marginal = _ratio(
        _Side(ours, idle_around(idle, [window.middle_s for window in ours])),
        _Side(baseline, idle_around(idle, [window.middle_s for window in baseline])),
        bound,
    )
    if total is None:
        return None
    return EnergyRatio(
        baseline=name,
        total=total[0],
        total_interval=total[1],
        marginal=marginal[0] if marginal else None,
        marginal_interval=marginal[1] if marginal else None,
        pairs=len(ours),
    )


class _Side(NamedTuple):
    """One engine's windows, and the idle power that is taken off them, if any."""

    windows: Sequence[Mean]
    idle: Idle | None

    def per_inference_j(self) -> list[float]:
        """Energy of each window's inference, total or above idle."""
        if self.idle is None:
            return [window.energy_j / window.inferences for window in self.windows]
        return [
            (window.energy_j - idle_w * window.duration_s) / window.inferences
            for window, idle_w in zip(self.windows, self.idle.at_windows_w, strict=True)
        ]

    def power_w(self) -> float:
        """Mean power, total or above idle."""
        mean_w = float(np.mean([window.power_w for window in self.windows]))
        return mean_w - (self.idle.power_w if self.idle else 0.0)


def _ratio(
    ours: _Side, base: _Side, bound: SensorBound
) -> tuple[float, tuple[float, float]] | None:
    """The ratio and its interval; None where an energy is not positive."""
    sides = (ours, base)
    energies_j = [side.per_inference_j() for side in sides]
    if min(*energies_j[0], *energies_j[1]) <= 0:
        return None
    logs = np.log(energies_j[0]) - np.log(energies_j[1])
    within = [
        join_within(side.windows).standard_error / float(np.mean(found_j))
        for side, found_j in zip(sides, energies_j, strict=True)
    ]
    scatter = Scatter(math.hypot(*within), len(logs) - 1)
    spread = join_scatter(window_scatter(logs.tolist()), scatter)
    # What is the same number of watts for both weighs more on the one that draws less.
    unequal = abs(1 / ours.power_w() - 1 / base.power_w())
    if ours.idle is None:
        idle_sd = drift = 0.0
        bounds = [offset_w * unequal for offset_w in bound.offsets_w]
    else:
        idle_sd, drift = (
            error_w * unequal for error_w in (ours.idle.standard_error_w, ours.idle.drift_w)
        )
        bounds = []
    for side in sides:
        levels = side.idle.levels if side.idle else {}
        widths_w = rounding_w(mean_levels(side.windows), levels, bound.step_w)
        bounds += [width_w / side.power_w() for width_w in widths_w]
    half = half_width(
        LEVEL,
        t_scale=spread.standard_error,
        df=spread.df,
        normal_sd=idle_sd,
        uniform=[*bounds, drift],
    )
    middle = float(logs.mean())
    return math.exp(middle), (math.exp(middle - half), math.exp(middle + half))
