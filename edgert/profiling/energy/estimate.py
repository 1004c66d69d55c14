"""From windows of power samples to energy per inference with its 95 % interval.

Pure: the same for a board, an emulated board and a simulation of either.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgert.profiling.energy.integrate import weights_s
from edgert.profiling.energy.scatter import (
    LEVEL,
    Scatter,
    join_scatter,
    sample_scatter,
    window_scatter,
)
from edgert.profiling.energy.sensor_bound import SensorBound, level_shares, rounding_w
from edgert.profiling.energy.student import half_width

Floats = npt.NDArray[np.float64]


class Stretch(NamedTuple):
    """Power samples of a window, under load or idle; with a neighbour on either side, if any."""

    time_s: Floats
    power_w: Floats
    from_s: float
    to_s: float
    inferences: int = 0


class Mean(NamedTuple):
    """What a stretch comes to. `scatter` is of its energy; for `levels` see `level_shares`."""

    energy_j: float
    duration_s: float
    middle_s: float
    inferences: int
    samples: int
    scatter: Scatter
    levels: dict[int, float]

    @property
    def power_w(self) -> float:
        """The mean power."""
        return self.energy_j / self.duration_s


class Estimate(NamedTuple):
    """Energy of one inference, total and above idle, with half the width of its interval.

    `*_statistical_j` is the half width without the sensor's own bound.
    """

    total_j: float
    total_half_j: float
    total_statistical_j: float
    marginal_j: float
    marginal_half_j: float
    marginal_statistical_j: float
    power_w: float
    idle_w: float
    inferences: int
    samples: int


class Idle(NamedTuple):
    """Idle power in the middle of the windows, from the idle stretches around them."""

    at_windows_w: list[float]
    power_w: float
    standard_error_w: float
    drift_w: float  # half of what it moved from one stretch to another, beyond its scatter
    levels: dict[int, float]


def mean_of(stretch: Stretch, bound: SensorBound) -> Mean:
    """Energy, scatter and levels of one stretch.

    Args:
        stretch: With nothing against it; see `integrate.why_unfit`.
        bound: The sensor's.
    """
    weights = weights_s(stretch.time_s, stretch.from_s, stretch.to_s)
    duration_s = stretch.to_s - stretch.from_s
    samples = int(np.count_nonzero(weights))
    echo = max(1, math.ceil(bound.update_s * samples / duration_s))
    return Mean(
        energy_j=float(np.dot(weights, stretch.power_w)),
        duration_s=duration_s,
        middle_s=(stretch.from_s + stretch.to_s) / 2,
        inferences=stretch.inferences,
        samples=samples,
        scatter=sample_scatter(stretch.power_w, weights, echo=echo),
        levels=level_shares(stretch.power_w, weights, bound.step_w),
    )


def estimate_energy(windows: Sequence[Mean], idle: Sequence[Mean], bound: SensorBound) -> Estimate:
    """Energy of one inference from windows of load and from idle around them.

    Args:
        windows: One or more, of one engine.
        idle: One or more; the first and last in time are drawn a line between. Times of stretches
            from different runs of a program do not matter where each is near its windows.
        bound: The sensor's.
    """
    inferences = sum(window.inferences for window in windows)
    seconds = sum(window.duration_s for window in windows)
    energy_j = sum(window.energy_j for window in windows)
    per_inference_s = seconds / inferences
    around = idle_around(idle, [window.middle_s for window in windows])
    levels = mean_levels(windows)
    within = join_within(windows)
    totals_j = [window.energy_j / window.inferences for window in windows]
    marginals_j = [
        (window.energy_j - idle_w * window.duration_s) / window.inferences
        for window, idle_w in zip(windows, around.at_windows_w, strict=True)
    ]
    power_w = energy_j / seconds
    above_w = power_w - around.power_w
    total = join_scatter(window_scatter(totals_j), within)
    marginal = join_scatter(window_scatter(marginals_j), within)
    total_bounds_w = [ratio * power_w for ratio in bound.ratios] + bound.offsets_w
    total_bounds_w += rounding_w(levels, {}, bound.step_w)
    marginal_bounds_w = [ratio * above_w for ratio in bound.ratios]
    marginal_bounds_w += rounding_w(levels, around.levels, bound.step_w)
    idle_sd_j = around.standard_error_w * per_inference_s
    drift_j = around.drift_w * per_inference_s

    def half(
        scatter: Scatter, bounds_w: Sequence[float], idle_sd_j: float, drift_j: float
    ) -> float:
        return half_width(
            LEVEL,
            t_scale=scatter.standard_error,
            df=scatter.df,
            normal_sd=idle_sd_j,
            uniform=[*(width * per_inference_s for width in bounds_w), drift_j],
        )

    return Estimate(
        total_j=energy_j / inferences,
        total_half_j=half(total, total_bounds_w, 0.0, 0.0),
        total_statistical_j=half(total, [], 0.0, 0.0),
        marginal_j=above_w * per_inference_s,
        marginal_half_j=half(marginal, marginal_bounds_w, idle_sd_j, drift_j),
        marginal_statistical_j=half(marginal, [], idle_sd_j, drift_j),
        power_w=power_w,
        idle_w=around.power_w,
        inferences=inferences,
        samples=sum(window.samples for window in windows),
    )


def idle_around(idle: Sequence[Mean], middles_s: Sequence[float]) -> Idle:
    """Idle power at the middles of windows: straight between the stretches before and after."""
    ordered = sorted(idle, key=lambda mean: mean.middle_s)
    at_s = np.array([mean.middle_s for mean in ordered])
    powers_w = np.array([mean.power_w for mean in ordered])
    errors_w = np.array([m.scatter.standard_error / m.duration_s for m in ordered])
    at_windows_w = np.interp(middles_s, at_s, powers_w)
    # How much each stretch counts in the mean over the windows.
    counts = np.array([np.interp(middles_s, at_s, row).mean() for row in np.eye(len(ordered))])
    levels: dict[int, float] = {}
    for count, mean in zip(counts.tolist(), ordered, strict=True):
        for level, share in mean.levels.items():
            levels[level] = levels.get(level, 0.0) + count * share
    moved_w = float(powers_w.max() - powers_w.min())
    scattered_w = 2 * math.sqrt(float((errors_w**2).sum()))
    return Idle(
        at_windows_w=at_windows_w.tolist(),
        power_w=float(at_windows_w.mean()),
        standard_error_w=math.sqrt(float((counts**2 * errors_w**2).sum())),
        drift_w=max(0.0, moved_w - scattered_w) / 2,
        levels=levels,
    )


def join_within(windows: Sequence[Mean]) -> Scatter:
    """Scatter of the mean energy of an inference from the scatters inside the windows."""
    inferences = sum(window.inferences for window in windows)
    squares = sum(window.scatter.standard_error**2 for window in windows)
    return Scatter(math.sqrt(squares) / inferences, sum(w.scatter.df for w in windows))


def mean_levels(windows: Sequence[Mean]) -> dict[int, float]:
    """The levels of all windows together, each window by its length."""
    seconds = sum(window.duration_s for window in windows)
    levels: dict[int, float] = {}
    for window in windows:
        for level, share in window.levels.items():
            levels[level] = levels.get(level, 0.0) + share * window.duration_s / seconds
    return levels
