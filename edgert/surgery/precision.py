"""What precision a graph computes in, and where half precision is a danger to it."""

from typing import Any

from edgert.records import Precision
from edgert.surgery.graph import Graph, values_of
from edgert.surgery.half_plan import NORMALISING, REDUCING
from edgert.surgery.operator_types import is_half

_QUANTISED = frozenset({"ConvInteger", "DequantizeLinear", "MatMulInteger", "QuantizeLinear"})


def precision_of(graph: Graph) -> Precision:
    """The lowest precision that anything in the graph computes in.

    Args:
        graph: With types inferred, as `load_graph` hands it out.

    Returns:
        "int8" where something is quantised, whatever the rest is in; "fp16" where a value is in
        half precision; else "fp32".
    """
    if any(_is_quantised(node) for node in graph.nodes):
        return "int8"
    return "fp16" if any(is_half(value) for value in values_of(graph)) else "fp32"


def half_precision_norms(graph: Graph) -> list[str]:
    """Names of the nodes that normalise, sum or take a Softmax in half precision.

    Their sums leave float16's range (65504) or lose what is left of a difference; engines of such
    graphs are known to see one class everywhere. ONNX's `stash_type` asks for float32 inside, but
    not every compiler does as it says.

    Args:
        graph: With types inferred, as `load_graph` hands it out.
    """
    return [
        node.name
        for node in graph.nodes
        if node.op_type in NORMALISING | REDUCING and any(is_half(v) for v in node.inputs)
    ]


def _is_quantised(node: Any) -> bool:
    return node.op_type in _QUANTISED or node.op_type.startswith("QLinear")
