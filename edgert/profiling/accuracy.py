"""How right an engine is: against labels, or, without labels, against the full configuration."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.agreement import wilson
from edgert.resize import bilinear_resize

Array = NDArray[Any]
_NORMAL95 = 1.96  # two-sided 95 % quantile of the normal distribution


def confusion_matrix(
    labels: Array, predicted: Array, *, classes: int, ignore_label: int | None = None
) -> Array:
    """Count pixels by label (row) and prediction (column).

    Args:
        labels: Integer labels, any shape.
        predicted: Integer predictions of the same shape, each in 0..classes-1.
        classes: Number of classes.
        ignore_label: Pixels with this label count nowhere. Any other label outside
            0..classes-1 is an error.

    Returns:
        (classes, classes) int64.

    Raises:
        ValueError: Shapes differ or a label is out of range.
    """
    if labels.shape != predicted.shape:
        raise ValueError(f"labels are {labels.shape}, predictions {predicted.shape}")
    valid = labels != ignore_label if ignore_label is not None else np.ones(labels.shape, bool)
    rows = labels[valid].astype(np.int64)
    if rows.size and (rows.min() < 0 or rows.max() >= classes):
        raise ValueError(f"labels reach from {rows.min()} to {rows.max()}, classes are {classes}")
    flat = rows * classes + predicted[valid].astype(np.int64)
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes)


def mean_iou(matrix: Array) -> float:
    """Mean over classes of intersection over union; classes that never occur are left out."""
    intersection = np.diag(matrix).astype(np.float64)
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - intersection
    present = union > 0
    return float((intersection[present] / union[present]).mean()) if present.any() else 0.0


def segmentation_labels(logits: Array, height: int, width: int) -> Array:
    """Labels at full size: logits (1, C, h, w) upsampled bilinearly, then argmax; (height, width).

    Half-pixel centres (align_corners false), as SegFormer is evaluated (Xie et al., SegFormer,
    arXiv 2105.15203, section 4.1).
    """
    if logits.shape[2:] == (height, width):
        resized = logits[0]
    else:
        resized = bilinear_resize(logits[0], height, width)
    labels: Array = resized.argmax(axis=0)
    return labels


def measure_miou(
    run: Callable[[Array], Array],
    frames: Iterable[tuple[Array, Array]],
    *,
    classes: int,
    ignore_label: int | None,
) -> tuple[float, int]:
    """Mean intersection over union by the summed confusion matrix of all frames.

    Args:
        run: From the model's input (1, 3, H, W) to logits (1, C, h, w).
        frames: Pairs of model input and integer labels (H', W') at their own size.
        classes: Number of classes.
        ignore_label: Label of pixels that do not count.

    Returns:
        The score in 0..1, and the number of frames.
    """
    total = np.zeros((classes, classes), np.int64)
    count = 0
    for tensor, labels in frames:
        predicted = segmentation_labels(run(tensor), *labels.shape)
        total += confusion_matrix(labels, predicted, classes=classes, ignore_label=ignore_label)
        count += 1
    return mean_iou(total), count


def measure_top1(
    run: Callable[[Array], Array], frames: Iterable[tuple[Array, Array]]
) -> tuple[float, int]:
    """Share of pictures whose best class is their label.

    Args:
        run: From the model's input (1, 3, H, W) to logits (1, C).
        frames: Pairs of model input and the picture's label, one integer (1,).

    Returns:
        The score in 0..1, and the number of pictures.
    """
    right = count = 0
    for tensor, label in frames:
        right += is_right(run(tensor), label)
        count += 1
    return (right / count if count else 0.0), count


def is_right(logits: Array, label: Array) -> bool:
    """Whether the best class of logits (1, C) is the label, one integer (1,)."""
    return int(logits.argmax(axis=1)[0]) == int(label[0])


def top1_interval(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of right answers among `count`, by Wilson; inside 0..1.

    It is what other pictures of the same kind would leave open. Two configurations that were
    scored on the same pictures are closer together than two such intervals say.
    """
    low, high = wilson(share, count, _NORMAL95)
    return min(max(low, 0.0), share), max(min(high, 1.0), share)


def label_agreement(logits: Array, reference: Array) -> float:
    """Share of places with the same label (argmax over axis 1), at the logits' own size."""
    return float((logits.argmax(axis=1) == reference.argmax(axis=1)).mean())
