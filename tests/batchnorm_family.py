"""A family of a few kilobytes whose model has normalisations, and pictures for it."""

from pathlib import Path

import numpy as np
from PIL import Image

from edgert.artifacts import save_family, sha256_from_file
from edgert.records import Accuracy, BaseModel, Configuration, Edit, Family, InputSpec
from edgert.surgery.graph import Graph, save_graph
from tests.calibration.graphs import INPUT, conv_net

EDIT = "recalibrate_batchnorm"
CUT: Edit = {"narrow_groups": {"widths": {"mix.one": 6}}}
SKIP: Edit = {"skip_residuals": {"branches": ["mix"]}}
TO_COME: Edit = {EDIT: {"statistics": "recalibrated/later.npz"}}  # not measured yet
ACCURACY = Accuracy(metric="miou", value=0.5, frames=5, dataset="toy val")


def make_batchnorm_family(
    folder: Path, configurations: list[Configuration] | None = None, graph: Graph | None = None
) -> Path:
    """Write a family; by default full, two with statistics to come and one without."""
    folder.mkdir(parents=True)
    save_graph(graph or conv_net(), folder / "base.onnx")
    save_family(
        folder / "family.yaml",
        Family(
            format=1,
            name="normalised",
            task="segmentation",
            base=BaseModel(graph="base.onnx", sha256=sha256_from_file(folder / "base.onnx")),
            input=InputSpec(name="pixels", shape=INPUT, mean=(0.5,) * 3, std=(0.25,) * 3),
            labels=["sky", "road", "car"],
            configurations=configurations
            or [
                Configuration(name="full"),
                Configuration(name="cut", edits=[CUT, TO_COME], accuracy=ACCURACY),
                Configuration(name="skipped", edits=[SKIP, TO_COME]),
                Configuration(
                    name="plain", edits=[CUT, SKIP, {"lower_precision": {"to": "fp16"}}]
                ),
            ],
        ),
    )
    return folder


def write_pictures(folder: Path, count: int, *, seed: int = 0, classes: int = 1) -> Path:
    """Noise of the model's size; with several classes, each brighter and in a folder."""
    random = np.random.default_rng(seed)
    for index in range(count):
        place = folder / f"class{index % classes}" if classes > 1 else folder
        place.mkdir(parents=True, exist_ok=True)
        low = 60 * (index % classes)
        pixels = random.integers(low, low + 80, (*INPUT[2:], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{index:04}.png")
    return folder
