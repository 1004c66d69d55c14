"""A small net whose BatchNorm statistics NumPy can compute by the book, beside its graph."""

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import helper

from edgert.surgery.graph import Graph
from edgert.surgery.load import normalised
from tests.graph_builder import GraphBuilder

Array = NDArray[Any]
INPUT = (1, 3, 8, 8)
FIRST, SECOND = "one.norm/BatchNormalization", "two.norm/BatchNormalization"
EPSILON = 1e-3
WIDTHS = (8, 6)


def norm(b: GraphBuilder, scope: str, x: str, channels: int, *, dtype: Any = np.float32) -> str:
    """A BatchNormalization with random scale and shift, and statistics of nothing."""
    numbers = {
        "scale": b.random.uniform(0.5, 2, channels),
        "shift": b.random.standard_normal(channels),
        "mean": b.random.standard_normal(channels),
        "var": b.random.uniform(0.5, 2, channels),
    }
    constants = [
        b.constant(f"{scope}.{name}", array.astype(dtype)) for name, array in numbers.items()
    ]
    return b.add("BatchNormalization", scope, [x, *constants], epsilon=EPSILON)


def pointwise_net(seed: int = 0, *, opset: int = 18) -> Graph:
    """Conv 1 x 1, BatchNormalization, Relu, twice. Input "pixels", output "logits"."""
    b = GraphBuilder(seed)
    x = b.add("Conv", "one", ["pixels", b.weight("one.weight", WIDTHS[0], 3, 1, 1)])
    x = b.add("Relu", "one.act", [norm(b, "one.norm", x, WIDTHS[0])])
    x = b.add("Conv", "two", [x, b.weight("two.weight", WIDTHS[1], WIDTHS[0], 1, 1)])
    b.add("Relu", "two.act", [norm(b, "two.norm", x, WIDTHS[1])], "logits")
    return graph_of(b, (1, WIDTHS[1], *INPUT[2:]), opset=opset)


def fixed_batch_net(seed: int = 0) -> Graph:
    """As `pointwise_net`, but tokens in between: (64, 8), where a batch is no axis of its own."""
    b = GraphBuilder(seed)
    x = b.add("Conv", "one", ["pixels", b.weight("one.weight", WIDTHS[0], 3, 1, 1)])
    x = b.add("Relu", "one.act", [norm(b, "one.norm", x, WIDTHS[0])])
    x = b.add("Reshape", "flat", [x, b.shape("flat.shape", WIDTHS[0], 64)])
    x = b.add("Transpose", "tokens", [x], perm=[1, 0])
    x = b.add("MatMul", "mix", [b.weight("mix.weight", 64, 64), x])
    x = b.add("Transpose", "channels", [x], perm=[1, 0])
    x = b.add("Reshape", "square", [x, b.shape("square.shape", 1, WIDTHS[0], 8, 8)])
    x = b.add("Conv", "two", [x, b.weight("two.weight", WIDTHS[1], WIDTHS[0], 1, 1)])
    b.add("Relu", "two.act", [norm(b, "two.norm", x, WIDTHS[1])], "logits")
    return graph_of(b, (1, WIDTHS[1], *INPUT[2:]))


def graph_of(b: GraphBuilder, output: tuple[int, ...], *, opset: int = 18) -> Graph:
    model = b.model({"pixels": INPUT}, {"logits": output})
    model.opset_import[0].CopyFrom(helper.make_opsetid("", opset))
    return normalised(Graph(ir.from_proto(model)))


def weight(graph: Graph, node: str, index: int) -> Array:
    array: Array = graph.node(node).inputs[index].const_value.numpy().astype(float)
    return array


def by_the_book(graph: Graph, batches: list[Array], *, mix: bool = False) -> dict[str, Array]:
    """The published procedure in NumPy on `pointwise_net`, or on `fixed_batch_net` with `mix`.

    Args:
        graph: Where the weights are.
        batches: Each (pictures, 3, 8, 8).
        mix: Whether positions are mixed between the two halves.
    """
    sums: dict[str, Array] = {}
    pictures = sum(len(batch) for batch in batches)
    for batch in batches:
        x = batch.astype(float)
        for half, name in (("one", FIRST), ("two", SECOND)):
            if mix and half == "two":
                rows = x.reshape(*x.shape[:2], 64)
                product = graph.node("mix/MatMul").inputs[0].const_value.numpy().astype(float)
                x = np.einsum("pq,bcq->bcp", product, rows).reshape(x.shape)
            x = np.einsum("oi,bihw->bohw", weight(graph, f"{half}/Conv", 1)[:, :, 0, 0], x)
            mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
            for kind, array in (("mean", mean), ("var", variance)):
                key = f"{name}.{kind}"
                sums[key] = sums.get(key, 0) + len(batch) / pictures * array
            by_channel = (slice(None), None, None)
            x = (x - mean[by_channel]) / np.sqrt(variance[by_channel] + EPSILON)
            x = x * weight(graph, name, 1)[by_channel] + weight(graph, name, 2)[by_channel]
            x = np.maximum(x, 0)
    return sums


def pictures(count: int, seed: int = 0) -> Array:
    """Inputs (count, 3, 8, 8) whose brightness differs much from one to the next."""
    random = np.random.default_rng(seed)
    light = random.standard_normal((count, 3, 1, 1)) * 2
    return (random.standard_normal((count, *INPUT[1:])) + light).astype(np.float32)


def split(frames: Array, size: int) -> list[Array]:
    return [frames[first : first + size] for first in range(0, len(frames), size)]


def as_frames(batches: list[Array]) -> list[list[Array]]:
    """As the measurement takes them: each picture an array of the model's input."""
    return [[picture[None] for picture in batch] for batch in batches]


def largest_difference(got: dict[str, Array], wanted: dict[str, Array]) -> float:
    """Of a mean over the wanted standard deviation, of a variance over the wanted variance."""
    assert list(got) == list(wanted)
    found = 0.0
    for key, array in got.items():
        variance = wanted[f"{key.rpartition('.')[0]}.var"]
        scale = variance if key.endswith(".var") else np.sqrt(variance)
        found = max(found, float(np.max(np.abs(array - wanted[key]) / scale)))
    return found
