"""From power samples to the energy of a window: trapezoids with interpolated ends.

Pure arithmetic on arrays of times (s) and powers (W). What makes samples unfit for it is told as
a reason, in words, and left to the caller to act on.
"""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST_SAMPLES = 8  # in a window; below that its scatter says nothing


def energy_j(time_s: Floats, power_w: Floats, from_s: float, to_s: float) -> float:
    """Energy between two times: sum of trapezoids, straight lines to the two window ends.

    Args:
        time_s: (N,), rising.
        power_w: (N,), finite.
        from_s: Start of the window; before the first sample its power is held.
        to_s: End of the window; after the last sample its power is held.

    Raises:
        ValueError: Samples that `why_unfit` has a reason against, or a window without length.
    """
    if reason := why_unfit(time_s, power_w, from_s, to_s):
        raise ValueError(reason)
    return float(np.dot(weights_s(time_s, from_s, to_s), power_w))


def weights_s(time_s: Floats, from_s: float, to_s: float) -> Floats:
    """Seconds that each sample stands for: their products with the powers sum to the energy.

    The same arithmetic as trapezoids with interpolated ends, told by sample, so that the scatter
    of the samples can be followed into the energy. They sum to `to_s - from_s`.
    """
    inside = slice(*np.searchsorted(time_s, [from_s, to_s]))
    knots_s = np.concatenate([[from_s], time_s[inside], [to_s]])
    steps_s = np.diff(knots_s)
    halves_s = np.append(0.0, steps_s) / 2 + np.append(steps_s, 0.0) / 2
    weights = np.zeros(len(time_s))
    weights[inside] += halves_s[1:-1]
    for knot_s, half_s in ((from_s, halves_s[0]), (to_s, halves_s[-1])):
        after = int(np.searchsorted(time_s, knot_s))
        if after in (0, len(time_s)):
            weights[min(after, len(time_s) - 1)] += half_s
            continue
        share = (knot_s - time_s[after - 1]) / (time_s[after] - time_s[after - 1])
        weights[after - 1] += (1 - share) * half_s
        weights[after] += share * half_s
    return weights


def cut(time_s: Floats, power_w: Floats, from_s: float, to_s: float) -> tuple[Floats, Floats]:
    """The samples of a window with one neighbour on either side, which its ends need."""
    first = max(0, int(np.searchsorted(time_s, from_s)) - 1)
    last = int(np.searchsorted(time_s, to_s, side="right")) + 1
    return time_s[first:last], power_w[first:last]


def why_unfit(
    time_s: Floats,
    power_w: Floats,
    from_s: float,
    to_s: float,
    *,
    most_gap_s: float = math.inf,
    least_samples: int = LEAST_SAMPLES,
) -> str:
    """Why no energy can be had of these samples in this window; "" where it can.

    Args:
        time_s: (N,).
        power_w: (N,).
        from_s: Start of the window.
        to_s: End of the window.
        most_gap_s: The longest time without a sample that is let pass.
        least_samples: How many there must be in the window.
    """
    if not to_s > from_s:
        return f"a window of {to_s - from_s:g} s"
    if len(time_s) != len(power_w):
        return f"{len(time_s)} times for {len(power_w)} powers"
    if not np.isfinite(time_s).all() or (np.diff(time_s) <= 0).any():
        return "the clock jumped: times of samples don't rise"
    inside = slice(*np.searchsorted(time_s, [from_s, to_s]))
    times_s, powers_w = time_s[inside], power_w[inside]
    if len(times_s) < least_samples:
        return f"{len(times_s)} power samples in {to_s - from_s:.3g} s, {least_samples} are needed"
    if not np.isfinite(powers_w).all():
        return f"{np.count_nonzero(~np.isfinite(powers_w))} power samples are no number"
    if (powers_w < 0).any():
        return f"negative power: {powers_w.min():.3f} W"
    gap_s = float(np.diff(np.concatenate([[from_s], times_s, [to_s]])).max())
    if gap_s > most_gap_s:
        return f"no power for {gap_s:.2f} s"
    return ""
