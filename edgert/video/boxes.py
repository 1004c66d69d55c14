"""Boxes as a detector's output holds them.

The form is (1, N, 6) with x1, y1, x2, y2, score, label in each row: corners in pixels of the
model's input, the score from 0 to 1, the label's number. Rows that are no box (a score of 0 or
less, NaN) may fill up N, as engines of a fixed shape need. Overlaps are the model's to remove.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST_SCORE = 0.25


class Box(NamedTuple):
    """One thing that was found; `corners` are x1, y1, x2, y2 in pixels of the model's input."""

    label: str
    number: int  # of the label
    score: float
    corners: tuple[float, float, float, float]


def boxes_from_logits(
    logits: NDArray[Any], labels: Sequence[str], *, most: int, least_score: float = LEAST_SCORE
) -> list[Box]:
    """The boxes worth showing, best first.

    Args:
        logits: (1, N, 6), see the module.
        labels: Of the model's classes; a number without one is shown as a number.
        most: No more than this many.
        least_score: Below it, it is no find.

    Raises:
        ValueError: Another shape.
    """
    if logits.ndim != 3 or logits.shape[0] != 1 or logits.shape[2] != 6:
        raise ValueError(f"boxes need (1, N, 6), got {logits.shape}")
    rows = logits[0]
    kept = rows[(rows[:, 4] >= least_score) & np.isfinite(rows).all(axis=1)]
    order = np.argsort(-kept[:, 4], kind="stable")[:most]
    return [_box(row, labels) for row in kept[order].astype(np.float64)]


def _box(row: NDArray[np.float64], labels: Sequence[str]) -> Box:
    x1, y1, x2, y2, score, label = (float(value) for value in row)
    number = round(label)
    name = labels[number] if 0 <= number < len(labels) else str(number)
    corners = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    return Box(name, number, score, corners)
