"""Move layout operators to the side of a linear map that has fewer channels. Lossless.

Where tokens (B, N, C) are brought into an image (B, C, H, W), or back, right beside a linear map
that changes the number of channels, the layout operators move to its narrow side and the map
becomes a 1x1 convolution on the image. In a SegFormer feed-forward branch this shrinks what is
transposed four times, and leaves convolution next to convolution, which runtimes fuse and keep
in the layout that their kernels read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from edgert.errors import PreconditionError
from edgert.surgery.channel_flow import ELEMENTWISE
from edgert.surgery.graph import (
    Graph,
    add_initializer,
    constant_array,
    finished,
    remove_unused,
    static_shape,
)
from edgert.surgery.layout import LAYOUT, axis_after, axis_before, constants_for_channels
from edgert.surgery.linear_maps import LinearMap, linear_map
from edgert.surgery.linear_paths import constants_behind
from edgert.surgery.rewire import new_node, replace_value

_SUBJECT = "move layout to the narrow side of linear maps"


@dataclass(frozen=True)
class _Move:
    """A layout operator with the channel axis of its output."""

    node: Any
    axis: int


def channels_first(graph: Graph) -> Graph:
    """Write linear maps between tokens and images as 1x1 convolutions, where that moves less.

    Args:
        graph: Any graph in edgert's form.

    Returns:
        A graph that computes the same sums in another layout: outputs differ by float32
        rounding at most. MACs are the same. `graph` is unchanged.

    Raises:
        PreconditionError: No layout operator lies on the wide side of a linear map.
    """
    edited = graph.copy()
    moved = 0
    for node in graph.nodes:
        found = linear_map(edited.node(node.name)) if node.op_type in ("MatMul", "Gemm") else None
        if found is not None and (_widening(edited, found) or _narrowing(edited, found)):
            remove_unused(edited)
            moved += 1
    if not moved:
        raise PreconditionError(
            _SUBJECT,
            expected="a layout operator on the side of a linear map that has more channels",
            got="none",
            advice="Leave channels_first out for this model",
        )
    return finished(edited, subject=_SUBJECT)


def _widening(graph: Graph, linear: LinearMap) -> bool:
    """Tokens -> map -> layout -> image becomes tokens -> layout -> image -> convolution."""
    if linear.channels_out <= linear.channels_in:
        return False
    value, axis = constants_behind(linear)[0], linear.out_axis
    moves: list[_Move] = []
    while (node := _only_reader(value)) is not None and node.op_type in LAYOUT:
        after = axis_after(node, axis)
        if after is None:
            break
        moves.append(_Move(node, after))
        value, axis = node.outputs[0], after
    while moves and not _is_image(moves[-1].node.outputs[0], moves[-1].axis):
        moves.pop()
    if not moves:
        return False
    image = _moved(graph, moves, linear.data, linear.channels_in, before=linear.node)
    replace_value(moves[-1].node.outputs[0], _convolution(graph, linear, image))
    return True


def _narrowing(graph: Graph, linear: LinearMap) -> bool:
    """Image -> layout -> map -> tokens becomes image -> convolution -> layout -> tokens."""
    region = _elementwise_region(linear) if linear.channels_out < linear.channels_in else None
    if region is None:
        return False
    tokens, nodes = region
    value, axis = tokens, linear.in_axis
    moves: list[_Move] = []
    while (node := value.producer()) is not None and node.op_type in LAYOUT:
        before = axis_before(node, axis)
        if before is None or (moves and _only_reader(value) is None):
            break
        moves.append(_Move(node, axis))
        value, axis = node.inputs[0], before
    while moves and not _is_image(moves[-1].node.inputs[0], _axis_read(moves[-1])):
        moves.pop()
    if not moves:
        return False
    image = _on_image(graph, nodes, tokens, moves[-1].node.inputs[0], linear)
    result = _convolution(graph, linear, image)
    last = constants_behind(linear)[0]
    moves.reverse()
    replace_value(last, _moved(graph, moves, result, linear.channels_out, before=linear.node))
    return True


def _elementwise_region(linear: LinearMap) -> tuple[Any, list[Any]] | None:
    """The elementwise operators right before a map, and the one value they all start from.

    None where something else reads a value in between, or constants differ between positions.
    """
    start: Any = None
    region: dict[Any, None] = {}
    pending = [linear.data]
    while pending:
        value = pending.pop()
        node = value.producer()
        if node is None or value.is_graph_output():
            return None
        if node.op_type in LAYOUT:
            if start not in (None, value):
                return None
            start = value
        elif node.op_type not in ELEMENTWISE:
            return None
        elif node not in region:
            region[node] = None
            operands = [operand for operand in node.inputs if operand is not None]
            constants = [constant_array(operand) for operand in operands]
            if any(array is not None and array.size != 1 for array in constants):
                return None
            pending += [o for o, array in zip(operands, constants, strict=True) if array is None]
    inside = {*region, linear.node}
    values = [start, *(node.outputs[0] for node in region)]
    if any(reader not in inside for value in values for reader, _ in value.uses()):
        return None
    return start, [node for node in linear.node.graph if node in region]


# ---------------------------------------------------------------- writing


def _moved(graph: Graph, moves: Sequence[_Move], value: Any, channels: int, *, before: Any) -> Any:
    """The layout operators again, on a value with another number of channels."""
    for move in moves:
        inputs = [value, *move.node.inputs[1:]]
        for index, array in constants_for_channels(move.node, move.axis, channels).items():
            inputs[index] = add_initializer(graph, f"{move.node.name}.target", array)
        shape = list(static_shape(move.node.outputs[0]) or ())
        shape[move.axis] = channels
        value = new_node(
            graph,
            move.node.op_type,
            inputs,
            name=move.node.name,
            shape=shape,
            before=before,
            attributes=dict(move.node.attributes),
        )
    return value


def _on_image(graph: Graph, nodes: list[Any], tokens: Any, image: Any, linear: LinearMap) -> Any:
    """The elementwise operators again, on the image instead of the tokens."""
    values = {tokens: image}
    for node in nodes:
        values[node.outputs[0]] = new_node(
            graph,
            node.op_type,
            [values.get(value, value) for value in node.inputs],
            name=node.name,
            shape=static_shape(image) or (),
            before=linear.node,
            attributes=dict(node.attributes),
        )
    return values[linear.data]


def _convolution(graph: Graph, linear: LinearMap, image: Any) -> Any:
    _, scale, shift = constants_behind(linear)
    dtype, shape = linear.weight.dtype, static_shape(image) or ()
    weight = (linear.weight * scale[:, None]).astype(dtype)
    bias = shift if linear.bias is None else linear.bias * scale + shift
    name = f"{linear.scope}/Conv"
    inputs = [
        image,
        add_initializer(
            graph, f"{name}.weight", weight.reshape(*weight.shape, *(1 for _ in shape[2:]))
        ),
    ]
    if np.any(bias):
        inputs.append(add_initializer(graph, f"{name}.bias", bias.astype(dtype)))
    return new_node(
        graph,
        "Conv",
        inputs,
        name=name,
        shape=(shape[0], linear.channels_out, *shape[2:]),
        before=linear.node,
    )


def _only_reader(value: Any) -> Any:
    """The node that reads a value once and alone; None where there are more, or an output."""
    uses = value.uses()
    return uses[0][0] if len(uses) == 1 and not value.is_graph_output() else None


def _is_image(value: Any, axis: int | None) -> bool:
    """Whether a value is (B, C, positions...) with more than one position to move."""
    return axis == 1 and prod((static_shape(value) or ())[2:]) > 1


def _axis_read(move: _Move) -> int | None:
    return axis_before(move.node, move.axis)
