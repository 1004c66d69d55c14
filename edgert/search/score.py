"""A configuration's score from counts of each frame, and how sure it is.

Counts are kept by frame: the score of any part of the frames, and of any resampling of them, is
then a sum away. For mIoU they are confusion matrices (classes, classes), else (right, all).
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgert.profiling.accuracy import confusion_matrix, mean_iou, segmentation_labels
from edgert.search.holdout import bootstrap_draws

Array = NDArray[Any]
Metric = Literal["miou", "top1", "agreement"]
_DRAWS = 300


def frame_counts(
    logits: Array, labels: Array, *, metric: Metric, classes: int, ignore_label: int | None
) -> Array:
    """What one frame adds to the score.

    Args:
        logits: (1, C, h, w) or (1, C).
        labels: For mIoU (H, W) at their own size, for top-1 one number, for agreement the full
            model's labels at the logits' own size.
        metric: What is counted.
        classes: How many there are, for mIoU.
        ignore_label: A label that does not count, for mIoU.

    Returns:
        (classes, classes) or (2,), int64.
    """
    if metric == "miou":
        predicted = segmentation_labels(logits, *labels.shape)
        return confusion_matrix(labels, predicted, classes=classes, ignore_label=ignore_label)
    same = logits.argmax(axis=1) == labels
    return np.array([same.sum(), same.size], np.int64)


def score_of(counts: Array) -> float:
    """The score in 0..1 of summed counts; 0 where nothing was counted."""
    if counts.ndim == 2:
        return mean_iou(counts)
    return float(counts[0] / counts[1]) if counts[1] else 0.0


def drop_error(full: Array, counts: Array, *, seed: int = 0) -> float | None:
    """Standard error of how much a score is below the full model's, on the same frames.

    Args:
        full: The full model's counts, one entry for each frame.
        counts: The configuration's.
        seed: Of the resampling.

    Returns:
        By block bootstrap; None where there are too few frames to tell.
    """
    draws = bootstrap_draws(len(full), draws=_DRAWS, seed=seed)
    if not len(draws):
        return None
    shape = full.shape[1:]
    sums = [
        (draws @ part.reshape(len(part), -1)).reshape(len(draws), *shape)
        for part in (full, counts)
    ]
    drops = [score_of(a) - score_of(b) for a, b in zip(*sums, strict=True)]
    return float(np.std(drops, ddof=1))
