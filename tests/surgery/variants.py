"""The same model as other tools would have written it: in half precision, with shared weights."""

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

from edgert.surgery.graph import Graph
from edgert.surgery.load import normalised

_FLOAT, _HALF = TensorProto.FLOAT, TensorProto.FLOAT16
# Inputs that the standard wants in float32 whatever the data is.
_STAY_FLOAT = {"Resize": (1, 2)}


def as_graph(model: onnx.ModelProto) -> Graph:
    return normalised(Graph(ir.from_proto(model)))


def half_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights and sums in float16; inputs and outputs stay float32 behind a Cast. In place."""
    graph = model.graph
    graph.initializer.extend(_constants_taken_out(graph))
    stays = {
        node.input[index]
        for node in graph.node
        for index in _STAY_FLOAT.get(node.op_type, ())
        if index < len(node.input)
    }
    for tensor in graph.initializer:
        if tensor.data_type == _FLOAT and tensor.name not in stays:
            array = numpy_helper.to_array(tensor).clip(-6e4, 6e4).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == _FLOAT:
                attribute.i = _HALF
    casts = []
    for value in graph.input:
        if value.type.tensor_type.elem_type == _FLOAT:
            _rename(graph.node, value.name, f"{value.name}.half")
            casts.append(helper.make_node("Cast", [value.name], [f"{value.name}.half"], to=_HALF))
    for cast in reversed(casts):
        graph.node.insert(0, cast)
    for value in graph.output:
        _rename(graph.node, value.name, f"{value.name}.half")
        graph.node.append(
            helper.make_node("Cast", [f"{value.name}.half"], [value.name], to=_FLOAT)
        )
    return model


def with_shared_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Equal tensors become one, as some exporters and optimisers leave them. In place.

    To have equal ones, all biases of one length are set to the same numbers first.
    """
    first: dict[tuple, str] = {}
    same: dict[str, str] = {}
    for tensor in list(model.graph.initializer):
        if tensor.data_type != _FLOAT:
            continue
        shape = tuple(tensor.dims)
        is_bias = len(shape) == 1 and tensor.name.endswith("bias")
        key = ("bias", *shape) if is_bias else (tensor.raw_data, *shape)
        if first.setdefault(key, tensor.name) != tensor.name:
            same[tensor.name] = first[key]
            model.graph.initializer.remove(tensor)
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = same.get(name, name)
    return model


def with_own_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Every reader gets its own copy of a tensor that several read. In place."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    seen: set[str] = set()
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name in seen and name in tensors:
                copy = model.graph.initializer.add()
                copy.CopyFrom(tensors[name])
                copy.name = node.input[index] = f"{name}.{len(model.graph.initializer)}"
            seen.add(name)
    return model


def _constants_taken_out(graph: onnx.GraphProto) -> list[TensorProto]:
    tensors = []
    for node in list(graph.node):
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensors.append(node.attribute[0].t)
            tensors[-1].name = node.output[0]
            graph.node.remove(node)
    return tensors


def _rename(nodes, old: str, new: str) -> None:
    for node in nodes:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new
