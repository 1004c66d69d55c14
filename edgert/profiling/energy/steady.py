"""When a board has warmed up: neither its temperature nor its power moves any more."""

import math

import numpy as np
import numpy.typing as npt

from edgert.profiling.energy.integrate import LEAST_SAMPLES, weights_s
from edgert.profiling.energy.scatter import sample_scatter
from edgert.records import Positive, Record

Floats = npt.NDArray[np.float64]


class Steady(Record, frozen=True, kw_only=True):
    """What counts as steady: over `over_s`, the hottest zone's slope and the halves' powers."""

    over_s: Positive = 30.0
    slope_c_per_s: Positive = 0.02
    halves_ratio: Positive = 0.005


def slope_c_per_s(time_s: Floats, temp_c: Floats) -> float:
    """Slope of a straight line through temperatures; NaN where fewer than two are known."""
    known = np.isfinite(temp_c)
    if np.count_nonzero(known) < 2:
        return math.nan
    time_s = time_s[known] - time_s[known].mean()
    return float(np.dot(time_s, temp_c[known]) / np.dot(time_s, time_s))


def why_unsteady(
    time_s: Floats, power_w: Floats, temp_c: Floats, to_s: float, wanted: Steady
) -> str:
    """Why the board was not steady up to a time; "" where it was.

    The two halves' mean powers scatter by themselves where frames leave pauses, so they may differ
    by twice the standard error of that on top. A board without a readable zone is judged by its
    power alone.

    Args:
        time_s: (N,) of the samples.
        power_w: (N,).
        temp_c: (N,), NaN where unknown.
        to_s: The end of the stretch that is looked at.
        wanted: What counts as steady.
    """
    from_s, middle_s = to_s - wanted.over_s, to_s - wanted.over_s / 2
    inside = (time_s >= from_s) & (time_s <= to_s)
    if np.count_nonzero(inside) < 2 * LEAST_SAMPLES or time_s[inside][0] > middle_s:
        return "too few samples"
    slope = slope_c_per_s(time_s[inside], temp_c[inside])
    if abs(slope) > wanted.slope_c_per_s:
        return f"temperature moves by {slope:+.3f} °C/s"
    means_w, variance = [], 0.0
    for start_s, end_s in ((from_s, middle_s), (middle_s, to_s)):
        weights = weights_s(time_s, start_s, end_s)
        length_s = end_s - start_s
        means_w.append(float(np.dot(weights, power_w)) / length_s)
        variance += (sample_scatter(power_w, weights).standard_error / length_s) ** 2
    allowed_w = wanted.halves_ratio * means_w[0] + 2 * math.sqrt(variance)
    if abs(means_w[1] - means_w[0]) > allowed_w:
        return f"power moves by {means_w[1] / means_w[0] - 1:+.1%} in {wanted.over_s / 2:g} s"
    return ""
