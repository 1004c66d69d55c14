"""Models and families: what family.yaml says."""

import math
import re
from typing import Annotated, Literal

import msgspec

from edgert.records.base import Edit, FileName, Name, Positive, Ratio, Record, Sha256


class TensorSpec(Record, frozen=True, kw_only=True):
    """A tensor at a graph's edge: its name, static shape and numpy dtype name."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def size_bytes(self) -> int:
        """What one array of it takes."""
        bits = re.search(r"\d+$", self.dtype)  # "bool" has none and takes a byte
        return math.prod(self.shape) * (int(bits[0]) // 8 if bits else 1)


class InputSpec(Record, frozen=True, kw_only=True):
    """How a frame becomes the model's input: (1, 3, H, W), `(pixel * scale - mean) / std`.

    Attributes:
        name: Of the graph's input.
        shape: (1, 3, H, W).
        color_order: Of the planes; mean and std are in the same order.
        scale: Of a pixel, 0 to 255, before the mean is taken off.
        mean: For each plane.
        std: For each plane.
        crop: Left out, the picture is stretched to H x W. Otherwise the centre of it is cut out:
            keeping its proportions, it is made as small as covers ceil(H / crop) rows and
            ceil(W / crop) columns, and H x W are cut from its middle. For a square input that is
            the shorter side brought to ceil(H / crop), as ImageNet's classifiers are evaluated,
            with 0.875 for 224 of 256. Classifiers only: labels of a picture's every pixel would
            have no place. Unset and not None, so that it is written nowhere unless it is stated,
            and hashes over the input stay what they were.
    """

    name: str
    shape: tuple[int, int, int, int]
    color_order: Literal["rgb", "bgr"] = "rgb"
    scale: Positive = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[Positive, Positive, Positive] = (1.0, 1.0, 1.0)
    # Below a tenth nothing published lies, and a slip of the point does.
    crop: Annotated[float, msgspec.Meta(ge=0.1, le=1)] | msgspec.UnsetType = msgspec.UNSET

    @property
    def height(self) -> int:
        """Rows of the model's input."""
        return self.shape[2]

    @property
    def width(self) -> int:
        """Columns of the model's input."""
        return self.shape[3]


class Accuracy(Record, frozen=True, kw_only=True):
    """A score on labelled frames, with what it was measured on."""

    metric: Literal["miou", "top1"]
    value: Ratio
    frames: Annotated[int, msgspec.Meta(ge=1)]
    dataset: str


class Configuration(Record, frozen=True, kw_only=True):
    """One choice of edits on a model of the family; the paper's "dynamic configuration".

    Attributes:
        name: Unique in its family.
        edits: Each a mapping with one key, the edit's name, and its parameters.
        model: The name among the family's `models`; empty for its base model.
        note: What the edits mean in the paper's words, for people.
        accuracy: Where it was measured.
    """

    name: Name
    edits: list[Edit] = []
    model: str = ""
    note: str = ""
    accuracy: Accuracy | None = None


class BaseModel(Record, frozen=True, kw_only=True):
    """A graph that configurations are derived from.

    Attributes:
        graph: The ONNX file in the family's folder.
        sha256: Of that file; None where the family is written down but its models still have to
            be filled in from `source`.
        weights: The file of external weights, where there is one.
        weights_sha256: Of that file.
        source: Where the pretrained model comes from, as a hub names it.
    """

    graph: FileName
    sha256: Sha256 | None = None
    source: str = ""
    weights: FileName | None = None
    weights_sha256: Sha256 | None = None


class ScaledModel(BaseModel, frozen=True, kw_only=True):
    """Another version of the base model, larger or smaller, with an input of its own.

    It has the family's labels in the family's order. Its graph is given the family's input and
    output when configurations are derived from it, so that all engines of a family are alike.
    """

    name: Name
    input: InputSpec


class Family(Record, frozen=True, kw_only=True):
    """What family.yaml says: a model, maybe scaled versions of it, and configurations.

    Configurations are listed dearest first.
    """

    format: Literal[1]
    name: Name
    task: Literal["segmentation", "classification"]
    base: BaseModel
    input: InputSpec
    labels: list[str]
    configurations: Annotated[list[Configuration], msgspec.Meta(min_length=1)]
    models: list[ScaledModel] = []
    ignore_label: int | None = None
    license: str = ""
