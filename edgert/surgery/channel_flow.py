"""How channels pass through operators without weights: one rule per operator.

Owns the table from operator to rule; the rules of maps and normalisations are `channel_maps`',
those of operators that pick indices `channel_picks`'.
A rule says which axes of a node's ends run together, for constants too. An axis that no rule
mentions is one that the operator mixes.
"""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from edgert.surgery.channel_maps import MAP_RULES, why_not_followed
from edgert.surgery.channel_picks import PICK_RULES
from edgert.surgery.channel_ties import OUTPUT, Flow, Tie, View, same_axes, shape_at
from edgert.surgery.graph import attribute, constant_array, static_shape
from edgert.surgery.layout import is_standard

# Each output number depends on the input number at the same place, and on broadcast operands.
ELEMENTWISE = frozenset(
    {
        "Abs", "Add", "Cast", "Ceil", "Celu", "Clip", "Div", "Elu", "Erf", "Exp", "Floor", "Gelu",
        "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Max", "Mean", "Min", "Mish", "Mul",
        "Neg", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign",
        "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish", "Tanh", "ThresholdedRelu", "Where",
    }
)  # fmt: skip
_ALSO_ELEMENTWISE = (
    "And", "Cos", "Dropout", "Equal", "Expand", "Greater", "GreaterOrEqual", "Identity", "IsNaN",
    "Less", "LessOrEqual", "Mod", "Not", "Or", "Sin", "Xor",
)  # fmt: skip
_POOLING = (
    "AveragePool", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "GridSample", "LpPool",
    "MaxPool",
)  # fmt: skip
# Statistics over the channels that stay. A sum is none: what divides it may be a constant.
_STATISTICS = ("ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin")
_SUMS = ("ReduceLogSum", "ReduceLogSumExp", "ReduceProd", "ReduceSum", "ReduceSumSquare")


def flow_of(node: Any) -> Flow:
    """What a node keeps together; where nothing is known, why."""
    rule = RULES.get(node.op_type) if is_standard(node) else None
    label = f"{node.op_type} {node.name}"
    if rule is None:
        return Flow(why_not=f"{label} is not an operator whose channels can be followed")
    ends = [value for value in (*node.inputs, *node.outputs) if value is not None and value.name]
    if any(static_shape(value) is None for value in ends):
        return Flow(why_not=f"{label} has no static shape")
    others = node.outputs[1:] if node.op_type != "Split" else ()
    if any(value.uses() or value.is_graph_output() for value in others):
        return Flow(why_not=f"{label} has further outputs that are read")
    return rule(node)


def why_not_alone(node: Any) -> str:
    """Why an axis of a node is in no tie and no link, in words."""
    label = f"{node.op_type} {node.name}"
    if node.op_type in ("Reshape", "Flatten", "Squeeze", "Unsqueeze"):
        return f"{label} does not keep the channel axis whole"
    if node.op_type == "Gather":
        return f"{label} picks single channels"
    if node.op_type in _SUMS:
        return f"{label} sums these channels"
    return why_not_followed(node) or f"{label} does not treat each channel alone"


# ---------------------------------------------------------------- shared pieces


def _elementwise(node: Any) -> Flow:
    """Operands are aligned at their last axes; one of size 1 is broadcast and has no channels."""
    shape = shape_at(node, OUTPUT)
    # Expand's second input is a shape, not an operand
    count = 1 if node.op_type in ("Expand", "Dropout") else len(node.inputs)
    ties = []
    for axis, size in enumerate(shape):
        views = [View(OUTPUT, axis)]
        for index in range(count):
            operand = shape_at(node, index)
            own = axis - (len(shape) - len(operand))
            if own >= 0 and operand[own] == size:
                views.append(View(index, own))
        ties.append(Tie(tuple(views)))
    return Flow(tuple(ties))


def _pooling(node: Any) -> Flow:
    return Flow(same_axes(node, {0: 0, 1: 1}))


def _transpose(node: Any) -> Flow:
    rank = len(shape_at(node, 0))
    permutation = attribute(node, "perm") or list(reversed(range(rank)))
    return Flow(same_axes(node, {axis: after for after, axis in enumerate(permutation)}))


def _softmax(node: Any) -> Flow:
    rank = len(shape_at(node, 0))
    old = _opset(node) < 13  # over all axes from `axis` on, which is 1 by default
    over = int(attribute(node, "axis", 1 if old else -1)) % rank
    alone = [axis for axis in range(rank) if (axis < over if old else axis != over)]
    return Flow(same_axes(node, {axis: axis for axis in alone}))


def _reduction(node: Any) -> Flow:
    rank = len(shape_at(node, 0))
    given = attribute(node, "axes")
    if given is None and len(node.inputs) > 1 and node.inputs[1] is not None:
        array = constant_array(node.inputs[1])
        if array is None:
            return Flow(why_not=f"{node.op_type} {node.name} has computed axes")
        given = array.reshape(-1)
    if given is None or not len(given):
        given = [] if attribute(node, "noop_with_empty_axes", 0) else range(rank)
    over = {int(axis) % rank for axis in given}
    kept = attribute(node, "keepdims", 1)
    after = {a: a - (0 if kept else sum(o < a for o in over)) for a in range(rank)}
    ties = same_axes(node, {a: place for a, place in after.items() if a not in over})
    if node.op_type in _STATISTICS:
        ties += tuple(Tie((View(0, axis),), "normalises") for axis in sorted(over))
    return Flow(ties)


def _resize(node: Any) -> Flow:
    """Axes of scale 1. Where only some axes are named, the others are left alone."""
    source, target = shape_at(node, 0), shape_at(node, OUTPUT)
    named = attribute(node, "axes")
    axes = [int(a) % len(source) for a in (range(len(source)) if named is None else named)]
    scales = constant_array(node.inputs[2]) if len(node.inputs) > 2 else None
    moved = {
        axis
        for position, axis in enumerate(axes)
        if source[axis] != target[axis]
        or (scales is not None and len(scales) and scales[position] != 1)
    }
    return Flow(same_axes(node, {a: a for a in range(len(source)) if a not in moved}))


def _tile(node: Any) -> Flow:
    source, target = shape_at(node, 0), shape_at(node, OUTPUT)
    repeats = [new // old for old, new in zip(source, target, strict=True)]
    views = ((View(0, a), View(OUTPUT, a, before=repeat)) for a, repeat in enumerate(repeats))
    return Flow(tuple(Tie(pair) for pair in views))


def _depth_to_space(node: Any) -> Flow:
    block = int(attribute(node, "blocksize")) ** 2
    first = attribute(node, "mode", b"DCR") in (b"DCR", "DCR")
    deep = View(0, 1, before=block) if first else View(0, 1, after=block)
    return Flow((*same_axes(node, {0: 0}), Tie((deep, View(OUTPUT, 1)))))


def _space_to_depth(node: Any) -> Flow:
    block = int(attribute(node, "blocksize")) ** 2
    return Flow((*same_axes(node, {0: 0}), Tie((View(0, 1), View(OUTPUT, 1, before=block)))))


# ---------------------------------------------------------------- reshaping


def _reshape(node: Any) -> Flow:
    """A tie for each factor that the two shapes have in common."""
    source, target = shape_at(node, 0), shape_at(node, OUTPUT)
    pieces = _common_factors(source, target)
    ties = []
    for place, (size, old, new) in enumerate(pieces):
        if size > 1:
            views = (
                View(0, old, *_around(pieces, place, 1)),
                View(OUTPUT, new, *_around(pieces, place, 2)),
            )
            ties.append(Tie(views))
    return Flow(tuple(ties))


def _around(pieces: list[tuple[int, int, int]], place: int, side: int) -> tuple[int, int]:
    """The sizes before and after one factor within its axis of the source (1) or target (2)."""
    axis = pieces[place][side]
    before = prod(piece[0] for piece in pieces[:place] if piece[side] == axis)
    after = prod(piece[0] for piece in pieces[place + 1 :] if piece[side] == axis)
    return before, after


def _common_factors(
    source: tuple[int, ...], target: tuple[int, ...]
) -> list[tuple[int, int, int]]:
    """Both shapes cut into the same factors, as (size, source axis, target axis).

    (2, 12, 5) and (24, 5) give (2, 0, 0), (12, 1, 0), (5, 2, 1). Where the shapes have no common
    factors, as (4, 6) and (6, 4), these axes are left out.
    """
    pieces: list[tuple[int, int, int]] = []
    segment: list[tuple[int, int, int]] = []
    olds = [(size, axis) for axis, size in enumerate(source) if size != 1]
    news = [(size, axis) for axis, size in enumerate(target) if size != 1]
    old, new, nested = 1, 1, True
    old_axis = new_axis = 0
    while olds or news or old > 1 or new > 1:
        if old == new == 1:
            pieces += segment if nested else []
            segment, nested = [], True
        if old == 1:
            old, old_axis = olds.pop(0)
        if new == 1:
            new, new_axis = news.pop(0)
        small, large = sorted((old, new))
        if large % small:  # go on with the product, to find where the shapes meet again
            nested = False
            if old < new:
                size, old_axis = olds.pop(0)
                old *= size
            else:
                size, new_axis = news.pop(0)
                new *= size
            continue
        segment.append((small, old_axis, new_axis))
        old, new = old // small, new // small
    return pieces + (segment if nested else [])


def _opset(node: Any) -> int:
    imports = node.graph.opset_imports if node.graph is not None else {}
    version: int = imports.get("", imports.get("ai.onnx", 13))
    return version


_Rule = Callable[[Any], Flow]
RULES: Mapping[str, _Rule] = {
    **dict.fromkeys((*ELEMENTWISE, *_ALSO_ELEMENTWISE), _elementwise),
    **dict.fromkeys(_POOLING, _pooling),
    **dict.fromkeys((*_STATISTICS, *_SUMS), _reduction),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshape),
    **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
    "DepthToSpace": _depth_to_space,
    "Resize": _resize,
    "SpaceToDepth": _space_to_depth,
    "Tile": _tile,
    "Transpose": _transpose,
    **MAP_RULES,
    **PICK_RULES,
}
