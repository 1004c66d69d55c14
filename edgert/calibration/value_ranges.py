"""How large the values inside a graph get on calibration frames."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.backends.onnxruntime import session_from_bytes
from edgert.errors import CalibrationError
from edgert.surgery.graph import Graph, constant_array, static_shape, values_of
from edgert.surgery.operator_types import is_single
from edgert.surgery.segment import nodes_between, segment_bytes

Array = NDArray[Any]
BINS = 2048
_CHUNK_BYTES = 256 << 20  # of values that are held at once


@dataclass(frozen=True)
class Histogram:
    """How often absolute values lie in each of equal bins from 0 to the largest.

    Attributes:
        counts: Over all frames; the last bin takes the largest.
        largest: Absolute; 0 where the value is 0 everywhere.
    """

    counts: Array
    largest: float


def only_input(graph: Graph) -> Any:
    """The input that takes frames.

    Raises:
        CalibrationError: There are several.
    """
    if len(graph.inputs) != 1:
        raise CalibrationError(
            "calibrate",
            expected="a graph with one input",
            got=", ".join(value.name for value in graph.inputs),
            advice="Export the model with the frame as its only input",
        )
    return graph.inputs[0]


def largest_values(graph: Graph, frames: Sequence[Array]) -> dict[str, float]:
    """The largest absolute value of every float32 value that the graph reads or computes, by name.

    Raises:
        CalibrationError: A value is not finite on a frame.
    """
    values = [v for v in values_of(graph) if constant_array(v) is None and is_single(v)]
    largest = {value.name: 0.0 for value in values}
    for value, array in _on_frames(graph, values, frames):
        largest[value.name] = max(largest[value.name], _finite_largest(value, array))
    return largest


def histograms(
    graph: Graph, values: Collection[Any], frames: Sequence[Array]
) -> dict[Any, Histogram]:
    """Histograms of values, in two passes: one for the range, one for the counts.

    Raises:
        CalibrationError: A value is not finite on a frame.
    """
    largest = dict.fromkeys(values, 0.0)
    for value, array in _on_frames(graph, values, frames):
        largest[value] = max(largest[value], _finite_largest(value, array))
    counts = {value: np.zeros(BINS, np.int64) for value in values}
    for value, array in _on_frames(graph, values, frames):
        top = largest[value] or 1.0
        counts[value] += np.histogram(np.abs(array), bins=BINS, range=(0.0, top))[0]
    return {value: Histogram(counts[value], largest[value]) for value in values}


def _on_frames(
    graph: Graph, values: Collection[Any], frames: Sequence[Array]
) -> Iterator[tuple[Any, Array]]:
    """Values on each frame, computed in groups that can be held at once."""
    source = only_input(graph)
    if source in values:
        yield from ((source, frame) for frame in frames)
    for group in _groups([v for v in dict.fromkeys(values) if v is not source]):
        nodes = nodes_between(graph, group, [source])
        model = segment_bytes(graph, nodes, inputs=[source], outputs=group)
        session = session_from_bytes(model)
        for frame in frames:
            results = session.run({source.name: np.asarray(frame)})
            yield from ((value, results[value.name]) for value in group)
        session.close()


def _groups(values: Sequence[Any]) -> Iterator[list[Any]]:
    group: list[Any] = []
    held = 0
    for value in values:
        if constant_array(value) is not None:
            continue
        size = 4 * math.prod(static_shape(value) or ())
        if group and held + size > _CHUNK_BYTES:
            yield group
            group, held = [], 0
        group.append(value)
        held += size
    if group:
        yield group


def _finite_largest(value: Any, array: Array) -> float:
    largest = float(np.abs(array).max(initial=0))
    if not np.isfinite(largest):
        raise CalibrationError(
            f"measure {value.name} on calibration frames",
            expected="finite numbers",
            got="NaN or infinity",
            advice="Check the graph with edgert verify, and the frames",
        )
    return largest
