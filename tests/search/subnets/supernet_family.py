"""A tiny supernet with random weights as a family folder, and pictures for it."""

from pathlib import Path

import numpy as np
from PIL import Image

from edgert.artifacts import save_family, sha256_from_file
from edgert.backends.onnxruntime import session_from_bytes
from edgert.families.ofa_resnet50 import supernet_graph
from edgert.families.ofa_space import Space
from edgert.families.ofa_space_file import save_space
from edgert.preprocess import Preprocessor
from edgert.records import BaseModel, Configuration, Family, InputSpec
from edgert.search.trial import serialised
from edgert.surgery.graph import save_graph
from edgert.surgery.load import load_graph
from tests.families.ofa_networks import random_weights

SIZE = 24
TINY = Space(
    name="tiny-resnet",
    stage_widths=(16, 24),
    base_depths=(1, 1),
    depths=(0, 1),
    expands=(0.5, 1.0),
    width_multipliers=(0.5, 1.0),
    stem_width=16,
    strides=(1, 2),
    image_sizes=(16, SIZE),
    classes=4,
)
LABELS = ["sky", "road", "car", "tree"]


def make_supernet_family(folder: Path, space: Space = TINY, size: int = SIZE) -> Path:
    """base.onnx, space.json and family.yaml, as an import of a checkpoint leaves them."""
    folder.mkdir(parents=True)
    graph = supernet_graph(random_weights(space, seed=3), space, image_size=size)
    save_graph(graph, folder / "base.onnx")
    save_space(folder / "space.json", space)
    names = LABELS if space.classes == len(LABELS) else [str(i) for i in range(space.classes)]
    family = Family(
        format=1,
        name=space.name,
        task="classification",
        base=BaseModel(graph="base.onnx", sha256=sha256_from_file(folder / "base.onnx")),
        input=InputSpec(name="pixel_values", shape=(1, 3, size, size), mean=(0.5, 0.5, 0.5)),
        labels=names,
        configurations=[Configuration(name="full")],
    )
    save_family(folder / "family.yaml", family)
    return folder


def picture(number: int, size: int = SIZE) -> np.ndarray:
    """Waves of a colour and a width of their own, and noise."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[:size, :size]
    level, tilt, pace = random.uniform(60, 190), random.uniform(0, 3), random.uniform(0.2, 1.5)
    waves = [
        level + 60 * np.sin(pace * (x * np.cos(tilt) + y * np.sin(tilt)) + channel)
        for channel in range(3)
    ]
    noisy = np.stack(waves, axis=-1) + random.normal(0, 10, (size, size, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def write_pictures(folder: Path, *, first: int, count: int, size: int = SIZE) -> Path:
    """Unlabelled pictures."""
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        Image.fromarray(picture(number, size)).save(folder / f"{number:04d}.png")
    return folder


def write_labelled(folder: Path, family: Path, *, first: int, count: int) -> Path:
    """Pictures in their class's folder, as the whole supernet ranks them among each other.

    Its logits less their mean: a random network has a favourite class.
    """
    preprocess = Preprocessor(InputSpec(name="x", shape=(1, 3, SIZE, SIZE), mean=(0.5,) * 3))
    session = session_from_bytes(serialised(load_graph(family / "base.onnx")), threads=1)
    images = {number: picture(number) for number in range(first, first + count)}
    logits = np.concatenate(
        [session.run({"pixel_values": preprocess(im)})["logits"] for im in images.values()]
    )
    session.close()
    for (number, image), row in zip(images.items(), logits - logits.mean(0), strict=True):
        inner = folder / LABELS[int(row.argmax())]
        inner.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(inner / f"{number:04d}.png")
    return folder
