"""What a subnet will cost in time, from some that were timed: a sum over its parts.

Not every candidate can be timed. Each part of the network (the stem, each stage, the classifier)
costs so much for each multiply-accumulate of its 1x1 and of its 3x3 convolutions, for each number
that these move, and for each of them; bringing the picture to another size costs something, and
at some sizes kernels waste more than at others. The prices are fitted, none below zero. What comes
of it is modelled: it says what to time next, and is never given as measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgert.families.ofa_cost import Layer, layers_of
from edgert.families.ofa_space import Space, Subnet

Floats = NDArray[np.float64]
FOLDS = 5
LEAST_TIMED = 8  # below, nothing can be fitted and held out
# Variance of a timing (3 %) over that of a price (10 % of the full model's time).
_RIDGE = 0.03**2 / 0.1**2
_SETTLED = 1e-9


@dataclass(frozen=True)
class ModelError:
    """How far predictions of held-out subnets are off, each over the measured cost.

    Attributes:
        median: Of the absolute relative errors.
        p90: Nine in ten are below.
        rank_correlation: Spearman's, of predicted with measured.
        median_by_macs: The median again, had cost been taken as proportional to MACs.
        subnets: How many were timed.
    """

    median: float
    p90: float
    rank_correlation: float
    median_by_macs: float
    subnets: int


class LatencyModel:
    """Predicts costs of subnets of a space.

    Args:
        space: Of the supernet; its largest image size is the input's.
        subnets: Those that were timed.
        ratios: What each took, of the full model's time, > 0.

    Source:
        A table of parts that are added up is how Cai et al., "Once-for-All", ICLR 2020, arXiv
        1908.09791, predict latency. Differs: they time each part alone; here whole subnets are
        timed, since an optimised engine fuses over the edges of parts, and prices are fitted.
    """

    def __init__(self, space: Space, subnets: Sequence[Subnet], ratios: Sequence[float]) -> None:
        self._space = space
        measured = np.asarray(ratios, np.float64)
        self._prices = _fitted(features(space, subnets), measured, _shares(space))

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        """Predicted cost of each, of the full model's; modelled."""
        predicted: Floats = features(self._space, subnets) @ self._prices
        return predicted


def cross_validated(
    space: Space, subnets: Sequence[Subnet], ratios: Sequence[float], *, seed: int
) -> ModelError:
    """Fit on four fifths, predict the fifth that is held out, five times.

    Args:
        space: Of the supernet.
        subnets: Those that were timed, at least `LEAST_TIMED`.
        ratios: What each took, of the full model's time, > 0.
        seed: Deals them out.
    """
    matrix, measured = features(space, subnets), np.asarray(ratios, np.float64)
    shares = _shares(space)
    macs = matrix @ shares
    order = np.random.default_rng(seed).permutation(len(subnets))
    predicted, by_macs = np.zeros(len(subnets)), np.zeros(len(subnets))
    for fold in range(FOLDS):
        out = order[fold::FOLDS]
        kept = np.setdiff1d(order, out)
        predicted[out] = matrix[out] @ _fitted(matrix[kept], measured[kept], shares)
        by_macs[out] = macs[out] * np.median(measured[kept] / macs[kept])
    errors = np.abs(predicted / measured - 1)
    return ModelError(
        median=float(np.median(errors)),
        p90=float(np.percentile(errors, 90)),
        rank_correlation=float(np.corrcoef(_ranks(predicted), _ranks(measured))[0, 1]),
        median_by_macs=float(np.median(np.abs(by_macs / measured - 1))),
        subnets=len(subnets),
    )


def features(space: Space, subnets: Sequence[Subnet]) -> Floats:
    """What is added up, one row for each subnet; each column is 1 for the whole supernet."""
    largest = _amounts(space, space.largest())
    rows = np.array([_amounts(space, subnet) for subnet in subnets])
    largest[-2 - len(space.image_sizes) : -2] = largest[-3]  # MACs at a size: of the whole one's
    scaled: Floats = rows / np.where(largest > 0, largest, 1)
    return scaled


def _shares(space: Space) -> Floats:
    """Each column's share of the whole supernet's MACs; 0 for what is none."""
    largest = _amounts(space, space.largest())
    is_macs = np.arange(len(largest)) % 4 < 2
    is_macs[4 * (2 + len(space.stage_widths)) :] = False  # what comes behind the parts
    macs: Floats = np.where(is_macs, largest, 0)
    shares: Floats = macs / macs.sum()
    return shares


def _amounts(space: Space, subnet: Subnet) -> Floats:
    """For each part MACs by kernel, numbers moved, convolutions; MACs at each size; the call."""
    places = ["stem", *(f"stage{i + 1}" for i in range(len(space.stage_widths))), "classifier"]
    amounts = {place: np.zeros(4) for place in places}
    for layer in layers_of(space, subnet):
        amounts[layer.place] += _of_layer(layer)
    macs = sum(amount[:2].sum() for amount in amounts.values())
    at_size = [macs * (subnet.image_size == size) for size in space.image_sizes]
    resized = float(subnet.image_size != space.image_sizes[-1])
    return np.concatenate([*amounts.values(), at_size, [resized, 1.0]])


def _of_layer(layer: Layer) -> Floats:
    pointwise = layer.kernel == 1
    moved = layer.activations + layer.weights
    return np.array([pointwise * layer.macs, (not pointwise) * layer.macs, moved, 1.0])


def _fitted(matrix: Floats, measured: Floats, shares: Floats) -> Floats:
    """Prices >= 0 with the least relative squares, near what MACs alone say."""
    near: Floats = shares * np.median(measured / (matrix @ shares))
    weighted = matrix / measured[:, None]
    gram = weighted.T @ weighted + _RIDGE * np.eye(len(near))
    target = weighted.sum(axis=0) + _RIDGE * near
    return _not_negative(gram, target)


def _not_negative(gram: Floats, target: Floats) -> Floats:
    """The least squares of normal equations with no number below zero.

    Args:
        gram: (N, N), positive definite.
        target: (N,).

    Source:
        Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23: NNLS.
    """
    found = np.zeros(len(target))
    free = np.zeros(len(target), np.bool_)
    for _ in range(3 * len(target)):
        slope = np.where(free, 0.0, target - gram @ found)
        if slope.max() <= _SETTLED:
            break
        free[slope.argmax()] = True
        while True:
            wanted = np.zeros(len(target))
            wanted[free] = np.linalg.solve(gram[np.ix_(free, free)], target[free])
            below = free & (wanted <= 0)
            if not below.any():
                break
            step = float((found[below] / (found[below] - wanted[below])).min())
            found = found + step * (wanted - found)
            free &= ~(below & (found <= _SETTLED))
        found = wanted
    return found


def _ranks(values: Floats) -> Floats:
    ranks: Floats = np.argsort(np.argsort(values)).astype(np.float64)
    return ranks
