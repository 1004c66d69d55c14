"""Writing the nodes that score tokens, choose the best ones and reduce values to them."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from edgert.optional import needs
from edgert.surgery.graph import Graph, add_initializer, static_shape
from edgert.surgery.prunable import PruningPlan
from edgert.surgery.rewire import GraphNames, new_node
from edgert.surgery.token_rules import Tokens

Score = Literal["attention_and_value", "attention", "class_attention"]

_AXES_ARE_INPUTS = {"ReduceSum": 13, "ReduceMax": 18, "ReduceMean": 18}  # since this opset


class PrunedNodes:
    """Writes one pruning site into a graph, in place.

    Args:
        graph: The copy being edited.
        plan: What to prune there, found on this copy.
        keep: Tokens that are left, the mean of those that go among them.
    """

    def __init__(self, graph: Graph, plan: PruningPlan, keep: int) -> None:
        self._graph = graph
        self._plan = plan
        self._candidates = plan.count - plan.protected
        self._kept = keep - plan.protected - 1
        scope, _, operator = plan.stream.producer().name.rpartition("/")
        self._scope = f"{scope or operator}/prune_tokens"
        self._chosen: tuple[Any, Any] | None = None

    def choose(self, score: Score, before: Any) -> None:
        """Write what says which tokens stay and which go."""
        scores = _SCORES[score](self, before)
        order = self._order(scores, before)
        self._chosen = (
            self._sliced(order, 0, 0, self._kept, before),
            self._sliced(order, 0, self._kept, self._candidates, before),
        )

    def reduced(self, value: Any, axis: int, tokens: Tokens, before: Any) -> Any:
        """Write a value's reduction: ends as they are, best tokens, mean of the others.

        Args:
            value: Floating-point numbers of as many tokens, in the same order.
            axis: Their axis.
            tokens: What lies around them there.
            before: Node to put the new ones in front of.
        """
        if self._chosen is None:
            raise ValueError("choose the tokens first")
        shape = list(static_shape(value) or ())
        end = shape[axis] - tokens.tail
        inner = self._sliced(value, axis, tokens.head, end, before)
        kept, gone = (self._gathered(inner, axis, which, before) for which in self._chosen)
        mean = self._over("ReduceMean", gone, [axis], before, keepdims=1)
        parts = [
            *([self._sliced(value, axis, 0, tokens.head, before)] if tokens.head else []),
            kept,
            mean,
            *([self._sliced(value, axis, end, shape[axis], before)] if tokens.tail else []),
        ]
        shape[axis] = tokens.head + self._kept + 1 + tokens.tail
        return self._new("Concat", parts, shape, before, axis=axis)

    # ------------------------------------------------------------ scores, (candidates,)

    def _attention_and_value(self, before: Any) -> Any:
        """POMT's metric."""
        attended = self._attention(before)
        values = self._plan.attention.values
        rank = len(static_shape(values) or ())
        highest = self._over("ReduceMax", values, range(rank - 2), before)
        sums = self._over("ReduceSum", highest, [1], before)
        shares = self._new("Softmax", [sums], static_shape(sums) or (), before, axis=-1)
        inner = self._inner(shares, 0, before)
        return self._new("Add", [attended, inner], [self._candidates], before)

    def _attention(self, before: Any) -> Any:
        """How much the candidates attend to each, in the head that does most; 1 for the first."""
        shares = self._plan.attention.shares
        rank = len(static_shape(shares) or ())
        highest = self._over("ReduceMax", shares, range(rank - 2), before)
        among = self._inner(self._inner(highest, 0, before), 1, before)
        received = self._over("ReduceSum", among, [0], before)
        most = self._over("ReduceMax", received, [0], before, keepdims=1)
        return self._new("Div", [received, most], [self._candidates], before)

    def _class_attention(self, before: Any) -> Any:
        """How much the first token attends to each, in the mean over heads."""
        shares = self._plan.attention.shares
        rank = len(static_shape(shares) or ())
        row = self._sliced(shares, rank - 2, 0, 1, before)
        mean = self._over("ReduceMean", row, range(rank - 1), before)
        return self._inner(mean, 0, before)

    # ------------------------------------------------------------ nodes

    def _order(self, scores: Any, before: Any) -> Any:
        """The candidates' numbers, best first; the earlier of equals first."""
        ir = needs("onnx_ir", "build", "to edit ONNX graphs")
        count = add_initializer(self._graph, f"{self._scope}.count", _integers(self._candidates))
        names = GraphNames(self._graph)
        name = names.nodes.take(f"{self._scope}/TopK")
        outputs = [
            ir.Value(name=names.values.take(f"{name}.{what}"), shape=scores.shape, type=kind)
            for what, kind in (
                ("scores", scores.type),
                ("order", ir.TensorType(ir.DataType.INT64)),
            )
        ]
        attributes = {"axis": 0, "largest": 1, "sorted": 1}
        node = ir.node("TopK", [scores, count], attributes, outputs=outputs, name=name)
        self._graph.model.graph.insert_before(before, node)
        return outputs[1]

    def _inner(self, value: Any, axis: int, before: Any) -> Any:
        """A value without the tokens that stay in any case."""
        tokens = self._plan.tokens
        end = tokens.head + self._candidates
        return self._sliced(value, axis, tokens.head, end, before)

    def _sliced(self, value: Any, axis: int, start: int, end: int, before: Any) -> Any:
        shape = list(static_shape(value) or ())
        if (start, end) == (0, shape[axis]):
            return value
        shape[axis] = end - start
        numbers = [
            add_initializer(self._graph, f"{self._scope}.{name}", _integers(number))
            for name, number in (("start", start), ("end", end), ("axis", axis))
        ]
        return self._new("Slice", [value, *numbers], shape, before)

    def _gathered(self, value: Any, axis: int, indices: Any, before: Any) -> Any:
        shape = list(static_shape(value) or ())
        [shape[axis]] = static_shape(indices) or ()
        return self._new("Gather", [value, indices], shape, before, axis=axis)

    def _over(
        self, operator: str, value: Any, axes: Sequence[int], before: Any, *, keepdims: int = 0
    ) -> Any:
        """A reduction over some axes, written as the graph's opset wants it."""
        axes, shape = list(axes), list(static_shape(value) or ())
        if not axes:
            return value
        left = [
            1 if axis in axes else size
            for axis, size in enumerate(shape)
            if keepdims or axis not in axes
        ]
        if self._graph.model.opset_imports[""] < _AXES_ARE_INPUTS[operator]:
            return self._new(operator, [value], left, before, axes=axes, keepdims=keepdims)
        over = add_initializer(self._graph, f"{self._scope}.axes", _integers(*axes))
        return self._new(operator, [value, over], left, before, keepdims=keepdims)

    def _new(
        self, operator: str, inputs: Sequence[Any], shape: Sequence[int], before: Any, **more: Any
    ) -> Any:
        name = f"{self._scope}/{operator}"
        return new_node(
            self._graph, operator, inputs, name=name, shape=shape, before=before, attributes=more
        )


_SCORES = {
    "attention_and_value": PrunedNodes._attention_and_value,
    "attention": PrunedNodes._attention,
    "class_attention": PrunedNodes._class_attention,
}


def _integers(*numbers: int) -> Any:
    return np.array(numbers, dtype=np.int64)
