"""What subnets are recalibrated and scored on: pictures dealt out, and kept on disk as inputs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.artifacts import FamilyFolder, staged_folder
from edgert.calibration.frames import calibration_files
from edgert.calibration.picture_batches import BATCH, Batches
from edgert.errors import UsageError
from edgert.preprocess import Preprocessor
from edgert.profiling.dataset import evenly
from edgert.search.options import SearchOptions
from edgert.search.prepare import Frames, find_frames
from edgert.search.subnets.options import SubnetOptions

Array = NDArray[Any]
Progress = Callable[[str, int, int, str], None]
STAGE = "pictures"
LEAST_CALIBRATION = 8  # below, a statistic is the picture's more than the network's
_INPUTS, _LABELS = "inputs.npy", "labels.npy"
_MIXED = 0  # seed of the order in which pictures are normalised together


def deal_pictures(family: FamilyFolder, options: SubnetOptions) -> Frames:
    """Find all pictures and say what each is for.

    Raises:
        CalibrationError: The calibration folder can't be used.
        ArtifactError: The labelled pictures do not fit the family.
        UsageError: There are too few, or some calibrate and score at once.
    """
    folder = Path(options.calibration)
    if options.predictor is not None:
        paths = evenly(calibration_files(folder), options.images)
        frames = Frames(paths, list(range(len(paths))), None, [], [])
    else:
        asked = SearchOptions(
            calibration=options.calibration,
            labels=options.labels,
            frames=options.images,
            label_frames=options.label_images,
        )
        frames = find_frames(family, asked)
    if len(frames.fit) < LEAST_CALIBRATION:
        held_out = len(frames.calibration) - len(frames.fit)
        raise UsageError(
            f"--calibration {folder}",
            expected=f"{LEAST_CALIBRATION} pictures or more to take statistics on",
            got=f"{len(frames.fit)}" + (f", and {held_out} held out to score" * (held_out > 0)),
            advice="Name more; 200 and more, spread over everything, work well",
        )
    return frames


@dataclass(frozen=True)
class CalibrationBatches:
    """Calibration pictures in batches.

    Attributes:
        search: Some, in memory, for what is only tried.
        final: All, read each time, for what comes out.
    """

    search: list[list[Array]]
    final: Batches


def calibration_batches(
    family: FamilyFolder, frames: Frames, options: SubnetOptions
) -> CalibrationBatches:
    """The batches that statistics are taken on, in an order that mixes scenes and classes."""
    paths = [frames.calibration[index] for index in frames.fit]

    def batches(count: int) -> Batches:
        chosen = evenly(paths, count)
        order = np.random.default_rng(_MIXED).permutation(len(chosen))
        return Batches([chosen[index] for index in order], family.family.input, BATCH)

    return CalibrationBatches(list(batches(options.search_images)), batches(options.images))


class ScoringInputs:
    """The model's inputs of the scoring pictures and their labels, mapped from disk.

    Args:
        folder: As `write_scoring_inputs` left it.
    """

    def __init__(self, folder: Path) -> None:
        self.inputs: Array = np.load(folder / _INPUTS, mmap_mode="r")
        labels = folder / _LABELS
        self.labels: Array | None = np.load(labels) if labels.is_file() else None


def write_scoring_inputs(
    folder: Path, family: FamilyFolder, frames: Frames, *, progress: Progress
) -> ScoringInputs:
    """Write the inputs of all scoring pictures, once; what is there already stays.

    Raises:
        ArtifactError: A picture can't be read, or the disk is full.
        CalibrationError: A calibration picture can't be used.
    """
    if not folder.is_dir():
        total = len(frames.labelled) if frames.labelled else len(frames.calibration)
        shape = (total, *family.family.input.shape[1:])
        with staged_folder(folder) as staging:
            inputs = np.lib.format.open_memmap(
                staging / _INPUTS, mode="w+", dtype=np.float32, shape=shape
            )
            labels = []
            for index, (tensor, label) in enumerate(_pairs(family, frames)):
                progress(STAGE, index, total, "pictures to score on")
                inputs[index] = tensor[0]
                labels.append(label)
            inputs.flush()
            if frames.labelled:
                np.save(staging / _LABELS, np.array(labels, np.int64))
    return ScoringInputs(folder)


def _pairs(family: FamilyFolder, frames: Frames) -> Iterator[tuple[Array, int]]:
    if frames.labelled is None:
        for [tensor] in Batches(frames.calibration, family.family.input, 1):
            yield tensor, -1
        return
    preprocess: Callable[[Array], Array] = Preprocessor(family.family.input)
    for image, labels in frames.labelled.read():
        yield preprocess(image), int(labels[0])
