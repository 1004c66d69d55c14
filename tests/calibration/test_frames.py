"""Calibration frames from a folder."""

import numpy as np
import pytest
from PIL import Image

from edgert.calibration.frames import calibration_files, read_calibration_frames
from edgert.errors import ArtifactError, CalibrationError
from edgert.records import InputSpec

SPEC = InputSpec(name="pixels", shape=(1, 3, 8, 8))


def _pictures(folder, count, size=(20, 16)):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.new("RGB", size, (index * 10, 0, 0)).save(folder / f"{index:03}.png")


def test_pictures_of_any_size_become_inputs_spread_over_the_folder(tmp_path):
    _pictures(tmp_path, 10)
    frames = read_calibration_frames(tmp_path, SPEC, count=5)
    assert [frame.shape for frame in frames] == [(1, 3, 8, 8)] * 5
    assert [round(float(frame[0, 0].mean() * 25.5)) for frame in frames] == [0, 2, 4, 6, 8]


def test_a_folder_with_images_in_it_is_read_there(tmp_path):
    _pictures(tmp_path / "images", 3)
    assert len(read_calibration_frames(tmp_path, SPEC, count=5)) == 3


def test_one_folder_for_each_class_is_read_where_there_are_no_pictures_beside(tmp_path):
    _pictures(tmp_path / "cat", 3)
    _pictures(tmp_path / "dog", 2)
    (tmp_path / "empty").mkdir()
    files = calibration_files(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in files] == [
        "cat/000.png", "cat/001.png", "cat/002.png", "dog/000.png", "dog/001.png"
    ]  # fmt: skip
    _pictures(tmp_path, 1)
    assert calibration_files(tmp_path) == [tmp_path / "000.png"]


def test_arrays_are_taken_as_they_are(tmp_path):
    array = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
    np.save(tmp_path / "0.npy", array)
    np.testing.assert_array_equal(read_calibration_frames(tmp_path, SPEC, count=5)[0], array)


@pytest.mark.parametrize("what", ["missing", "empty", "wrong shape", "no array", "no picture"])
def test_what_cannot_be_used_is_one_line(tmp_path, what):
    folder = tmp_path / "frames"
    if what != "missing":
        folder.mkdir()
    if what == "wrong shape":
        np.save(folder / "0.npy", np.zeros((1, 3, 4, 4)))
    if what == "no array":
        (folder / "0.npy").write_bytes(b"no array")
    if what == "no picture":
        (folder / "0.png").write_bytes(b"no picture")
    with pytest.raises((CalibrationError, ArtifactError)) as error:
        read_calibration_frames(folder, SPEC, count=5)
    assert "\n" not in str(error.value)
    assert "expected" in str(error.value)
