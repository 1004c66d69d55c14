"""Constant folding of shape arithmetic: what static shapes make known is written down.

TorchScript exports compute the targets of Reshape and Resize from Shape, Slice and Concat nodes.
With static shapes these are constants, and an edit that reads them finds numbers, not nodes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.optional import needs

_LARGEST_ELEMENTS = 1 << 20
# Drawing random numbers is no constant; control flow has graphs of its own. A weight behind a
# DequantizeLinear is int8 because a runtime is to compute in int8.
_NEVER = frozenset({"DequantizeLinear", "RandomNormal", "RandomUniform", "RandomNormalLike",
                    "RandomUniformLike", "Bernoulli", "Multinomial", "If", "Loop",
                    "Scan"})  # fmt: skip

# Their meaning changed with opset 13; the reference implementation has only the new one.
_NEW_IN_13 = frozenset({"Softmax", "LogSoftmax", "Hardmax"})


def fold_static_values(graph: Any) -> int:
    """Replace nodes whose result is known before any frame comes by initializers, in place.

    Args:
        graph: An onnx_ir.Graph in topological order with shapes inferred.

    Returns:
        How many nodes became constants.
    """
    folded = 0
    for node in list(graph):
        if node.domain not in ("", "ai.onnx") or node.op_type in _NEVER:
            continue
        if len(node.outputs) != 1 or node.outputs[0].is_graph_output():
            continue
        array = _shape_of_input(node) if node.op_type == "Shape" else _evaluated(node)
        if array is not None:
            _replace_by_constant(graph, node, array)
            folded += 1
    return folded


def _shape_of_input(node: Any) -> NDArray[Any] | None:
    shape = node.inputs[0].shape
    if shape is None or not all(isinstance(d, int) for d in shape):
        return None
    start = node.attributes["start"].value if "start" in node.attributes else 0
    end = node.attributes["end"].value if "end" in node.attributes else None
    return np.array([int(d) for d in shape][start:end], dtype=np.int64)


def _evaluated(node: Any) -> NDArray[Any] | None:
    """Run one node on its constant inputs with ONNX's own reference implementation."""
    if any(v is not None and v.const_value is None for v in node.inputs):
        return None
    shape = node.outputs[0].shape
    if shape is not None and all(isinstance(d, int) for d in shape):
        elements = int(np.prod([int(d) for d in shape], dtype=np.int64))
    else:
        elements = 0
    reads = sum(v.const_value.size for v in node.inputs if v is not None)
    if max(elements, reads) > _LARGEST_ELEMENTS:
        return None
    version = node.version or (node.graph.opset_imports.get("") if node.graph else None) or 18
    if node.op_type in _NEW_IN_13 and version < 13:
        return None
    ir = needs("onnx_ir", "build", "to fold constants")
    reference = needs("onnx.reference", "build", "to fold constants")
    feeds = {v.name: v.const_value.numpy() for v in node.inputs if v is not None}
    proto = ir.to_proto(node)
    try:
        runner = reference.ReferenceEvaluator(proto, opsets={"": version})
        result = runner.run(None, feeds)[0]
    except Exception:  # noqa: BLE001 - an operator the reference lacks just stays in the graph
        return None
    return np.asarray(result)


def _replace_by_constant(graph: Any, node: Any, array: NDArray[Any]) -> None:
    ir = needs("onnx_ir", "build", "to fold constants")
    old = node.outputs[0]
    name = old.name
    old.name = f"{name}.computed"
    value = ir.Value(
        name=name,
        shape=ir.Shape(array.shape),
        type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
        const_value=ir.tensor(np.array(array, order="C"), name=name),
    )
    graph.register_initializer(value)
    old.replace_all_uses_with(value)
    graph.remove(node, safe=True)
