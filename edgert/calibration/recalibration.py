"""Statistics of every BatchNormalization, measured anew on pictures; the edit that applies them.

A network that was cut to a part of its channels or blocks, or that sees pictures of another size,
has other values in front of its normalisations than those that their statistics were taken of.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.calibration.batch_statistics import BatchStatistics
from edgert.calibration.picture_batches import BATCH, IMAGES, Batches, pick_pictures
from edgert.errors import CalibrationError
from edgert.records import InputSpec
from edgert.surgery.batchnorm import is_batchnorm, read_statistics, with_statistics
from edgert.surgery.graph import Graph, static_shape

Array = NDArray[Any]
_SUBJECT = "recalibrate_batchnorm"


def recalibrate_batchnorm(
    graph: Graph,
    *,
    input_spec: InputSpec | None,
    statistics: Path | None = None,
    calibration: Path | None = None,
    images: int = IMAGES,
    batch: int = BATCH,
) -> Graph:
    """Give every BatchNormalization the statistics of what reaches it after the edits before.

    Args:
        graph: The graph that these edits make; it stays unchanged.
        input_spec: How pictures become the model's input; needed for `calibration`.
        statistics: Statistics that were measured before, an .npz file: every build is the same.
        calibration: A folder of pictures to measure on now, or of folders of pictures.
        images: How many of them to use, spread evenly.
        batch: How many are normalised together.

    Raises:
        CalibrationError: Neither or both of `statistics` and `calibration` are given, or the
            pictures are too few or can't be used.
        PreconditionError: The file does not belong to this graph.

    Source:
        As `measure_statistics`.
    """
    check_batchnorms(graph)
    if statistics is not None and calibration is None:
        numbers = read_statistics(statistics).tensors
        return with_statistics(graph, numbers, subject=f"{_SUBJECT} from {statistics}")
    if calibration is None or statistics is not None:
        raise CalibrationError(
            _SUBJECT,
            expected="either 'statistics' or 'calibration'",
            got="both" if statistics else "neither",
            advice="Name a file of statistics, or a folder of pictures to measure them on",
        )
    if input_spec is None:
        raise CalibrationError(
            _SUBJECT,
            expected="a family, whose input says how pictures are preprocessed",
            got="a bare ONNX file",
            advice="Name a file of statistics instead, or build a family",
        )
    batches = Batches(pick_pictures(calibration, images), input_spec, batch)
    return with_statistics(graph, measure_statistics(graph, batches), subject=_SUBJECT)


def measure_statistics(
    graph: Graph,
    batches: Iterable[Sequence[Array]],
    *,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Array]:
    """Measure mean and variance of every BatchNormalization on batches of pictures.

    While measuring, each normalisation works with the mean and the variance of its own batch. Its
    new statistics are the averages of these over all batches, weighted by their pictures.

    Args:
        graph: One input, batch 1; it stays unchanged.
        batches: The model's input for each picture of each batch.
        threads: That the runtime may use; None: all.
        progress: Called with the batches done, before the first and after each.

    Returns:
        By "<node name>.mean" and "<node name>.var", in graph order: (C,) float32.

    Raises:
        CalibrationError: No BatchNormalization, no picture, one that does not fit, or numbers
            that are not finite.

    Source:
        Cai et al., "Once-for-All", ICLR 2020, arXiv 1908.09791; mit-han-lab/once-for-all,
        set_running_statistics, as published: variances are biased, and what lies between the
        means of batches is not in them.
    """
    check_batchnorms(graph)
    measure = BatchStatistics(graph, threads=threads)
    totals: dict[str, Array] = {}
    pictures = 0
    report = progress or (lambda done: None)
    report(0)
    for done, frames in enumerate(batches, start=1):
        _check_frames(graph, frames)
        for key, array in measure(frames).items():
            _check_finite(key, array)
            totals[key] = totals.get(key, 0.0) + len(frames) * array
        pictures += len(frames)
        report(done)
    if not pictures:
        raise CalibrationError(
            _SUBJECT, expected="pictures", got="none", advice="Name a folder that has some"
        )
    return {key: (total / pictures).astype(np.float32) for key, total in totals.items()}


def check_batchnorms(graph: Graph) -> None:
    """Refuse a graph whose normalisations can't be measured.

    Raises:
        CalibrationError: It has none, several inputs, or shapes that nobody knows.
    """
    nodes = [node for node in graph.nodes if is_batchnorm(node)]
    if not nodes:
        raise CalibrationError(
            _SUBJECT,
            expected="a graph with BatchNormalization nodes",
            got="none",
            advice="Leave the edit out, or put it before the edit that merges them",
        )
    if len(graph.inputs) != 1:
        raise CalibrationError(
            _SUBJECT,
            expected="a graph with one input",
            got=", ".join(value.name for value in graph.inputs),
            advice="Export the model with the frame as its only input",
        )
    for node in nodes:
        if static_shape(node.inputs[0]) is None:
            raise CalibrationError(
                _SUBJECT,
                expected=f"a known shape in front of {node.name}",
                got=str(node.inputs[0].shape),
                advice="Export the model with operators of the ONNX standard",
            )


def _check_frames(graph: Graph, frames: Sequence[Array]) -> None:
    shape = static_shape(graph.inputs[0])
    for frame in frames:
        fits = frame.shape == shape
        if fits and np.isfinite(frame).all():
            continue
        raise CalibrationError(
            _SUBJECT,
            expected=f"finite inputs of shape {shape}",
            got="numbers that are not finite" if fits else f"shape {frame.shape}",
            advice="Preprocess the pictures as the family's input says",
        )


def _check_finite(key: str, array: Array) -> None:
    if not np.isfinite(array).all():
        raise CalibrationError(
            _SUBJECT,
            expected=f"finite numbers for {key}",
            got=f"{int((~np.isfinite(array)).sum())} that are not",
            advice="Check the weights in front of it",
        )
