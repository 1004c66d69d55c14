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

    Products of one frame are taken in the type of its samples, about the first frame's means, and
    added up in float64: float32 samples cost half, and large means take no digits.

    Args:
        features: Size of x.
        targets: Size of y.
    """

    features: int
    targets: int

    def __post_init__(self) -> None:
        self.count = 0
        self._origin_x, self._origin_y = np.zeros(self.features), np.zeros(self.targets)
        self._x, self._y = np.zeros(self.features), np.zeros(self.targets)
        self._xx = np.zeros((self.features, self.features))
        self._yx = np.zeros((self.targets, self.features))
        self._yy = 0.0

    def add(self, x: Array, y: Array) -> None:
        """Add samples: x (n, features), y (n, targets), of one floating type."""
        if self.count == 0:
            self._origin_x, self._origin_y = x.mean(axis=0), y.mean(axis=0)
        x, y = x - self._origin_x, y - self._origin_y
        self.count += len(x)
        self._x += x.sum(axis=0, dtype=np.float64)
        self._y += y.sum(axis=0, dtype=np.float64)
        self._xx += x.T @ x
        self._yx += y.T @ x
        self._yy += float(np.square(y).sum(dtype=np.float64))

    def centred(self) -> "Centred":
        """About the means."""
        x, y = self._x / self.count, self._y / self.count
        return Centred(
            mean_x=x + self._origin_x,
            mean_y=y + self._origin_y,
            xx=self._xx / self.count - np.outer(x, x),
            yx=self._yx / self.count - np.outer(y, x),
            yy=self._yy / self.count - float(y @ y),
        )

    def raw(self) -> "Centred":
        """About zero, for a map without a bias: with means of zero."""
        found = self.centred()
        return Centred(
            mean_x=np.zeros(self.features),
            mean_y=np.zeros(self.targets),
            xx=found.xx + np.outer(found.mean_x, found.mean_x),
            yx=found.yx + np.outer(found.mean_y, found.mean_x),
            yy=found.yy + float(found.mean_y @ found.mean_y),
        )


@dataclass(frozen=True)
class Centred:
    """Means of x and y, covariance of x, of y (targets) with x (features), variance of y."""

    mean_x: Array
    mean_y: Array
    xx: Array
    yx: Array
    yy: float


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
    found = moments.centred() if free_bias else moments.raw()
    penalty = strength * max(float(np.trace(found.xx)) / len(found.xx), _SMALLEST)
    damped = found.xx + penalty * np.eye(len(found.xx))
    weight: Array = np.linalg.solve(damped, (found.yx + penalty * prior).T).T
    return weight, found.mean_y - weight @ found.mean_x


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
    found = moments.centred() if free_bias else moments.raw()
    explained = 2 * float((weight * found.yx).sum()) - float(((weight @ found.xx) * weight).sum())
    return max(0.0, found.yy - explained) / max(found.yy, _SMALLEST)
