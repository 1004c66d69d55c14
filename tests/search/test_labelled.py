"""Labelled frames of both tasks."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from edgert.artifacts import load_family
from edgert.errors import ArtifactError
from edgert.search.labelled import open_scoring_frames


@pytest.fixture
def classes(tiny_family: Path):
    family = load_family(tiny_family).family
    return msgspec.structs.replace(family, task="classification")


def picture(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 5, 3), shade, np.uint8)).save(path)


def test_classes_are_folders_by_name_or_number_and_frames_come_by_their_own_names(
    classes, tmp_path: Path
):
    folder = tmp_path / "labelled"
    picture(folder / "sky" / "b.png", 10)
    picture(folder / "2" / "a.png", 20)
    picture(folder / "sky" / "c.png", 30)
    frames = open_scoring_frames(folder, classes, limit=None)
    assert len(frames) == 3
    read = list(frames.read())
    assert [int(labels[0]) for _, labels in read] == [2, 0, 0]
    assert [int(image[0, 0, 0]) for image, _ in read] == [20, 10, 30]
    assert frames.files == frames.pictures
    limited = open_scoring_frames(folder, classes, limit=2)
    assert [path.name for path in limited.pictures] == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("folder", "line"),
    [("nowhere", "got no such folder"), ("empty", "got no pictures"), ("other", "got dog")],
)
def test_folders_that_do_not_fit_are_one_line(classes, tmp_path: Path, folder: str, line: str):
    (tmp_path / "empty").mkdir()
    picture(tmp_path / "other" / "dog" / "a.png", 1)
    with pytest.raises(ArtifactError, match=line):
        open_scoring_frames(tmp_path / folder, classes, limit=None)


def labelled(folder: Path, labels: np.ndarray) -> Path:
    picture(folder / "images" / "a.png", 9)
    (folder / "labels").mkdir()
    Image.fromarray(labels.astype(np.uint8)).save(folder / "labels" / "a.png")
    return folder


def test_labels_are_checked_against_the_family(tiny_family: Path, tmp_path: Path):
    family = load_family(tiny_family).family
    good = labelled(tmp_path / "good", np.array([[0, 1, 2, 255, 0]] * 4))
    [(image, labels)] = open_scoring_frames(good, family, limit=None).read()
    assert image.shape == (4, 5, 3)
    assert labels.max() == 255  # ignored, and so allowed
    for name, wrong, line in (
        ("beyond", np.full((4, 5), 3), "expected labels 0 to 2, or 255"),
        ("size", np.zeros((5, 4)), "expected 5 x 4 labels, as a.png has, got 4 x 5"),
    ):
        frames = open_scoring_frames(labelled(tmp_path / name, wrong), family, limit=None)
        with pytest.raises(ArtifactError, match=line):
            list(frames.read())
