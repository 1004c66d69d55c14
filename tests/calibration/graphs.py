"""Small graphs to calibrate: a transformer without attention, and a convolutional net."""

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgert.surgery.graph import Graph
from edgert.surgery.load import normalised

WIDTH, HIDDEN, CLASSES = 6, 16, 3
INPUT = (1, 3, 8, 8)


class _Builder:
    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, array: NDArray[Any]) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def normal(self, name: str, *shape: int, scale: float | None = None) -> str:
        fan_in = int(np.prod(shape[1:])) if len(shape) > 2 else shape[0]
        array = self.random.standard_normal(shape) * (scale or fan_in**-0.5)
        return self.weight(name, array.astype(np.float32))

    def add(self, op: str, scope: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{scope}/{op}"
        output = "logits" if scope == "head.bias" else f"{name}.out"
        self.nodes.append(helper.make_node(op, inputs, [output], name=name, **attributes))
        return output

    def linear(self, scope: str, x: str, into: int, out: int) -> str:
        product = self.add("MatMul", scope, [x, self.normal(f"{scope}.weight", into, out)])
        bias = self.normal(f"{scope}.b", out, scale=0.1)
        return self.add("Add", f"{scope}.bias", [product, bias])

    def graph(self, output_shape: tuple[int, ...]) -> Graph:
        proto = helper.make_graph(
            self.nodes,
            "small",
            [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, INPUT)],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, output_shape)],
            self.weights,
        )
        model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        onnx.checker.check_model(model)
        return normalised(Graph(ir.from_proto(model)))


def token_net(seed: int = 0) -> Graph:
    """Patches of 2 x 2 as tokens, two residual MLP blocks behind normalisations, a head.

    Input "pixels" (1, 3, 8, 8), output "logits" (1, 16, 3). Branches "block1" and "block2", groups
    "block1.fc1" and "block2.fc1" of 16 channels.
    """
    b = _Builder(seed)
    x = b.add(
        "Conv", "patch", ["pixels", b.normal("patch.weight", WIDTH, 3, 2, 2)], strides=[2, 2]
    )
    x = b.add("Reshape", "patch.flat", [x, b.weight("patch.shape", np.array([1, WIDTH, 16]))])
    x = b.add("Transpose", "patch.tokens", [x], perm=[0, 2, 1])
    for block in ("block1", "block2"):
        ones = b.weight(f"{block}.norm.weight", np.ones(WIDTH, np.float32))
        zeros = b.weight(f"{block}.norm.bias", np.zeros(WIDTH, np.float32))
        y = b.add("LayerNormalization", f"{block}.norm", [x, ones, zeros])
        y = b.add("Relu", f"{block}.act", [b.linear(f"{block}.fc1", y, WIDTH, HIDDEN)])
        x = b.add("Add", block, [x, b.linear(f"{block}.fc2", y, HIDDEN, WIDTH)])
    product = b.add("MatMul", "head", [x, b.normal("head.weight", WIDTH, CLASSES)])
    b.add("Add", "head.bias", [product, b.normal("head.b", CLASSES, scale=0.1)])
    return b.graph((1, 16, CLASSES))


def conv_net(seed: int = 0) -> Graph:
    """Conv, BatchNormalization, Relu, twice, a residual sum, a 3 x 3 head of stride 2.

    Input "pixels" (1, 3, 8, 8), output "logits" (1, 3, 4, 4).
    """
    b = _Builder(seed)

    def norm(scope: str, x: str, channels: int) -> str:
        statistics = [
            b.weight(f"{scope}.scale", np.ones(channels, np.float32)),
            b.weight(f"{scope}.shift", np.zeros(channels, np.float32)),
            b.weight(f"{scope}.mean", np.full(channels, 0.1, np.float32)),
            b.weight(f"{scope}.var", np.full(channels, 0.8, np.float32)),
        ]
        return b.add("BatchNormalization", scope, [x, *statistics])

    x = b.add("Conv", "stem", ["pixels", b.normal("stem.weight", 8, 3, 3, 3)], pads=[1] * 4)
    x = b.add("Relu", "stem.act", [norm("stem.norm", x, 8)])
    y = b.add("Conv", "mix.one", [x, b.normal("mix.one.weight", 12, 8, 3, 3)], pads=[1] * 4)
    y = b.add("Relu", "mix.act", [norm("mix.norm", y, 12)])
    y = b.add("Conv", "mix.two", [y, b.normal("mix.two.weight", 8, 12, 1, 1)])
    x = b.add("Relu", "mix.out", [b.add("Add", "mix", [x, y])])
    kernel, bias = b.normal("head.weight", CLASSES, 8, 3, 3), b.normal("head.b", CLASSES)
    b.nodes.append(
        helper.make_node(
            "Conv", [x, kernel, bias], ["logits"], name="head/Conv", strides=[2, 2], pads=[1] * 4
        )
    )
    return b.graph((1, CLASSES, 4, 4))


def frames(count: int, *, seed: int = 0) -> list[NDArray[np.float32]]:
    """Inputs of the graphs above, smooth in space as pictures are."""
    random = np.random.default_rng(seed)
    noise = random.standard_normal((count, 3, 10, 10))
    smooth = sum(noise[:, :, i : i + 8, j : j + 8] for i in range(3) for j in range(3)) / 3
    return [frame[None].astype(np.float32) for frame in smooth]


def run(graph: Graph, tensor: NDArray[Any]) -> NDArray[Any]:
    """The graph's output on one input, without optimisation by anyone but onnxruntime."""
    import onnxruntime as ort

    whole = ir.external_data.load_to_model(graph.copy().model)
    model = ir.serde.serialize_model(whole).SerializeToString()
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    output: NDArray[Any] = session.run(None, {"pixels": tensor})[0]
    return output
