"""Finding the residual branches of any graph: which sums can do without one of their operands.

A residual branch is an operand of a sum that nothing else reads, computed by layers with learned
weights (or a pooling token mixer) from the very value that it is added to. Which sums are not:

- GELU's `1 + erf(x)` and `x + 0.04 x^3`, normalisation, rotary embeddings: no layer inside.
- Biases, positional embeddings and masks: the operand is constant, is read elsewhere too, or
  starts from a value that the layers behind it do not start from.
- FPN and U-Net sums, and decoders that add up their levels: one side comes up from a deeper
  level; a branch that is enlarged by more than its shortcut is no residual branch.

Walking the graph is left to `graph_view`, naming to `residual_names`, dropping a branch to
`skip_residuals`.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgert.surgery.graph import Graph, static_shape
from edgert.surgery.graph_view import GraphView
from edgert.surgery.operators import ACTIVATION, LAYOUT, MIXING, POOLING, UPSAMPLING
from edgert.surgery.residual_names import Region, branch_names

_SUMS = frozenset({"Add", "Sum", "Sub"})
# What a projection may consist of beside layers: linear operators, and pooling of either kind.
_LINEAR = POOLING | UPSAMPLING | {"Add", "BatchNormalization", "Concat", "Div", "Mul", "Pad",
                                  "GlobalAveragePool", "ReduceMax", "ReduceMean", "Slice",
                                  "Split", "Sub"}  # fmt: skip
_SHORTCUT_LAYERS = 3  # learned layers that a shortcut may have: depthwise, pointwise, one more
_SHORTCUT_NODES = 24
_SAME_SIZE = 1.001  # enlargements are quotients of sizes
_BEFORE_SOFTMAX = LAYOUT | {"Add", "Div", "Mul", "Where", "Sub"}  # scaling and masking of scores

Kind = Literal["identity", "projection"]


@dataclass(frozen=True)
class ResidualBranch:
    """A branch that can be dropped: `sum = shortcut + branch` becomes `sum = shortcut`.

    Attributes:
        name: Unique in the graph, and the same after other branches were dropped.
        add: Name of the sum's node (Add, Sub or Sum).
        shortcut: "identity": the shortcut is what the branch starts from, as it is; "projection":
            the branch starts from a value that reaches the sum through linear layers or pooling.
        shortcut_value: Name of the value that stays.
        branch_value: Name of the sum's operand that goes.
        nodes: Names of the nodes that go when this branch alone goes, in topological order; where
            a constant shortcut stays, what is made of it too.
        macs: Multiply-accumulates of these nodes.
    """

    name: str
    add: str
    shortcut: Kind
    shortcut_value: str
    branch_value: str
    nodes: tuple[str, ...]
    macs: int


@dataclass(frozen=True)
class _Found:
    """A branch before it has a name; nodes are positions in the graph."""

    add: int
    value: Any
    kind: Kind
    shortcut: Any
    start: Any  # the value that the branch starts from
    own: frozenset[int]  # what only the branch's value needs


def find_residual_branches(graph: Graph) -> list[ResidualBranch]:
    """Find and name every residual branch, in topological order of their sums.

    A branch inside another one is listed beside it. A branch that works on constants only is
    none: its result never changes.
    """
    view = GraphView(graph)
    found: list[_Found] = []
    dropped: set[Any] = set()  # values of branches, and of sums made of nothing else
    for position, node in enumerate(view.nodes):
        for value in _droppable_operands(node):
            inner = value.producer()
            if inner is not None and is_sum(inner) and dropped.issuperset(inner.inputs):
                dropped.add(value)
                continue
            branch = _branch(view, position, value)
            if branch is not None:
                found.append(branch)
                dropped.add(value)
    names = branch_names([_region(view, branch, found) for branch in found])
    return [_record(view, branch, name) for branch, name in zip(found, names, strict=True)]


def is_sum(node: Any) -> bool:
    """Whether a node adds or subtracts whole tensors of one shape."""
    if node.op_type not in _SUMS or node.domain not in ("", "ai.onnx"):
        return False
    shapes = {static_shape(value) for value in node.inputs}
    return len(node.inputs) > 1 and len(shapes) == 1 and None not in shapes


# ---------------------------------------------------------------- is it a branch?


def _droppable_operands(node: Any) -> Iterator[Any]:
    """The operands of a sum that nothing but the sum reads; of a difference, the one taken off."""
    if is_sum(node):
        operands = node.inputs[1:] if node.op_type == "Sub" else node.inputs
        yield from (value for value in operands if _is_read_once(value))


def _branch(view: GraphView, position: int, value: Any) -> _Found | None:
    """The operand as a residual branch of the sum at `position`, or None if it is none."""
    if value not in view.dynamic:
        return None
    own = view.own_nodes(value, view.nodes[position])
    if not any(view.learned[p] or view.nodes[p].op_type in MIXING for p in own):
        return None
    entries = view.entries(own)
    for other in _other_operands(view.nodes[position], value):
        if other in view.dynamic:
            match = _start_of(view, own, entries, other)
        else:
            match = _constant_query(view, own)
        if match is not None:
            kind, start = match
            return _Found(position, value, kind, other, start, own)
    return None


def _other_operands(node: Any, value: Any) -> Iterator[Any]:
    """What else is summed up, nearest first: x and a beside b, in x + (a + b) or (x + a) + b."""
    while True:
        for other in _added(node):
            if other is not value:
                yield from _terms(other)
        value = node.outputs[0]
        if not _is_read_once(value):
            return
        [(node, index)] = value.uses()
        if not is_sum(node) or (node.op_type == "Sub" and index == 0):
            return  # in (a + b) - x, x is no shortcut of b, and a came by already


def _terms(value: Any) -> Iterator[Any]:
    """A value and, where it is a sum that only one sum reads, what that adds up."""
    yield value
    node = value.producer()
    if node is not None and is_sum(node) and _is_read_once(value):
        for term in _added(node):
            yield from _terms(term)


def _added(node: Any) -> Sequence[Any]:
    """The operands of a sum, without what it takes off."""
    operands: Sequence[Any] = node.inputs[:1] if node.op_type == "Sub" else node.inputs
    return operands


def _is_read_once(value: Any) -> bool:
    return len(value.uses()) == 1 and not value.is_graph_output()


def _start_of(
    view: GraphView, own: frozenset[int], entries: list[Any], shortcut: Any
) -> tuple[Kind, Any] | None:
    """The value that shortcut and branch both start from, and how it reaches the sum."""
    layers, enlarged = 0, 1.0
    branch_enlarged = _enlargement(view, own)
    start, kind = shortcut, "identity"
    for _ in range(_SHORTCUT_NODES):
        # What comes up further than its shortcut went down first: a decoder's deeper level.
        if branch_enlarged <= enlarged * _SAME_SIZE:
            if kind == "identity" and any(view.starts_from(e, start) for e in entries):
                return "identity", start
            if (
                kind == "projection"
                and _is_longer(view, own, layers)
                and all(view.starts_from(e, start) for e in entries)
            ):
                return "projection", start
        position = view.position(start)
        reads = [] if position is None else list(view.reads(position))
        if position is None or len(reads) != 1:
            return None
        node = view.nodes[position]
        if not (node.op_type in LAYOUT or _is_scaling(node)):
            kind = "projection"
            layers += view.learned[position]
            is_linear = view.learned[position] or node.op_type in _LINEAR
            if not is_linear or layers > _SHORTCUT_LAYERS:
                return None
        enlarged *= _enlargement(view, [position])
        start = reads[0]
    return None


def _is_longer(view: GraphView, own: Iterable[int], shortcut_layers: int) -> bool:
    """Whether a branch is no second linear way beside a projection, but the longer one."""
    layers = sum(view.learned[p] for p in own)
    return layers > shortcut_layers and any(view.nodes[p].op_type in ACTIVATION for p in own)


def _is_scaling(node: Any) -> bool:
    """Whether a node multiplies by one number, as shortcuts of very deep networks do."""
    if node.op_type not in ("Mul", "Div"):
        return False
    return any(v.const_value is not None and v.const_value.size == 1 for v in node.inputs)


def _enlargement(view: GraphView, positions: Iterable[int]) -> float:
    """By how much nodes that make feature maps larger do so, all together; 1 without any."""
    factor = 1.0
    for position in positions:
        node = view.nodes[position]
        if node.op_type in UPSAMPLING or node.op_type == "ConvTranspose":
            before, after = static_shape(node.inputs[0]), static_shape(node.outputs[0])
            if before and after:
                factor *= max(1.0, math.prod(after[2:]) / math.prod(before[2:]))
    return factor


def _constant_query(view: GraphView, own: frozenset[int]) -> tuple[Kind, Any] | None:
    """Cross-attention in a first decoder layer: constant queries are shortcut and start.

    Queries that depend on nothing are folded into the attention's scores, so the branch no longer
    starts from its shortcut. What is left to see is an attention with a constant query.
    """
    for position in sorted(own, reverse=True):  # the attention next to the sum
        node = view.nodes[position]
        if node.op_type == "Softmax":
            scores = _scores(view, node)
            if scores is not None:
                return "identity", scores
        if node.op_type in ("Attention", "MultiHeadAttention") and len(node.inputs) > 2:
            query, key = node.inputs[:2]
            if query not in view.dynamic and key in view.dynamic:
                return "identity", node.outputs[0]
    return None


def _scores(view: GraphView, softmax: Any) -> Any | None:
    """The product of a constant query with keys that a softmax is taken of."""
    value = softmax.inputs[0]
    while True:
        position = view.position(value)
        if position is None:
            return None
        node = view.nodes[position]
        if node.op_type in ("MatMul", "Einsum", "FusedMatMul"):
            query, key = node.inputs[:2]
            is_query = query not in view.dynamic and key in view.dynamic
            return value if is_query and len(static_shape(query) or ()) > 2 else None
        reads = list(view.reads(position))
        if node.op_type not in _BEFORE_SOFTMAX or len(reads) != 1:
            return None
        value = reads[0]


# ---------------------------------------------------------------- what is handed out


def _region(view: GraphView, branch: _Found, found: list[_Found]) -> Region:
    """What a branch is named after: its layers, those of branches inside it not among them.

    These are the layers between the branch's start and its sum, its own or shared: which of them
    are shared changes when other branches are dropped, and names may not.
    """
    path = view.between(branch.start, branch.value)
    for other in found:
        if other.add in path:
            path -= other.own
    layers = [p for p in sorted(path) if view.multiplies[p]]
    layers = layers or [p for p in sorted(path) if view.nodes[p].op_type in MIXING]
    return Region(view.nodes[branch.add].name, tuple(view.nodes[p].name for p in layers))


def _record(view: GraphView, branch: _Found, name: str) -> ResidualBranch:
    going = sorted(branch.own)
    if len(view.nodes[branch.add].inputs) == 2:
        going.append(branch.add)  # a sum of three goes on as a sum of two
    if not any(v in view.dynamic for v in view.nodes[branch.add].inputs if v is not branch.value):
        going += view.made_of(view.nodes[branch.add].outputs[0])  # constants are folded
    return ResidualBranch(
        name=name,
        add=view.nodes[branch.add].name,
        shortcut=branch.kind,
        shortcut_value=branch.shortcut.name,
        branch_value=branch.value.name,
        nodes=tuple(view.nodes[p].name for p in going),
        macs=sum(view.macs[p] for p in going),
    )
