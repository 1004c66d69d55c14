"""Ridge least squares with a prior, from sums over frames; all in float64."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_SMALLEST = 1e-12  # in place of a variance of zero


@dataclass
class Moments:
    """First and second moments of features x and targets y, gathered frame by frame.

    Args:
        features: Size of x.
        targets: Size of y.
    """

    features: int
    targets: int

    def __post_init__(self) -> None:
        self.count = 0
        self.sum_x = np.zeros(self.features)
        self.sum_y = np.zeros(self.targets)
        self.xx = np.zeros((self.features, self.features))
        self.yx = np.zeros((self.targets, self.features))
        self.yy = 0.0

    def add(self, x: Array, y: Array) -> None:
        """Add samples: x (n, features), y (n, targets)."""
        x, y = x.astype(np.float64), y.astype(np.float64)
        self.count += len(x)
        self.sum_x += x.sum(axis=0)
        self.sum_y += y.sum(axis=0)
        self.xx += x.T @ x
        self.yx += y.T @ x
        self.yy += float(np.square(y).sum())

    def raw(self) -> tuple[Array, Array, Array, Array]:
        """As `centred`, for a map without a bias: means of zero, second moments about zero."""
        zeros = np.zeros(self.features), np.zeros(self.targets)
        return (*zeros, self.xx / self.count, self.yx / self.count)

    def centred(self) -> tuple[Array, Array, Array, Array]:
        """Means of x and y, covariance of x, and of y (targets) with x (features)."""
        mean_x, mean_y = self.sum_x / self.count, self.sum_y / self.count
        xx = self.xx / self.count - np.outer(mean_x, mean_x)
        yx = self.yx / self.count - np.outer(mean_y, mean_x)
        return mean_x, mean_y, xx, yx


def ridge(
    moments: Moments, prior: Array, *, strength: float, free_bias: bool = True
) -> tuple[Array, Array]:
    """The affine map that fits best among those near a prior.

    Minimises mean |y - W x - b|^2 + strength * mean variance of x * |W - prior|^2; the bias is
    free, or zero.

    Args:
        moments: Of features and targets.
        prior: (targets, features).
        strength: > 0; of the penalty, against the mean diagonal of the features' covariance.
        free_bias: Whether there is a bias.

    Returns:
        W (targets, features) and b (targets,), float64.
    """
    mean_x, mean_y, xx, yx = moments.centred() if free_bias else moments.raw()
    penalty = strength * max(float(np.trace(xx)) / len(xx), _SMALLEST)
    damped = xx + penalty * np.eye(len(xx))
    weight: Array = np.linalg.solve(damped, (yx + penalty * prior).T).T
    return weight, mean_y - weight @ mean_x


def diagonal_ridge(x: Array, y: Array, *, strength: float) -> tuple[Array, Array, float]:
    """One factor and one shift for each column, near zero.

    Args:
        x: (samples, channels).
        y: (samples, channels).
        strength: As in `ridge`.

    Returns:
        Factor and shift (channels,), and the error that is left, as a share of y's variance.
    """
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    centred_x, centred_y = x - mean_x, y - mean_y
    variance = np.square(centred_x).mean(axis=0)
    penalty = strength * max(float(variance.mean()), _SMALLEST)
    factor = (centred_x * centred_y).mean(axis=0) / (variance + penalty)
    left = np.square(centred_y - factor * centred_x).sum()
    total = max(float(np.square(centred_y).sum()), _SMALLEST)
    return factor, mean_y - factor * mean_x, float(left) / total


def explained_error(moments: Moments, weight: Array, *, free_bias: bool = True) -> float:
    """Mean squared error of a map with its best bias, as a share of the targets' variance."""
    _, mean_y, xx, yx = moments.centred() if free_bias else moments.raw()
    total = moments.yy / moments.count - float(mean_y @ mean_y)
    error = total - 2 * float((weight * yx).sum()) + float(((weight @ xx) * weight).sum())
    return max(0.0, error) / max(total, _SMALLEST)
