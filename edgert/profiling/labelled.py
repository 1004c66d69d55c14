"""Labelled frames to score on: label maps beside pictures, or pictures in their class's folder."""

import os
import re
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

# What ImageNet names the folders of its classes: WordNet's numbers of nouns.
_SYNSET = re.compile(r"n\d{8}")


@dataclass(frozen=True)
class ScoringFrames:
    """Pictures with their labels, in the order of the drive.

    Attributes:
        name: Of the data, as figures state it: the folder's last two parts, "camvid/val".
        pictures: The files.
        files: All files that the scores depend on, labels with them.
        read: Yields each picture (H, W, 3) uint8 and its labels: (H, W), or one number as (1,).
    """

    name: str
    pictures: tuple[Path, ...]
    files: tuple[Path, ...]
    read: Callable[[], Iterator[tuple[Array, Array]]]

    def __len__(self) -> int:
        return len(self.pictures)


def open_scoring_frames(
    folder: Path, family: Family, *, limit: int | None = None
) -> ScoringFrames:
    """Find the labelled frames of a family's task; no picture is read.

    Args:
        folder: For segmentation images/ and labels/ with the same stems; for classification one
            folder of pictures for each class, named as the family names it or by its number, or
            all of them by WordNet's numbers, as ImageNet has them.
        family: Says the task, the labels, and which label does not count.
        limit: Take this many, spread evenly.

    Raises:
        ArtifactError: The folder does not fit the family.
    """
    name = "/".join(Path(os.path.abspath(folder)).parts[1:][-2:])  # no links followed
    if family.task == "classification":
        return _classified(folder, name, family, limit)
    frames = open_labelled_frames(folder, limit=limit)
    pictures, maps = zip(*frames.pairs, strict=True)
    return ScoringFrames(name, pictures, (*pictures, *maps), lambda: _segmented(frames, family))


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


def _classified(folder: Path, name: str, family: Family, limit: int | None) -> ScoringFrames:
    inside = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    numbers = _class_numbers(folder, [path.name for path in inside], family)
    found = [(path, numbers[inner.name]) for inner in inside for path in image_files(inner)]
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
    return ScoringFrames(name, pictures, pictures, read)


def _class_numbers(folder: Path, names: list[str], family: Family) -> dict[str, int]:
    """Which class each folder is of."""
    known = {str(number): number for number in range(len(family.labels))}
    known |= {label: number for number, label in enumerate(family.labels)}
    if names and not any(name in known for name in names) and all(map(_SYNSET.fullmatch, names)):
        # ImageNet's classes are numbered in the order of these names: with one missing, all that
        # come after it would be counted as another class.
        if len(names) != len(family.labels):
            raise ArtifactError(
                f"read dataset {folder}",
                expected=f"{len(family.labels)} folders, one for each of the family's classes, "
                "where they are named by WordNet's numbers",
                got=f"{len(names)}",
                advice="Complete them, or name them as the family names its classes",
            )
        return {name: number for number, name in enumerate(names)}
    for name in names:
        if name not in known:
            raise ArtifactError(
                f"read dataset {folder}",
                expected="folders named after the family's classes",
                got=name,
                advice="Rename or remove it",
            )
        _refuse_ambiguous(folder, name, family)
    return {name: known[name] for name in names}


def _refuse_ambiguous(folder: Path, name: str, family: Family) -> None:
    """Classes may have one label, as ImageNet's cranes: a folder of that name is of neither."""
    numbers = [number for number, label in enumerate(family.labels) if label == name]
    if len(numbers) > 1:
        raise ArtifactError(
            f"read dataset {folder}",
            expected="folders that tell the family's classes apart",
            got=f"{name}, which labels the classes {', '.join(map(str, numbers))}",
            advice="Name the folders by the classes' numbers",
        )
