import sys

import numpy as np
import onnx
import pytest
from benchmarks.pruning import makers

from edgert.backends.onnxruntime import session_from_bytes
from edgert.calibration.frames import read_calibration_frames
from edgert.errors import BuildError, MissingDependencyError
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import save_graph
from edgert.surgery.load import load_graph
from edgert.surgery.merge_linear import merge_linear
from edgert.surgery.residuals import find_residual_branches
from edgert.surgery.skip_residuals import skip_residuals
from tests.tools.attention_family import (
    BRANCHES,
    SPEC,
    attention_model,
    make_attention_family,
    make_frames,
)


@pytest.fixture
def graph(tmp_path):
    path = tmp_path / "exported.onnx"
    onnx.save(attention_model(), str(path))
    return path


@pytest.fixture
def frames(tmp_path):
    folder = make_frames(tmp_path / "pictures")
    path = tmp_path / "frames.npy"
    np.save(path, np.stack(read_calibration_frames(folder, SPEC, count=6)))
    return path


def outputs(path, frames):
    session = session_from_bytes(path.read_bytes(), threads=1)
    return np.stack([session.run({"pixel_values": x})["logits"] for x in np.load(frames)])


def outputs_of(graph, frames, folder):
    save_graph(graph, folder / "graph.onnx")
    return outputs(folder / "graph.onnx", frames)


# ---------------------------------------------------------------- plain skipping


def test_losses_are_the_labels_that_change_when_one_branch_goes(tmp_path, graph, frames):
    told = makers.skip_losses(tmp_path, graph=str(graph), frames=str(frames), threads=1)
    assert list(told["losses"]) == BRANCHES
    full = load_graph(graph)
    right = outputs(graph, frames).argmax(axis=2)
    for name, loss in told["losses"].items():
        found = outputs_of(skip_residuals(full, branches=[name]), frames, tmp_path)
        assert loss == pytest.approx(float((found.argmax(axis=2) != right).mean()))
    assert max(told["losses"].values()) > min(told["losses"].values()) >= 0


def test_skipping_takes_the_branches_of_least_loss(tmp_path, graph):
    losses = dict(zip(BRANCHES, [0.3, 0.1, 0.4, 0.2], strict=True))
    told = makers.skip(tmp_path, graph=str(graph), losses=losses, count=2)
    assert told["branches"] == ["block1.ffn", "block2.ffn"]
    left = find_residual_branches(load_graph(tmp_path / makers.MODEL))
    assert [branch.name for branch in left] == ["block1.attention", "block2.attention"]


def test_more_branches_than_there_are_is_refused(tmp_path, graph):
    losses = dict.fromkeys(BRANCHES, 0.1)
    with pytest.raises(BuildError, match="expected 8 residual branches or more, got 4"):
        makers.skip(tmp_path, graph=str(graph), losses=losses, count=8)


# ---------------------------------------------------------------- uniform


@pytest.fixture
def full(graph):
    return merge_linear(load_graph(graph))


def test_a_uniform_choice_is_fitted_on_the_frames(tmp_path, graph, frames, full):
    calibration = tmp_path / "calibration"
    calibration.mkdir()
    told = makers.calibrate(calibration, graph=str(graph), frames=str(frames), threads=1)
    assert told["groups"] == ["block1.ffn.fc1", "block2.ffn.fc1"]
    budget = cost_of(full).macs // 2
    chosen = makers.uniform(
        tmp_path, graph=str(graph), calibration=str(calibration), most_macs=budget, threads=1
    )
    assert chosen["replaced"] == 2
    made = tmp_path / makers.MODEL
    assert cost_of(load_graph(made)).macs <= budget
    right = outputs(graph, frames)
    fitted = np.square(outputs(made, frames) - right).mean()
    plain = makers.derive(full, chosen["edits"], subject="plain", folder=calibration)
    assert fitted < 0.5 * np.square(outputs_of(plain, frames, tmp_path) - right).mean()


def test_a_large_budget_changes_nothing_but_the_cost(tmp_path, graph, frames, full):
    chosen = makers.uniform(
        tmp_path, graph=str(graph), calibration=str(tmp_path / "none"),
        most_macs=cost_of(full).macs, threads=1,
    )  # fmt: skip
    assert chosen == {"edits": [], "replaced": 0, "ratio": 1.0}
    made = tmp_path / makers.MODEL
    assert cost_of(load_graph(made)).macs < cost_of(load_graph(graph)).macs
    np.testing.assert_allclose(outputs(made, frames), outputs(graph, frames), atol=1e-4)


def test_merging_says_whether_it_did_anything(tmp_path, graph):
    assert makers.merge(tmp_path, graph=str(graph)) == {"merged": True}
    again = tmp_path / "again"
    again.mkdir()
    merged = str(tmp_path / makers.MODEL)
    assert makers.merge(again, graph=merged) == {"merged": False}


# ---------------------------------------------------------------- the others


def test_every_configuration_of_a_family_is_derived(tmp_path):
    family = make_attention_family(tmp_path / "family")
    told = makers.configurations(tmp_path, family=str(family))
    assert list(told["macs"]) == ["full", "small"]
    for name, macs in told["macs"].items():
        assert cost_of(load_graph(tmp_path / name / makers.MODEL)).macs == macs
    assert told["macs"]["small"] < told["macs"]["full"]


def test_a_missing_peer_is_one_line(tmp_path, graph, frames, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxsim", None)  # as where it is not installed
    with pytest.raises(MissingDependencyError, match=r"edgert\[export\]"):
        makers.onnxsim(tmp_path, graph=str(graph), frames=str(frames), method="blocks", amount=2)
