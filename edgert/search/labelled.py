"""Labelled frames to score on: label maps beside pictures, or pictures in their class's folder."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.errors import ArtifactError
from edgert.profiling.dataset import (
    LabelledFrames,
    evenly,
    image_files,
    open_labelled_frames,
    read_image,
)
from edgert.records import Family

Array = NDArray[Any]


@dataclass(frozen=True)
class ScoringFrames:
    """Pictures with their labels, in the order of the drive.

    Attributes:
        pictures: The files.
        files: All files that the scores depend on, labels with them.
        read: Yields each picture (H, W, 3) uint8 and its labels: (H, W), or one number.
    """

    pictures: tuple[Path, ...]
    files: tuple[Path, ...]
    read: Callable[[], Iterator[tuple[Array, Array]]]

    def __len__(self) -> int:
        return len(self.pictures)


def open_scoring_frames(folder: Path, family: Family, *, limit: int | None) -> ScoringFrames:
    """Find the labelled frames of a family's task.

    Args:
        folder: For segmentation images/ and labels/ with the same stems; for classification one
            folder of pictures for each class, named as the family names it or by its number.
        family: Says the task, the labels, and which label does not count.
        limit: Take this many, spread evenly.

    Raises:
        ArtifactError: The folder does not fit the family.
    """
    if family.task == "classification":
        return _classified(folder, family, limit)
    frames = open_labelled_frames(folder, limit=limit)
    pictures, maps = zip(*frames.pairs, strict=True)
    return ScoringFrames(pictures, (*pictures, *maps), lambda: _segmented(frames, family))


def _segmented(frames: LabelledFrames, family: Family) -> Iterator[tuple[Array, Array]]:
    for (picture, path), (image, labels) in zip(frames.pairs, frames, strict=True):
        if labels.shape != image.shape[:2]:
            raise ArtifactError(
                f"read {path}",
                expected=f"{image.shape[1]} x {image.shape[0]} labels, as {picture.name} has",
                got=f"{labels.shape[1]} x {labels.shape[0]}",
                advice="Save the labels at the size of the picture",
            )
        counted = labels if family.ignore_label is None else labels[labels != family.ignore_label]
        if counted.size and int(counted.max()) >= len(family.labels):
            raise ArtifactError(
                f"read {path}",
                expected=f"labels 0 to {len(family.labels) - 1}, "
                f"or {family.ignore_label} for what does not count",
                got=str(int(counted.max())),
                advice="Take labels of the family's classes, or correct its labels",
            )
        yield image, labels


def _classified(folder: Path, family: Family, limit: int | None) -> ScoringFrames:
    classes = {str(number): number for number in range(len(family.labels))}
    classes |= {label: number for number, label in enumerate(family.labels)}
    found = []
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    for inner in (path for path in inside if path.is_dir()):
        if inner.name not in classes:
            raise ArtifactError(
                f"read dataset {folder}",
                expected="folders named after the family's classes",
                got=inner.name,
                advice="Rename or remove it",
            )
        found += [(path, classes[inner.name]) for path in image_files(inner)]
    if not found:
        raise ArtifactError(
            f"read dataset {folder}",
            expected="a folder of pictures for each class",
            got="no pictures" if folder.is_dir() else "no such folder",
            advice="Name the folder that holds them",
        )
    # By the picture's name: frames of one drive then stay neighbours, whatever they show.
    chosen = evenly(sorted(found, key=lambda pair: (pair[0].name, pair[1])), limit)

    def read() -> Iterator[tuple[Array, Array]]:
        for path, number in chosen:
            yield read_image(path), np.array([number])

    pictures = tuple(path for path, _ in chosen)
    return ScoringFrames(pictures, pictures, read)
