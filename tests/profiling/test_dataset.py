from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgert.errors import ArtifactError
from edgert.profiling.dataset import evenly, open_labelled_frames, read_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for index in range(4):
        picture = np.full((4, 6, 3), index * 20, np.uint8)
        Image.fromarray(picture).save(tmp_path / "images" / f"f{index}.png")
        Image.fromarray(picture[..., 0] // 20).save(tmp_path / "labels" / f"f{index}.png")
    return tmp_path


def test_pairs_come_in_the_order_of_their_names(folder: Path):
    frames = open_labelled_frames(folder)
    assert len(frames) == 4
    for index, (picture, labels) in enumerate(frames):
        assert picture.shape == (4, 6, 3)
        assert (picture == index * 20).all()
        assert (labels == index).all()


def test_a_limit_takes_frames_from_the_whole(folder: Path):
    assert [labels[0, 0] for _, labels in open_labelled_frames(folder, limit=2)] == [0, 2]


@given(st.lists(st.integers(), max_size=50), st.integers(1, 60))
def test_evenly_keeps_order_and_count(items: list[int], limit: int):
    taken = evenly(list(enumerate(items)), limit)
    assert len(taken) == min(limit, len(items))
    assert taken == sorted(taken)
    assert len(set(taken)) == len(taken)


def test_a_picture_without_labels_is_named(folder: Path):
    (folder / "labels" / "f2.png").unlink()
    with pytest.raises(ArtifactError, match=r"none for f2\.png"):
        open_labelled_frames(folder)


def test_a_missing_folder_is_one_line(tmp_path: Path):
    with pytest.raises(ArtifactError, match="the folders images and labels"):
        open_labelled_frames(tmp_path)
    with pytest.raises(ArtifactError, match="no such folder"):
        open_labelled_frames(tmp_path / "no")


def test_a_folder_without_pictures_is_one_line(tmp_path: Path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    with pytest.raises(ArtifactError, match="no pictures"):
        open_labelled_frames(tmp_path)


def test_a_damaged_picture_is_named(folder: Path):
    path = folder / "images" / "f1.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ArtifactError, match=r"read .*f1\.png: expected a picture"):
        read_image(path)


def test_colour_labels_are_refused(folder: Path):
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(folder / "labels" / "f0.png")
    with pytest.raises(ArtifactError, match="one channel"):
        list(open_labelled_frames(folder))
