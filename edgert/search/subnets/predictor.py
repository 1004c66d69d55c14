"""The accuracy predictor that was published with OFA-ResNet50, in NumPy.

A small network from a subnet's choices to its top-1. It was trained on a part of the training
pictures, so it flatters, and it saturates: what it says is modelled and never counts as measured.
"""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.errors import ArtifactError
from edgert.families.ofa_checkpoint import read_tensors
from edgert.families.ofa_space import Space, Subnet

Array = NDArray[Any]
OFA_RESNET50 = Space()  # what the published predictor knows
HIDDEN, LAYERS = 400, 3
SATURATES_AT = 0.8299
OFFSET = (-0.036, -0.031)  # measured minus predicted, of the released nets below 2.4 GMACs
TRUSTED_BELOW_MACS = 3_000_000_000
CAUTION = (
    "accuracies are modelled by the published predictor, not measured: released nets reach 3.1 to "
    "3.6 points less than it says, it saturates at 82.99 %, use it below 3 GMACs only"
)


class AccuracyPredictor:
    """Predicts the top-1 of subnets of OFA-ResNet50.

    Args:
        weights: The published tensors by their names, checked.
        space: What it was trained on.

    Source:
        Cai et al., "Once-for-All", ICLR 2020, arXiv 1908.09791; mit-han-lab/once-for-all,
        AccuracyPredictor and ResNetArchEncoder; as published.
    """

    def __init__(self, weights: Mapping[str, Array], space: Space = OFA_RESNET50) -> None:
        self.space = space
        as_float = {key: np.asarray(array, np.float32) for key, array in weights.items()}
        self._hidden = [
            (as_float[f"layers.{i}.0.weight"].T, as_float[f"layers.{i}.0.bias"])
            for i in range(LAYERS)
        ]
        self._last = as_float[f"layers.{LAYERS}.weight"].T
        self._base = float(as_float["base_acc"].reshape(()))

    def __call__(self, subnets: Sequence[Subnet]) -> NDArray[np.float32]:
        """Predicted top-1 of each subnet, 0..1; modelled."""
        values = np.stack([features_of(self.space, subnet) for subnet in subnets])
        for weight, bias in self._hidden:
            values = np.maximum(values @ weight + bias, 0)
        predicted: NDArray[np.float32] = (values @ self._last)[:, 0] + np.float32(self._base)
        return predicted


def features_of(space: Space, subnet: Subnet) -> NDArray[np.float32]:
    """A subnet as the predictor sees it: ones and zeros.

    One group for the image size, one for the stem (cut, whole), one for each width, one for each
    block's expansion; each has a single one. The group of a block that is gone is all zeros, which
    is how the predictor learns of the depth: it has no entries for depths.

    Raises:
        ValueError: An entry that the space does not have.
    """
    kept = {block.index for block in space.kept_blocks(subnet)}
    groups = [_one_of(len(space.image_sizes), space.image_sizes.index(subnet.image_size))]
    groups.append(_one_of(2, int(space.keeps_stem_residual(subnet))))
    groups += [_one_of(len(space.width_multipliers), index) for index in subnet.width]
    for index, expand in enumerate(subnet.expand):
        place = space.expands.index(expand) if index in kept else None
        groups.append(_one_of(len(space.expands), place))
    return np.concatenate(groups)


def feature_count(space: Space) -> int:
    """How many ones and zeros stand for a subnet."""
    widths = (2 + len(space.stage_widths)) * len(space.width_multipliers)
    return len(space.image_sizes) + 2 + widths + space.blocks * len(space.expands)


def read_predictor(path: Path) -> AccuracyPredictor:
    """Read the published predictor's file.

    Args:
        path: As published (.pth, needs torch), or its tensors as .npz or .safetensors.

    Raises:
        ArtifactError: It can't be read, or is no predictor of OFA-ResNet50's accuracy; the first
            tensor that is missing, too much or of another shape is named.
        MissingDependencyError: torch or safetensors is not installed.
    """
    weights = _tensors(path)
    wanted = _shapes()
    for key, shape in wanted.items():
        found = tuple(weights[key].shape) if key in weights else None
        if found != shape and not (key == "base_acc" and found == ()):
            raise ArtifactError(
                f"read predictor {path} at {key}",
                expected=f"shape {shape}, as the predictor of {OFA_RESNET50.name} has",
                got="no such tensor" if found is None else f"{found}",
                advice="Take ofa_resnet50_acc_predictor.pth; others belong to other supernets",
            )
    extra = sorted(set(weights) - set(wanted))
    if extra:
        raise ArtifactError(
            f"read predictor {path} at {extra[0]}",
            expected=f"no tensors but {', '.join(wanted)}",
            got=f"{len(extra)} more",
            advice="Take ofa_resnet50_acc_predictor.pth; others belong to other supernets",
        )
    broken = [key for key in wanted if not np.isfinite(weights[key]).all()]
    if broken:
        raise ArtifactError(
            f"read predictor {path} at {broken[0]}",
            expected="finite numbers",
            got="NaN or infinity",
            advice="Download the file again",
        )
    return AccuracyPredictor(weights)


def check_predictable(space: Space, subject: str) -> None:
    """Refuse a supernet that the published predictor does not know.

    Raises:
        ArtifactError: Anything that makes a difference differs; the first is named.
    """
    names = ("stage_widths", "base_depths", "depths", "expands", "width_multipliers", "stem_width")
    for name in (*names, "strides", "classes"):
        ours, theirs = getattr(space, name), getattr(OFA_RESNET50, name)
        if ours != theirs:
            raise _foreign(space, subject, name, theirs, ours)
    unknown = [size for size in space.image_sizes if size not in OFA_RESNET50.image_sizes]
    if unknown:
        known = OFA_RESNET50.image_sizes
        raise _foreign(space, subject, "image_sizes", f"some of {known}", unknown[0])


def _foreign(space: Space, subject: str, name: str, theirs: object, ours: object) -> ArtifactError:
    return ArtifactError(
        subject,
        expected=f"a supernet with {name} {theirs}, as {OFA_RESNET50.name} has",
        got=f"{ours} in {space.name}",
        advice="The published predictor knows that one alone; name --labels, or leave both out",
    )


def _one_of(count: int, place: int | None) -> NDArray[np.float32]:
    group = np.zeros(count, np.float32)
    if place is not None:
        group[place] = 1
    return group


def _shapes() -> dict[str, tuple[int, ...]]:
    inputs = [feature_count(OFA_RESNET50), *(HIDDEN,) * (LAYERS - 1)]
    shapes: dict[str, tuple[int, ...]] = {"base_acc": (1,)}
    for index, count in enumerate(inputs):
        shapes[f"layers.{index}.0.weight"] = (HIDDEN, count)
        shapes[f"layers.{index}.0.bias"] = (HIDDEN,)
    shapes[f"layers.{LAYERS}.weight"] = (1, HIDDEN)
    return shapes


def _tensors(path: Path) -> dict[str, Array]:
    """The tensors of a file, whatever their names."""
    if path.suffix != ".npz":
        return read_tensors(path)
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile, EOFError) as error:
        raise ArtifactError(
            f"read predictor {path}",
            expected="an .npz file of tensors",
            got=(getattr(error, "strerror", None) or str(error) or "a damaged one").lower(),
            advice="Name ofa_resnet50_acc_predictor.pth as it was downloaded",
        ) from error
