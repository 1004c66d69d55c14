"""Trials on the tiny family's graph, in this process: what is scored is what was derived."""

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from edgert.artifacts import FamilyFolder, load_family
from edgert.backends.onnxruntime import OnnxRuntimeBackend
from edgert.calibration.ranking import rank_units, save_ranking
from edgert.calibration.reference import Reference
from edgert.errors import ArtifactError, UsageError
from edgert.search.choice import SIZE, key_of
from edgert.search.executor import open_workers
from edgert.search.options import SearchOptions
from edgert.search.prepare import fill_workspace, find_frames, full_graph, identity_of
from edgert.search.timer import Timer
from edgert.search.trial import GRAPHS, evaluate, fitted_path, prepare_timing
from edgert.search.workspace import Workspace, open_workspace
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import static_shape
from edgert.surgery.load import load_graph
from edgert.surgery.resize_input import is_resized
from tests.search.search_family import write_frames
from tests.tiny_family import make_tiny_family


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A family with frames and a filled work folder."""
    root = tmp_path_factory.mktemp("trial")
    family = make_tiny_family(root / "tiny")
    write_frames(root / "drive", family, first=0, count=8)
    write_frames(root / "val", family, first=100, count=16)
    folder, options = load_family(family), options_for(root)
    graph, merged = full_graph(folder)
    assert merged
    work = root / "work"
    work.mkdir()
    frames = find_frames(folder, options)
    fill_workspace(work, folder, graph, frames, options, identity="id", progress=lambda *_: None)
    reference = Reference.open(work / "reference", threads=1)
    save_ranking(work / "ranking.json", rank_units(reference, threads=1))
    return root


def options_for(root: Path, **more) -> SearchOptions:
    given = {"calibration": str(root / "drive"), "labels": str(root / "val"), "fit_frames": 4}
    return SearchOptions(**{**given, "threads": 1, **more})


def trial(root: Path, choice: dict, *, final: bool = False) -> dict:
    return evaluate(str(root / "work"), "id", choice, final)


def test_the_full_model_scores_what_its_labels_were_made_with(root: Path):
    result = trial(root, {})
    assert result["key"] == key_of({})
    assert 0.8 < result["scores"]["choose"] < 0.97  # one pixel in 20 is wrong
    assert result["errors"] == {"choose": 0.0}
    json.dumps(result)  # plain data


def test_a_fitted_map_beats_nothing_in_its_place(root: Path):
    trial(root, {})
    linear = trial(root, {"branch:block2.mix": "linear"})
    skip = trial(root, {"branch:block2.mix": "skip"})
    assert linear["scores"]["choose"] > skip["scores"]["choose"] - 0.02
    assert skip["macs"] < linear["macs"] < trial(root, {})["macs"]
    assert 0 < linear["errors"]["choose"] < 0.2


def test_a_final_trial_scores_both_halves_and_keeps_its_graph_and_numbers(root: Path):
    trial(root, {}, final=True)
    choice = {"branch:block1.mix": "linear", "channels:head.fuse": 8}
    result = trial(root, choice, final=True)
    assert set(result["scores"]) == {"choose", "report", "uncompensated"}
    work = root / "work"
    with np.load(work / fitted_path(result["key"])) as numbers:
        assert any(name.startswith("block1.mix/stand_in") for name in numbers.files)
    assert (work / GRAPHS / f"{result['key']}.onnx").is_file()
    counts = Workspace(work, open_workspace(str(work), "id").setup).counts(
        result["key"], "final-report"
    )
    assert counts.shape == (8, 3, 3)
    assert counts.sum() == 8 * 24 * 32


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"branch:block9.mix": "skip"}, "expected one of the graph's 3 residual branches"),
        ({"channels:head.fuse": 99}, "head.fuse"),
        ({"channels:head.predict": 1}, "head.predict"),
    ],
)
def test_what_cannot_be_made_is_a_result_with_its_reason(root: Path, choice: dict, reason: str):
    for result in (trial(root, choice), prepare_timing(str(root / "work"), "id", choice)):
        assert reason in result["failed"]
        assert "\n" not in result["failed"]
        assert "scores" not in result
        assert "graph" not in result


def test_the_graph_to_be_timed_costs_what_the_fitted_one_costs(root: Path):
    choice = {"branch:block1.mix": "linear", "channels:block2.mix.in": 8}
    result = prepare_timing(str(root / "work"), "id", choice)
    path = Path(result["graph"])
    fitted = trial(root, choice, final=True)
    graph = root / "work" / GRAPHS / f"{fitted['key']}.onnx"
    timed, scored = (load_graph(file) for file in (path, graph))
    assert cost_of(timed).macs == cost_of(scored).macs
    assert [node.op_type for node in timed.nodes] == [node.op_type for node in scored.nodes]
    path.unlink()


# ---------------------------------------------------------------- the picture's size


def test_a_smaller_picture_needs_no_fit_and_costs_as_its_area(root: Path):
    full, small = trial(root, {}), trial(root, {SIZE: "12x16"}, final=True)
    assert small["macs"] == pytest.approx(full["macs"] / 4, rel=0.02)
    assert small["parameters"] == full["parameters"]
    assert small["scores"]["report"] == small["scores"]["uncompensated"]
    assert small["scores"]["choose"] < full["scores"]["choose"]
    assert not (root / "work" / fitted_path(small["key"])).exists()
    graph = load_graph(root / "work" / GRAPHS / f"{small['key']}.onnx")
    assert is_resized(graph)
    assert static_shape(graph.inputs[0]) == (1, 3, 24, 32)
    assert static_shape(graph.outputs[0]) == (1, 3, 6, 8)


def test_numbers_are_fitted_at_the_full_size(root: Path):
    edits = {"branch:block1.mix": "linear", "channels:head.fuse": 8}
    large, small = (trial(root, c, final=True) for c in (edits, {**edits, SIZE: "18x24"}))
    numbers = [np.load(root / "work" / fitted_path(r["key"])) for r in (large, small)]
    assert numbers[0].files == numbers[1].files
    for name in numbers[0].files:
        np.testing.assert_array_equal(numbers[0][name], numbers[1][name])
    for archive in numbers:
        archive.close()
    assert small["macs"] < 0.6 * large["macs"]


def test_what_is_timed_is_the_resized_graph(root: Path):
    choice = {"channels:head.fuse": 8, SIZE: "18x24"}
    path = Path(prepare_timing(str(root / "work"), "id", choice)["graph"])
    scored = trial(root, choice, final=True)
    timed = load_graph(path)
    assert is_resized(timed)
    assert cost_of(timed).macs == scored["macs"]
    path.unlink()


def test_the_timer_measures_and_tidies_up(root: Path):
    work = root / "work"
    tensor, _ = open_workspace(str(work), "id").scoring_frame(0)
    choices = [{"branch:block1.mix": "skip"}, {"branch:block9.mix": "skip"}]
    with open_workers(1) as workers:
        timer = Timer(work, "id", tensor=tensor, workers=workers, threads=1, rounds=2)
        [(keys, costs)] = timer.measure(choices)
        assert keys == [key_of(choice) for choice in choices]
        assert set(costs) == {key_of(choices[0])}  # the other one can't be made
        assert costs[key_of(choices[0])].ratio > 0
        [(_, nothing)] = timer.measure([{"branch:block2.mix": "skip"}], final=True)
        assert nothing == {}  # no final trial left its graph
    assert not list((work / "timing").iterdir())


# ---------------------------------------------------------------- frames


def test_halves_are_blocks_and_calibration_is_all_for_fits(root: Path):
    frames = find_frames(load_family(root / "tiny"), options_for(root))
    assert sorted(frames.choose + frames.report) == list(range(16))
    assert frames.fit == list(range(8))
    without = find_frames(load_family(root / "tiny"), options_for(root, labels=None))
    assert without.labelled is None
    assert sorted(without.fit + without.choose + without.report) == list(range(8))


@pytest.mark.parametrize(("count", "labels"), [(3, None), (1, "val")])
def test_too_few_frames_are_refused_before_anything_is_run(
    root: Path, count: int, labels: str | None
):
    given = options_for(root, frames=count, labels=labels and str(root / labels))
    with pytest.raises(UsageError, match=f"frames or more, got {count}"):
        find_frames(load_family(root / "tiny"), given)


def test_the_identity_tells_what_results_depend_on(root: Path, tmp_path: Path):
    folder, backend = load_family(root / "tiny"), OnnxRuntimeBackend(1)

    def identity(**more) -> dict[str, str]:
        options = options_for(root, **more)
        return identity_of(folder, find_frames(folder, options), options, backend)

    first = identity()
    assert identity() == first
    for change, key in (
        ({"frames": 7}, "calibration frames"),
        ({"label_frames": 15}, "labelled frames"),
        ({"labels": None}, "labelled frames"),
        ({"fit_frames": 3}, "fit frames"),
        ({"cost": "macs"}, "device"),
        ({"exclude": ("a",)}, "exclude"),
        ({"sizes": (0.5,)}, "sizes"),
    ):
        changed = identity(**change)
        assert changed.get(key) != first.get(key)
    # What only says how long or with how many has no say in it.
    assert identity(minutes=1.0, trials=3, jobs=1, dask="tcp://x:1") == first


def test_a_label_that_changes_is_another_search(root: Path, tmp_path: Path):
    shutil.copytree(root / "val", tmp_path / "val")
    folder, backend = load_family(root / "tiny"), OnnxRuntimeBackend(1)

    def identity() -> str:
        options = options_for(root, labels=str(tmp_path / "val"))
        found = identity_of(folder, find_frames(folder, options), options, backend)
        return found["labelled frames"]

    before = identity()
    Image.fromarray(np.zeros((24, 32), np.uint8)).save(tmp_path / "val" / "labels" / "0105.png")
    assert identity() != before


def test_outputs_that_do_not_fit_the_labels_are_one_line(root: Path, tmp_path: Path):
    folder = load_family(root / "tiny")
    family = msgspec.structs.replace(folder.family, labels=["sky", "road"])
    options = options_for(root, labels=None)
    wrong = FamilyFolder(folder.path, family)
    graph, _ = full_graph(folder)
    fill = {"identity": "id", "progress": lambda *_: None}
    labelled = find_frames(folder, options_for(root))
    with pytest.raises(ArtifactError, match="expected logits of 2 classes along axis 1"):
        fill_workspace(tmp_path, wrong, graph, labelled, options_for(root), **fill)
    fill_workspace(tmp_path, wrong, graph, find_frames(folder, options), options, **fill)
