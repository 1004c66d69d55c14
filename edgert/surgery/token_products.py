"""Products of tokens: matrix products, Einsum and convolution.

Layers, which map each token alone, carry tokens on. A sum over tokens is followed only where both
factors have the same tokens, as attention has; learned weights over tokens need all of them.
"""

from collections.abc import Mapping
from typing import Any

from edgert.surgery.graph import attribute
from edgert.surgery.layout import axis_of_operand
from edgert.surgery.token_rules import (
    Carried,
    NotFollowedError,
    Rule,
    Side,
    Step,
    Tokens,
    aligned,
    label,
    shape_of,
)


def _matmul(node: Any, carried: Carried) -> Step:
    left, right = shape_of(node.inputs[0]), shape_of(node.inputs[1])
    if min(len(left), len(right)) < 2:
        raise NotFollowedError(f"{label(node)} multiplies a plain vector")
    rank = len(shape_of(node.outputs[0]))
    _check_contraction(node, carried[0].get(len(left) - 1), carried[1].get(len(right) - 2))
    step = aligned(node, carried, rank, [range(len(left) - 2), range(len(right) - 2)])
    tokens = dict(step.outputs[0])
    if len(left) - 2 in carried[0]:
        tokens[rank - 2] = carried[0][len(left) - 2]
    if len(right) - 1 in carried[1]:
        tokens[rank - 1] = carried[1][len(right) - 1]
    return Step([tokens], step.sides)


def _gemm(node: Any, carried: Carried) -> Step:
    rows, inner = (1, 0) if attribute(node, "transA", 0) else (0, 1)
    columns, inner_right = (0, 1) if attribute(node, "transB", 0) else (1, 0)
    _check_contraction(node, carried[0].get(inner), carried[1].get(inner_right))
    tokens = {}
    if rows in carried[0]:
        tokens[0] = carried[0][rows]
    if columns in carried[1]:
        tokens[1] = carried[1][columns]
    sides = []
    for axis, which in tokens.items() if len(node.inputs) > 2 else ():
        own_axis = axis_of_operand(node.inputs[2], 2, axis)
        if own_axis is not None and own_axis not in carried[2]:
            sides.append(Side(2, own_axis, which))
    return Step([tokens], sides)


def _einsum(node: Any, carried: Carried) -> Step:
    left, arrow, right = attribute(node, "equation").replace(" ", "").partition("->")
    terms = left.split(",")
    if not arrow or "." in left or any(len(set(term)) < len(term) for term in terms):
        raise NotFollowedError(f"{label(node)} is not written index by index")
    tokens: dict[str, Tokens] = {}
    for term, own in zip(terms, carried, strict=True):
        for axis, which in own.items():
            if tokens.setdefault(term[axis], which) != which:
                raise NotFollowedError(f"{label(node)} joins tokens that lie at other places")
    sides = []
    for index, (term, own) in enumerate(zip(terms, carried, strict=True)):
        for axis, letter in enumerate(term):
            if letter in tokens and axis not in own:
                if letter not in right:
                    _check_contraction(node, tokens[letter], None)
                sides.append(Side(index, axis, tokens[letter]))
    summed = next((x for x in tokens if x not in right and left.count(x) < 2), None)
    if summed is not None:
        raise NotFollowedError(f"{label(node)} adds up the tokens")
    return Step([{axis: tokens[x] for axis, x in enumerate(right) if x in tokens}], sides)


def _check_contraction(node: Any, left: Tokens | None, right: Tokens | None) -> None:
    """A sum over tokens is followed where both factors have the same tokens, as attention does."""
    if left != right:
        raise NotFollowedError(f"{label(node)} mixes the tokens with numbers of another origin")


def _conv(node: Any, carried: Carried) -> Step:
    if 1 in carried[0] or any(carried[1:]):
        raise NotFollowedError(f"{label(node)} mixes the tokens with its weights")
    kernel, steps = shape_of(node.inputs[1])[2:], attribute(node, "strides") or ()
    alone = all(size == 1 for size in (*kernel, *steps)) and not any(attribute(node, "pads") or ())
    if not alone and any(axis > 1 for axis in carried[0]):
        raise NotFollowedError(f"{label(node)} reads tokens with their neighbours")
    return Step([carried[0]])


PRODUCT_RULES: Mapping[str, Rule] = {
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Einsum": _einsum,
    "Conv": _conv,
}
