"""What operators do to tokens that lie along an axis: one rule for each operator.

A rule says which axes of a node's outputs have the tokens of its inputs, what else it reads token
by token, and which whole numbers among its inputs (a Reshape's target) fall with the number of
tokens. Products are left to `token_products`, operators that pick tokens by their place to
`token_places`, walking to `token_axis`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.surgery.channel_flow import ELEMENTWISE
from edgert.surgery.graph import attribute, constant_array, static_shape
from edgert.surgery.layout import LAYOUT, axis_after, axis_of_operand


@dataclass(frozen=True)
class Tokens:
    """Tokens on an axis whose number may fall, behind `head` and before `tail` that stay."""

    head: int = 0
    tail: int = 0


@dataclass(frozen=True)
class Side:
    """An input that is read token by token but does not come from the tokens: positions, masks."""

    index: int
    axis: int
    tokens: Tokens


@dataclass(frozen=True)
class Falling:
    """Whole numbers that fall with the tokens: `numbers - falls * removed`."""

    numbers: NDArray[np.int64]
    falls: NDArray[np.int64]

    def without(self, removed: int) -> NDArray[np.int64]:
        """The numbers when there are `removed` tokens less."""
        return self.numbers - self.falls * removed


@dataclass(frozen=True)
class Step:
    """What one node does to tokens.

    Attributes:
        outputs: For each output, its axes with tokens.
        sides: Inputs that must be reduced as the tokens are.
        falling: Constant inputs by index that name the number of tokens.
    """

    outputs: Sequence[Mapping[int, Tokens]]
    sides: Sequence[Side] = ()
    falling: Mapping[int, Falling] = field(default_factory=dict)


class NotFollowedError(Exception):
    """Tokens end here: `reason` says why, `head` and `tail` how many more would have to stay."""

    def __init__(self, reason: str, *, head: int = 0, tail: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.head = head
        self.tail = tail


Carried = Sequence[Mapping[int, Tokens]]  # for each input, its axes with tokens
Rule = Callable[[Any, Carried], Step]

_BY_ELEMENT = ELEMENTWISE | {"And", "Cos", "Equal", "Greater", "GreaterOrEqual", "Identity",
                             "IsInf", "IsNaN", "Less", "LessOrEqual", "Mod", "Not", "Or",
                             "Sin", "Xor"}  # fmt: skip
_OVER_LAST_AXES = frozenset(
    {"LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"}
)


def shape_of(value: Any) -> tuple[int, ...]:
    """The value's static shape; NotFollowedError where it is not known."""
    shape = static_shape(value)
    if shape is None:
        raise NotFollowedError(f"the shape of {getattr(value, 'name', 'an input')} is not known")
    return shape


def label(node: Any) -> str:
    """How a node is named in a reason."""
    return f"{node.op_type} {node.name}"


# ---------------------------------------------------------------- number by number


def by_element(node: Any, carried: Carried) -> Step:
    """Operators that read, for each number they write, the number at the same place."""
    rank = len(shape_of(node.outputs[0]))
    return aligned(node, carried, rank, [range(len(own)) for own in map(_shape, node.inputs)])


def aligned(node: Any, carried: Carried, rank: int, axes_read: Sequence[Sequence[int]]) -> Step:
    """What inputs that are broadcast against each other make of tokens.

    Args:
        node: Any node.
        carried: Its inputs' axes with tokens.
        rank: Number of axes of the result.
        axes_read: For each input, its axes that take part.

    Raises:
        NotFollowedError: Two inputs have different tokens on the same axis.
    """
    tokens: dict[int, Tokens] = {}
    for value, own, taking_part in zip(node.inputs, carried, axes_read, strict=True):
        for axis in set(own) & set(taking_part):
            after = axis + rank - len(_shape(value))
            if tokens.setdefault(after, own[axis]) != own[axis]:
                raise NotFollowedError(f"{label(node)} joins tokens that lie at other places")
    sides = []
    for index, value in enumerate(node.inputs):
        for after, which in tokens.items():
            own_axis = axis_of_operand(value, rank, after) if value is not None else None
            if own_axis is None or own_axis not in axes_read[index]:
                continue
            if own_axis not in carried[index]:
                sides.append(Side(index, own_axis, which))
    return Step([tokens], sides)


def _shape(value: Any) -> tuple[int, ...]:
    return () if value is None else shape_of(value)


# ---------------------------------------------------------------- normalisation and layout


def _softmax(_: Any, carried: Carried) -> Step:
    return Step([carried[0]])  # along the tokens too: their shares then sum to one again


def _normalisation(node: Any, carried: Carried) -> Step:
    rank = len(shape_of(node.inputs[0]))
    first = attribute(node, "axis", -1) % rank
    if any(axis >= first for axis in carried[0]):
        raise NotFollowedError(f"{label(node)} normalises over the tokens")
    if any(carried[1:]):
        raise NotFollowedError(f"{label(node)} takes its scale from the tokens")
    return Step([carried[0], *({} for _ in node.outputs[1:])])


def _batch_normalisation(node: Any, carried: Carried) -> Step:
    if 1 in carried[0] or any(carried[1:]) or len(node.outputs) > 1:
        raise NotFollowedError(f"{label(node)} has its own numbers for each token")
    return Step([carried[0]])


def _quantisation(node: Any, carried: Carried) -> Step:
    if any(carried[1:]):
        raise NotFollowedError(f"{label(node)} takes its scale from the tokens")
    if _shape(node.inputs[1]) not in ((), (1,)):
        axis = attribute(node, "axis", 1) % len(shape_of(node.inputs[0]))
        if axis in carried[0] or len(_shape(node.inputs[1])) > 1:
            raise NotFollowedError(f"{label(node)} has its own scale for each token")
    return Step([carried[0]])


def _layout(node: Any, carried: Carried) -> Step:
    shape_of(node.inputs[0])
    target = shape_of(node.outputs[0])
    tokens = {}
    for axis, which in carried[0].items():
        after = axis_after(node, axis)
        if after is None:
            laid_out = " x ".join(str(size) for size in target)
            raise NotFollowedError(f"{label(node)} lays the tokens out as {laid_out}")
        tokens[after] = which
    return Step([tokens], falling=_falling_shape(node, tokens, 1, target))


def _falling_shape(
    node: Any, tokens: Mapping[int, Tokens], index: int, target: Sequence[int]
) -> dict[int, Falling]:
    if node.op_type not in ("Reshape", "Expand"):
        return {}
    falls = [int(axis in tokens) for axis in range(len(target))]
    return {index: Falling(np.array(target, np.int64), np.array(falls, np.int64))}


def _expand(node: Any, carried: Carried) -> Step:
    source, target = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    tokens = {axis + len(target) - len(source): which for axis, which in carried[0].items()}
    return Step([tokens], falling=_falling_shape(node, tokens, 1, target))


def _reduction(node: Any, carried: Carried) -> Step:
    given = attribute(node, "axes")
    operand = constant_array(node.inputs[1]) if len(node.inputs) > 1 else None
    axes = operand if given is None else given
    rank = len(shape_of(node.inputs[0]))
    reduced = {int(axis) % rank for axis in (range(rank) if axes is None else axes)}
    if reduced & set(carried[0]) and node.op_type not in ("ReduceMean", "ReduceMax", "ReduceMin"):
        raise NotFollowedError(f"{label(node)} adds up the tokens")
    keeps = attribute(node, "keepdims", 1)
    return Step(
        [
            {
                axis if keeps else axis - sum(a < axis for a in reduced): which
                for axis, which in carried[0].items()
                if axis not in reduced
            }
        ]
    )


def _global_pool(_: Any, carried: Carried) -> Step:
    return Step([{axis: which for axis, which in carried[0].items() if axis < 2}])


def _other_axes(node: Any, carried: Carried) -> Step:
    """Operators that are followed where they leave the tokens' axis alone."""
    tokens = {}
    for axis, which in carried[0].items():
        after = axis_after(node, axis)
        if after is None:
            raise NotFollowedError(f"{label(node)} needs each token at its place")
        tokens[after] = which
    return Step([tokens])


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_BY_ELEMENT, by_element),
    **dict.fromkeys(LAYOUT, _layout),
    **dict.fromkeys(_OVER_LAST_AXES, _normalisation),
    **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), _quantisation),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), _global_pool),
    **dict.fromkeys(("Resize", "Pad", "AveragePool", "MaxPool"), _other_axes),
    **dict.fromkeys(
        ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceL1", "ReduceL2"), _reduction
    ),
    "BatchNormalization": _batch_normalisation,
    "Expand": _expand,
}
