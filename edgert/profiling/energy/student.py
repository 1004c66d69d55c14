"""Student's t and the normal distribution, and quantiles of sums with uniform errors.

Written out here because scipy is no dependency.
"""

import functools
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# From here on the normal distribution stands in: its 97.5 % quantile is 0.6 % smaller.
_MANY = 200
_DRAWS = 1024
_CLOSE = 1e-5  # of a probability
_MOST_UNIFORM = 12


def t_probability(value: npt.ArrayLike, df: int) -> Floats:
    """P(|T| <= value) of Student's t with `df` degrees of freedom, for values of 0 and more.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    if df < 1:
        raise ValueError(f"df must be 1 or more, not {df}")
    df = min(df, _MANY)
    angle = np.arctan(np.asarray(value, np.float64) / math.sqrt(df))
    cosine2 = np.cos(angle) ** 2
    odd = df % 2
    term = np.cos(angle) if odd else np.ones_like(angle)
    total = np.zeros_like(angle)
    for step in range(1, df // 2 + 1):
        total = total + term
        term = term * cosine2 * ((2 * step - 1 + odd) / (2 * step + odd))
    total = np.sin(angle) * total
    probability: Floats = 2 / math.pi * (angle + total) if odd else total
    return probability


@functools.lru_cache(maxsize=1024)
def t_quantile(level: float, df: int) -> float:
    """The value that |T| stays at or below with probability `level`: 2.776 for 0.95 and 4."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    low, high = 0.0, 1.0
    while float(t_probability(high, df)) < level:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if float(t_probability(middle, df)) < level else (low, middle)
    return high


def half_width(
    level: float,
    *,
    t_scale: float,
    df: int,
    normal_sd: float = 0.0,
    uniform: Sequence[float] = (),
) -> float:
    """Half of the interval that holds a sum of independent errors with probability `level`.

    The sum is `t_scale` times Student's t, a normal error, and uniform errors of the given half
    widths. Adding up quantiles, or root mean squares times two, is too wide for a uniform error
    (its 95 % lie within 0.95 of its bound, not within 1.15) and too narrow for few degrees of
    freedom; so the distributions themselves are propagated, as JCGM 101 (GUM, supplement 1) does.

    Args:
        level: 0.95.
        t_scale: Standard error that Student's t belongs to.
        df: Its degrees of freedom.
        normal_sd: Standard deviation of the normal error.
        uniform: Half widths; of more than twelve the smallest go in as a normal error.
    """
    widths = sorted((abs(width) for width in uniform if width), reverse=True)
    rest = widths[_MOST_UNIFORM:]
    normal_sd = math.sqrt(normal_sd**2 + sum(width**2 for width in rest) / 3)
    widths = widths[:_MOST_UNIFORM]
    if not widths and not normal_sd:
        return t_scale * t_quantile(level, df)
    uniforms, normals = _standard_draws()
    draws = uniforms[:, : len(widths)] @ np.array(widths) + normals * normal_sd
    if t_scale <= 1e-6 * (sum(widths) + normal_sd):
        return float(np.quantile(np.abs(draws), level))
    limit = t_scale * t_quantile(level, df) + sum(widths) + 4 * normal_sd
    return (
        _root(lambda x: _share_within(x, draws / t_scale, df) - level, limit / t_scale) * t_scale
    )


def normal_quantile(level: float) -> float:
    """The value that a standard normal error stays at or below in size: 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + level) / 2)


def _share_within(value: float, draws: Floats, df: int) -> float:
    """P(|T + V| <= value), where V is one of the draws, each of which has its mirror image."""
    distance = value - draws
    return float((np.sign(distance) * t_probability(np.abs(distance), df)).mean())


def _root(function: Callable[[float], float], high: float) -> float:
    """Where a rising function that is negative at 0 becomes 0 (Illinois)."""
    low, at_low, at_high = 0.0, function(0.0), function(high)
    while at_high < 0:
        low, at_low, high = high, at_high, 2 * high
        at_high = function(high)
    for _ in range(60):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        at_middle = function(middle)
        if abs(at_middle) < _CLOSE:
            return middle
        if at_middle < 0:
            low, at_low, at_high = middle, at_middle, at_high / 2
        else:
            high, at_high, at_low = middle, at_middle, at_low / 2
    return high


@functools.cache
def _standard_draws() -> tuple[Floats, Floats]:
    """Draws with a fixed seed, each with its mirror image: (N, 12) uniform and (N,) normal.

    Each column falls once into each of N / 2 strips of equal probability (Latin hypercube).
    """
    random = np.random.default_rng(101)
    half = _DRAWS // 2
    places = random.permuted(np.tile(np.arange(half), (_MOST_UNIFORM + 1, 1)), axis=1)
    shares = (places + random.uniform(size=places.shape)) / half
    uniforms = 2 * shares[:-1].T - 1
    normals = np.array([NormalDist().inv_cdf(share) for share in shares[-1]])
    return np.concatenate([uniforms, -uniforms]), np.concatenate([normals, -normals])
