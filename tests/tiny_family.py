"""A family small enough for every test: three residual branches and a head that can be merged."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgert.artifacts import save_family, sha256_from_file
from edgert.records import Accuracy, BaseModel, Configuration, Family, InputSpec

LABELS = ["sky", "road", "car"]
INPUT_SHAPE = (1, 3, 24, 32)


def tiny_model(
    seed: int = 0,
    *,
    channels: int = 8,
    size: tuple[int, int] = INPUT_SHAPE[2:],
    stride: int = 4,
    classes: int = len(LABELS),
    names: tuple[str, str] = ("pixel_values", "logits"),
) -> onnx.ModelProto:
    """A stem, three residual blocks, and a head of two linear maps at two sizes.

    Input "pixel_values" (1, 3, 24, 32), output "logits" (1, 3, 6, 8), if nothing else is asked.
    """
    rows, columns = size[0] // stride, size[1] // stride
    random = np.random.default_rng(seed)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def weight(name: str, *shape: int) -> str:
        scale = 1 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.1
        array = (random.standard_normal(shape) * scale).astype(np.float32)
        weights.append(numpy_helper.from_array(array, name))
        return name

    def add(op: str, scope: str, inputs: list[str], **attributes: Any) -> str:
        output = f"{scope}/{op}_out"
        nodes.append(helper.make_node(op, inputs, [output], name=f"{scope}/{op}", **attributes))
        return output

    def conv(scope: str, x: str, out: int, into: int, k: int = 1, **attributes: Any) -> str:
        kernel = weight(f"{scope}.weight", out, into, k, k)
        bias = weight(f"{scope}.bias", out)
        return add("Conv", scope, [x, kernel, bias], kernel_shape=[k, k], **attributes)

    x = conv("stem", names[0], channels, 3, stride, strides=[stride] * 2)
    for block in (1, 2, 3):
        scope = f"block{block}.mix"
        y = add("Relu", f"{scope}.a", [conv(f"{scope}.in", x, 16, channels, 3, pads=[1] * 4)])
        x = add("Add", f"block{block}", [x, conv(f"{scope}.out", y, channels, 16)])
    small = add("Relu", "down.act", [conv("down", x, channels, channels, 2, strides=[2, 2])])
    near = conv("head.linear1", x, 16, channels)
    far = conv("head.linear2", small, 16, channels)
    weights.append(
        numpy_helper.from_array(np.array([1, 16, rows, columns], np.int64), "head.size")
    )
    up = add(
        "Resize", "head.up", [far, "", "", "head.size"],
        mode="linear", coordinate_transformation_mode="half_pixel",
    )  # fmt: skip
    joined = add("Concat", "head.join", [up, near], axis=1)
    fused = add("Relu", "head.act", [conv("head.fuse", joined, 16, 32)])
    kernel, bias = (
        weight("head.predict.weight", classes, 16, 1, 1),
        weight("head.predict.bias", classes),
    )
    nodes.append(
        helper.make_node("Conv", [fused, kernel, bias], [names[1]], name="head.predict/Conv")
    )
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, (1, 3, *size))],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, (1, classes, rows, columns))],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def make_tiny_family(folder: Path, *, seed: int = 0) -> Path:
    """Write the family into a new folder and return the folder."""
    folder.mkdir(parents=True)
    onnx.save(tiny_model(seed), str(folder / "base.onnx"))
    save_family(
        folder / "family.yaml",
        Family(
            format=1,
            name="tiny",
            task="segmentation",
            base=BaseModel(graph="base.onnx", sha256=sha256_from_file(folder / "base.onnx")),
            input=InputSpec(name="pixel_values", shape=INPUT_SHAPE, mean=(0.5,) * 3),
            labels=LABELS,
            ignore_label=255,
            configurations=[
                Configuration(
                    name="full",
                    edits=[{"merge_linear": {}}],
                    accuracy=Accuracy(metric="miou", value=0.9, frames=5, dataset="toy val"),
                ),
                Configuration(
                    name="c2",
                    edits=[{"merge_linear": {}}, {"skip_residuals": {"branches": ["block3.mix"]}}],
                ),
                Configuration(
                    name="c1",
                    edits=[
                        {"merge_linear": {}},
                        {"skip_residuals": {"branches": ["block2.mix", "block3.mix"]}},
                    ],
                ),
            ],
        ),
    )
    return folder
