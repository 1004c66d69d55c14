"""Nonlinear least squares in numpy: Levenberg-Marquardt.

Standard errors are widened where residuals stick together, as those of a quantised or a drifting
sensor do.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_ROUNDS = 60
_SMALL_STEP = 1e-5  # of a difference, and of the last step
_LEAST_BETTER = 1e-9  # of the sum of squares, for another round
_MOST_DAMPING = 1e10
_MOST_STEP = 1.0  # of one parameter at once: e-fold where it is a logarithm
_LEAST_CORRELATION = 0.05  # below it a lag counts as none


class Solution(NamedTuple):
    """Parameters (K,), their standard errors (K,), and the root mean square of what is left."""

    parameters: Floats
    errors: Floats
    residual: float


def solve(
    predict: Callable[[Floats], Floats], seen: Floats, weights: Floats, start: Floats
) -> Solution:
    """Parameters that predict best what was seen.

    Args:
        predict: (K,) parameters to (M,) predictions; parameters of the size of 1, or larger.
        seen: (M,), in order of time.
        weights: (M,) of the residuals.
        start: (K,).

    Source:
        Marquardt, An algorithm for least-squares estimation of nonlinear parameters, 1963.
        Differs: steps are limited, and the errors are widened by the residuals' correlation.
    """
    weights = weights / math.sqrt(float(np.mean(weights**2)))

    def residuals_of(parameters: Floats) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            found: Floats = weights * (predict(parameters) - seen)
        return found

    parameters, damping = start.copy(), 1e-2
    residuals = residuals_of(parameters)
    for _ in range(_ROUNDS):
        jacobian = _jacobian(residuals_of, parameters, residuals)
        found = _step(residuals_of, parameters, residuals, jacobian, damping)
        if found is None:
            break
        step, tried, damping = found
        better = 1 - float(tried @ tried) / float(residuals @ residuals)
        parameters, residuals = parameters + step, tried
        if np.abs(step).max() < _SMALL_STEP or better < _LEAST_BETTER:
            break
    jacobian = _jacobian(residuals_of, parameters, residuals)
    left = math.sqrt(float(np.mean(residuals**2)))
    return Solution(parameters, _errors(jacobian, residuals), left)


def _step(
    residuals_of: Callable[[Floats], Floats],
    parameters: Floats,
    residuals: Floats,
    jacobian: Floats,
    damping: float,
) -> tuple[Floats, Floats, float] | None:
    """A step that makes things better, what it leaves, and the damping to go on with."""
    normal, gradient = jacobian.T @ jacobian, jacobian.T @ residuals
    scale = np.diag(np.maximum(np.diag(normal), 1e-12))
    while damping < _MOST_DAMPING:
        step = -np.linalg.solve(normal + damping * scale, gradient)
        step = np.clip(step, -_MOST_STEP, _MOST_STEP)
        tried = residuals_of(parameters + step)
        if np.isfinite(tried).all() and tried @ tried < residuals @ residuals:
            return step, tried, max(damping / 6, 1e-10)
        damping *= 4
    return None


def correlation_length(residuals: Floats) -> float:
    """How many residuals in a row say the same: 1 where each is its own.

    One plus twice the sum of the autocorrelations up to the first that is as good as none.
    """
    centred = residuals - residuals.mean()
    power = float(centred @ centred)
    if power == 0:
        return 1.0
    size = 2 * len(centred)
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    correlations = np.fft.irfft(spectrum, size)[1 : len(centred)] / power
    ends = np.flatnonzero(correlations < _LEAST_CORRELATION)
    until = int(ends[0]) if len(ends) else len(correlations)
    return 1 + 2 * float(correlations[:until].sum())


def _jacobian(
    residuals_of: Callable[[Floats], Floats], parameters: Floats, residuals: Floats
) -> Floats:
    """(M, K) by differences."""
    columns = []
    for number, value in enumerate(parameters):
        moved = parameters.copy()
        step = _SMALL_STEP * max(1.0, abs(float(value)))
        moved[number] += step
        columns.append((residuals_of(moved) - residuals) / step)
    return np.stack(columns, axis=1)


def _errors(jacobian: Floats, residuals: Floats) -> Floats:
    """Standard errors; infinite where the data say nothing of a parameter."""
    count, size = jacobian.shape
    free = max(1, count - size)
    variance = float(residuals @ residuals) / free * correlation_length(residuals)
    scale = np.maximum(np.linalg.norm(jacobian, axis=0), 1e-300)
    values, vectors = np.linalg.eigh((jacobian / scale).T @ (jacobian / scale))
    if values[0] <= 1e-13 * values[-1]:
        return np.full(size, math.inf)
    inverse = np.sum(vectors**2 / values, axis=1)
    errors: Floats = np.sqrt(variance * inverse) / scale
    return errors
