"""Calibration frames from a folder: pictures, made into the model's input, or .npy inputs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.errors import CalibrationError
from edgert.preprocess import Preprocessor
from edgert.profiling.dataset import evenly, image_files, read_image
from edgert.records import InputSpec

Array = NDArray[Any]


def read_calibration_frames(folder: Path, spec: InputSpec, *, count: int) -> list[Array]:
    """Read frames, spread evenly over the whole folder.

    Args:
        folder: Pictures of any size, or .npy arrays of the model's input; or a folder that holds
            them in images/, or in one folder for each class.
        spec: How a picture becomes the model's input.
        count: How many to take, at most.

    Returns:
        Arrays of the input's shape, float32. Whether they are finite and enough is checked by
        `Reference.make`.

    Raises:
        CalibrationError: There is no such folder, or nothing in it can be used.
    """
    paths = calibration_files(folder)
    preprocess: Callable[[Array], Array] = Preprocessor(spec)
    return [read_calibration_file(path, spec, preprocess) for path in evenly(paths, count)]


def calibration_files(folder: Path) -> list[Path]:
    """The frames of a folder, sorted by name; without any, those of the folders in it.

    Raises:
        CalibrationError: There is no such folder, or nothing in it can be used.
    """
    inner = folder / "images"
    source = inner if inner.is_dir() else folder
    if not source.is_dir():
        raise CalibrationError(
            f"read calibration frames in {folder}",
            expected="a folder of pictures or .npy inputs",
            got="no such folder",
            advice="Name the folder that holds the frames",
        )
    paths = _files_in(source)
    if not paths:  # as ImageNet has them
        inside = sorted(path for path in source.iterdir() if path.is_dir())
        paths = [path for folder_of_class in inside for path in _files_in(folder_of_class)]
    if not paths:
        raise CalibrationError(
            f"read calibration frames in {folder}",
            expected="pictures or .npy inputs",
            got="none",
            advice="Put 20 to 60 frames there, spread over different scenes",
        )
    return paths


def _files_in(folder: Path) -> list[Path]:
    return image_files(folder) or sorted(folder.glob("*.npy"))


def read_calibration_file(
    path: Path, spec: InputSpec, preprocess: Callable[[Array], Array]
) -> Array:
    """One frame of `calibration_files` as the model's input, an array of its own.

    Args:
        path: The picture or the .npy array.
        spec: The input.
        preprocess: Its preprocessor, which is kept for all frames.

    Raises:
        CalibrationError: The array can't be read or is none of the input's shape.
        ArtifactError: The picture can't be read.
    """
    if path.suffix != ".npy":
        return np.array(preprocess(read_image(path)), dtype=np.float32)
    try:
        array: Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CalibrationError(
            f"read calibration frame {path}",
            expected="a .npy array",
            got=str(error).splitlines()[0],
            advice="Replace or remove it",
        ) from error
    if array.shape != spec.shape:
        raise CalibrationError(
            f"read calibration frame {path}",
            expected=f"shape {spec.shape} as the family's input",
            got=f"{array.shape}",
            advice="Save the model's input, or a picture",
        )
    return np.asarray(array, dtype=np.float32)
