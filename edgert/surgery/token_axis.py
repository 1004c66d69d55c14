"""Following tokens along their axis through a graph, and rewriting the graph for fewer of them.

The tokens of one value are followed to everything that is made of them. Where they can't be, the
trace says which node stops it and why. `shrink` then carries out what the trace found: constants
that name the number of tokens fall, what is read token by token is reduced alike.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgert.optional import needs
from edgert.surgery.graph import Graph, add_initializer, constant_array, readers, static_shape
from edgert.surgery.graph_view import GraphView
from edgert.surgery.operators import STANDARD
from edgert.surgery.token_places import PLACE_RULES
from edgert.surgery.token_products import PRODUCT_RULES
from edgert.surgery.token_rules import (
    RULES,
    NotFollowedError,
    Rule,
    Side,
    Step,
    Tokens,
    label,
)

_RULES: Mapping[str, Rule] = {**RULES, **PRODUCT_RULES, **PLACE_RULES}

# Reduces a value along an axis, for the node that reads it: (value, axis, tokens, node) -> value.
Reduce = Callable[[Any, int, Tokens, Any], Any]


@dataclass
class TokenTrace:
    """Where the tokens of one value go.

    Attributes:
        start: The value they start from.
        readers: The nodes that read it in this trace.
        axes: For each value made of the tokens, the axes they lie on.
        steps: What each node on the way does, in topological order.
        stops: What they could not be followed through, in topological order.
    """

    start: Any
    readers: Collection[Any]
    axes: dict[Any, Mapping[int, Tokens]]
    steps: dict[Any, Step] = field(default_factory=dict)
    stops: list[NotFollowedError] = field(default_factory=list)

    @property
    def blocked(self) -> str:
        """Why there can't be fewer tokens; empty where there can."""
        return self.stops[0].reason if self.stops else ""

    def of(self, value: Any, axis: int) -> Tokens | None:
        """The tokens on an axis of a value, which may be counted from behind."""
        rank = len(static_shape(value) or ())
        return self.axes.get(value, {}).get(axis % rank if rank else axis)


def follow_tokens(
    view: GraphView,
    start: Any,
    axis: int,
    tokens: Tokens,
    *,
    only: Collection[Any] | None = None,
    last: int | None = None,
) -> TokenTrace:
    """Follow the tokens on one axis of a value to all that is made of them.

    Args:
        view: The graph.
        start: The value.
        axis: The axis of it, from 0.
        tokens: What stays before and behind them there.
        only: Nodes among the value's readers to follow; None means all.
        last: Position of the last node to look at; None means to the end of the graph.

    Returns:
        The trace. It goes on behind a stop, where tokens also come by another way.
    """
    start_readers = readers(start) if only is None else list(only)
    trace = TokenTrace(start, start_readers, {start: {axis: tokens}})
    own = view.position(start)
    end = len(view.nodes) if last is None else last + 1
    for position in range(0 if own is None else own + 1, end):
        node = view.nodes[position]
        reads = [value for value in view.reads(position) if value in trace.axes]
        if not reads or (reads == [start] and node not in start_readers):
            continue
        try:
            step = _step(node, trace)
        except NotFollowedError as stop:
            trace.stops.append(stop)
            continue
        trace.steps[node] = step
        for value, tokens_of in zip(node.outputs, step.outputs, strict=True):
            if tokens_of:
                trace.axes[value] = tokens_of
    if last is None:
        trace.stops.extend(
            NotFollowedError(f"output {value.name} needs every token")
            for value in trace.axes
            if value.is_graph_output() and (only is None or value is not start)
        )
    return trace


def _step(node: Any, trace: TokenTrace) -> Step:
    rule = _RULES.get(node.op_type) if node.domain in STANDARD else None
    if rule is None or any(a.type.name in ("GRAPH", "GRAPHS") for a in node.attributes.values()):
        raise NotFollowedError(f"{label(node)} is not known to treat tokens alike")
    carried = [
        {} if value is trace.start and node not in trace.readers else trace.axes.get(value, {})
        for value in node.inputs
    ]
    step = rule(node, carried)
    if len(step.outputs) != len(node.outputs):
        raise NotFollowedError(f"{label(node)} has {len(node.outputs)} outputs")
    for index in step.falling:
        if constant_array(node.inputs[index]) is None:
            raise NotFollowedError(f"{label(node)} has a computed shape")
    for side in step.sides:
        _check_side(node, side)
    return step


def _check_side(node: Any, side: Side) -> None:
    """Averaging is for floating-point numbers; others have to be the same for all tokens."""
    value = node.inputs[side.index]
    if value.dtype is not None and value.dtype.is_floating_point():
        return
    if not is_uniform(value, side.axis):
        raise NotFollowedError(f"{label(node)} tells tokens apart by {value.name}")


def is_uniform(value: Any, axis: int) -> bool:
    """Whether a constant holds the same numbers all along an axis."""
    array = constant_array(value)
    if array is None:
        return False
    first = array.take([0], axis=axis)
    equal_nan = np.issubdtype(array.dtype, np.inexact)
    return bool(np.array_equal(array, np.broadcast_to(first, array.shape), equal_nan=equal_nan))


# ---------------------------------------------------------------- rewriting


def shrink(graph: Graph, trace: TokenTrace, *, reduced: Any, removed: int, reduce: Reduce) -> None:
    """Let everything behind the trace's start work on fewer tokens; in place.

    Args:
        graph: The copy being edited, which the trace was made on.
        trace: A trace without stops.
        reduced: The value that takes the start's place.
        removed: How many tokens less it has.
        reduce: Reduces what else is read token by token. What is the same for all tokens is cut
            here, without it.
    """
    _set_shapes(trace, removed)
    made: dict[tuple[Any, int, Tokens], Any] = {}
    for node, step in trace.steps.items():
        for index, value in enumerate(list(node.inputs)):
            if value is trace.start and node in trace.readers:
                node.replace_input_with(index, reduced)
        for side in step.sides:
            value = node.inputs[side.index]
            key = (value, side.axis, side.tokens)
            if key not in made:
                if is_uniform(value, side.axis):
                    made[key] = _shortened(graph, value, side.axis, removed)
                else:
                    made[key] = reduce(value, side.axis, side.tokens, node)
            node.replace_input_with(side.index, made[key])
        for index, falling in step.falling.items():
            old, numbers = node.inputs[index], falling.without(removed)
            before = constant_array(old)
            if before is None or not np.array_equal(before, numbers):
                fewer = add_initializer(graph, f"{old.name}.fewer", numbers)
                node.replace_input_with(index, fewer)


def _set_shapes(trace: TokenTrace, removed: int) -> None:
    ir = needs("onnx_ir", "build", "to edit ONNX graphs")
    for value, axes in trace.axes.items():
        shape = list(static_shape(value) or ())
        for axis in axes:
            shape[axis] -= removed
        if value is not trace.start:
            value.shape = ir.Shape(shape)


def _shortened(graph: Graph, value: Any, axis: int, removed: int) -> Any:
    array = constant_array(value)
    if array is None:
        raise ValueError(f"{value.name} is computed")
    fewer = array.take(range(array.shape[axis] - removed), axis=axis)
    return add_initializer(graph, f"{value.name}.fewer", fewer)
