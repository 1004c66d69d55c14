"""The task's score of an engine beside its graph's, for both tasks; wrong engines are refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgert.artifacts import load_family
from edgert.backends.base import load_own
from edgert.build.task_parity import task_loss, task_parity
from edgert.build.verify import TOLERANCE, Tolerance
from edgert.preprocess import Preprocessor
from edgert.profiling.labelled import ScoringFrames, open_scoring_frames
from edgert.records import TaskParity
from tests.build.standalone_backend import StandaloneBackend
from tests.search.search_family import make_classifier, picture, write_frames


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> tuple[Path, Path]:
    """A family, and pictures in the folders of the classes that its own graph sees in them."""
    root = tmp_path_factory.mktemp("classifier")
    return make_classifier(root / "family", root / "data" / "val"), root / "data" / "val"


def parity(family: Path, *, pictures=(), labelled=None, wrong=(), progress=None):
    """Of the base graph compiled, with some weights got wrong, and itself."""
    folder = load_family(family)
    backend = StandaloneBackend(wrong=wrong)
    engine_file = family / "engine.plan"
    backend.compile(folder.graph_path, engine_file)
    engine = load_own(backend, engine_file)
    preprocess = Preprocessor(folder.family.input)
    tensors = [preprocess(one).copy() for one in pictures]
    try:
        return task_parity(
            folder.graph_path, engine, folder.family, tensors, labelled=labelled, progress=progress
        )
    finally:
        engine.close()


def frames_of(family: Path, data: Path) -> ScoringFrames:
    return open_scoring_frames(data, load_family(family).family)


def test_a_right_classifier_scores_as_its_graph_does(classifier):
    family, data = classifier
    steps = []
    task = parity(
        family, labelled=frames_of(family, data), progress=lambda *step: steps.append(step)
    )
    assert task == TaskParity(
        metric="top1", engine=1.0, graph=1.0, frames=16, truth="labels of data/val"
    )
    assert steps == [(done, 16, "labelled frames") for done in range(16)]


def test_labels_and_not_the_graph_are_the_truth_of_a_classifier(classifier, tmp_path: Path):
    family, data = classifier
    wrong = tmp_path / "toys" / "val"
    (wrong / "car").mkdir(parents=True)  # a class that the model sees in none of them
    for path in data.rglob("*.png"):
        (wrong / "car" / path.name).write_bytes(path.read_bytes())
    task = parity(family, labelled=frames_of(family, wrong))
    assert (task.engine, task.graph, task.frames) == (0.0, 0.0, 16)


def test_without_labels_the_graph_s_own_are_the_truth_of_a_classifier(classifier):
    family, _ = classifier
    task = parity(family, pictures=[picture(number) for number in range(5)])
    assert (task.metric, task.engine, task.graph, task.frames) == ("top1", 1.0, 1.0, 5)
    assert task.truth == "the graph's own labels"


@pytest.mark.parametrize("with_labels", [True, False])
def test_a_wrong_classifier_scores_less_than_its_graph(classifier, with_labels: bool):
    family, data = classifier
    labelled = frames_of(family, data) if with_labels else None
    pictures = [] if with_labels else [picture(number) for number in range(200, 216)]
    task = parity(family, labelled=labelled, pictures=pictures, wrong=["head.predict.bias"])
    assert task.graph == 1.0
    assert task.graph - task.engine > task_loss(task, TOLERANCE)


def test_without_pictures_there_is_no_score(classifier):
    family, _ = classifier
    assert parity(family) is None


def test_maps_are_read_twice_and_told_so(tiny_family: Path, tmp_path: Path):
    data = write_frames(tmp_path / "camvid" / "val", tiny_family, first=0, count=3)
    steps = []
    task = parity(
        tiny_family,
        labelled=frames_of(tiny_family, data),
        progress=lambda *step: steps.append(step[:2]),
    )
    assert task.truth == "labels of camvid/val"
    assert steps == [(done, 6) for done in range(6)]
    assert task.engine == pytest.approx(task.graph, abs=1e-6)


def test_one_picture_of_few_may_turn_and_two_may_not():
    few = TaskParity(metric="top1", engine=0.9, graph=1.0, frames=10, truth="labels of x")
    assert task_loss(few, Tolerance()) == 0.1
    many = TaskParity(metric="top1", engine=0.9, graph=1.0, frames=50_000, truth="labels of x")
    assert task_loss(many, Tolerance()) == Tolerance().task_loss
    maps = TaskParity(metric="miou", engine=0.9, graph=1.0, frames=10, truth="labels of x")
    assert task_loss(maps, Tolerance()) == Tolerance().task_loss


def test_a_damaged_picture_is_named(classifier, tmp_path: Path):
    family, _ = classifier
    image = Image.fromarray(np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "sky").mkdir()
    image.save(tmp_path / "sky" / "a.png")
    (tmp_path / "sky" / "b.png").write_bytes(b"no picture")
    with pytest.raises(Exception, match=r"read .*b\.png: expected a picture"):
        parity(family, labelled=frames_of(family, tmp_path))
