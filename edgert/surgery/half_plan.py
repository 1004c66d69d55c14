"""Which nodes of a float32 graph can compute in float16, and why the others do not.

float16 ends at 65504 and has 11 bits: sums over many numbers, squares and exponentials leave its
range or lose their last bits, and a normalisation that does shows as a picture of one class.
Nothing here changes a graph; `lower_precision` does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.surgery.asked_names import Wording, check_names
from edgert.surgery.graph import Graph, constant_array, readers
from edgert.surgery.operator_types import NO_PORTS, HalfPorts, half_ports, is_single, opset_of

LARGEST_HALF = float(np.finfo(np.float16).max)  # 65504
SMALLEST_NORMAL_HALF = float(np.finfo(np.float16).smallest_normal)  # 6.1e-5; below it bits go

# Sums over many numbers inside one operator whose results are small again.
NORMALISING = frozenset(
    {
        "Attention",
        "GroupNormalization",
        "InstanceNormalization",
        "LRN",
        "LayerNormalization",
        "LogSoftmax",
        "LpNormalization",
        "MeanVarianceNormalization",
        "RMSNormalization",
        "SimplifiedLayerNormalization",
        "Softmax",
    }
)
# What is only the larger of some numbers is as exact in float16: ReduceMax, ReduceMin.
REDUCING = frozenset(
    {
        "CumProd",
        "CumSum",
        "GlobalAveragePool",
        "GlobalLpPool",
        "LpPool",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceMean",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
    }
)
_OVERFLOWING = frozenset(
    {"Cosh", "Exp", "Log", "Mish", "Pow", "Reciprocal", "Sinh", "Softplus", "Sqrt", "Tan"}
)
# Positions in a picture: at 1000 pixels float16 knows half a pixel.
_POSITIONS = frozenset({"AffineGrid", "GridSample", "MaxRoiPool", "Range", "RoiAlign"})
_KEPT = {
    NORMALISING: "normalises",
    REDUCING: "sums over many numbers",
    _OVERFLOWING: "leaves the range of float16 easily",
    _POSITIONS: "reads positions",
}
# These are what float16 is for: they never take the type of their neighbours.
_WORKING = frozenset({"Conv", "ConvTranspose", "Einsum", "GRU", "Gemm", "LSTM", "MatMul", "RNN"})
# Constants of which each counts, not just the largest, and how far they may go below the smallest
# normal number. A quantisation's scale may lose six bits there: it is good for seven anyway.
_EACH_COUNTS = {
    ("BatchNormalization", 4): 1,
    ("Div", 1): 1,
    ("DequantizeLinear", 1): 64,
    ("QuantizeLinear", 1): 64,
}

_KEEP = Wording(
    "entry of keep",
    "operators and nodes",
    "operator or node name",
    "Leave keep out to keep none but the usual",
    "entry",
)


@dataclass(frozen=True)
class HalfPlan:
    """What `lower_precision` does to a graph.

    Attributes:
        half: Of each node that is to compute in float16: its inputs and outputs that change.
        kept: Of each node that could and does not, by name: why, in words.
    """

    half: Mapping[Any, HalfPorts]
    kept: Mapping[str, str]


def check_keep(subject: str, graph: Graph, keep: Sequence[str]) -> None:
    """Refuse an entry of `keep` that is no operator of the graph and no name of a node.

    Raises:
        PreconditionError: Or it comes twice, or is no list.
    """
    if keep:
        known = dict.fromkeys(n for node in graph.nodes for n in (node.op_type, node.name))
        check_names(subject, keep, list(known), _KEEP)


def plan_half(
    graph: Graph, *, keep: Sequence[str] = (), largest: Mapping[str, float] | None = None
) -> HalfPlan:
    """Decide for every node whether it computes in float16.

    What reads nothing but the results of float32 nodes, and hands them on to another, stays in
    float32 too: a value is not rounded on its way from one to the next.

    Args:
        graph: In edgert's form.
        keep: Operators, and names of nodes, that stay in float32 whatever they are.
        largest: Largest absolute values that were measured, by value name.
    """
    opset = opset_of(graph)
    ports = {node: half_ports(node, opset) for node in graph.nodes}
    ports = {node: found for node, found in ports.items() if found != NO_PORTS}
    asked = frozenset(keep)
    reasons = {node: _reason(node, found, asked, largest or {}) for node, found in ports.items()}
    kept = {node: reason for node, reason in reasons.items() if reason}
    kept |= dict.fromkeys(
        _between(graph, ports, set(kept)), "stands between nodes that stay in float32"
    )
    return HalfPlan(
        {node: found for node, found in ports.items() if node not in kept},
        {node.name: reason for node, reason in kept.items()},
    )


def _reason(
    node: Any, ports: HalfPorts, asked: frozenset[str], largest: Mapping[str, float]
) -> str:
    """Why a node stays in float32 whatever its neighbours are; empty where nothing speaks for it.

    Constants are looked at last, since that reads them.
    """
    if node.op_type in asked or node.name in asked:
        return "asked for"
    for operators, reason in _KEPT.items():
        if node.op_type in operators:
            return reason
    return _arithmetic(node) or _measured(node, ports, largest) or _constants(node, ports)


def _arithmetic(node: Any) -> str:
    """Why a node stays in float32 for what its inputs are."""
    if node.op_type == "Mul" and node.inputs[0] is node.inputs[1]:
        return "squares, which leaves the range of float16 at 256"
    if node.op_type == "Sub":
        makers = [value.producer() for value in node.inputs]
        if any(maker is not None and maker.op_type.startswith("Reduce") for maker in makers):
            return "takes off what a reduction found"
    if node.op_type == "Div" and constant_array(node.inputs[1]) is None:
        return "divides by a number that may be tiny"
    return ""


def _measured(node: Any, ports: HalfPorts, largest: Mapping[str, float]) -> str:
    values = [node.inputs[i] for i in ports.inputs] + [node.outputs[i] for i in ports.outputs]
    for value in values:
        if largest.get(value.name, 0.0) > LARGEST_HALF / 2:  # frames to come may be brighter
            return f"{value.name} reached {largest[value.name]:.3g}"
    return ""


def _constants(node: Any, ports: HalfPorts) -> str:
    """Why a node's constants do not fit into float16, in words."""
    for index in ports.inputs:
        array = constant_array(node.inputs[index])
        if array is not None:
            reason = why_not_half(array, slack=_EACH_COUNTS.get((node.op_type, index)))
            if reason:
                return f"its constant {node.inputs[index].name} {reason}"
    return ""


def why_not_half(array: NDArray[Any], *, slack: float | None = None) -> str:
    """Why numbers do not fit into float16; empty where they do.

    Infinities fit, and small numbers beside larger ones lose nothing that shows.

    Args:
        array: The numbers.
        slack: Each of them counts, and may be this many times smaller than what float16 holds to
            the last bit. None: only the largest counts.
    """
    finite = np.abs(array[np.isfinite(array) & (array != 0)])
    if not finite.size:
        return ""
    if float(finite.max()) > LARGEST_HALF:
        return f"reaches {float(finite.max()):.3g}, beyond 65504"
    least = float(finite.max() if slack is None else finite.min())
    if least * (slack or 1) < SMALLEST_NORMAL_HALF:
        return f"has numbers of {least:.1e}, below float16's 6.1e-05"
    return ""


def _between(graph: Graph, ports: Mapping[Any, HalfPorts], kept: set[Any]) -> set[Any]:
    """The nodes that stand between float32 nodes, as `plan_half` says."""
    may = [n for n in graph.nodes if n in ports and n not in kept and n.op_type not in _WORKING]
    started: set[Any] = set()
    for node in may:
        makers = [value.producer() for value in _computed(node.inputs)]
        if all(maker not in ports or maker in kept or maker in started for maker in makers):
            started.add(node)
    ended: set[Any] = set()
    for node in reversed(may):
        outputs = _computed(node.outputs)
        if node in started and (
            not ports[node].outputs  # a comparison, whose result has no precision
            or any(value.is_graph_output() for value in outputs)
            or any(
                reader in kept or reader in ended or reader not in ports
                for value in outputs
                for reader in readers(value)
            )
        ):
            ended.add(node)
    return ended


def _computed(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if is_single(value) and constant_array(value) is None]
