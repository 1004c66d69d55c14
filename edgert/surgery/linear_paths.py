"""From a linear map back to the linear maps that feed it, through what commutes with both.

Owns which operators may stand between two linear maps so that the maps can be multiplied: they
treat all channels alike, are linear themselves, and turn a constant into the same constant
(their weights sum to one), so that a bias passes unchanged. Merging itself is left to
`merge_linear`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.surgery.graph import attribute, constant_array, readers, static_shape
from edgert.surgery.layout import LAYOUT, axis_before, axis_of_operand, channel_vector, is_standard
from edgert.surgery.linear_maps import LinearMap, linear_map, why_no_map

_AFFINE = frozenset({"Add", "Sub", "Mul", "Div", "BatchNormalization"})


@dataclass(frozen=True)
class Step:
    """One operator on the way back, with the steps that feed it.

    `axis` is the channel axis of its output. A leaf carries the map that the way ends in; an
    affine step carries what it does to each channel: x * scale + shift.
    """

    node: Any
    axis: int
    sources: tuple["Step", ...] = ()
    leaf: LinearMap | None = None
    affine: tuple[NDArray[Any], NDArray[Any]] | None = None

    @property
    def output(self) -> Any:
        """The value this step computes."""
        return self.node.outputs[0]

    @property
    def channels(self) -> int:
        """Channels of that value."""
        return (static_shape(self.output) or ())[self.axis]

    def leaves(self) -> Iterator[LinearMap]:
        """The maps that all ways end in."""
        if self.leaf is not None:
            yield self.leaf
        for source in self.sources:
            yield from source.leaves()


def path_to(value: Any, axis: int) -> Step | str:
    """Walk back from a value to the linear maps that feed it.

    Args:
        value: What a linear map reads.
        axis: Its channel axis.

    Returns:
        The steps, or in words which node stands between and why.
    """
    try:
        return _step(value, axis)
    except _StandsBetweenError as error:
        return str(error)


def affine_of(node: Any, value: Any, axis: int) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """What a node does to each channel of `value`, where that is x * scale + shift.

    Args:
        node: A reader of `value`.
        value: The data; the other operand is constant.
        axis: The channel axis of both `value` and the node's output.

    Returns:
        (scale, shift), float64, each (channels,); None where the node does something else.
    """
    shape = static_shape(value)
    if not is_standard(node) or node.op_type not in _AFFINE or shape is None:
        return None
    if node.op_type == "BatchNormalization":
        return _batch_normalization(node) if value is node.inputs[0] and axis == 1 else None
    if static_shape(node.outputs[0]) != shape:
        return None
    on_left = value is node.inputs[0]
    constant = channel_vector(node.inputs[int(on_left)], len(shape), axis, shape[axis])
    if constant is None:
        return None
    ones, zeros = np.ones_like(constant), np.zeros_like(constant)
    if node.op_type == "Add":
        return ones, constant
    if node.op_type == "Sub":
        return (ones, -constant) if on_left else (-ones, constant)
    if node.op_type == "Mul":
        return constant, zeros
    return (1 / constant, zeros) if on_left and constant.all() else None


def constants_behind(linear: LinearMap) -> tuple[Any, NDArray[Any], NDArray[Any]]:
    """The per-channel constants that are applied right after a map, and by nothing else read.

    Returns:
        The last value of the chain (the map's own output if there are none), and what the chain
        does to each channel, scale and shift, float64, each (out,).
    """
    value = linear.node.outputs[0]
    scale, shift = np.ones(linear.channels_out), np.zeros(linear.channels_out)
    while len(value.uses()) == 1 and not value.is_graph_output():
        node = value.uses()[0][0]
        step = affine_of(node, value, linear.out_axis)
        if step is None:
            break
        scale, shift = scale * step[0], shift * step[0] + step[1]
        value = node.outputs[0]
    return value, scale, shift


def why_not_commuting(node: Any) -> str:
    """Why an operator that keeps the channels whole cannot change places with a linear map.

    Empty where it can: layout operators, and resampling whose weights sum to one. Resize does in
    every interpolation and at every border (outside samples repeat the edge, or the weights are
    renormalised), except where it crops and fills in a value of its own.
    """
    label = f"{node.op_type} {node.name}"
    if node.op_type in LAYOUT or node.op_type in ("Slice", "GlobalAveragePool", "ReduceMean"):
        return ""
    if node.op_type == "Resize":
        crops = attribute(node, "coordinate_transformation_mode") == "tf_crop_and_resize"
        return f"{label} fills in an extrapolation value" if crops else ""
    if node.op_type == "AveragePool":
        padded = any(attribute(node, "pads") or ()) or attribute(node, "ceil_mode", 0)
        padded = padded or attribute(node, "auto_pad", "NOTSET").startswith("SAME")
        counts_padding = padded and attribute(node, "count_include_pad", 0)
        return f"{label} averages over padding" if counts_padding else ""
    if node.op_type == "Pad":
        constant = attribute(node, "mode", "constant") == "constant"
        return f"{label} pads with a constant" if constant else ""
    return f"{label} does not commute with a linear map"


def combined(step: Step, matrix: NDArray[Any], weights: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Multiply a matrix into every leaf that the steps end in.

    Args:
        step: Where to start.
        matrix: (out, channels of the step), float64.
        weights: Takes the new weight (out, in, *kernel) of each leaf, float64, by node name.

    Returns:
        What all biases and shifts on the way add up to behind the matrix, (out,) float64.
    """
    if step.leaf is not None:
        weights[step.node.name] = np.tensordot(matrix, step.leaf.weight.astype(np.float64), 1)
        bias = step.leaf.bias
        return np.zeros(len(matrix)) if bias is None else _applied(matrix, bias)
    if step.affine is not None:
        scale, shift = step.affine
        total = combined(step.sources[0], matrix * scale, weights)
        total += _applied(matrix, shift)
        return total
    total, first = np.zeros(len(matrix)), 0
    for source in step.sources:
        part = matrix
        if step.node.op_type == "Concat":
            part, first = matrix[:, first : first + source.channels], first + source.channels
        total += combined(source, part, weights)
    return total


def output_elements(step: Step) -> int:
    """Numbers in the largest leaf output below a step: how highly resolved the branch is."""
    return max(prod(static_shape(leaf.node.outputs[0]) or ()) for leaf in step.leaves())


# ---------------------------------------------------------------- walking


class _StandsBetweenError(Exception):
    """Carries the reason out of the recursion; never leaves this module."""


def _step(value: Any, axis: int) -> Step:
    node = value.producer()
    if node is None:
        raise _StandsBetweenError(f"the way ends in {value.name}, which no linear map computes")
    _check_single_reader(value)
    leaf = linear_map(node)
    if leaf is not None:
        if leaf.out_axis != axis:
            raise _StandsBetweenError(f"{node.op_type} {node.name} writes another axis")
        return Step(node, axis, leaf=leaf)
    for source in node.inputs:
        affine = None if source is None else affine_of(node, source, axis)
        if affine is not None and constant_array(source) is None:
            return Step(node, axis, (_step(source, axis),), affine=affine)
    if is_standard(node) and node.op_type in ("Add", "Concat"):
        return Step(node, axis, _branches(node, axis))
    before = axis_before(node, axis)
    if before is None:
        raise _StandsBetweenError(_why_not_through(node))
    reason = why_not_commuting(node)
    if reason:
        raise _StandsBetweenError(reason)
    return Step(node, axis, (_step(node.inputs[0], before),))


def _branches(node: Any, axis: int) -> tuple[Step, ...]:
    label = f"{node.op_type} {node.name}"
    rank = len(static_shape(node.outputs[0]) or ())
    if node.op_type == "Concat" and attribute(node, "axis") % rank != axis:
        raise _StandsBetweenError(f"{label} joins along another axis than the channels")
    sources = []
    for value in node.inputs:
        own = axis_of_operand(value, rank, axis) if node.op_type == "Add" else axis
        if own is None:
            raise _StandsBetweenError(f"{label} spreads {value.name} over the channels")
        if constant_array(value) is not None:
            raise _StandsBetweenError(f"{label} adds {value.name}, which differs within a channel")
        sources.append(_step(value, own))
    return tuple(sources)


def _check_single_reader(value: Any) -> None:
    node = value.producer()
    label = f"{node.op_type} {node.name}"
    if value.is_graph_output():
        raise _StandsBetweenError(f"{label} is also an output of the graph")
    if len(value.uses()) > 1:
        names = sorted({reader.name for reader in readers(value)})
        raise _StandsBetweenError(f"{label} is read more than once, by {', '.join(names)}")


def _why_not_through(node: Any) -> str:
    label = f"{node.op_type} {node.name}"
    if node.op_type in ("Conv", "MatMul", "Gemm"):
        return why_no_map(node)
    if node.op_type in LAYOUT:
        return f"{label} does not keep the channel axis whole"
    if node.op_type in ("Resize", "Slice", "Pad"):
        return f"{label} resamples the channel axis itself"
    if node.op_type in _AFFINE:
        return f"{label} is more than one constant per channel"
    return f"{label} does not commute with a linear map"


def _applied(matrix: NDArray[Any], vector: NDArray[Any]) -> NDArray[Any]:
    result: NDArray[Any] = matrix @ vector.astype(np.float64)
    return result


def _batch_normalization(node: Any) -> tuple[NDArray[Any], NDArray[Any]] | None:
    arrays = [constant_array(value) for value in node.inputs[1:5]]
    if any(array is None for array in arrays) or attribute(node, "training_mode", 0):
        return None
    gamma, beta, mean, variance = (a.astype(np.float64) for a in arrays if a is not None)
    scale = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
    return scale, beta - mean * scale
