"""The parity gate, with engines of a backend that gets chosen weights wrong."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from edgert.artifacts import load_family
from edgert.backends.base import load_own
from edgert.build.compile import build_family
from edgert.build.gate import GateFrames, pass_gate
from edgert.build.graph_report import Parent
from edgert.build.verify import TOLERANCE, Tolerance
from edgert.errors import VerificationError
from edgert.profiling.labelled import open_scoring_frames
from tests.build.standalone_backend import StandaloneBackend
from tests.tiny_family import LABELS

RANDOM = np.random.default_rng(3)
NO_FRAMES = GateFrames()
PICTURES = [RANDOM.integers(0, 256, (30, 40, 3)).astype(np.uint8) for _ in range(3)]


def gate(family: Path, backend, *, frames=NO_FRAMES, tolerance=TOLERANCE):
    """The base graph itself, compiled and held against itself."""
    folder = load_family(family)
    graph = folder.graph_path
    engine_file = family / "engine.plan"
    backend.compile(graph, engine_file)
    engine = load_own(backend, engine_file)
    try:
        return pass_gate(
            graph, engine, backend, family=folder.family, parent=Parent(graph, edited=False),
            frames=frames, tolerance=tolerance, subject="verify full",
        )  # fmt: skip
    finally:
        engine.close()


def refused(*arguments, **options) -> str:
    with pytest.raises(VerificationError) as error:
        gate(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_right_engine_passes_with_its_figures(tiny_family: Path):
    parity = gate(tiny_family, StandaloneBackend(), frames=GateFrames(PICTURES))
    assert parity.inputs == 9 + 3
    assert parity.frames == 3
    assert parity.max_abs_difference < 1e-5 * parity.reference_max_abs
    assert parity.mean_abs_difference <= parity.max_abs_difference
    assert parity.label_agreement == 1.0
    assert parity.task is not None
    assert (parity.task.metric, parity.task.frames) == ("miou", 3)
    assert parity.task.truth == "the graph's own labels"
    assert parity.task.engine == parity.task.graph == 1.0


def test_without_pictures_there_is_no_task_metric(tiny_family: Path):
    parity = gate(tiny_family, StandaloneBackend())
    assert (parity.inputs, parity.frames, parity.task) == (9, 0, None)


@pytest.mark.parametrize(
    ("weight", "node"),
    [
        ("stem.weight", "stem/Conv (Conv)"),
        ("block2.mix.in.weight", "block2.mix.in/Conv (Conv)"),
        ("head.linear1.weight", "head.linear1/Conv (Conv)"),
        ("head.predict.weight", "head.predict/Conv (Conv)"),
    ],
)
def test_the_first_wrong_node_is_named(tiny_family: Path, weight: str, node: str):
    line = refused(tiny_family, StandaloneBackend(wrong=[weight]))
    assert line.startswith(f"verify full, optimisation, node {node}")


def test_of_two_wrong_nodes_the_first_is_named(tiny_family: Path):
    wrong = ["head.predict.weight", "block1.mix.out.weight"]
    line = refused(tiny_family, StandaloneBackend(wrong=wrong))
    assert "node block1.mix.out/Conv (Conv)" in line


def test_an_engine_that_is_wrong_only_once_says_build_again(tiny_family: Path):
    backend = StandaloneBackend(wrong=["head.predict.weight"], wrong_times=1)
    line = refused(tiny_family, backend)
    assert line.endswith("Compiled a second time the same graph is right: build again.")
    assert len(backend.compiled) == 2


def test_parts_are_compiled_about_log2_times_and_leave_nothing(
    tiny_family: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    backend = StandaloneBackend(wrong=["head.predict.weight"])
    refused(tiny_family, backend)
    assert len(backend.compiled) <= 1 + 1 + 5  # 22 nodes
    assert not list((tmp_path / "temporary").iterdir())


def test_the_task_metric_refuses_what_the_tolerance_lets_through(tiny_family: Path):
    loose = Tolerance(difference=1e9, label_agreement=0.0, extreme_difference=1e9)
    backend = StandaloneBackend(wrong=["head.predict.bias"])
    assert gate(tiny_family, backend, tolerance=loose)  # nothing else would catch it
    line = refused(tiny_family, backend, tolerance=loose, frames=GateFrames(PICTURES))
    assert "expected miou of at least 99.50% against the graph's own labels" in line
    assert "on 3 frames" in line


def test_labels_are_the_truth_where_there_are_any(tiny_family: Path, tmp_path: Path):
    pillow = pytest.importorskip("PIL.Image")
    for kind in ("images", "labels"):
        (tmp_path / "set" / kind).mkdir(parents=True)
    for index, picture in enumerate(PICTURES):
        pillow.fromarray(picture).save(tmp_path / "set" / "images" / f"{index}.png")
        labels = RANDOM.integers(0, len(LABELS), picture.shape[:2]).astype(np.uint8)
        pillow.fromarray(labels).save(tmp_path / "set" / "labels" / f"{index}.png")
    family = load_family(tiny_family).family
    frames = GateFrames(labelled=open_scoring_frames(tmp_path / "set", family))
    task = gate(tiny_family, StandaloneBackend(), frames=frames).task
    assert task is not None
    assert task.truth == f"labels of {tmp_path.name}/set"
    assert 0 < task.engine < 0.6  # labels at random
    assert task.engine == pytest.approx(task.graph, abs=1e-6)


def test_a_built_set_states_what_it_was_held_against(tiny_family: Path):
    result = build_family(
        load_family(tiny_family), StandaloneBackend(), device="x", frames=GateFrames(PICTURES)
    )
    for engine in result.built.manifest.engines:
        assert engine.parity.frames == 3
        assert engine.parity.task is not None
