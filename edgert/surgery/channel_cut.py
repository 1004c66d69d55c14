"""Cutting units out of a graph: every weight, constant, shape and attribute that has them.

Works in place on a copy, from what a walk found. Which units go is the edits' business.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.errors import PostconditionError, PreconditionError
from edgert.optional import needs
from edgert.surgery.channel_picks import slices_of
from edgert.surgery.channel_ties import OTHER, OUTPUT, Labels, shape_at, value_at
from edgert.surgery.channel_walk import Members
from edgert.surgery.graph import Graph, add_initializer, attribute, constant_array, static_shape
from edgert.surgery.kept_channels import note_kept
from edgert.surgery.rewire import new_node

_Kept = NDArray[np.bool_]


def cut_units(graph: Graph, members: Members, kept: _Kept, *, subject: str) -> None:
    """Cut every unit that is not kept; in place.

    Args:
        graph: The copy being edited, on which `members` were found.
        members: What the group consists of; it is not blocked.
        kept: Whether each unit stays.
        subject: What is being done, for the error line.

    Raises:
        PreconditionError: An axis would be left without channels.
    """
    cut = _Cut(graph, members, kept)
    for value, mask in cut.masks.items():
        if not mask.any():
            raise PreconditionError(
                subject,
                expected=f"a channel or more left of {value.name}",
                got="only units that it does not carry",
                advice="Keep more units, or others",
            )
    cut.constants()
    cut.nodes()
    cut.own_names()
    for value, mask in cut.masks.items():
        note_kept(value, members.values[value][0], mask)


def check_shapes(graph: Graph, members: Members, kept: _Kept, *, subject: str) -> None:
    """Make sure that shapes inferred after the cut are those that it meant.

    Raises:
        PostconditionError: A value has another shape.
    """
    for value, (axis, labels) in members.values.items():
        shape, expected = static_shape(value), int(_kept_along(labels, kept).sum())
        if value.graph is graph.model.graph and (shape is None or shape[axis] != expected):
            raise PostconditionError(
                subject,
                expected=f"{expected} channels of {value.name} along axis {axis}",
                got=f"shape {shape}",
                advice="Report this with the model: the cut left a graph that does not fit",
            )


def _kept_along(labels: Labels, kept: _Kept) -> _Kept:
    mask: _Kept = (labels == OTHER) | kept[np.maximum(labels, 0)]
    return mask


class _Cut:
    """One cut of one group."""

    def __init__(self, graph: Graph, members: Members, kept: _Kept) -> None:
        self.graph = graph
        self._members = members
        self._kept = kept
        self.masks = {
            value: _kept_along(labels, kept) for value, (_, labels) in members.values.items()
        }
        self._shapes = {value: static_shape(value) or () for value in members.values}
        self._made: dict[tuple[Any, ...], Any] = {}
        self._renamed: dict[Any, str] = {}

    # ------------------------------------------------------------ constants

    def constants(self) -> None:
        """Cut the constants. Each node gets one of its own: others may read the old one."""
        for (node, index), axes in self._members.constants.items():
            old = node.inputs[index]
            masks = {axis: _kept_along(labels, self._kept) for axis, labels in axes.items()}
            key = (old, *((axis, mask.tobytes()) for axis, mask in sorted(masks.items())))
            if key not in self._made:
                array = old.const_value.numpy()
                for axis, mask in masks.items():
                    array = np.compress(mask, array, axis=axis)
                self._made[key] = add_initializer(self.graph, old.name, array)
                self._renamed[self._made[key]] = old.name
            node.replace_input_with(index, self._made[key])

    def own_names(self) -> None:
        """Let new constants take the names of old ones that nothing reads any more."""
        initializers = self.graph.model.graph.initializers
        for new, name in self._renamed.items():
            old = initializers.get(name)
            if old is not None and not old.uses() and not old.is_graph_output():
                initializers.pop(name)
                new.name = name

    # ------------------------------------------------------------ nodes

    def nodes(self) -> None:
        """Adapt the nodes that name sizes, positions or groups."""
        touched: dict[Any, None] = {}
        for value in self._members.values:
            touched[value.producer()] = None
            touched.update((reader, None) for reader, _ in value.uses())
        for node in touched:
            adapt = _ADAPT.get(node.op_type)
            if adapt is not None:
                adapt(self, node)

    def shape(self, node: Any, end: int) -> list[int]:
        """The shape that a value has after the cut."""
        value = value_at(node, end)
        shape = list(self._shapes.get(value) or shape_at(node, end))
        if value in self.masks:
            shape[self._members.values[value][0]] = int(self.masks[value].sum())
        return shape

    def axis(self, node: Any, end: int) -> int | None:
        """The axis along which a value is cut; None where it is not."""
        found = self._members.values.get(value_at(node, end))
        return None if found is None else found[0]

    def mask(self, node: Any, end: int) -> _Kept:
        """Which indices stay along the axis of `axis`."""
        return self.masks[value_at(node, end)]

    def set_input(self, node: Any, index: int, numbers: Any, role: str) -> None:
        """Give a node a constant of its own for an input that names sizes or positions."""
        if len(node.inputs) <= index:
            node.resize_inputs(index + 1)
        array = np.array(numbers, dtype=np.int64)
        node.replace_input_with(index, add_initializer(self.graph, f"{node.name}.{role}", array))

    def set_attribute(self, node: Any, name: str, number: int) -> None:
        """Change an attribute of a node."""
        ir = needs("onnx_ir", "build", "to edit ONNX graphs")
        node.attributes.add(ir.AttrInt64(name, number))


# ---------------------------------------------------------------- one adaptation per operator


def _adapt_target(cut: _Cut, node: Any) -> None:
    """Reshape and Expand name the shape of their output."""
    cut.set_input(node, 1, cut.shape(node, OUTPUT), "shape")


def _adapt_squeeze(cut: _Cut, node: Any) -> None:
    """Without axes it would drop an axis that is cut to size 1."""
    if len(node.inputs) > 1 or "axes" in node.attributes:
        return
    axes = [axis for axis, size in enumerate(shape_at(node, 0)) if size == 1]
    if _takes_axes_as_input(node):
        cut.set_input(node, 1, axes, "axes")
    else:
        ir = needs("onnx_ir", "build", "to edit ONNX graphs")
        node.attributes.add(ir.AttrInt64s("axes", axes))


def _adapt_resize(cut: _Cut, node: Any) -> None:
    sizes = constant_array(node.inputs[3]) if len(node.inputs) > 3 else None
    if sizes is not None and len(sizes):
        shape, rank = cut.shape(node, OUTPUT), len(shape_at(node, 0))
        named = attribute(node, "axes")
        axes = range(rank) if named is None else [int(axis) % rank for axis in named]
        cut.set_input(node, 3, [shape[axis] for axis in axes], "sizes")


def _adapt_split(cut: _Cut, node: Any) -> None:
    along = int(attribute(node, "axis", 0)) % len(shape_at(node, 0))
    if cut.axis(node, 0) != along:
        return
    parts = [cut.shape(node, ~index)[along] for index in range(len(node.outputs))]
    if _takes_axes_as_input(node):
        node.attributes.pop("num_outputs", None)
        cut.set_input(node, 1, parts, "sizes")
    else:
        ir = needs("onnx_ir", "build", "to edit ONNX graphs")
        node.attributes.add(ir.AttrInt64s("split", parts))


def _adapt_slice(cut: _Cut, node: Any) -> None:
    """New bounds; where what stays has no even steps, a Gather before the Slice."""
    taken = slices_of(node) or {}
    along = cut.axis(node, 0)
    if along not in taken:
        return
    index = _moved(cut, node, taken[along])
    steps = np.unique(np.diff(index))
    if len(steps) > 1:
        picked = add_initializer(cut.graph, f"{node.name}.kept", index)
        shape = cut.shape(node, 0)
        shape[along] = len(index)
        gathered = new_node(
            cut.graph,
            "Gather",
            [node.inputs[0], picked],
            name=f"{node.name}.kept",
            shape=shape,
            before=node,
            attributes={"axis": along},
        )
        node.replace_input_with(0, gathered)
        index, steps = np.arange(len(index)), np.array([1])
    sizes = {axis: range_of(part) for axis, part in taken.items()}
    sizes[along] = range_of(index, int(steps[0]) if len(steps) else 1)
    for place, (number, role) in enumerate(
        ((0, "starts"), (1, "ends"), (None, "axes"), (2, "steps")), start=1
    ):
        numbers = list(sizes) if number is None else [bounds[number] for bounds in sizes.values()]
        cut.set_input(node, place, numbers, role)


def range_of(index: Labels, step: int = 0) -> tuple[int, int, int]:
    """Start, end and step of a Slice that takes evenly spaced indices; empty gives 0, 0, 1."""
    if not len(index):
        return 0, 0, 1
    step = step or (int(index[1] - index[0]) if len(index) > 1 else 1)
    end = int(index[-1]) + step
    return int(index[0]), end if end >= 0 else -(2**62), step


def _adapt_gather(cut: _Cut, node: Any) -> None:
    shape, picked = shape_at(node, 0), constant_array(node.inputs[1])
    along = int(attribute(node, "axis", 0)) % len(shape)
    if cut.axis(node, 0) == along and picked is not None:
        index = picked.astype(np.int64) % shape[along]
        cut.set_input(node, 1, _moved(cut, node, index), "indices")


def _moved(cut: _Cut, node: Any, index: Labels) -> Labels:
    """Indices into the first input's cut axis that stay, in the numbering after the cut."""
    mask = cut.mask(node, 0)
    place = np.cumsum(mask) - 1
    moved: Labels = place[index[mask[index]]]
    return moved


def _adapt_groups(cut: _Cut, node: Any) -> None:
    """A grouped convolution or normalisation loses whole groups."""
    name = "num_groups" if node.op_type == "GroupNormalization" else "group"
    groups = int(attribute(node, name, 1))
    if groups > 1 and cut.axis(node, 0) == 1:
        channels = cut.mask(node, 0)
        cut.set_attribute(node, name, int(channels.sum()) * groups // len(channels))


def _takes_axes_as_input(node: Any) -> bool:
    """Split and Squeeze have their numbers as an input from opset 13 on."""
    version: int = node.graph.opset_imports.get("", 13)
    return version >= 13


_ADAPT: Mapping[str, Callable[[_Cut, Any], None]] = {
    "Conv": _adapt_groups,
    "ConvTranspose": _adapt_groups,
    "Expand": _adapt_target,
    "Gather": _adapt_gather,
    "GroupNormalization": _adapt_groups,
    "Reshape": _adapt_target,
    "Resize": _adapt_resize,
    "Slice": _adapt_slice,
    "Split": _adapt_split,
    "Squeeze": _adapt_squeeze,
}
