"""Which inputs and outputs of an operator may be float16 where they are float32 now.

Asked of ONNX's own schemas, at the opset that the graph imports: Resize takes half-precision data
and single-precision scales, NonMaxSuppression takes neither.
"""

import functools
from dataclasses import dataclass
from typing import Any

from edgert.optional import needs
from edgert.surgery.graph import Graph
from edgert.surgery.layout import is_standard

_HALF = "tensor(float16)"


@dataclass(frozen=True)
class HalfPorts:
    """Positions of a node's float32 inputs and outputs that its operator also takes in float16."""

    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()


NO_PORTS = HalfPorts()


def opset_of(graph: Graph) -> int:
    """The version of ONNX's own operators that a graph imports."""
    imports = graph.model.opset_imports
    version: int = imports.get("", imports.get("ai.onnx", 1))
    return version


def is_single(value: Any) -> bool:
    """Whether a value is known to be float32."""
    ir = needs("onnx_ir", "build", "to edit ONNX graphs")
    return value is not None and value.dtype == ir.DataType.FLOAT


def is_half(value: Any) -> bool:
    """Whether a value is known to be float16."""
    ir = needs("onnx_ir", "build", "to edit ONNX graphs")
    return value is not None and value.dtype == ir.DataType.FLOAT16


def half_ports(node: Any, opset: int) -> HalfPorts:
    """What of a node can be float16, all of it together.

    Args:
        node: Its inputs' types are inferred.
        opset: That of the graph.

    Returns:
        Nothing for an operator that ONNX does not know, for one that reads a value of unknown
        type, and for one whose result's type is written in an attribute; a Cast is the exception.
    """
    known = _schema(node.op_type, opset) if is_standard(node) else None
    if known is None or any(v is not None and v.dtype is None for v in node.inputs):
        return NO_PORTS
    inputs = [_parameter(known.inputs, index) for index in range(len(node.inputs))]
    outputs = [_parameter(known.outputs, index) for index in range(len(node.outputs))]
    tied = {kind for kind, _ in inputs}
    return HalfPorts(
        tuple(i for i, (_, half) in enumerate(inputs) if half and is_single(node.inputs[i])),
        tuple(
            i
            for i, (kind, half) in enumerate(outputs)
            if half and is_single(node.outputs[i]) and (kind in tied or node.op_type == "Cast")
        ),
    )


@dataclass(frozen=True)
class _Schema:
    """Of each formal parameter the name of its type and whether float16 is among what it takes."""

    inputs: tuple[tuple[str, bool], ...]
    outputs: tuple[tuple[str, bool], ...]


@functools.cache
def _schema(op_type: str, opset: int) -> _Schema | None:
    defs = needs("onnx.defs", "build", "to look up operators")
    try:
        found = defs.get_schema(op_type, opset, "")
    except defs.SchemaError:
        return None
    return _Schema(
        tuple((str(p.type_str), _HALF in p.types) for p in found.inputs),
        tuple((str(p.type_str), _HALF in p.types) for p in found.outputs),
    )


def _parameter(formal: tuple[tuple[str, bool], ...], index: int) -> tuple[str, bool]:
    """The formal parameter at a position; the last one is repeated where it is variadic."""
    return formal[min(index, len(formal) - 1)] if formal else ("", False)
