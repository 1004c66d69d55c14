"""Labelled frames in a folder: images/ and labels/ with the same stems, as CamVid has them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.errors import ArtifactError
from edgert.optional import needs

_IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@dataclass(frozen=True)
class LabelledFrames:
    """Pairs of picture and label map, in the order of their names."""

    pairs: tuple[tuple[Path, Path], ...]

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Yield picture (H, W, 3) uint8 RGB and labels (H, W) uint8."""
        for image, labels in self.pairs:
            yield read_image(image), _read_labels(labels)


def open_labelled_frames(folder: Path, *, limit: int | None = None) -> LabelledFrames:
    """Find the labelled frames of a folder.

    Args:
        folder: Holds images/ and labels/.
        limit: Take this many, spread evenly over the whole.

    Raises:
        ArtifactError: A folder is missing, or a picture has no labels.
    """
    images, labels = folder / "images", folder / "labels"
    if not (images.is_dir() and labels.is_dir()):
        raise ArtifactError(
            f"read dataset {folder}",
            expected="the folders images and labels",
            got="one of them missing" if folder.is_dir() else "no such folder",
            advice="Name the folder that holds both",
        )
    by_stem = {path.stem: path for path in labels.iterdir() if path.suffix.lower() == ".png"}
    pictures = image_files(images)
    missing = [path.name for path in pictures if path.stem not in by_stem]
    if missing or not pictures:
        raise ArtifactError(
            f"read dataset {folder}",
            expected="a label map (PNG) for every picture",
            got=f"none for {missing[0]} and {len(missing) - 1} more" if missing else "no pictures",
            advice="Complete labels/, or remove the pictures without",
        )
    pairs = [(path, by_stem[path.stem]) for path in pictures]
    return LabelledFrames(tuple(evenly(pairs, limit)))


def image_files(folder: Path) -> list[Path]:
    """The pictures of a folder, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _IMAGES)


def evenly(items: list[Any], limit: int | None) -> list[Any]:
    """At most `limit` items, spread evenly over the whole list; all of them for None."""
    if limit is None or limit >= len(items):
        return items
    return [items[index * len(items) // limit] for index in range(limit)]


def read_image(path: Path) -> NDArray[Any]:
    """A picture as (H, W, 3) uint8 RGB."""
    pillow = needs("PIL.Image", "video", "to read pictures")
    try:
        with pillow.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, pillow.UnidentifiedImageError) as error:
        raise ArtifactError(
            f"read {path}", expected="a picture", got=str(error), advice="Replace or remove it"
        ) from error


def _read_labels(path: Path) -> NDArray[Any]:
    pillow = needs("PIL.Image", "video", "to read label maps")
    try:
        with pillow.open(path) as image:
            labels = np.asarray(image)
    except (OSError, pillow.UnidentifiedImageError) as error:
        raise ArtifactError(
            f"read {path}", expected="a label map", got=str(error), advice="Replace it"
        ) from error
    if labels.ndim != 2:
        raise ArtifactError(
            f"read {path}",
            expected="one channel with a class number for each pixel",
            got=f"shape {labels.shape}",
            advice="Save it as an 8-bit greyscale or palette PNG",
        )
    return labels
