"""Bringing pictures, and maps over them, to another height and width inside a graph."""

from math import ceil
from typing import Any

from edgert.errors import PreconditionError
from edgert.surgery.graph import Graph, static_shape
from edgert.surgery.operator_types import opset_of
from edgert.surgery.resized_output import resized
from edgert.surgery.rewire import new_node

_OLDEST = 11  # Resize knows no half-pixel centres before


def brought_to_size(
    graph: Graph,
    value: Any,
    *,
    height: int,
    width: int,
    scope: str,
    before: Any,
    antialias: bool = True,
) -> Any:
    """Insert what makes another size of a picture or a map; in place.

    Larger ones are made by bilinear `Resize`, half_pixel. Smaller ones without antialiasing's own
    operator, which TensorRT 10.3 does not take: for a factor f the picture is brought to ceil(f)
    times the new size, and the mean of ceil(f) x ceil(f) places taken. Every place then counts;
    where f is whole it is the mean alone.

    Args:
        graph: The copy being edited.
        value: (B, C, H, W) of static shape.
        height: Wanted.
        width: Wanted.
        scope: What the nodes' names start with: "input" gives "input/Resize".
        before: Node that the new ones are put in front of; None: behind all others.
        antialias: For maps of many channels that are smooth anyway, False spares the larger
            picture in between, where f is not whole.

    Returns:
        A value (B, C, height, width); `value` itself where it has that size.

    Raises:
        PreconditionError: The value is no map, or the graph's opset is older than 11 and the mean
            alone does not do.
    """
    shape = static_shape(value)
    if shape is None or len(shape) != 4:
        raise PreconditionError(
            f"bring {value.name} to {height} x {width}",
            expected="a value of static shape (B, C, H, W)",
            got=f"shape {shape or value.shape}",
            advice="Leave its size as it is",
        )
    windows = [ceil(old / new) for old, new in zip(shape[2:], (height, width), strict=True)]
    large = [side * window for side, window in zip((height, width), windows, strict=True)]
    if large != list(shape[2:]) and not antialias:
        windows, large = [1, 1], [height, width]
    if large != list(shape[2:]):
        _check_opset(graph, value, height, width)
        value = resized(graph, value, [*shape[:2], *large], before=before, scope=scope)
    if max(windows) == 1:
        return value
    return new_node(
        graph,
        "AveragePool",
        [value],
        name=f"{scope}/AveragePool",
        shape=[*shape[:2], height, width],
        before=before,
        attributes={"kernel_shape": windows, "strides": windows},
    )


def _check_opset(graph: Graph, value: Any, height: int, width: int) -> None:
    if opset_of(graph) < _OLDEST:
        raise PreconditionError(
            f"bring {value.name} to {height} x {width}",
            expected=f"a graph of opset {_OLDEST} or newer",
            got=f"opset {opset_of(graph)}",
            advice="Export the model with a newer opset",
        )
