"""The tiny family with two scaled versions of its model, one larger and one smaller.

They differ from the base model in width, input size, output stride, colour order, normalisation,
and in the names of their input and output.
"""

from pathlib import Path

import msgspec
import onnx

from edgert.artifacts import load_family, save_family, sha256_from_file
from edgert.records import Configuration, InputSpec, ScaledModel
from tests.tiny_family import make_tiny_family, tiny_model

MERGE = {"merge_linear": {}}
SKIP = {"skip_residuals": {"branches": ["block3.mix"]}}
WIDE = InputSpec(
    name="image",
    shape=(1, 3, 32, 48),
    color_order="bgr",
    scale=1.0,
    mean=(103.5, 116.3, 123.7),
    std=(57.4, 57.1, 58.4),
)
SMALL = InputSpec(
    name="image",
    shape=(1, 3, 12, 16),
    color_order="bgr",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)


def wide_model() -> onnx.ModelProto:
    """Input "image" (1, 3, 32, 48), output "scores" (1, 3, 8, 12)."""
    return tiny_model(5, channels=12, size=(32, 48), names=("image", "scores"))


def small_model() -> onnx.ModelProto:
    """Input "image" (1, 3, 12, 16), output "scores" (1, 3, 3, 4)."""
    return tiny_model(6, channels=6, size=(12, 16), names=("image", "scores"))


def make_scaled_family(folder: Path) -> Path:
    """Write the family into a new folder and return the folder."""
    make_tiny_family(folder)
    models = []
    for name, model, spec in (("wide", wide_model(), WIDE), ("small", small_model(), SMALL)):
        file = folder / f"{name}.onnx"
        onnx.save(model, str(file))
        models.append(
            ScaledModel(name=name, graph=file.name, sha256=sha256_from_file(file), input=spec)
        )
    family = load_family(folder).family
    configurations = [
        Configuration(name="w", model="wide", edits=[MERGE]),
        Configuration(name="w1", model="wide", edits=[MERGE, SKIP]),
        *family.configurations,
        Configuration(name="s", model="small"),
        Configuration(name="s1", model="small", edits=[SKIP]),
    ]
    written = msgspec.structs.replace(
        family, name="scaled", models=models, configurations=configurations
    )
    save_family(folder / "family.yaml", written)
    return folder
