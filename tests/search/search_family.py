"""Frames for the tiny family, its own labels with some noise, and the words of a short search."""

import sys
from pathlib import Path

import msgspec
import numpy as np
import onnx
from PIL import Image

from edgert.artifacts import load_family, save_family, sha256_from_file
from edgert.backends.onnxruntime import session_from_bytes
from edgert.preprocess import Preprocessor
from edgert.profiling.accuracy import segmentation_labels
from tests.tiny_family import make_tiny_family

HEIGHT, WIDTH = 24, 32


def picture(number: int) -> np.ndarray:
    """Waves that change a little from one picture to the next, and noise."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [
        127 + 90 * np.sin(x * (0.2 + 0.05 * c) + 0.3 * y * np.cos(0.7 * number + c) + 0.4 * number)
        for c in range(3)
    ]
    noisy = np.stack(waves, axis=-1) + random.normal(0, 12, (HEIGHT, WIDTH, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def write_frames(folder: Path, family: Path, *, first: int, count: int) -> Path:
    """images/ and labels/ as the family's own full model gives them, one pixel in 20 wrong."""
    opened = load_family(family)
    preprocess = Preprocessor(opened.family.input)
    session = session_from_bytes((family / "base.onnx").read_bytes(), threads=1)
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    random = np.random.default_rng(first)
    for number in range(first, first + count):
        image = picture(number)
        logits = session.run({"pixel_values": preprocess(image)})["logits"]
        labels = segmentation_labels(logits, HEIGHT, WIDTH)
        wrong = random.random(labels.shape) < 0.05
        labels = np.where(wrong, random.integers(0, 3, labels.shape), labels).astype(np.uint8)
        Image.fromarray(image).save(folder / "images" / f"{number:04d}.png")
        Image.fromarray(labels).save(folder / "labels" / f"{number:04d}.png")
    return folder


def search_words(family: Path, root: Path, *more: str) -> list[str]:
    """`edgert search` with labels, small enough for a test; MACs, since times here are noise."""
    return [
        "search", str(family), "--calibration", str(root / "drive"), "--labels", str(root / "val"),
        "--cost", "macs", "--align", "4", "--max-drop", "12", "--trials", "4", "--jobs", "1",
        "--only", "block*", "--only", "head.fuse", "--minutes", "30", *more,
    ]  # fmt: skip


def command(words: list[str]) -> list[str]:
    """The same as a process of its own."""
    return [sys.executable, "-W", "error", "-m", "edgert", *words]


def make_classifier(folder: Path, frames: Path) -> Path:
    """The tiny model with logits averaged over the picture; its frames by class.

    Args:
        folder: For the new family.
        frames: Takes one folder of pictures for each class that the model sees in any.
    """
    make_tiny_family(folder)
    model = onnx.load(str(folder / "base.onnx"))
    [output] = model.graph.output
    output.name = "scores"
    del output.type.tensor_type.shape.dim[2:]
    model.graph.node.append(
        onnx.helper.make_node("GlobalAveragePool", ["logits"], ["mean"], name="pool/Mean")
    )
    model.graph.node.append(
        onnx.helper.make_node("Flatten", ["mean"], ["scores"], name="pool/Flat")
    )
    onnx.save(model, str(folder / "base.onnx"))
    family = load_family(folder, verify=False).family
    digest = sha256_from_file(folder / "base.onnx")
    base = msgspec.structs.replace(family.base, sha256=digest)
    family = msgspec.structs.replace(family, task="classification", base=base)
    save_family(folder / "family.yaml", family)
    preprocess = Preprocessor(family.input)
    session = session_from_bytes((folder / "base.onnx").read_bytes(), threads=1)
    for number in range(200, 216):
        image = picture(number)
        scores = session.run({"pixel_values": preprocess(image)})["scores"]
        inner = frames / family.labels[int(scores.argmax())]
        inner.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(inner / f"{number}.png")
    return folder
