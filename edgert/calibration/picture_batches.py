"""Pictures for the statistics of normalisations: which, in what order, how many at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.calibration.frames import calibration_files, read_calibration_file
from edgert.errors import CalibrationError
from edgert.preprocess import Preprocessor
from edgert.profiling.dataset import evenly
from edgert.records import InputSpec

Array = NDArray[Any]
IMAGES = 2000  # as the reference
# The reference takes 200 at once, on a GPU. With 100 the whole OFA-ResNet50 at 224 pixels takes
# 2.7 GB, with 20 it takes 1.4 GB (ONNX Runtime 1.31.1, one thread, November 2026). What lies
# between batches, which is not counted, is about a hundredth of what lies between pictures.
BATCH = 100
_SEED = 0
_SUBJECT = "recalibrate_batchnorm"


@dataclass(frozen=True)
class Batches:
    """Batches of pictures, read while they are iterated over.

    Attributes:
        paths: The pictures in the order they are taken.
        spec: How one becomes the model's input.
        size: Pictures in each batch; the last one has what is left.
    """

    paths: Sequence[Path]
    spec: InputSpec
    size: int

    def __post_init__(self) -> None:
        """Refuse a batch without pictures."""
        if self.size < 1:
            raise CalibrationError(
                _SUBJECT,
                expected="a batch of 1 or more",
                got=str(self.size),
                advice=f"Leave it out for {BATCH}",
            )

    def __len__(self) -> int:
        return (len(self.paths) + self.size - 1) // self.size

    def __iter__(self) -> Iterator[list[Array]]:
        """Yield a batch as arrays of the input's shape."""
        preprocess = Preprocessor(self.spec)
        for first in range(0, len(self.paths), self.size):
            yield [
                read_calibration_file(path, self.spec, preprocess)
                for path in self.paths[first : first + self.size]
            ]


def pick_pictures(folder: Path, count: int) -> list[Path]:
    """Choose pictures, spread evenly over a folder, in an order that mixes its scenes or classes.

    The order decides what is normalised together: sorted by class, each batch would lack the
    spread between classes. It is the same every time.

    Args:
        folder: Pictures or .npy inputs, or one folder of them for each class.
        count: How many.

    Raises:
        CalibrationError: There are fewer, or `count` is below two.
    """
    if count < 2:
        raise CalibrationError(
            _SUBJECT,
            expected="two pictures or more",
            got=str(count),
            advice=f"{IMAGES} are what the method was published with",
        )
    paths = calibration_files(folder)
    if len(paths) < count:
        raise CalibrationError(
            f"{_SUBJECT} on {folder}",
            expected=f"{count} pictures",
            got=str(len(paths)),
            advice="Add pictures, or ask for as many as there are",
        )
    chosen = evenly(paths, count)
    return [chosen[index] for index in np.random.default_rng(_SEED).permutation(count)]
