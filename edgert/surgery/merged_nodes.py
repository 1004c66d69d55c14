"""Writing the nodes of a merge: the merged maps, their layout and resampling, and their sum.

Owns the form the merged maps are written in, chosen for speed: a MatMul whose layout operators
undo each other becomes a 1x1 convolution, a Resize to the same size is left out, and the sum
starts at the lowest resolution, so that the largest map is added last and a runtime can fuse the
addition into it.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.surgery.graph import Graph, add_initializer, attribute, constant_array, static_shape
from edgert.surgery.layout import LAYOUT, axis_before, constants_for_channels, replayed
from edgert.surgery.linear_maps import LinearMap, add_map
from edgert.surgery.linear_paths import Step, output_elements
from edgert.surgery.rewire import new_node

# With these, and no scaling, output position i reads input position i and nothing else.
_EXACT_COORDINATES = frozenset(
    {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric", "align_corners"}
)


class MergedNodes:
    """Writes one merge into a graph, in place.

    Args:
        graph: The copy being edited.
        outer: The map that disappears; new nodes go in front of it and into its scope.
        weights: New weight of each leaf, float64 (out, in, *kernel), by the leaf's node name.
        bias: The one bias of the whole sum, float64 (out,).
    """

    def __init__(
        self,
        graph: Graph,
        outer: LinearMap,
        *,
        weights: Mapping[str, NDArray[Any]],
        bias: NDArray[Any],
    ) -> None:
        self._graph = graph
        self._outer = outer
        self._weights = weights
        self._dtype = outer.weight.dtype
        self._bias = bias.astype(self._dtype) if bias.any() else None
        self._bias_leaf = ""

    def written(self, path: Step) -> Any:
        """Write the nodes that compute what the outer map computed from `path`.

        Returns:
            The new value, in the layout of the outer map's output.
        """
        # All resampling keeps constants, so one leaf may carry the bias: the cheapest to add to.
        cheapest = min(
            path.leaves(), key=lambda leaf: prod(static_shape(leaf.node.outputs[0]) or ())
        )
        self._bias_leaf = cheapest.node.name
        return self._value(path)

    def _value(self, step: Step) -> Any:
        if step.leaf is not None:
            return self._leaf(step.leaf)
        if step.affine is not None or _is_same_size(step.node):
            return self._value(step.sources[0])
        if len(step.sources) > 1 or step.node.op_type in ("Add", "Concat"):
            return self._sum(step)
        return self._convolution(step) or self._copied(step)

    def _leaf(self, leaf: LinearMap) -> Any:
        return add_map(
            self._graph,
            leaf,
            data=leaf.data,
            weight=self._weights[leaf.node.name].astype(self._dtype),
            bias=self._bias_of(leaf),
            name=self._name(leaf.node, leaf.scope),
            before=self._outer.node,
        )

    def _sum(self, step: Step) -> Any:
        branches = sorted(step.sources, key=output_elements)
        total = self._value(branches[0])
        for branch in branches[1:]:
            value = self._value(branch)
            shape = np.broadcast_shapes(static_shape(total) or (), static_shape(value) or ())
            total = new_node(
                self._graph,
                "Add",
                [total, value],
                name=f"{self._outer.scope}/Add",
                shape=shape,
                before=self._outer.node,
            )
        return total

    def _copied(self, step: Step) -> Any:
        """The layout or resampling operator again, for the new number of channels."""
        node, channels = step.node, self._outer.channels_out
        inputs = [self._value(step.sources[0]), *node.inputs[1:]]
        name = self._name(node, scope="")
        for index, array in constants_for_channels(node, step.axis, channels).items():
            inputs[index] = add_initializer(self._graph, f"{name}.target", array)
        shape = list(static_shape(step.output) or ())
        shape[step.axis] = channels
        return new_node(
            self._graph,
            node.op_type,
            inputs,
            name=name,
            shape=shape,
            before=self._outer.node,
            attributes=dict(node.attributes),
        )

    def _convolution(self, step: Step) -> Any:
        """A 1x1 convolution for a leaf whose layout before and after it cancel, else None."""
        chain, leaf_step = [], step
        while leaf_step.leaf is None:
            if leaf_step.node.op_type in LAYOUT:
                chain.append(leaf_step)
            elif leaf_step.affine is None:
                return None
            leaf_step = leaf_step.sources[0]
        leaf = leaf_step.leaf
        shape = static_shape(step.output) or ()
        if leaf.node.op_type == "Conv" or step.axis != 1 or len(shape) < 3 or not chain:
            return None
        data = _same_positions(leaf, chain, shape)
        if data is None:
            return None
        weight = self._weights[leaf.node.name].astype(self._dtype)
        name = self._name(leaf.node, leaf.scope, op_type="Conv")
        kernel = weight.reshape(*weight.shape, *(1,) * (len(shape) - 2))
        inputs = [data, add_initializer(self._graph, f"{name}.weight", kernel)]
        bias = self._bias_of(leaf)
        if bias is not None:
            inputs.append(add_initializer(self._graph, f"{name}.bias", bias))
        return new_node(
            self._graph,
            "Conv",
            inputs,
            name=name,
            shape=(shape[0], len(weight), *shape[2:]),
            before=self._outer.node,
        )

    def _bias_of(self, leaf: LinearMap) -> NDArray[Any] | None:
        return self._bias if leaf.node.name == self._bias_leaf else None

    def _name(self, node: Any, scope: str, *, op_type: str = "") -> str:
        """The outer map's scope, "/", the node's scope below what both share, operator."""
        outer = self._outer.scope.split(".")
        own = scope.split(".") if scope else []
        while own and outer and own[0] == outer[0]:
            own, outer = own[1:], outer[1:]
        return f"{self._outer.scope}/{'.'.join([*own, op_type or node.op_type])}"


def _same_positions(leaf: LinearMap, chain: list[Step], shape: tuple[int, ...]) -> Any:
    """The value before the leaf that has, position by position, the layout it gets after it.

    Args:
        leaf: A map that reads and writes each position alone.
        chain: The layout operators after it, last first.
        shape: What the last of them gives, channels at axis 1.

    Returns:
        A value (N, leaf's inputs, ...), or None if none of those before it has that layout.
    """
    value, axis, before = leaf.data, leaf.in_axis, []
    while value.producer() is not None and value.producer().op_type in LAYOUT:
        node, after = value.producer(), axis
        found = axis_before(node, axis)
        if found is None:
            return None
        value, axis = node.inputs[0], found
        before.append((node, after))
        wanted = (shape[0], leaf.channels_in, *shape[2:])
        if axis == 1 and static_shape(value) == wanted:
            positions = np.arange(prod(wanted) // leaf.channels_in)
            positions = positions.reshape(shape[0], 1, *shape[2:])
            there = positions
            for node, after in reversed(before):
                there = replayed(node, after, there)
            for step in reversed(chain):
                there = replayed(step.node, step.axis, there)
            if np.array_equal(there, positions):
                return value
    return None


def _is_same_size(node: Any) -> bool:
    """Whether a Resize leaves every number where it is."""
    if node.op_type != "Resize" or static_shape(node.inputs[0]) != static_shape(node.outputs[0]):
        return False
    scales = constant_array(node.inputs[2]) if len(node.inputs) > 2 else None
    if scales is not None and scales.size and (scales != 1).any():
        return False
    mode = attribute(node, "coordinate_transformation_mode", "half_pixel")
    return mode in _EXACT_COORDINATES
