"""What single operators do when the picture has another size: which of their constants follow it.

A rule writes new constants into `Sizes`, refuses what can't follow, and may say which axes come
out. Shapes themselves are ONNX's own inference's business, see `size_walk`.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.surgery.channel_flow import ELEMENTWISE
from edgert.surgery.graph import attribute, constant_array, static_shape
from edgert.surgery.size_targets import WRITTEN_RULES, Rule
from edgert.surgery.sizes import (
    Axes,
    Axis,
    Extent,
    NotResizedError,
    Sizes,
    changed_axes,
    is_changed,
    new_shape,
    old_shape,
    side_of,
)
from edgert.surgery.token_axis import is_uniform

# A pooling window up to this is taken for one that stays; a larger one that covers all rows is
# a mean over all of them, written down with their number.
_SMALL_WINDOW = 3


def _elementwise(node: Any, sizes: Sizes) -> None:
    rank = len(static_shape(node.outputs[0]) or ())
    for index, value in enumerate(node.inputs):
        array = constant_array(value)
        if array is None:
            continue
        for place in _changed_places(node, sizes, rank):
            own = place - (rank - array.ndim)
            if own < 0 or array.shape[own] == 1:
                continue
            if not is_uniform(value, own):
                raise NotResizedError(
                    node, f"reads {value.name}, which has numbers for {array.shape[own]} places"
                )
            array = array.take([0], axis=own)
            sizes.constants[node, index] = array
    check_joined(node, sizes, skip=None)
    _follow_count(node, sizes)


def _follow_count(node: Any, sizes: Sizes) -> None:
    """A sum over all places divided by their number, which is written down: a mean by hand."""
    if node.op_type not in ("Div", "Mul"):
        return
    number = constant_array(node.inputs[1])
    total = node.inputs[0].producer()
    if number is None or number.size != 1 or total is None or total.op_type != "ReduceSum":
        return
    old, new = (prod(shape(sizes.of(total.inputs[0]))) for shape in (old_shape, new_shape))
    left, kept = (prod(shape(sizes.of(total.outputs[0]))) for shape in (old_shape, new_shape))
    before, after = old / left, new / kept
    if node.op_type == "Mul":
        before, after = 1 / before, 1 / after
    if before != after and np.isclose(float(number.reshape(())), before, rtol=1e-6):
        sizes.constants[node, 1] = np.full(number.shape, after, number.dtype)


def _changed_places(node: Any, sizes: Sizes, rank: int) -> list[int]:
    """Axes of a broadcast result that change, by their computed operands."""
    found = set()
    for value in node.inputs:
        if value in sizes.axes:
            axes = sizes.axes[value]
            found |= {place + rank - len(axes) for place in changed_axes(axes)}
    return sorted(found)


def _concat(node: Any, sizes: Sizes) -> None:
    rank = len(static_shape(node.outputs[0]) or ())
    check_joined(node, sizes, skip=int(attribute(node, "axis")) % rank)


def check_joined(node: Any, sizes: Sizes, *, skip: int | None) -> None:
    """Refuse operands whose sizes were equal and are so no longer.

    Args:
        node: An operator that joins its inputs axis by axis, counted from the last.
        sizes: What is known.
        skip: The axis, from the front, along which they are put end to end.
    """
    rank = len(static_shape(node.outputs[0]) or ())
    met: dict[int, tuple[int, int]] = {}
    for index, value in enumerate(node.inputs):
        if value is None:
            continue
        changed = sizes.constants.get((node, index))
        axes = sizes.of(value) if changed is None else _fixed(changed)
        for own, (old, new) in enumerate(zip(old_shape(axes), new_shape(axes), strict=True)):
            place = own + rank - len(axes)
            if place == skip or old == 1:
                continue
            before, after = met.setdefault(place, (old, new))
            if before == old and after != new:
                one, other = (f"{number}" for number in (after, new))
                tied = value not in sizes.axes or index == 0
                raise NotResizedError(
                    node,
                    f"joins {old} {side_of(axes[own]) or 'places'} with as many, which become "
                    f"{one} and {other}",
                    tied=tied,
                )


def _fixed(array: NDArray[Any]) -> Axes:
    return tuple((Extent(size, size),) for size in array.shape)


def _channels(node: Any, sizes: Sizes) -> None:
    """Convolutions and normalisations have a weight for each channel."""
    _refuse_changed(node, sizes.of(node.inputs[0]), [1])


def _convolution(node: Any, sizes: Sizes) -> None:
    _channels(node, sizes)
    weight = static_shape(node.inputs[1])
    if node.op_type == "Conv" and weight is not None:
        _refuse_small(node, sizes, weight[2:])


def _refuse_small(node: Any, sizes: Sizes, kernel: Sequence[int]) -> None:
    """Refuse a picture smaller than a window: inference gives it one place all the same."""
    if attribute(node, "auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return
    axes, count = sizes.of(node.inputs[0]), len(kernel)
    pads = attribute(node, "pads") or [0] * (2 * count)
    dilations = attribute(node, "dilations") or [1] * count
    for index, side in enumerate(new_shape(axes)[2:]):
        reach = (kernel[index] - 1) * dilations[index] + 1
        if reach > side + pads[index] + pads[index + count]:
            name = side_of(axes[index + 2]) or "places"
            raise NotResizedError(node, f"reads {reach} {name} at once of {side}", tied=False)


def _last_axes(node: Any, sizes: Sizes) -> None:
    axes = sizes.of(node.inputs[0])
    first = int(attribute(node, "axis", -1)) % len(axes)
    _refuse_changed(node, axes, range(first, len(axes)))


def _product(node: Any, sizes: Sizes) -> None:
    for index in (0, 1):
        weight = constant_array(node.inputs[index])
        axes = sizes.of(node.inputs[1 - index])
        if weight is None or weight.ndim < 2:
            continue
        turned = bool(attribute(node, ("transB", "transA")[index], 0))
        contracted = -1 if (index == 1) != turned else -2
        _refuse_changed(node, axes, [contracted % len(axes)])
    _elementwise_bias(node, sizes)


def _elementwise_bias(node: Any, sizes: Sizes) -> None:
    if node.op_type == "Gemm" and len(node.inputs) > 2 and changed_axes(sizes.of(node.inputs[0])):
        array = constant_array(node.inputs[2])
        if array is not None and array.ndim > 1 and array.shape[0] > 1:
            raise NotResizedError(
                node, f"reads {node.inputs[2].name}, which has a bias for each row"
            )


def _refuse_changed(node: Any, axes: Axes, places: Sequence[int] | range) -> None:
    for place in places:
        if is_changed(axes[place]):
            raise NotResizedError(
                node, f"has weights for {prod(e.old for e in axes[place])} places of axis {place}"
            )


def _pooling(node: Any, sizes: Sizes) -> None:
    """A window over all rows or columns follows their number; other windows stay."""
    axes, target = sizes.of(node.inputs[0]), static_shape(node.outputs[0]) or ()
    kernel = [int(size) for size in attribute(node, "kernel_shape")]
    strides = [int(step) for step in attribute(node, "strides") or [1] * len(kernel)]
    padded = (
        any(attribute(node, "pads") or ()) or attribute(node, "auto_pad", "NOTSET") != "NOTSET"
    )
    new = list(kernel)
    for index, size in enumerate(kernel):
        axis: Axis = axes[index + 2]
        [old] = old_shape([axis])
        if padded or not is_changed(axis) or size <= _SMALL_WINDOW:
            continue
        if size == old:
            [new[index]] = new_shape([axis])
        elif size == strides[index] and size * target[index + 2] == old:
            raise NotResizedError(
                node, f"takes {target[index + 2]} means of {size}, of which either may be fixed"
            )
    if new != kernel:
        sizes.attributes[node, "kernel_shape"] = tuple(new)
    _refuse_small(node, sizes, new)


def _quantisation(node: Any, sizes: Sizes) -> None:
    axes, scale = sizes.of(node.inputs[0]), static_shape(node.inputs[1]) or ()
    if scale not in ((), (1,)):
        _refuse_changed(node, axes, [int(attribute(node, "axis", 1)) % len(axes)])


def _free(_: Any, __: Sizes) -> None:
    """Nothing in the operator names a size."""


_BY_ELEMENT = ELEMENTWISE | {"And", "Cos", "Dropout", "Equal", "Greater", "GreaterOrEqual",
                             "Identity", "IsInf", "IsNaN", "Less", "LessOrEqual", "Mod", "Not",
                             "Or", "Sin", "Xor"}  # fmt: skip
_FREE = (
    "ArgMax", "ArgMin", "CastLike", "DepthToSpace", "GlobalAveragePool", "GlobalLpPool",
    "GlobalMaxPool", "Hardmax", "LogSoftmax", "LpNormalization", "Pad", "ReduceL1", "ReduceL2",
    "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
    "ReduceSum", "ReduceSumSquare", "Selu", "Softmax", "SpaceToDepth", "Transpose",
)  # fmt: skip

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_BY_ELEMENT, _elementwise),
    **dict.fromkeys(_FREE, _free),
    **dict.fromkeys(
        ("BatchNormalization", "GroupNormalization", "InstanceNormalization", "LRN"), _channels
    ),
    **dict.fromkeys(
        ("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"), _last_axes
    ),
    **dict.fromkeys(("AveragePool", "MaxPool", "LpPool"), _pooling),
    **dict.fromkeys(("MatMul", "Gemm"), _product),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), _quantisation),
    **WRITTEN_RULES,
    "Concat": _concat,
    "Conv": _convolution,
    "ConvTranspose": _channels,
}  # fmt: skip
