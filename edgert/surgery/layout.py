"""Where the channel axis of a tensor lies, followed through operators that keep it whole.

Owns the question "the channels are axis 1 here; where are they behind this Transpose, Reshape,
Resize, ...?" and its inverse, and the constants of such operators that name the number of
channels. What an operator computes along the channels is for the edits to judge.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.surgery.graph import attribute, constant_array, static_shape

# Operators that only say in which order the numbers are read.
LAYOUT = frozenset({"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze"})


def is_standard(node: Any) -> bool:
    """Whether the operator is one of ONNX's own domain, whose meaning is known."""
    return node.domain in ("", "ai.onnx")


def axis_after(node: Any, axis: int) -> int | None:
    """Where the channel axis of a node's first input lies in its output.

    Args:
        node: A layout operator, or one that works along other axes (Resize, Slice, Pad, pooling,
            Reduce*); shapes are static.
        axis: The channel axis of the first input, counted from 0.

    Returns:
        The axis in the output, its size unchanged; None where the operator splits, mixes or
        drops the axis, or is none of these.
    """
    rule = _RULES.get(node.op_type) if is_standard(node) else None
    source = static_shape(node.inputs[0]) if node.inputs else None
    target = static_shape(node.outputs[0]) if node.outputs else None
    if rule is None or source is None or target is None:
        return None
    after = rule(node, axis, source, target)
    return after if after is not None and target[after] == source[axis] else None


def axis_before(node: Any, axis: int) -> int | None:
    """The inverse of `axis_after`: where the output's channel axis lies in the first input."""
    source = static_shape(node.inputs[0]) if node.inputs else None
    for candidate in range(len(source or ())):
        if axis_after(node, candidate) == axis:
            return candidate
    return None


def axis_of_operand(value: Any, rank: int, axis: int) -> int | None:
    """Where axis `axis` of an element-wise result of `rank` axes lies in one operand.

    Returns:
        The axis; None where the operand is broadcast along it and so has no channels.
    """
    shape = static_shape(value) or ()
    own = axis - (rank - len(shape))
    return own if own >= 0 and shape[own] != 1 else None


def channel_vector(value: Any, rank: int, axis: int, channels: int) -> NDArray[Any] | None:
    """A constant operand as one float64 number per channel.

    Args:
        value: The operand.
        rank: Number of axes of the element-wise result.
        axis: The result's channel axis.
        channels: Size of that axis.

    Returns:
        Shape (channels,); None where the operand is computed or differs within a channel.
    """
    array = constant_array(value)
    if array is None or array.ndim > rank or not np.issubdtype(array.dtype, np.floating):
        return None
    own = axis - (rank - array.ndim)
    if array.size == 1:
        return np.full(channels, array.reshape(()), dtype=np.float64)
    if own < 0 or array.size != channels or array.shape[own] != channels:
        return None
    vector: NDArray[Any] = array.reshape(channels).astype(np.float64)
    return vector


def constants_for_channels(node: Any, axis: int, channels: int) -> Mapping[int, NDArray[Any]]:
    """The constant inputs that must change when the output's channel axis has another size.

    Args:
        node: An operator that `axis_after` follows.
        axis: The channel axis of its output.
        channels: The new size of it.

    Returns:
        Index of the input and its new numbers: a Reshape's target, a Resize's sizes.
    """
    if node.op_type == "Reshape":
        target = list(static_shape(node.outputs[0]) or ())
        target[axis] = channels
        return {1: np.array(target, dtype=np.int64)}
    sizes = _operand(node, 3) if node.op_type == "Resize" else None
    if sizes is not None:
        axes = _normalised(attribute(node, "axes"), node) or range(len(sizes))
        changed = sizes.copy()
        changed[[i for i, a in enumerate(axes) if a == axis]] = channels
        return {3: changed}
    return {}


def replayed(node: Any, axis: int, array: NDArray[Any]) -> NDArray[Any]:
    """What a layout operator does to `array`, whose channel axis has been cut to size 1.

    Args:
        node: One of `LAYOUT`.
        axis: The channel axis of its output.
        array: The input's shape with 1 in place of the channels.
    """
    if node.op_type == "Transpose":
        turned: NDArray[Any] = array.transpose(_permutation(node, array.ndim))
        return turned
    shape = list(static_shape(node.outputs[0]) or ())
    shape[axis] = 1
    return array.reshape(shape)


# ---------------------------------------------------------------- one rule per operator

_Shape = tuple[int, ...]
_Rule = Callable[[Any, int, _Shape, _Shape], "int | None"]


def _permutation(node: Any, rank: int) -> list[int]:
    return list(attribute(node, "perm") or reversed(range(rank)))


def _through_transpose(node: Any, axis: int, source: _Shape, _: _Shape) -> int | None:
    return _permutation(node, len(source)).index(axis)


def _through_reshape(_: Any, axis: int, source: _Shape, target: _Shape) -> int | None:
    """Whole where as many numbers lie outside the axis, and so inside it, as before."""
    if source[axis] == 1:
        return None  # cannot be told from the other axes of size 1
    for candidate, size in enumerate(target):
        if size == source[axis] and prod(target[:candidate]) == prod(source[:axis]):
            return candidate
    return None


def _through_resize(node: Any, axis: int, source: _Shape, _: _Shape) -> int | None:
    axes = _normalised(attribute(node, "axes"), node)
    if axes is not None and axis not in axes:
        return axis
    sizes, scales = _operand(node, 3), _operand(node, 2)
    index = axis if axes is None else axes.index(axis)
    if sizes is not None and len(sizes):
        return axis if sizes[index] == source[axis] else None
    return axis if scales is not None and len(scales) and scales[index] == 1 else None


def _through_pooling(_: Any, axis: int, source: _Shape, target: _Shape) -> int | None:
    return axis if axis == 1 and len(source) == len(target) else None


def _through_slice(node: Any, axis: int, *_: _Shape) -> int | None:
    starts = _operand(node, 1)
    axes = _operand(node, 3)
    if axes is None:
        if starts is None or (len(node.inputs) > 3 and node.inputs[3] is not None):
            return None
        axes = np.arange(len(starts))
    return axis if axis not in (_normalised(axes, node) or ()) else None


def _through_pad(node: Any, axis: int, source: _Shape, _: _Shape) -> int | None:
    pads = _operand(node, 1)
    if pads is None:
        return None
    axes = _normalised(_operand(node, 3), node) or list(range(len(source)))
    half = len(axes)
    touched = {a for i, a in enumerate(axes) if pads[i] or pads[half + i]}
    return axis if axis not in touched else None


def _through_reduction(node: Any, axis: int, source: _Shape, _: _Shape) -> int | None:
    given = attribute(node, "axes")
    axes = _normalised(given if given is not None else _operand(node, 1), node)
    if not axes or axis in axes:
        return None
    return axis if attribute(node, "keepdims", 1) else axis - sum(a < axis for a in axes)


def _operand(node: Any, index: int) -> NDArray[Any] | None:
    return constant_array(node.inputs[index]) if len(node.inputs) > index else None


def _normalised(axes: Sequence[int] | NDArray[Any] | None, node: Any) -> list[int] | None:
    """Axes counted from the front; None where none were given."""
    rank = len(static_shape(node.inputs[0]) or ())
    return None if axes is None else [int(a) % rank for a in axes]


_RULES: Mapping[str, _Rule] = {
    "Transpose": _through_transpose,
    "Reshape": _through_reshape,
    "Flatten": _through_reshape,
    "Squeeze": _through_reshape,
    "Unsqueeze": _through_reshape,
    "Resize": _through_resize,
    "Slice": _through_slice,
    "Pad": _through_pad,
    "AveragePool": _through_pooling,
    "GlobalAveragePool": _through_pooling,
    "MaxPool": _through_pooling,
    "GlobalMaxPool": _through_pooling,
    "ReduceMean": _through_reduction,
    "ReduceMax": _through_reduction,
    "ReduceSum": _through_reduction,
}
