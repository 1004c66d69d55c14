"""What has to hold of every graph in mixed precision, looked up in ONNX's own schemas."""

import onnx
import onnx.shape_inference
import onnx_ir
from onnx import TensorProto

from edgert.surgery.graph import Graph

_FLOATS = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16"}


def checked_types(graph: Graph) -> dict[str, str]:
    """Types of all values by strict inference from the inputs alone; whole and valid.

    Raises onnx's own error where an operator gets types that it does not take.
    """
    proto = onnx_ir.to_proto(graph.model)
    onnx.checker.check_model(proto, full_check=True)
    declared = {v.name: v.type.tensor_type.elem_type for v in proto.graph.value_info}
    del proto.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True).graph
    found = {t.name: t.data_type for t in inferred.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        found[value.name] = value.type.tensor_type.elem_type
    wrong = [name for name, kind in declared.items() if found[name] != kind]
    assert not wrong, f"declared otherwise: {wrong}"
    return {
        name: _FLOATS.get(kind, TensorProto.DataType.Name(kind)) for name, kind in found.items()
    }


def mixed_nodes(graph: Graph) -> list[str]:
    """Nodes that bind one type parameter to two types: what strongly typed runtimes refuse."""
    types, mixed = checked_types(graph), []
    opset = graph.model.opset_imports[""]
    for node in graph.nodes:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
        bound: dict[str, set[str]] = {}
        for formal, values in ((schema.inputs, node.inputs), (schema.outputs, node.outputs)):
            for index, value in enumerate(values):
                parameter = formal[min(index, len(formal) - 1)]
                if value is not None:
                    bound.setdefault(parameter.type_str, set()).add(types[value.name])
        if any(len(kinds) > 1 for kinds in bound.values()):
            mixed.append(node.name)
    return mixed


def needless_casts(graph: Graph) -> list[str]:
    """Casts of a Cast, casts to the type that a value has, and second casts of a value."""
    found, seen = [], set()
    for node in graph.nodes:
        if node.op_type != "Cast":
            continue
        value, result = node.inputs[0], node.outputs[0]
        maker = value.producer()
        key = (value, result.dtype)
        recast = maker is not None and maker.op_type == "Cast" and len(value.uses()) == 1
        if recast or value.dtype == result.dtype or key in seen:
            found.append(node.name)
        seen.add(key)
    return found


def types_by_operator(graph: Graph) -> dict[str, set[str]]:
    """Of each operator but Cast: the types of its first float input, in words."""
    types = checked_types(graph)
    found: dict[str, set[str]] = {}
    for node in graph.nodes:
        kinds = [types[v.name] for v in node.inputs if v is not None]
        floats = [kind for kind in kinds if kind in _FLOATS.values()]
        if node.op_type != "Cast" and floats:
            found.setdefault(node.op_type, set()).add(floats[0])
    return found
