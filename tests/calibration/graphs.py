"""Small graphs to calibrate: a transformer without attention, and a convolutional net."""

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgert.surgery.graph import Graph
from edgert.surgery.load import normalised
from tests.graph_builder import GraphBuilder

WIDTH, HIDDEN, CLASSES = 6, 16, 3
INPUT = (1, 3, 8, 8)


def token_net(seed: int = 0) -> Graph:
    """Patches of 2 x 2 as tokens, two residual MLP blocks behind normalisations, a head.

    Input "pixels" (1, 3, 8, 8), output "logits" (1, 16, 3). Branches "block1" and "block2", groups
    "block1.fc1" and "block2.fc1" of 16 channels.
    """
    b = GraphBuilder(seed)
    x = b.add(
        "Conv", "patch", ["pixels", b.weight("patch.weight", WIDTH, 3, 2, 2)], strides=[2, 2]
    )
    x = b.add("Reshape", "patch.flat", [x, b.shape("patch.shape", 1, WIDTH, 16)])
    x = b.add("Transpose", "patch.tokens", [x], perm=[0, 2, 1])
    for block in ("block1", "block2"):
        y = b.norm(f"{block}.norm", x, WIDTH)
        y = b.add("Relu", f"{block}.act", [b.linear(f"{block}.fc1", y, WIDTH, HIDDEN)])
        x = b.add("Add", block, [x, b.linear(f"{block}.fc2", y, HIDDEN, WIDTH)])
    b.linear("head", x, WIDTH, CLASSES, output="logits")
    return _graph(b, (1, 16, CLASSES))


def conv_net(seed: int = 0) -> Graph:
    """Conv, BatchNormalization, Relu, twice, a residual sum, a 3 x 3 head of stride 2.

    Input "pixels" (1, 3, 8, 8), output "logits" (1, 3, 4, 4).
    """
    b = GraphBuilder(seed)

    def norm(scope: str, x: str, channels: int) -> str:
        statistics = [
            b.constant(f"{scope}.scale", np.ones(channels, np.float32)),
            b.constant(f"{scope}.shift", np.zeros(channels, np.float32)),
            b.constant(f"{scope}.mean", np.full(channels, 0.1, np.float32)),
            b.constant(f"{scope}.var", np.full(channels, 0.8, np.float32)),
        ]
        return b.add("BatchNormalization", scope, [x, *statistics])

    x = b.add("Conv", "stem", ["pixels", b.weight("stem.weight", 8, 3, 3, 3)], pads=[1] * 4)
    x = b.add("Relu", "stem.act", [norm("stem.norm", x, 8)])
    y = b.add("Conv", "mix.one", [x, b.weight("mix.one.weight", 12, 8, 3, 3)], pads=[1] * 4)
    y = b.add("Relu", "mix.act", [norm("mix.norm", y, 12)])
    y = b.add("Conv", "mix.two", [y, b.weight("mix.two.weight", 8, 12, 1, 1)])
    x = b.add("Relu", "mix.out", [b.add("Add", "mix", [x, y])])
    head = [x, b.weight("head.weight", CLASSES, 8, 3, 3), b.weight("head.b", CLASSES)]
    b.add("Conv", "head", head, "logits", strides=[2, 2], pads=[1] * 4)
    return _graph(b, (1, CLASSES, 4, 4))


def _graph(builder: GraphBuilder, output_shape: tuple[int, ...]) -> Graph:
    model = builder.model({"pixels": INPUT}, {"logits": output_shape})
    return normalised(Graph(ir.from_proto(model)))


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
