"""Where an attention's keys and values come from, and how they lie in the image.

Followed backwards along the tokens' axis, through what treats each token alone: to the value that
keys and values are both made of, and on to the operator that laid rows and columns end to end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from edgert.surgery.attention import Attention
from edgert.surgery.channel_flow import ELEMENTWISE
from edgert.surgery.graph import static_shape
from edgert.surgery.graph_view import GraphView
from edgert.surgery.layout import axis_before, axis_of_operand
from edgert.surgery.operators import NORMALISATION, STANDARD
from edgert.surgery.token_axis import TokenTrace, follow_tokens, is_uniform
from edgert.surgery.token_rules import Tokens, label


@dataclass(frozen=True)
class KeySource:
    """The value that an attention's keys and values are made of, token by token.

    Attributes:
        attention: The attention.
        value: The value; queries may be made of it too.
        axis: The tokens' axis of it.
        grid: Rows and columns that the tokens are, row by row.
        trace: Where the tokens go as keys and values.
    """

    attention: Attention
    value: Any
    axis: int
    grid: tuple[int, int]
    trace: TokenTrace


def key_source(view: GraphView, attention: Attention) -> KeySource | str:
    """Where keys and values come from, or why they can't be merged, naming the node."""
    scores, product = attention.scores, attention.product
    if scores is None:
        return f"{label(product)} makes its keys itself"
    rank = len(static_shape(scores.inputs[1]) or ())
    keys = _behind(view, scores.inputs[1], rank - 1)
    values = _behind(view, product.inputs[1], rank - 2)
    shared = [place for place in keys if place in values]
    if not shared:
        return f"keys and values of {label(product)} have no tokens in common"
    value, axis = max(shared, key=lambda place: _position(view, place[0]))
    only = keys[value, axis] | values[value, axis]
    trace = follow_tokens(view, value, axis, Tokens(), only=only)
    reason = trace.blocked or _why_not_keys_alone(trace, attention)
    if reason:
        return reason
    grid = _grid(view, value, axis)
    if grid is None:
        return f"the keys of {label(scores)} are not the rows and columns of an image"
    return KeySource(attention, value, axis, grid, trace)


def _why_not_keys_alone(trace: TokenTrace, attention: Attention) -> str:
    scores, product = attention.scores, attention.product
    queries = scores.inputs[0] if scores is not None else None
    if trace.axes.get(queries):
        return f"queries of {label(product)} come from one layer with its keys"
    if trace.of(attention.shares, -1) is None or trace.of(attention.values, -2) is None:
        return f"keys and values of {label(product)} are not made alike"
    for node, step in trace.steps.items():
        for side in step.sides:
            if not is_uniform(node.inputs[side.index], side.axis):
                return f"{label(node)} tells keys apart by {node.inputs[side.index].name}"
    return ""


# ---------------------------------------------------------------- backwards


def _behind(view: GraphView, value: Any, axis: int) -> dict[tuple[Any, int], set[Any]]:
    """The values that have the same tokens upstream, with their axis, and what reads them."""
    found: dict[tuple[Any, int], set[Any]] = {}
    queue = [(value, axis)]
    while queue:
        value, axis = queue.pop(0)
        node = value.producer()
        for place in () if node is None else _sources(view, node, axis):
            if place not in found:
                queue.append(place)
            found.setdefault(place, set()).add(node)
    return found


def _sources(view: GraphView, node: Any, axis: int) -> Iterator[tuple[Any, int]]:
    """The computed inputs of a node whose tokens lie on one axis of its output."""
    shape = static_shape(node.outputs[0])
    if shape is None or node.domain not in STANDARD or len(node.outputs) != 1:
        return
    if node.op_type in ELEMENTWISE:
        for value in node.inputs:
            own = axis_of_operand(value, len(shape), axis) if value in view.dynamic else None
            if own is not None:
                yield value, own
    elif node.op_type == "MatMul" and axis >= len(shape) - 2:
        index = int(axis == len(shape) - 1)
        value = node.inputs[index]
        if value in view.dynamic:
            yield value, len(static_shape(value) or ()) - 2 + index
    elif node.op_type in NORMALISATION:
        yield node.inputs[0], axis
    else:
        before = axis_before(node, axis)
        if before is not None:
            yield node.inputs[0], before


def _grid(view: GraphView, value: Any, axis: int) -> tuple[int, int] | None:
    """Rows and columns, from the nearest operator upstream that laid them end to end."""
    places = [(value, axis), *_behind(view, value, axis)]
    for place, own in places:
        node = place.producer()
        source = static_shape(node.inputs[0]) if node is not None and node.inputs else None
        target = static_shape(place)
        if node is None or node.op_type not in ("Reshape", "Flatten") or not source or not target:
            continue
        for start in range(len(source) - 1):
            rows, columns = source[start : start + 2]
            is_here = prod(source[:start]) == prod(target[:own])
            if is_here and min(rows, columns) > 1 and rows * columns == target[own]:
                return rows, columns
    return None


def _position(view: GraphView, value: Any) -> int:
    position = view.position(value)
    return -1 if position is None else position
