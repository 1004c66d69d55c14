"""A once-for-all ResNet as an ONNX graph, straight from its weights.

Owns nodes and their names. BatchNormalization stays a node of its own behind each convolution:
its statistics change with every subnet. Which layers there are is `ofa_plan`'s.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.families.ofa_plan import COLORS, Bottleneck, Layer, Plan
from edgert.optional import needs
from edgert.surgery.graph import Graph, finished

Array = NDArray[Any]

INPUT_NAME = "pixel_values"
OUTPUT_NAME = "logits"
OPSET = 18
_IR_VERSION = 9  # the oldest one that ONNX asks for with opset 18


def graph_of(plan: Plan, weights: Mapping[str, Array], *, image_size: int) -> Graph:
    """A network as a graph.

    Args:
        plan: Its layers.
        weights: Every tensor of `plan.tensor_shapes()`; shared with the graph, not copied.
        image_size: Rows and columns of the input, in pixels.

    Returns:
        A graph that reads "pixel_values" (1, 3, image_size, image_size) and writes "logits"
        (1, classes), float32.

    Source:
        mit-han-lab/once-for-all, ResNets; as published.
    """
    ir = needs("onnx_ir", "build", "to make an ONNX graph")
    pixels = ir.Value(
        name=INPUT_NAME,
        shape=ir.Shape((1, COLORS, image_size, image_size)),
        type=ir.TensorType(ir.DataType.FLOAT),
    )
    writer = _Writer(plan, weights)
    value = writer.stem(pixels)
    for block in plan.blocks:
        value = writer.block(block, value)
    logits = writer.classifier(value)
    logits.name = OUTPUT_NAME
    logits.shape, logits.type = ir.Shape((1, plan.classes)), ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph(
        [pixels],
        [logits],
        nodes=writer.nodes,
        initializers=writer.initializers,
        opset_imports={"": OPSET},
        name=plan.name,
    )
    model = ir.Model(graph, ir_version=_IR_VERSION, producer_name="edgert")
    return finished(Graph(model), subject=f"make the graph of {plan.name}")


class _Writer:
    """Nodes and weights in the order they are made."""

    def __init__(self, plan: Plan, weights: Mapping[str, Array]) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._plan = plan
        self._weights = weights
        self._ir = needs("onnx_ir", "build", "to make an ONNX graph")

    def stem(self, pixels: Any) -> Any:
        """To a quarter of the picture's rows and columns."""
        start, end = self._plan.stem
        value = self._activated(start, pixels)
        residual = self._plan.residual
        if residual is not None:
            branch = self._activated(residual, value)
            value = self._node("Add", residual.name, [branch, value])
        value = self._activated(end, value)
        window = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
        return self._node("MaxPool", "stem.pool", [value], window)

    def block(self, block: Bottleneck, value: Any) -> Any:
        """Layers plus shortcut, then the activation."""
        branch = value
        for layer in block.layers[:2]:
            branch = self._activated(layer, branch)
        branch = self._normalised(block.layers[2], branch)
        total = self._node("Add", block.name, [branch, self._shortcut(block, value)])
        return self._node("Relu", block.name, [total])

    def _shortcut(self, block: Bottleneck, value: Any) -> Any:
        if block.shortcut is None:
            return value
        if block.shortcut_kind == "pooled" and block.stride > 1:
            window = {"kernel_shape": [block.stride] * 2, "strides": [block.stride] * 2}
            # A last odd row is averaged over what there is of it, as the framework does.
            rounded_up = {**window, "ceil_mode": 1, "count_include_pad": 0}
            value = self._node("AveragePool", block.shortcut.name, [value], rounded_up)
        return self._normalised(block.shortcut, value)

    def classifier(self, value: Any) -> Any:
        """The mean over all pixels, then one number for each class."""
        value = self._node("GlobalAveragePool", "classifier.pool", [value])
        value = self._node("Flatten", "classifier.pool", [value], {"axis": 1})
        names = [self._plan.classifier_key(part) for part in ("weight", "bias")]
        weight, bias = (
            self._constant(f"classifier.{part}", name)
            for part, name in zip(("weight", "bias"), names, strict=True)
        )
        return self._node("Gemm", "classifier", [value, weight, bias], {"transB": 1})

    def _activated(self, layer: Layer, value: Any) -> Any:
        return self._node("Relu", layer.name, [self._normalised(layer, value)])

    def _normalised(self, layer: Layer, value: Any) -> Any:
        scope = layer.weight_name or layer.name
        weight = self._constant(f"{scope}.weight", self._plan.weight_key(layer))
        kernel, pad = [layer.kernel] * 2, [layer.kernel // 2] * 4
        step = {"kernel_shape": kernel, "strides": [layer.stride] * 2, "pads": pad}
        value = self._node("Conv", layer.name, [value, weight], step)
        keys = self._plan.norm_keys(layer)
        constants = [self._constant(f"{scope}.bn.{key.split('.')[-1]}", key) for key in keys]
        numbers = {"epsilon": self._plan.epsilon}
        return self._node("BatchNormalization", layer.name, [value, *constants], numbers)

    def _constant(self, name: str, key: str) -> Any:
        array = np.ascontiguousarray(self._weights[key], dtype=np.float32)
        value = self._ir.Value(
            name=name,
            shape=self._ir.Shape(array.shape),
            type=self._ir.TensorType(self._ir.DataType.FLOAT),
            const_value=self._ir.tensor(array, name=name),
        )
        self.initializers.append(value)
        return value

    def _node(
        self,
        operator: str,
        scope: str,
        inputs: Sequence[Any],
        attributes: Mapping[str, Any] | None = None,
    ) -> Any:
        name = f"{scope.replace('.', '/')}/{operator}"
        node = self._ir.node(operator, inputs, attributes=dict(attributes or {}), name=name)
        node.outputs[0].name = f"{name}.output"
        self.nodes.append(node)
        return node.outputs[0]
