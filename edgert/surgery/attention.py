"""Finding attention on any graph: shares from a softmax, multiplied with values.

Owns the pattern and the names; what can be done at an attention is judged in `attention_sites`.
Names are those of the residual branches that the attention is in, so that dropping a branch and
pruning at it are asked for with the same word.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgert.surgery.graph import Graph, attribute, readers, static_shape
from edgert.surgery.graph_view import GraphView
from edgert.surgery.operators import LAYOUT, MICROSOFT, STANDARD
from edgert.surgery.residual_names import Region, branch_names
from edgert.surgery.residuals import ResidualBranch, find_residual_branches

_SCORING = LAYOUT | {"Add", "Div", "Mul", "Sub", "Where"}  # scaling and masking of scores
_SHARING = frozenset({"Cast", "Div", "Dropout", "IsNaN", "Mul", "Where"})  # behind the softmax
_FUSED = frozenset({("", "Attention"), (MICROSOFT, "Attention"),
                    (MICROSOFT, "MultiHeadAttention")})  # fmt: skip


@dataclass(frozen=True)
class Attention:
    """One attention: softmax(queries x keys) x values.

    Attributes:
        name: Unique in the graph; that of its residual branch where it has one to itself.
        product: Node that multiplies shares with values, or the one fused node.
        scores: Node that multiplies queries with keys; None in a fused one.
        branch: The innermost residual branch it is in, or None.
        heads: Heads, times whatever else is in the batch.
        queries: Number of queries.
        keys: Number of keys.
    """

    name: str
    product: Any
    scores: Any | None
    branch: ResidualBranch | None
    heads: int
    queries: int
    keys: int

    @property
    def shares(self) -> Any:
        """What the softmax gives, (..., queries, keys)."""
        return self.product.inputs[0]

    @property
    def values(self) -> Any:
        """What is averaged, (..., keys, depth)."""
        return self.product.inputs[1]


def find_attentions(graph: Graph, view: GraphView) -> list[Attention]:
    """Every attention with static shapes, in topological order."""
    found = []
    for node in view.nodes:
        pair = _products(view, node) if node.op_type == "Softmax" else _fused(node)
        if pair is not None:
            found.append(pair)
    branches = find_residual_branches(graph) if found else []
    owners = [_innermost(branches, product) for _, product in found]
    names = _names(found, owners)
    return [
        Attention(name, product, scores, owner, *_sizes(product, scores))
        for name, (scores, product), owner in zip(names, found, owners, strict=True)
    ]


# ---------------------------------------------------------------- the pattern


def _products(view: GraphView, softmax: Any) -> tuple[Any, Any] | None:
    """The two products around a softmax over its last axis, or None if it is no attention's."""
    shape = static_shape(softmax.outputs[0])
    if shape is None or len(shape) < 2 or softmax.domain not in STANDARD:
        return None
    if attribute(softmax, "axis", -1) % len(shape) != len(shape) - 1:
        return None
    scores, product = _scores(view, softmax), _product(view, softmax)
    return None if scores is None or product is None else (scores, product)


def _product(view: GraphView, softmax: Any) -> Any | None:
    """The product of the shares with values."""
    queue, seen = [softmax.outputs[0]], set()
    while queue:
        value = queue.pop()
        for node in readers(value):
            if node.op_type == "MatMul" and node.inputs[0] is value:
                return node if node.inputs[1] in view.dynamic else None
            goes_on = node.op_type in _SHARING and node not in seen
            if goes_on and static_shape(node.outputs[0]) == static_shape(value):
                seen.add(node)
                queue.append(node.outputs[0])
    return None


def _scores(view: GraphView, softmax: Any) -> Any | None:
    """The product of queries with keys; one side may be constant, as a decoder's first query."""
    queue, seen = [softmax.inputs[0]], set()
    while queue:
        node = queue.pop(0).producer()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.op_type == "MatMul":
            right = node.inputs[1] in view.dynamic
            if right and len(static_shape(node.inputs[0]) or ()) == len(
                static_shape(node.inputs[1]) or ()
            ):
                return node
        elif node.op_type in _SCORING:
            queue.extend(value for value in node.inputs if value in view.dynamic)
    return None


def _fused(node: Any) -> tuple[None, Any] | None:
    domain = "" if node.domain in STANDARD else node.domain
    return (None, node) if (domain, node.op_type) in _FUSED else None


def _sizes(product: Any, scores: Any | None) -> tuple[int, int, int]:
    """Heads, queries and keys; zeros for what a fused operator doesn't show."""
    if scores is not None:
        shape = static_shape(product.inputs[0]) or (0, 0)
        return math.prod(shape[:-2]), shape[-2], shape[-1]
    heads = attribute(product, "num_heads") or attribute(product, "q_num_heads") or 1
    shapes = [static_shape(value) for value in product.inputs[:2]]
    if product.domain == MICROSOFT and product.op_type == "Attention":
        shapes[1] = shapes[0]  # its second input is a weight: all three come from the first
    query, key = ((shape or (0, 0)) for shape in shapes)
    return int(query[1] if len(query) == 4 else heads), query[-2], key[-2]


# ---------------------------------------------------------------- names


def _innermost(branches: Sequence[ResidualBranch], product: Any) -> ResidualBranch | None:
    around = [branch for branch in branches if product.name in branch.nodes]
    return min(around, key=lambda branch: len(branch.nodes), default=None)


def _names(
    found: Sequence[tuple[Any | None, Any]], owners: Sequence[ResidualBranch | None]
) -> list[str]:
    """The branch's name, where it holds one attention; else the scope's; else the node's own."""
    products = [product.name for _, product in found]
    scopes = branch_names([_region(f"{name.rpartition('/')[0]}/Attention") for name in products])
    nodes = branch_names([_region(name) for name in products])
    names = [
        scope if owner is None else owner.name for owner, scope in zip(owners, scopes, strict=True)
    ]
    for longer in (scopes, nodes):
        counts = Counter(names)
        names = [
            name if counts[name] == 1 else instead
            for name, instead in zip(names, longer, strict=True)
        ]
    return names


def _region(name: str) -> Region:
    return Region(name, (name,))
