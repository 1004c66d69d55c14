"""Bringing what a network computes at another size back to the size that its output had."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from edgert.surgery.graph import Graph, add_initializer
from edgert.surgery.rewire import new_node
from edgert.surgery.sizes import Axes, NotResizedError, old_shape


def resized(graph: Graph, value: Any, shape: Sequence[int], *, before: Any, scope: str) -> Any:
    """Insert a bilinear Resize of a (B, C, H, W) value; in place.

    Args:
        graph: The copy being edited.
        value: What is resized.
        shape: What comes out.
        before: Node that the new one is put in front of; None: behind all others.
        scope: What the new node's name starts with.
    """
    sizes = add_initializer(graph, f"{scope}.sizes", np.array(shape, np.int64))
    attributes = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return new_node(
        graph,
        "Resize",
        [value, None, None, sizes],
        name=f"{scope}/Resize",
        shape=shape,
        before=before,
        attributes=attributes,
    )


def restore_output(graph: Graph, value: Any, axes: Axes, *, scope: str) -> None:
    """Bring an output of the graph back to its old size, bilinearly; in place.

    It may lie in any layout: (B, C, H, W), (B, H, W, C), (B, H * W, C). Nodes inside the graph
    that read it go on reading it at its new size.

    Args:
        graph: The copy being edited.
        value: The output.
        axes: What its axes are made of.
        scope: What new nodes' names start with.

    Raises:
        NotResizedError: The output holds several maps end to end, or whole numbers.
    """
    extents = [extent for axis in axes for extent in axis]
    producer = value.producer()
    places = [index for index, extent in enumerate(extents) if extent.side or extent.changed]
    sides = sorted(extents[index].side for index in places)
    if sides not in (["rows"], ["columns"], ["columns", "rows"]):
        raise NotResizedError(
            producer, f"gives output {value.name}, whose places are no rows and columns of one map"
        )
    if "FLOAT" not in str(value.dtype):
        raise NotResizedError(
            producer, f"gives output {value.name} of whole numbers, which can't be interpolated"
        )
    uses, name = list(value.uses()), value.name
    value.name = f"{name}.at_its_size"
    restored = _restored(_Writer(graph, scope), value, axes, places)
    outputs = graph.model.graph.outputs
    outputs[next(i for i, output in enumerate(outputs) if output is value)] = restored
    restored.name = name
    for node, index in uses:
        node.replace_input_with(index, value)


def _restored(writer: "_Writer", value: Any, axes: Axes, places: Sequence[int]) -> Any:
    """The value as an image, resized, and laid out again as it was."""
    extents = [extent for axis in axes for extent in axis]
    others = [index for index in range(len(extents)) if index not in places]
    order = [*others, *places]
    lead = [extents[index].new for index in others]
    image = [*(lead[:1] if len(lead) == 2 else [1]), prod(lead[1:] if len(lead) == 2 else lead)]
    behind = [1] * (2 - len(places))  # rows or columns alone are a map with one of the other
    small = [*image, *(extents[index].new for index in places), *behind]
    large = [*image, *(extents[index].old for index in places), *behind]
    value = writer.reshaped(value, [extent.new for extent in extents])
    value = writer.turned(value, order)
    value = writer.reshaped(value, small)
    value = resized(writer.graph, value, large, before=None, scope=writer.scope)
    value = writer.reshaped(value, [extents[index].old for index in order])
    value = writer.turned(value, [order.index(index) for index in range(len(order))])
    return writer.reshaped(value, old_shape(axes))


class _Writer:
    """Appends layout operators where they change anything."""

    def __init__(self, graph: Graph, scope: str) -> None:
        self.graph, self.scope = graph, scope

    def reshaped(self, value: Any, shape: Sequence[int]) -> Any:
        if list(shape) == [int(size) for size in value.shape]:
            return value
        target = add_initializer(self.graph, f"{self.scope}.target", np.array(shape, np.int64))
        return self._new("Reshape", [value, target], shape)

    def turned(self, value: Any, order: Sequence[int]) -> Any:
        if list(order) == sorted(order):
            return value
        shape = [int(value.shape[index]) for index in order]
        return self._new("Transpose", [value], shape, perm=list(order))

    def _new(self, operator: str, inputs: list[Any], shape: Sequence[int], **more: Any) -> Any:
        name = f"{self.scope}/{operator}"
        return new_node(
            self.graph, operator, inputs, name=name, shape=shape, before=None, attributes=more
        )
