"""A small family with attention: what onnxsim, plain skipping and edgert all have a grip on."""

from pathlib import Path

import numpy as np
import onnx
from PIL import Image

from edgert.artifacts import save_family, sha256_from_file
from edgert.backends.onnxruntime import session_from_bytes
from edgert.preprocess import Preprocessor
from edgert.profiling.accuracy import segmentation_labels
from edgert.records import Accuracy, BaseModel, Configuration, Edit, Family, InputSpec
from tests.graph_builder import GraphBuilder

INPUT_SHAPE = (1, 3, 24, 32)
OUTPUT_SHAPE = (1, 3, 6, 8)
SPEC = InputSpec(name="pixel_values", shape=INPUT_SHAPE, scale=1 / 255, mean=(0.5,) * 3)
BRANCHES = ["block1.attention", "block1.ffn", "block2.attention", "block2.ffn"]
_WIDTH, _HIDDEN, _TOKENS, _FUSED = 8, 32, 48, 256


def attention_model(seed: int = 0) -> onnx.ModelProto:
    """Patches as tokens, two blocks of attention and feed-forward, a head of two linear maps."""
    net = _Net(seed)
    x = net.conv("stem", "pixel_values", _WIDTH, 3, 4)
    x = net.add("Reshape", "stem.flat", [x, net.shape("stem.shape", 1, _WIDTH, _TOKENS)])
    x = net.add("Transpose", "stem.tokens", [x], perm=[0, 2, 1])
    for block in ("block1", "block2"):
        x = net.add("Add", f"{block}.sum1", [x, net.attention(f"{block}.attention", x)])
        x = net.add("Add", f"{block}.sum2", [x, net.feed_forward(f"{block}.ffn", x)])
    x = net.add("Transpose", "head.channels", [x], perm=[0, 2, 1])
    x = net.add("Reshape", "head.image", [x, net.shape("head.shape", 1, _WIDTH, 6, 8)])
    fused = net.conv("head.fuse", x, _FUSED, _WIDTH)  # nothing before the next map: they merge
    net.conv("head.predict", fused, 3, _FUSED, output="logits")
    return net.model({"pixel_values": INPUT_SHAPE}, {"logits": OUTPUT_SHAPE})


class _Net(GraphBuilder):
    def conv(self, scope: str, x: str, out: int, into: int, k: int = 1, output: str = "") -> str:
        inputs = [x, self.weight(f"{scope}.weight", out, into, k, k)]
        return self.add("Conv", scope, inputs, output, kernel_shape=[k, k], strides=[k, k])

    def attention(self, scope: str, x: str) -> str:
        x = self.norm(f"{scope}.norm", x, _WIDTH)
        q, k, v = (self.linear(f"{scope}.{name}", x, _WIDTH, _WIDTH) for name in "qkv")
        k = self.add("Transpose", f"{scope}.turn", [k], perm=[0, 2, 1])
        scores = self.add("MatMul", f"{scope}.scores", [q, k])
        shares = self.add("Softmax", f"{scope}.shares", [scores], axis=-1)
        mixed = self.add("MatMul", f"{scope}.mixed", [shares, v])
        return self.linear(f"{scope}.proj", mixed, _WIDTH, _WIDTH)

    def feed_forward(self, scope: str, x: str) -> str:
        x = self.linear(f"{scope}.fc1", self.norm(f"{scope}.norm", x, _WIDTH), _WIDTH, _HIDDEN)
        x = self.add("Relu", f"{scope}.act", [x])
        return self.linear(f"{scope}.fc2", x, _HIDDEN, _WIDTH)


def make_attention_family(folder: Path) -> Path:
    """Write the family, whose cheaper configuration states the better score."""
    folder.mkdir(parents=True)
    onnx.save(attention_model(), str(folder / "base.onnx"))
    merge: Edit = {"merge_linear": {}}
    cut: Edit = {"skip_residuals": {"branches": ["block2.attention"]}}
    score = Accuracy(metric="miou", value=0.5, frames=3, dataset="toy")
    save_family(
        folder / "family.yaml",
        Family(
            format=1,
            name="attention",
            task="segmentation",
            base=BaseModel(graph="base.onnx", sha256=sha256_from_file(folder / "base.onnx")),
            input=SPEC,
            labels=["sky", "road", "car"],
            ignore_label=255,
            configurations=[
                Configuration(name="full", edits=[merge], accuracy=score),
                Configuration(
                    name="small",
                    edits=[merge, cut],
                    accuracy=Accuracy(metric="miou", value=0.6, frames=3, dataset="toy"),
                ),
            ],
        ),
    )
    return folder


def make_frames(folder: Path, count: int = 6) -> Path:
    """Pictures, with the full model's own labels: it scores 100 % on them."""
    random = np.random.default_rng(1)
    preprocess = Preprocessor(SPEC)
    session = session_from_bytes(attention_model().SerializeToString(), threads=1)
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for index in range(count):
        coarse = random.integers(0, 256, (6, 8, 3), np.uint8)
        picture = np.kron(coarse, np.ones((4, 4, 1), np.uint8))
        logits = session.run({"pixel_values": preprocess(picture)})["logits"]
        labels = segmentation_labels(logits, *picture.shape[:2]).astype(np.uint8)
        Image.fromarray(picture).save(folder / "images" / f"{index}.png")
        Image.fromarray(labels).save(folder / "labels" / f"{index}.png")
    return folder
