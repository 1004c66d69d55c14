"""Operators that pick or join tokens by their place: Gather, Slice, Split and Concat.

Places among the tokens that may go can't be read: which token would stand there is known only at
run time. Places before and behind them can, and move with them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgert.surgery.graph import attribute, constant_array
from edgert.surgery.token_rules import (
    Carried,
    Falling,
    NotFollowedError,
    Rule,
    Side,
    Step,
    Tokens,
    label,
    shape_of,
)


def _gather(node: Any, carried: Carried) -> Step:
    if any(carried[1:]):
        raise NotFollowedError(f"{label(node)} takes its indices from the tokens")
    rank = len(shape_of(node.inputs[0]))
    picked = attribute(node, "axis", 0) % rank
    indices = constant_array(node.inputs[1])
    shift = len(shape_of(node.inputs[1])) - 1
    tokens = {
        axis + shift if axis > picked else axis: which
        for axis, which in carried[0].items()
        if axis != picked
    }
    if picked not in carried[0]:
        return Step([tokens])
    if indices is None:
        raise NotFollowedError(f"{label(node)} picks tokens by computed places")
    size = shape_of(node.inputs[0])[picked]
    places = np.where(indices < 0, indices + size, indices).astype(np.int64)
    falls = np.zeros_like(places)
    for place in np.unique(places):
        if _is_behind(node, carried[0][picked], size, int(place), int(place) + 1):
            falls[places == place] = 1
    return Step([tokens], falling={1: Falling(places, falls)})


def _slice(node: Any, carried: Carried) -> Step:
    shape = shape_of(node.inputs[0])
    given = [constant_array(value) for value in node.inputs[1:]]
    numbers = [array.astype(np.int64) for array in given if array is not None]
    if len(given) < 2 or len(numbers) < len(given):
        raise NotFollowedError(f"{label(node)} cuts at computed places")
    starts, ends = numbers[:2]
    named = numbers[2] if len(numbers) > 2 else np.arange(len(starts))
    axes = [int(axis) % len(shape) for axis in named]
    steps = numbers[3] if len(numbers) > 3 else np.ones_like(starts)
    tokens = dict(carried[0])
    falls = np.zeros((2, len(axes)), np.int64)
    for number, axis in enumerate(axes):
        if axis not in carried[0]:
            continue
        if steps[number] != 1:
            raise NotFollowedError(f"{label(node)} takes every {steps[number]}th token")
        start, end, _ = slice(starts[number], ends[number]).indices(shape[axis])
        starts[number], ends[number] = start, end
        left = _cut(node, tokens.pop(axis), shape[axis], start, end)
        if isinstance(left, Tokens):
            tokens[axis] = left
            falls[1, number] = 1
        elif left:
            falls[:, number] = 1
    falling = {1: Falling(starts, falls[0]), 2: Falling(ends, falls[1])}
    return Step([tokens], falling=falling)


def _split(node: Any, carried: Carried) -> Step:
    shape = shape_of(node.inputs[0])
    axis = attribute(node, "axis", 0) % len(shape)
    if axis not in carried[0]:
        return Step([carried[0] for _ in node.outputs])
    given = constant_array(node.inputs[1]) if len(node.inputs) > 1 else None
    if given is None:
        raise NotFollowedError(f"{label(node)} splits the tokens into equal parts")
    outputs, falls, start = [], [], 0
    for size in given:
        left = _cut(node, carried[0][axis], shape[axis], start, start + int(size))
        others = {a: which for a, which in carried[0].items() if a != axis}
        outputs.append({**others, axis: left} if isinstance(left, Tokens) else others)
        falls.append(int(isinstance(left, Tokens)))
        start += int(size)
    return Step(outputs, falling={1: Falling(given.astype(np.int64), np.array(falls, np.int64))})


def _concat(node: Any, carried: Carried) -> Step:
    shapes = [shape_of(value) for value in node.inputs]
    joined = attribute(node, "axis") % len(shapes[0])
    tokens: dict[int, Tokens] = {}
    for own in carried:
        for axis, which in own.items():
            if axis != joined and tokens.setdefault(axis, which) != which:
                raise NotFollowedError(f"{label(node)} joins tokens that lie at other places")
    sides = [
        Side(index, axis, which)
        for axis, which in tokens.items()
        for index, own in enumerate(carried)
        if axis not in own
    ]
    carriers = [index for index, own in enumerate(carried) if joined in own]
    if len(carriers) > 1:
        raise NotFollowedError(f"{label(node)} puts the tokens behind each other twice")
    if carriers:
        [at], sizes = carriers, [shape[joined] for shape in shapes]
        inner, before, behind = carried[at][joined], sum(sizes[:at]), sum(sizes[at + 1 :])
        tokens[joined] = Tokens(inner.head + before, inner.tail + behind)
    return Step([tokens], sides)


def _cut(node: Any, tokens: Tokens, size: int, start: int, end: int) -> Tokens | bool:
    """What [start, end) holds: the tokens with others around, or none (True: it lies behind)."""
    if start <= tokens.head and end >= size - tokens.tail:
        return Tokens(tokens.head - start, tokens.tail - (size - end))
    return _is_behind(node, tokens, size, start, end)


def _is_behind(node: Any, tokens: Tokens, size: int, start: int, end: int) -> bool:
    """Whether places [start, end) lie behind the tokens that may go; an error where among them."""
    if end <= tokens.head:
        return False
    if start >= size - tokens.tail:
        return True
    reason = f"{label(node)} reads tokens {start} to {end - 1} of {size} by their place"
    inner_start, inner_end = tokens.head, size - tokens.tail
    # A cut between the ends is one place too: what lies before it, or behind it, has to stay.
    cuts = [cut for cut in (start, end) if inner_start < cut < inner_end]
    front = max(cuts, default=inner_end) - inner_start
    back = inner_end - min(cuts, default=inner_start)
    if front <= back:
        raise NotFollowedError(reason, head=front)
    raise NotFollowedError(reason, tail=back)


PLACE_RULES: Mapping[str, Rule] = {
    "Gather": _gather,
    "Slice": _slice,
    "Split": _split,
    "Concat": _concat,
}
