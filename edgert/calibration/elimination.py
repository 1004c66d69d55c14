"""Which units a linear map can best do without, if it is refitted to what stays.

Backward elimination: remove the unit whose removal costs least after the best refit, refit, go on.
For least squares each step is exact and closed form: with H the features' second moments and W the
fitted weights, removing the features u costs tr(W_u inv(inv(H)_uu) W_u^T), and both W and inv(H)
are updated by that block alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_DAMPING = 1e-4  # of the mean second moment: features that are copies of each other stay apart


@dataclass(frozen=True)
class Reading:
    """One linear map that reads the units.

    Attributes:
        second_moments: (features, features) of what it reads.
        weight: (out, features).
        labels: (features,), the unit of each feature; -1 for one that is of none.
    """

    second_moments: Array
    weight: Array
    labels: Array


def removal_order(readings: Sequence[Reading], units: int) -> tuple[list[int], list[float]]:
    """The order in which units are best removed.

    Args:
        readings: All maps that read the units. Their costs are added up, each against the
            second moment of its own result, so that no map counts more for its scale.
        units: How many units there are.

    Returns:
        Units, the first to go first, and what each removal costs then (as a share, summed over
        the maps).

    Source:
        Hassibi and Stork, "Optimal Brain Surgeon", NeurIPS 1992, on the exact quadratic error of
        a linear map. Differs: whole units (rows of several maps) and not single weights.
    """
    states = [_State(reading, units) for reading in readings]
    alive = np.ones(units, dtype=bool)
    order, costs = [], []
    for _ in range(units):
        cost = sum((state.costs(alive) for state in states), start=np.zeros(units))
        unit = int(np.where(alive, cost, np.inf).argmin())
        for state in states:
            state.remove(unit)
        alive[unit] = False
        order.append(unit)
        costs.append(float(cost[unit]))
    return order, costs


class _State:
    """One reading while units are removed from it."""

    def __init__(self, reading: Reading, units: int) -> None:
        moments = reading.second_moments
        damping = _DAMPING * max(float(np.trace(moments)) / len(moments), 1e-12)
        self._inverse = np.linalg.inv(moments + damping * np.eye(len(moments)))
        self._weight = reading.weight.astype(np.float64)
        scale = float(((self._weight @ moments) * self._weight).sum())
        self._scale = max(scale, 1e-12)
        self._features = [np.flatnonzero(reading.labels == unit) for unit in range(units)]
        sizes = {len(features) for features in self._features}
        self._size = sizes.pop() if len(sizes) == 1 else 0  # 0: units of several sizes

    def costs(self, alive: Array) -> Array:
        """What the removal of each living unit costs; anything for the dead."""
        if self._size == 1:
            index = np.concatenate(self._features)
            diagonal = np.diag(self._inverse)[index]
            squares = np.square(self._weight[:, index]).sum(axis=0)
            shares: Array = squares / np.where(alive, diagonal, 1) / self._scale
            return shares
        costs = np.zeros(len(alive))
        for unit in np.flatnonzero(alive):
            features = self._features[unit]
            weight = self._weight[:, features]
            block = self._inverse[np.ix_(features, features)]
            if len(features):
                costs[unit] = (np.linalg.solve(block, weight.T) * weight.T).sum()
        return costs / self._scale

    def remove(self, unit: int) -> None:
        """Refit to the features without this unit's."""
        features = self._features[unit]
        if not len(features):
            return
        block = self._inverse[np.ix_(features, features)]
        gain = np.linalg.solve(block, self._inverse[features])  # (unit's features, features)
        self._weight -= self._weight[:, features] @ gain
        self._inverse -= self._inverse[:, features] @ gain
        self._inverse[features] = 0
        self._inverse[:, features] = 0
        self._weight[:, features] = 0
