"""Labelled patches in memory, and the batches that a training step sees.

A batch depends on the seed and the number of its step alone, so that a training that was killed
goes on with the very batches that it would have seen. Needs torch and the extra `video`.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from edgert.errors import ArtifactError
from edgert.optional import needs
from edgert.profiling.dataset import image_files, read_image

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_MOST_SHIFT = 4  # pixels in either direction
_BRIGHTNESS, _CONTRAST = 0.25, 0.25  # shares, either way
_STEPS_OF_A_SEED = 1_000_000_007


@dataclass(frozen=True)
class Patches:
    """Pictures of one size with their labels.

    Attributes:
        images: (N, 3, size, size) uint8.
        targets: (N,) int64.
        labels: The classes' names, as their folders.
    """

    images: Any
    targets: Any
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def digest(self) -> str:
        """How many they are, and a few digits that pictures, labels and their order decide."""
        content = hashlib.sha256(self.images.numpy().tobytes())
        content.update(repr((self.targets.tolist(), self.labels)).encode())
        return f"{len(self)} ({content.hexdigest()[:12]})"


def read_patches(folder: Path, size: int, *, labels: Sequence[str] = ()) -> Patches:
    """Read class folders, every picture brought to `size` by the filter that widens with it.

    Args:
        folder: Holds one folder of pictures for each class.
        size: Rows and columns.
        labels: The classes that have to be there, in their order; empty: whatever is there.

    Raises:
        ArtifactError: There are no classes, others than `labels`, one without pictures, or a
            picture that can't be read.
    """
    pillow = needs("PIL.Image", "video", "to read patches")
    found = (
        tuple(sorted(p.name for p in folder.iterdir() if p.is_dir())) if folder.is_dir() else ()
    )
    wanted = tuple(labels) or found
    if len(wanted) < 2 or set(wanted) != set(found):
        raise ArtifactError(
            f"read patches {folder}",
            expected=f"a folder for each class: {', '.join(wanted)}"
            if labels
            else "class folders",
            got=", ".join(found) or "none",
            advice="Cut them with tools/cut_patches.py",
        )
    images, targets = [], []
    for number, label in enumerate(wanted):
        files = image_files(folder / label)
        if not files:
            raise ArtifactError(
                f"read patches {folder / label}",
                expected="pictures",
                got="none",
                advice="Cut them with tools/cut_patches.py",
            )
        for path in files:
            picture = pillow.fromarray(read_image(path))
            small = picture.resize((size, size), pillow.Resampling.BILINEAR)
            images.append(np.asarray(small).transpose(2, 0, 1))
            targets.append(number)
    return Patches(torch.from_numpy(np.stack(images)), torch.tensor(targets), wanted)


def normalised(images: Any) -> Any:
    """(N, 3, H, W) uint8 as the network takes it: ImageNet's mean and deviation."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    pixels = (images.float() / 255 - mean) / std
    return pixels.contiguous(memory_format=torch.channels_last)


def training_batch(patches: Patches, count: int, *, seed: int, step: int) -> tuple[Any, Any]:
    """A step's pictures and labels: classes drawn evenly, flipped, moved, made darker or brighter.

    Returns:
        (count, 3, size, size) float32, normalised, and (count,) int64.
    """
    draw = torch.Generator().manual_seed(seed * _STEPS_OF_A_SEED + step)
    weights = 1.0 / torch.bincount(patches.targets).float()
    chosen = torch.multinomial(weights[patches.targets], count, replacement=True, generator=draw)
    images = patches.images[chosen].float()
    flipped = torch.rand(count, generator=draw) < 0.5
    images[flipped] = images[flipped].flip(-1)
    images = _moved(images, torch.randint(0, 2 * _MOST_SHIFT + 1, (count, 2), generator=draw))
    light = 1 + _BRIGHTNESS * (2 * torch.rand(count, 1, 1, 1, generator=draw) - 1)
    contrast = 1 + _CONTRAST * (2 * torch.rand(count, 1, 1, 1, generator=draw) - 1)
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    images = ((images - middle) * contrast + middle) * light
    return normalised(images.clamp(0, 255)), patches.targets[chosen]


def _moved(images: Any, shifts: Any) -> Any:
    """Each picture moved by its own rows and columns, edges repeated."""
    size = images.shape[-1]
    padded = functional.pad(images, (_MOST_SHIFT,) * 4, mode="replicate")
    moved = [
        picture[:, row : row + size, column : column + size]
        for picture, (row, column) in zip(padded, shifts.tolist(), strict=True)
    ]
    return torch.stack(moved)


def calibration_batches(patches: Patches, count: int, batch: int, *, seed: int) -> Iterator[Any]:
    """Pictures to recalibrate on, without any change, drawn once and in batches."""
    draw = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(patches), generator=draw)[:count]
    for part in order.split(batch):
        yield normalised(patches.images[part])
