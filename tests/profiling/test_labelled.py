"""Labelled frames of both tasks."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from edgert.artifacts import load_family
from edgert.errors import ArtifactError
from edgert.profiling.labelled import open_scoring_frames


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


@pytest.fixture
def shapes(classes):
    """A family of four classes that are named otherwise than its folders."""
    return msgspec.structs.replace(classes, labels=["tench", "goldfish", "shark", "ray"])


SYNSETS = ["n01440764", "n01443537", "n01484850", "n01491361"]


def test_imagenet_s_folders_are_classes_in_their_order(shapes, tmp_path: Path):
    for index, name in enumerate(reversed(SYNSETS)):
        picture(tmp_path / "val" / name / f"{index}.png", 10 * index)
    frames = open_scoring_frames(tmp_path / "val", shapes)
    assert [int(label[0]) for _, label in frames.read()] == [3, 2, 1, 0]


def test_with_one_of_imagenet_s_folders_missing_none_is_guessed(shapes, tmp_path: Path):
    for name in SYNSETS[1:]:
        picture(tmp_path / "val" / name / "a.png", 1)
    with pytest.raises(ArtifactError, match=r"expected 4 folders, one for each.*got 3"):
        open_scoring_frames(tmp_path / "val", shapes)


def test_synsets_that_the_family_names_itself_need_not_be_complete(shapes, tmp_path: Path):
    family = msgspec.structs.replace(shapes, labels=list(reversed(SYNSETS)))
    picture(tmp_path / "val" / SYNSETS[0] / "a.png", 1)
    [(_, label)] = open_scoring_frames(tmp_path / "val", family).read()
    assert label[0] == 3


def test_a_folder_of_another_name_among_synsets_is_refused(shapes, tmp_path: Path):
    for name in [*SYNSETS[:3], "tench"]:
        picture(tmp_path / "val" / name / "a.png", 1)
    with pytest.raises(ArtifactError, match=f"got {SYNSETS[0]}"):
        open_scoring_frames(tmp_path / "val", shapes)


def test_a_folder_of_a_label_that_two_classes_have_is_refused(shapes, tmp_path: Path):
    """It would be counted as the last of them, whatever it shows."""
    family = msgspec.structs.replace(shapes, labels=["crane", "goldfish", "shark", "crane"])
    picture(tmp_path / "val" / "goldfish" / "a.png", 1)
    assert [
        int(label[0]) for _, label in open_scoring_frames(tmp_path / "val", family).read()
    ] == [1]
    picture(tmp_path / "val" / "crane" / "b.png", 1)
    with pytest.raises(ArtifactError, match=r"got crane, which labels the classes 0, 3\. Name"):
        open_scoring_frames(tmp_path / "val", family)
    (tmp_path / "val" / "crane").rename(tmp_path / "val" / "0")
    assert len(open_scoring_frames(tmp_path / "val", family)) == 2


def test_opening_reads_no_picture_however_many_there_are(shapes, tmp_path: Path):
    family = msgspec.structs.replace(shapes, labels=[f"class{n}" for n in range(1000)])
    for number in range(1000):
        (tmp_path / "val" / str(number)).mkdir(parents=True)
        for index in range(3):  # no pictures: one that is read is an error
            (tmp_path / "val" / str(number) / f"{number:03}-{index}.JPEG").touch()
    frames = open_scoring_frames(tmp_path / "val", family)
    assert len(frames) == 3000
    assert len(open_scoring_frames(tmp_path / "val", family, limit=500)) == 500
    with pytest.raises(ArtifactError, match="expected a picture"):
        next(frames.read())


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_data_are_named_by_where_they_lie(classes, tmp_path: Path, monkeypatch, task: str):
    family = msgspec.structs.replace(classes, task=task)
    folder = tmp_path / "camvid" / "val"
    picture(folder / "sky" / "a.png", 1)
    if task == "segmentation":
        labelled(folder, np.zeros((4, 5)))
    assert open_scoring_frames(folder, family).name == "camvid/val"
    monkeypatch.chdir(folder)
    assert open_scoring_frames(Path(), family).name == "camvid/val"
    assert open_scoring_frames(Path("..") / "val", family).name == "camvid/val"


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
