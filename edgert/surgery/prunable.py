"""Whether tokens can be pruned behind an attention, and what has to be known for it.

Tokens are pruned at the sum behind a self-attention: the attention tells how much each token is
attended to, and the sum is where its tokens go on. Both have to be the same tokens, and nothing
behind may need a token at its place.
"""

from dataclasses import dataclass
from typing import Any

from edgert.surgery.attention import Attention
from edgert.surgery.graph import attribute, constant_array, static_shape
from edgert.surgery.graph_view import GraphView
from edgert.surgery.residuals import ResidualBranch
from edgert.surgery.token_axis import TokenTrace, follow_tokens
from edgert.surgery.token_rules import Tokens

_FEWEST = 3  # tokens that may go: one stays, two make a mean


@dataclass(frozen=True)
class PruningPlan:
    """A place where tokens can be pruned, on one graph.

    Attributes:
        attention: The attention that says which tokens count.
        stream: The sum behind it.
        axis: The tokens' axis of the sum.
        tokens: What stays in any case: class tokens in front, others at the end.
        trace: Where the tokens go from there.
    """

    attention: Attention
    stream: Any
    axis: int
    tokens: Tokens
    trace: TokenTrace

    @property
    def count(self) -> int:
        """How many tokens there are."""
        return (static_shape(self.stream) or ())[self.axis]

    @property
    def protected(self) -> int:
        """How many of them always stay."""
        return self.tokens.head + self.tokens.tail


class FixedTokens:
    """Constants that are put before or behind tokens, as class tokens are, found once a graph.

    Where they are cut off and joined to other tokens again, as pruning does, they are followed.
    """

    def __init__(self, view: GraphView) -> None:
        self._traces: list[TokenTrace] = []
        for node in view.nodes:
            if node.op_type == "Concat" and node.outputs[0] in view.dynamic:
                self._add(view, node)

    def at(self, value: Any, axis: int) -> Tokens:
        """What they make up of both ends of an axis."""
        found = (trace.of(value, axis) for trace in self._traces)
        return next((tokens for tokens in found if tokens is not None), Tokens())

    def _add(self, view: GraphView, node: Any) -> None:
        shapes = [static_shape(value) for value in node.inputs]
        known = [shape for shape in shapes if shape is not None]
        if len(known) < len(shapes):
            return
        axis = attribute(node, "axis") % len(known[0])
        sizes = [shape[axis] for shape in known]
        own = [index for index, v in enumerate(node.inputs) if not self._is_fixed(v, axis)]
        if own and len(own) < len(sizes):
            tokens = Tokens(sum(sizes[: own[0]]), sum(sizes[own[-1] + 1 :]))
            if tokens != Tokens():
                self._traces.append(follow_tokens(view, node.outputs[0], axis, tokens))

    def _is_fixed(self, value: Any, axis: int) -> bool:
        """Whether a value is a constant, or cut out of such."""
        cut = value.producer()
        if cut is None:
            return constant_array(value) is not None
        if cut.op_type != "Slice":
            return False
        return any(
            cut in trace.steps and trace.of(cut.inputs[0], axis) and not trace.of(value, axis)
            for trace in self._traces
        )


def pruning_plan(view: GraphView, attention: Attention, fixed: FixedTokens) -> PruningPlan | str:
    """How to prune behind an attention, or why that can't be done, naming the node."""
    if attention.scores is None:
        return f"{attention.product.op_type} {attention.product.name} keeps its shares to itself"
    if attention.branch is None:
        return f"no residual sum follows MatMul {attention.product.name}"
    if attention.queries != attention.keys:
        return f"it has {attention.queries} queries but {attention.keys} keys"
    add = next(node for node in view.nodes if node.name == attention.branch.add)
    axis = _self_attended_axis(view, attention, attention.branch, add)
    if isinstance(axis, str):
        return axis
    stream = add.outputs[0]
    shape = static_shape(stream) or ()
    others = [size for number, size in enumerate(shape) if number != axis and size > 1]
    if len(others) > 1:
        return f"{add.op_type} {add.name} has tokens of several images, {shape}"
    return _followed(view, attention, stream, axis, fixed.at(stream, axis))


def _followed(
    view: GraphView, attention: Attention, stream: Any, axis: int, tokens: Tokens
) -> PruningPlan | str:
    """The plan, with as many tokens protected as are read by their place later."""
    while True:
        trace = follow_tokens(view, stream, axis, tokens)
        plan = PruningPlan(attention, stream, axis, tokens, trace)
        if plan.count - plan.protected < _FEWEST:
            return trace.blocked or f"all {plan.count} tokens are needed at their place"
        if not trace.stops:
            return plan
        more = next((stop for stop in trace.stops if stop.head or stop.tail), None)
        if more is None:
            return trace.blocked
        tokens = Tokens(tokens.head + more.head, tokens.tail + more.tail)


def _self_attended_axis(
    view: GraphView, attention: Attention, branch: ResidualBranch, add: Any
) -> int | str:
    """The axis of the sum with the tokens that are queries, keys and values of the attention."""
    name = attention.product.name
    reason = f"queries and keys of MatMul {name} are not the tokens it is added to"
    shortcut = next((v for v in view.dynamic if v.name == branch.shortcut_value), None)
    last = view.position(add.outputs[0])
    for axis, size in enumerate(static_shape(shortcut) or ()):
        if size != attention.keys:
            continue
        trace = follow_tokens(view, shortcut, axis, Tokens(), last=last)
        meets = [
            trace.of(attention.shares, -2),
            trace.of(attention.shares, -1),
            trace.of(attention.values, -2),
            trace.of(add.outputs[0], axis),
        ]
        if None not in meets:
            return axis
        reason = trace.blocked or reason
    return reason
