"""Graphs of a few kilobytes for the tests of backends, pool and packing."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def conv_net(seed: int = 0, *, height: int = 8, channels: int = 32, name: str = "frame"):
    """Conv, BatchNormalization, Relu, then MatMul over the pixels.

    Input `name` (1, 3, height, 8), output "logits" (1, height * 8, 5).
    """
    random = np.random.default_rng(seed)

    def weight(label: str, *shape: int) -> onnx.TensorProto:
        array = random.standard_normal(shape, dtype=np.float32) / np.sqrt(np.prod(shape[1:]))
        return numpy_helper.from_array(array.astype(np.float32), label)

    weights = [
        weight("conv.weight", channels, 3, 3, 3),
        *(weight(f"bn.{part}", channels) for part in ("scale", "bias", "mean")),
        numpy_helper.from_array(random.uniform(0.5, 2, channels).astype(np.float32), "bn.var"),
        weight("head1.weight", channels, 64),
        weight("head2.weight", 64, 5),
        numpy_helper.from_array(np.array([1, channels, height * 8], np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("Conv", [name, "conv.weight"], ["a"], name="conv", pads=[1] * 4),
        helper.make_node(
            "BatchNormalization", ["a", "bn.scale", "bn.bias", "bn.mean", "bn.var"], ["b"]
        ),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Reshape", ["c", "shape"], ["d"]),
        helper.make_node("Transpose", ["d"], ["e"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["e", "head1.weight"], ["f"]),
        helper.make_node("MatMul", ["f", "head2.weight"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "conv_net",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, height, 8))],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, height * 8, 5))],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def with_weight(model: onnx.ModelProto, name: str, change) -> onnx.ModelProto:
    """A copy in which `change` was applied to one weight as an array."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.name == name:
            array = change(numpy_helper.to_array(tensor).copy())
            tensor.CopyFrom(numpy_helper.from_array(array, name))
            return copy
    raise KeyError(name)


def frame(shape=(1, 3, 8, 8), seed: int = 0):
    """Seeded noise."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
