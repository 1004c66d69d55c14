"""Counting: multiply-accumulates, parameters and activation bytes of a graph.

One MAC is one multiply-accumulate, as the papers count: convolutions, matrix products and what
is made of them. Normalising, pooling, interpolating and elementwise work are not counted.
An operator that is neither counted nor known to be free of MACs is listed, never taken as zero.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgert.records import Cost
from edgert.surgery.graph import Graph, attribute, static_shape
from edgert.surgery.operators import (
    MICROSOFT,
    NCHWC,
    STANDARD,
    WITHOUT_MACS,
    WITHOUT_MACS_MICROSOFT,
    WITHOUT_MACS_NCHWC,
)

_FLOATS = frozenset({"FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE"})
# Floating-point inputs that say where to sample, not what to multiply with.
_SHAPE_INPUTS = {"Resize": (1, 2), "Upsample": (1,)}


@dataclass(frozen=True)
class NodeCost:
    """What one node costs.

    `parameters` are booked on the first node that reads them, so that they add up to the graph's.
    `unknown` is empty, or says which operator could not be counted and, in brackets, why.
    """

    name: str
    op_type: str
    macs: int
    parameters: int
    activation_bytes: int
    unknown: str = ""


class _ShapeUnknownError(Exception):
    """A shape that the count needs is not known."""


def cost_of(graph: Graph) -> Cost:
    """The cost of running the graph once.

    Returns:
        MACs; elements of the floating-point initializers that nodes read, a shared one once;
        bytes of all node outputs, constants not among them; and the operators that could not be
        counted, each once: "Det", "If (subgraph)", "Conv (shape unknown)".
    """
    nodes = node_costs(graph)
    return Cost(
        macs=sum(node.macs for node in nodes),
        parameters=sum(node.parameters for node in nodes),
        activation_bytes=sum(node.activation_bytes for node in nodes),
        unknown_operators=sorted({node.unknown for node in nodes if node.unknown}),
    )


def node_costs(graph: Graph) -> list[NodeCost]:
    """The cost of every node, in the graph's order."""
    booked: set[Any] = set()
    costs = []
    for node in graph.nodes:
        macs, unknown = macs_of(node)
        size_bytes = _output_bytes(node)
        if size_bytes is None:
            unknown = unknown or f"{_label(node)} (shape unknown)"
        costs.append(
            NodeCost(
                name=node.name,
                op_type=node.op_type,
                macs=macs,
                parameters=_new_parameters(node, booked),
                activation_bytes=size_bytes or 0,
                unknown=unknown,
            )
        )
    return costs


def macs_of(node: Any) -> tuple[int, str]:
    """A node's MACs, and what is unknown about it ("" if nothing is)."""
    label = _label(node)
    if any(value.type.name in ("GRAPH", "GRAPHS") for value in node.attributes.values()):
        return 0, f"{label} (subgraph)"
    domain = "" if node.domain in STANDARD else node.domain
    count = _COUNTS.get((domain, node.op_type))
    if count is None:
        return 0, "" if node.op_type in _WITHOUT_MACS.get(domain, frozenset()) else label
    try:
        return count(node), ""
    except _ShapeUnknownError:
        return 0, f"{label} (shape unknown)"


# ---------------------------------------------------------------- counts by operator


def _conv(node: Any) -> int:
    weight = _shape(node.inputs[1])  # (M, C / group, kernel...)
    return math.prod(_shape(node.outputs[0])) * math.prod(weight[1:])


def _conv_transpose(node: Any) -> int:
    weight = _shape(node.inputs[1])  # (C, M / group, kernel...)
    return math.prod(_shape(node.inputs[0])) * math.prod(weight[1:])


def _qlinear_conv(node: Any) -> int:
    return math.prod(_shape(node.outputs[0])) * math.prod(_shape(node.inputs[3])[1:])


def _matmul(node: Any) -> int:
    return math.prod(_shape(node.outputs[0])) * _shape(node.inputs[0])[-1]


def _fused_matmul(node: Any) -> int:
    left = _shape(node.inputs[0])
    if attribute(node, "transBatchA", 0) or attribute(node, "transBatchB", 0):
        raise _ShapeUnknownError
    return math.prod(_shape(node.outputs[0])) * left[-2 if attribute(node, "transA", 0) else -1]


def _gemm(node: Any) -> int:
    left = _shape(node.inputs[0])
    return math.prod(_shape(node.outputs[0])) * left[0 if attribute(node, "transA", 0) else 1]


def _matmul_nbits(node: Any) -> int:
    return math.prod(_shape(node.inputs[0])) * int(attribute(node, "N"))


def _einsum(node: Any) -> int:
    """Operands are multiplied from left to right; an index goes once nothing after needs it."""
    equation = attribute(node, "equation").replace(" ", "")
    left, arrow, right = equation.partition("->")
    shapes = [_shape(value) for value in node.inputs]
    terms = [_indices(term, len(s)) for term, s in zip(left.split(","), shapes, strict=True)]
    extents: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for index, size in zip(term, shape, strict=True):
            extents[index] = max(extents.get(index, 1), size)
    joined = [index for term in terms for index in term]
    dots = {index for index in joined if index.startswith(".")}
    if arrow:
        kept = set(right.replace("...", "")) | (dots if "..." in right else set())
    else:
        kept = {index for index in joined if joined.count(index) == 1} | dots
    macs, held = 0, set(terms[0])
    for position, term in enumerate(terms[1:], start=1):
        held |= set(term)
        macs += math.prod(extents[index] for index in held)
        held &= kept.union(*terms[position + 1 :])
    return macs


def _indices(term: str, rank: int) -> list[str]:
    """The indices of one einsum operand; those behind "..." are numbered from the right."""
    before, dots, after = term.partition("...")
    hidden = rank - len(before) - len(after) if dots else 0
    return [*before, *(f".{number}" for number in range(hidden, 0, -1)), *after]


def _attention(node: Any) -> int:
    """ai.onnx Attention, (B, heads, L, D) or (B, L, heads * D)."""
    query, key, value = (_shape(node.inputs[i]) for i in range(3))
    if len(query) == 4:
        heads, query_length, depth, value_depth = query[1], query[2], query[3], value[3]
        length = key[2]
    else:
        heads, query_length = int(attribute(node, "q_num_heads")), query[1]
        depth, length = query[2] // heads, key[1]
        value_depth = value[2] // int(attribute(node, "kv_num_heads"))
    past = node.inputs[4] if len(node.inputs) > 4 else None
    if past is not None:
        length += _shape(past)[2]
    return query[0] * heads * query_length * length * (depth + value_depth)


def _microsoft_attention(node: Any) -> int:
    """com.microsoft Attention: input (B, L, D), one weight (D, q + k + v) for all projections."""
    batch, length, _ = _shape(node.inputs[0])
    weight = _shape(node.inputs[1])
    if len(node.inputs) > 4 and node.inputs[4] is not None:
        raise _ShapeUnknownError  # with a past, lengths depend on how it is used
    sizes = attribute(node, "qkv_hidden_sizes") or [weight[1] // 3] * 3
    scores = batch * length * length * (int(sizes[0]) + int(sizes[2]))
    return batch * length * math.prod(weight) + scores


def _microsoft_multi_head(node: Any) -> int:
    """com.microsoft MultiHeadAttention with query, key and value of three dimensions each."""
    given = [value for value in node.inputs[:3] if value is not None]
    shapes = [_shape(value) for value in given]
    past = [value for value in node.inputs[6:8] if value is not None]
    if len(shapes) < 3 or any(len(shape) != 3 for shape in shapes) or past:
        raise _ShapeUnknownError  # packed or cached: the lengths lie elsewhere
    query, key, value = shapes
    return query[0] * query[1] * key[1] * (query[2] + value[2])


def _recurrent(node: Any) -> int:
    """RNN, GRU, LSTM: W (directions, gates * H, I) and R (directions, gates * H, H)."""
    steps_times_batch = math.prod(_shape(node.inputs[0])[:2])
    weights = math.prod(_shape(node.inputs[1])) + math.prod(_shape(node.inputs[2]))
    return steps_times_batch * weights


_COUNTS: dict[tuple[str, str], Callable[[Any], int]] = {
    ("", "Conv"): _conv,
    ("", "ConvInteger"): _conv,
    ("", "DeformConv"): _conv,
    ("", "QLinearConv"): _qlinear_conv,
    ("", "ConvTranspose"): _conv_transpose,
    ("", "MatMul"): _matmul,
    ("", "MatMulInteger"): _matmul,
    ("", "QLinearMatMul"): _matmul,
    ("", "Gemm"): _gemm,
    ("", "Einsum"): _einsum,
    ("", "Attention"): _attention,
    ("", "LSTM"): _recurrent,
    ("", "GRU"): _recurrent,
    ("", "RNN"): _recurrent,
    (MICROSOFT, "FusedConv"): _conv,
    (MICROSOFT, "NhwcFusedConv"): _conv,
    (MICROSOFT, "FusedGemm"): _gemm,
    (MICROSOFT, "FusedMatMul"): _fused_matmul,
    (MICROSOFT, "MatMulNBits"): _matmul_nbits,
    (MICROSOFT, "MatMulIntegerToFloat"): _matmul,
    (MICROSOFT, "DynamicQuantizeMatMul"): _matmul,
    (MICROSOFT, "Attention"): _microsoft_attention,
    (MICROSOFT, "MultiHeadAttention"): _microsoft_multi_head,
    (NCHWC, "Conv"): _conv,
}
_WITHOUT_MACS = {
    "": WITHOUT_MACS,
    MICROSOFT: WITHOUT_MACS_MICROSOFT,
    NCHWC: WITHOUT_MACS_NCHWC,
}


# ---------------------------------------------------------------- shapes and sizes


def _label(node: Any) -> str:
    return node.op_type if node.domain in STANDARD else f"{node.domain}.{node.op_type}"


def _shape(value: Any) -> tuple[int, ...]:
    shape = static_shape(value)
    if shape is None:
        raise _ShapeUnknownError
    return shape


def _new_parameters(node: Any, booked: set[Any]) -> int:
    """Elements of the floating-point initializers read here first; they join `booked`."""
    skipped = _SHAPE_INPUTS.get(node.op_type, ())
    elements = 0
    for position, value in enumerate(node.inputs):
        if value is None or value in booked or position in skipped:
            continue
        if value.const_value is None or value.producer() is not None:
            continue
        booked.add(value)
        if value.const_value.dtype.name in _FLOATS:
            elements += math.prod(value.const_value.shape)
    return elements


def _output_bytes(node: Any) -> int | None:
    """Bytes that a node writes, or None where a shape or type is unknown."""
    if node.op_type == "Constant":
        return 0
    size_bytes = 0
    for value in node.outputs:
        if not value.name:
            continue  # an output that is not wanted
        shape = static_shape(value)
        if shape is None or value.dtype is None:
            return None
        size_bytes += math.ceil(math.prod(shape) * value.dtype.bitwidth / 8)
    return size_bytes
