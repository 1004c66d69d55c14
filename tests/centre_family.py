"""A classifier that names a picture's main colour, and pictures whose margins are of another.

The centre is red, green or blue and its margins, three quarters of the picture, are the next of
these colours: cut to its centre a picture has the one label, stretched the other.
"""

from pathlib import Path

import msgspec
import numpy as np
import onnx
from PIL import Image

from edgert.artifacts import save_family, sha256_from_file
from edgert.records import BaseModel, Configuration, Family, InputSpec
from tests.graph_builder import GraphBuilder

COLORS = ["red", "green", "blue"]
SIZE, CROP = 16, 0.5
HEIGHT, WIDTH = 48, 64  # cut to the 24 x 24 in the middle
CENTRE = 26  # a filter reads a pixel beyond the cut
LIGHT, DARK = 220, 20


def make_centre_family(folder: Path, crop: float | msgspec.UnsetType = CROP) -> Path:
    """Planes through a normalisation with statistics to come, then their means.

    Input "pixels" (1, 3, 16, 16), output "scores" (1, 3).
    """
    folder.mkdir(parents=True)
    b = GraphBuilder(0)
    eye = b.constant("stem.weight", np.eye(3, dtype=np.float32)[..., None, None])
    x = b.add("Conv", "stem", ["pixels", eye])
    parts = {"scale": 1.0, "shift": 0.0, "mean": 0.0, "var": 1.0}
    numbers = [b.constant(f"norm.{k}", np.full(3, v, np.float32)) for k, v in parts.items()]
    x = b.add("BatchNormalization", "norm", [x, *numbers])
    x = b.add("GlobalAveragePool", "pool", [x])
    b.add("Flatten", "flat", [x], "scores")
    model = b.model({"pixels": (1, 3, SIZE, SIZE)}, {"scores": (1, 3)})
    onnx.save(model, str(folder / "base.onnx"))
    family = Family(
        format=1,
        name="centre",
        task="classification",
        base=BaseModel(graph="base.onnx", sha256=sha256_from_file(folder / "base.onnx")),
        input=InputSpec(name="pixels", shape=(1, 3, SIZE, SIZE), crop=crop),
        labels=COLORS,
        configurations=[Configuration(name="full")],
    )
    save_family(folder / "family.yaml", family)
    return folder


def framed(color: int) -> np.ndarray:
    """A centre of the colour in a frame of the next."""
    image = np.full((HEIGHT, WIDTH, 3), DARK, np.uint8)
    image[..., (color + 1) % 3] = LIGHT
    top, left = (HEIGHT - CENTRE) // 2, (WIDTH - CENTRE) // 2
    inner = image[top : top + CENTRE, left : left + CENTRE]
    inner[:] = DARK
    inner[..., color] = LIGHT
    return image


def write_framed(folder: Path, count: int, *, first: int = 0, by_class: bool = True) -> Path:
    """Pictures in turn of each colour, by their centre's colour in folders or all in one.

    Each has a pixel of its own in a corner: no two files are alike.
    """
    for number in range(first, first + count):
        place = folder / COLORS[number % 3] if by_class else folder
        place.mkdir(parents=True, exist_ok=True)
        image = framed(number % 3)
        image[0, 0] = number
        Image.fromarray(image).save(place / f"{number:03d}.png")
    return folder
