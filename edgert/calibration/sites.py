"""Where a graph can be fitted to another: linear maps, and the value of the other graph to hit.

A site is a linear map of the edited graph together with what follows it up to the next sum: its
bias, changes of layout, the residual sum. The value behind all that exists in the reference graph
too (by the name of the node that computes it), and what the map would have to give for it to come
out right is a plain difference.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.surgery.graph import Graph, add_initializer, constant_array, static_shape
from edgert.surgery.kept_channels import kept_channels
from edgert.surgery.layout import LAYOUT, axis_after
from edgert.surgery.linear_maps import LinearMap, linear_map
from edgert.surgery.refit import bias_node
from edgert.surgery.replace_residuals import SUFFIX, stand_in_axis

Array = NDArray[Any]


@dataclass(frozen=True)
class Site:
    """A linear map that can be refitted.

    Attributes:
        linear: The map, in the edited graph.
        layouts: Changes of layout between the map and the target, in graph order.
        other: The computed operand of the sum that ends the site; None where it ends before one.
        axis: The channel axis of the target.
        target: The value to hit, in the edited graph.
        reference: The same value in the reference graph.
        kept: Which channels of the reference's value the target has; None: all.
    """

    linear: LinearMap
    layouts: tuple[Any, ...]
    other: Any
    axis: int
    target: Any
    reference: Any
    kept: Array | None = None

    @property
    def name(self) -> str:
        """The map's node name."""
        return str(self.linear.node.name)

    @property
    def others(self) -> tuple[Any, ...]:
        """What is added to the map's result before it is compared with the target."""
        return () if self.other is None else (self.other,)

    def map_rows(self) -> Array:
        """For each position of the target, the row of the map's output that lands there."""
        shape = static_shape(self.target) or ()
        positions = np.arange(prod(shape) // shape[self.axis])
        outer = [size for axis, size in enumerate(shape) if axis != self.axis]
        grid = np.expand_dims(positions.reshape(outer), self.axis)
        array = np.broadcast_to(grid, shape)
        for node in reversed(self.layouts):
            array = _undone(node, array)
        behind = to_rows(array, self.linear.out_axis)[:, 0]
        return np.argsort(behind)


@dataclass(frozen=True)
class ScaleSite:
    """A stand-in that scales and shifts each channel: Mul, Add, then the residual sum."""

    node: Any
    add: Any
    other: Any
    axis: int
    reference: Any
    kept: Array | None = None

    @property
    def name(self) -> str:
        """The Mul's name."""
        return str(self.node.name)

    @property
    def data(self) -> Any:
        """What is scaled."""
        return self.node.inputs[0]

    @property
    def others(self) -> tuple[Any, ...]:
        """What is added to the result before it is compared with the target."""
        return (self.other,)

    def write(self, graph: Graph, factor: Array, shift: Array) -> None:
        """Put the numbers into the graph; in place."""
        for node, array in ((self.node, factor), (self.add, shift)):
            old = node.inputs[1]
            shaped = array.reshape(tuple(old.shape)).astype(old.dtype.numpy())
            node.replace_input_with(1, add_initializer(graph, f"{node.name}.fitted", shaped))


def find_sites(graph: Graph, reference: Graph, changed: set[Any] | None = None) -> list[Site]:
    """The sites of an edited graph whose input is no longer what it was, in graph order.

    Args:
        graph: The edited graph.
        reference: The full one.
        changed: What `changed_nodes` gives for the two, where that is known already.
    """
    known = {node.name: node for node in reference.nodes}
    changed = changed_nodes(graph, reference) if changed is None else changed
    found = []
    for node in graph.nodes:
        linear = linear_map(node) if node in changed else None
        if linear is None or not _reads_changed(linear, changed, known):
            continue
        site = furthest_site(linear, known)
        if site is not None:
            found.append(site)
    return found


def scale_sites(graph: Graph, reference: Graph) -> list[ScaleSite]:
    """The stand-ins of a graph that have one factor and one shift for each channel."""
    known = {node.name: node for node in reference.nodes}
    found = []
    for node in graph.nodes:
        if node.op_type != "Mul" or not node.name.endswith(SUFFIX) or node.name in known:
            continue
        [(add, _)] = node.outputs[0].uses()
        [(total, _)] = add.outputs[0].uses()
        [other] = [value for value in total.inputs if value is not add.outputs[0]]
        twin = known.get(total.name)
        if twin is not None:
            axis = stand_in_axis(static_shape(node.outputs[0]) or ())
            kept = kept_channels(total.outputs[0], axis)
            found.append(ScaleSite(node, add, other, axis, twin.outputs[0], kept))
    return found


def furthest_site(linear: LinearMap, known: dict[str, Any]) -> Site | None:
    """The site of a map that reaches furthest, of those whose target the reference has.

    Args:
        linear: A map of the edited graph.
        known: The reference's nodes by name.
    """
    found = None
    for layouts, other, axis, value in _ends(linear):
        twin = known.get(value.producer().name)
        if twin is None:
            continue
        kept = kept_channels(value, axis)
        if static_shape(value) == _shape_with(twin.outputs[0], axis, kept):
            found = Site(linear, layouts, other, axis, value, twin.outputs[0], kept)
    return found


def changed_nodes(graph: Graph, reference: Graph) -> set[Any]:
    """The nodes that compute something else than the node of their name in the reference."""
    known = {node.name: node for node in reference.nodes}
    changed: set[Any] = set()
    for node in graph.nodes:
        twin = known.get(node.name)
        if twin is None or not _is_same(node, twin, changed):
            changed.add(node)
    return changed


def to_rows(array: Array, axis: int) -> Array:
    """A tensor as (positions, channels), positions in the order of its other axes."""
    return np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])


# ---------------------------------------------------------------- what changed


def _is_same(node: Any, twin: Any, changed: set[Any]) -> bool:
    if node.op_type != twin.op_type or len(node.inputs) != len(twin.inputs):
        return False
    return all(
        _is_same_value(mine, other, changed)
        for mine, other in zip(node.inputs, twin.inputs, strict=True)
    )


def _is_same_value(mine: Any, other: Any, changed: set[Any]) -> bool:
    if mine is None or other is None:
        return mine is other
    producer, twin = mine.producer(), other.producer()
    if producer is None:
        return twin is None and _is_same_constant(mine, other)
    return twin is not None and producer not in changed and producer.name == twin.name


def _is_same_constant(mine: Any, other: Any) -> bool:
    if mine.const_value is None or other.const_value is None:  # the graph's inputs
        return bool(mine.name == other.name)
    if mine.const_value is other.const_value:
        return True
    if tuple(mine.shape) != tuple(other.shape):
        return False
    return bool(np.array_equal(mine.const_value.numpy(), other.const_value.numpy()))


def _reads_changed(linear: LinearMap, changed: set[Any], known: dict[str, Any]) -> bool:
    producer = linear.data.producer()
    return linear.node.name not in known or (producer is not None and producer in changed)


# ---------------------------------------------------------------- what to hit


def _ends(linear: LinearMap) -> Iterator[tuple[tuple[Any, ...], Any, int, Any]]:
    """Layouts, other operand, channel axis and value of all that a map could be fitted to."""
    layouts: tuple[Any, ...] = ()
    value, axis = linear.node.outputs[0], linear.out_axis
    bias = bias_node(linear)
    if bias is None:
        yield layouts, None, axis, value
    else:
        value = bias.outputs[0]
        yield layouts, None, axis, value
    while len(value.uses()) == 1 and not value.is_graph_output():
        [(reader, index)] = value.uses()
        if reader.op_type in LAYOUT and index == 0:
            after = axis_after(reader, axis)
            if after is None:
                return
            layouts, axis = (*layouts, reader), after
            value = reader.outputs[0]
            yield layouts, None, axis, value
            continue
        others = [operand for operand in reader.inputs if operand is not value]
        if reader.op_type == "Add" and len(others) == 1 and _is_summand(others[0], value):
            yield layouts, others[0], axis, reader.outputs[0]
        return


def _shape_with(value: Any, axis: int, kept: Array | None) -> tuple[int, ...]:
    """A value's shape, had it only the kept channels."""
    shape = list(static_shape(value) or ())
    if kept is not None and axis < len(shape):
        shape[axis] = len(kept)
    return tuple(shape)


def _is_summand(other: Any, value: Any) -> bool:
    return constant_array(other) is None and static_shape(other) == static_shape(value)


def _undone(node: Any, array: Array) -> Array:
    """A change of layout, backwards."""
    if node.op_type != "Transpose":
        return np.reshape(array, static_shape(node.inputs[0]) or ())
    permutation = node.attributes.get("perm")
    order = list(permutation.value) if permutation else list(range(array.ndim))[::-1]
    return np.transpose(array, np.argsort(order))
