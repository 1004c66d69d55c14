"""Building small ONNX models node by node, with seeded random weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

BIAS_SCALE = 0.1


class GraphBuilder:
    """Nodes are named "<scope>/<operator>", their results "<scope>/<operator>.out"."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, name: str, array: NDArray[Any]) -> str:
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def shape(self, name: str, *sizes: int) -> str:
        return self.constant(name, np.array(sizes, np.int64))

    def weight(
        self, name: str, *shape: int, scale: float | None = None, dtype: Any = np.float32
    ) -> str:
        """Normal numbers; without a scale, results stay as large as what they are made of."""
        fan_in = int(np.prod(shape[1:])) if len(shape) > 2 else shape[0]
        array = self.random.standard_normal(shape) * (scale or fan_in**-0.5)
        return self.constant(name, array.astype(dtype))

    def add(
        self, op: str, scope: str, inputs: Sequence[str], output: str = "", **attributes: Any
    ) -> str:
        name = f"{scope}/{op}"
        output = output or f"{name}.out"
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=name, **attributes))
        return output

    def linear(self, scope: str, x: str, into: int, out: int, output: str = "") -> str:
        product = self.add("MatMul", scope, [x, self.weight(f"{scope}.weight", into, out)])
        bias = self.weight(f"{scope}.b", out, scale=BIAS_SCALE)
        return self.add("Add", f"{scope}.bias", [product, bias], output)

    def norm(self, scope: str, x: str, width: int) -> str:
        ones = self.constant(f"{scope}.weight", np.ones(width, np.float32))
        zeros = self.constant(f"{scope}.bias", np.zeros(width, np.float32))
        return self.add("LayerNormalization", scope, [x, ones, zeros])

    def model(
        self, inputs: Mapping[str, Sequence[int]], outputs: Mapping[str, Sequence[int]]
    ) -> onnx.ModelProto:
        def infos(shapes: Mapping[str, Sequence[int]]) -> list[onnx.ValueInfoProto]:
            return [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, tuple(shape))
                for name, shape in shapes.items()
            ]

        graph = helper.make_graph(self.nodes, "small", infos(inputs), infos(outputs), self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        onnx.checker.check_model(model)
        return model
