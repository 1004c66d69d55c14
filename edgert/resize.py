"""Scores brought to the size of a picture, as the models' own code does before it picks labels."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def bilinear_resize(scores: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resize maps bilinearly at half-pixel centres, without widening the filter when reducing.

    The same as torch.nn.functional.interpolate(mode="bilinear", align_corners=False).

    Args:
        scores: (..., h, w) float32.
        height: Rows wanted, at least 1.
        width: Columns wanted, at least 1.

    Returns:
        (..., height, width) float32, a new array.
    """
    rows = _weights(scores.shape[-2], height)
    columns = _weights(scores.shape[-1], width)
    resized: NDArray[np.float32] = np.matmul(rows, np.matmul(scores, columns.T))
    return resized


@lru_cache(maxsize=16)
def _weights(size: int, wanted: int) -> NDArray[np.float32]:
    """(wanted, size) matrix whose rows hold the two weights of one output position."""
    place = np.clip((np.arange(wanted) + 0.5) * (size / wanted) - 0.5, 0, size - 1)
    low = place.astype(np.intp)
    high = np.minimum(low + 1, size - 1)
    fraction = place - low
    matrix = np.zeros((wanted, size), np.float64)
    np.add.at(matrix, (np.arange(wanted), low), 1 - fraction)
    np.add.at(matrix, (np.arange(wanted), high), fraction)
    return matrix.astype(np.float32)
