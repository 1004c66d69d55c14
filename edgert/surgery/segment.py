"""A piece of a graph as a model of its own: what computes some values from others."""

from collections.abc import Collection, Sequence
from typing import Any

from edgert.optional import needs
from edgert.surgery.graph import Graph


def nodes_between(graph: Graph, wanted: Collection[Any], known: Collection[Any]) -> list[Any]:
    """The nodes that compute the wanted values from those that are known, in graph order.

    Args:
        graph: Where they lie.
        wanted: Values (onnx_ir.Value) to compute.
        known: Values that are given, the graph's inputs among them.
    """
    known, needed, pending = set(known), set(), list(wanted)
    while pending:
        value = pending.pop()
        node = None if value is None or value in known else value.producer()
        if node is not None and node not in needed:
            needed.add(node)
            pending.extend(node.inputs)
    return [node for node in graph.nodes if node in needed]


def segment_bytes(
    graph: Graph, nodes: Sequence[Any], *, inputs: Sequence[Any], outputs: Sequence[Any]
) -> bytes:
    """The nodes as a serialised ONNX model with these inputs and outputs.

    Weights are inside, so the nodes may carry at most 2 GB of them.
    """
    onnx = needs("onnx", "build", "to run a part of a graph")
    ir = needs("onnx_ir", "build", "to run a part of a graph")
    constants = {
        value.name: value
        for node in nodes
        for value in node.inputs
        if value is not None and value.const_value is not None and value.producer() is None
    }
    proto = onnx.helper.make_graph(
        [ir.serde.serialize_node(node) for node in nodes],
        "segment",
        [_value_info(value) for value in inputs],
        [_value_info(value) for value in outputs],
        [_tensor(name, value) for name, value in constants.items()],
    )
    model = onnx.helper.make_model(
        proto,
        opset_imports=[
            onnx.helper.make_opsetid(domain, version)
            for domain, version in graph.model.opset_imports.items()
        ],
        ir_version=graph.model.ir_version,
    )
    serialised: bytes = model.SerializeToString()
    return serialised


def _value_info(value: Any) -> Any:
    onnx = needs("onnx", "build", "to run a part of a graph")
    shape = None if value.shape is None else [int(size) for size in value.shape]
    return onnx.helper.make_tensor_value_info(value.name, int(value.dtype), shape)


def _tensor(name: str, value: Any) -> Any:
    onnx = needs("onnx", "build", "to run a part of a graph")
    return onnx.numpy_helper.from_array(value.const_value.numpy(), name)
