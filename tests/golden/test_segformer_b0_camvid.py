"""The base model in engines/ against logits that torch computed from the checkpoint."""

from pathlib import Path

import numpy as np
import pytest

from edgert.artifacts import load_family
from edgert.backends.onnxruntime import reference_session
from edgert.families.segformer import branch_names
from edgert.surgery.graph import save_graph, scope_of
from edgert.surgery.load import load_graph
from tests.golden.make_golden import GOLDEN, STEP, golden_input

FAMILY = Path(__file__).parents[2] / "engines" / "segformer-b0-camvid"
LARGEST_DIFFERENCE_RATIO = 1e-5


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as file:
        return file["logits"]


def difference_ratio(graph, golden):
    session = reference_session(graph)
    try:
        (logits,) = session.run({"pixel_values": golden_input()}).values()
        return float(np.abs(logits[:, :, ::STEP, ::STEP] - golden).max() / np.abs(golden).max())
    finally:
        session.close()


def test_base_model_equals_the_checkpoint(golden):
    assert difference_ratio(FAMILY / "base.onnx", golden) <= LARGEST_DIFFERENCE_RATIO


def test_golden_logits_are_worth_comparing_with(golden):
    assert golden.shape == (1, 11, 45, 60)
    assert len(np.unique(golden.argmax(axis=1))) >= 4
    assert np.abs(golden).max() > 5


@pytest.mark.parametrize(
    "weight",
    ["stage1.patch_embed.proj.weight", "stage4.block2.attention.v.weight", "decode.fuse.bias"],
)
def test_a_perturbed_weight_is_noticed(golden, weight, tmp_path):
    graph = load_graph(FAMILY / "base.onnx")
    value = graph.model.graph.initializers[weight]
    array = value.const_value.numpy().copy()
    array *= 1.01
    ir = pytest.importorskip("onnx_ir")
    value.const_value = ir.tensor(array, name=weight)
    save_graph(graph, tmp_path / "base.onnx", weights="base.weights")
    assert difference_ratio(tmp_path / "base.onnx", golden) > 3 * LARGEST_DIFFERENCE_RATIO


def test_base_model_names_its_parts_in_the_papers_words():
    graph = load_graph(FAMILY / "base.onnx")
    scopes = {scope_of(node) for node in graph.nodes}
    assert "stage3.block1.attention.q" in scopes
    for branch in branch_names((2, 2, 2, 2)):
        assert any(scope.startswith(f"{branch}.") for scope in scopes), branch
    for part in (
        "stage2.norm",
        "decode.linear1",
        "decode.linear4",
        "decode.fuse",
        "decode.predict",
    ):
        assert part in scopes
    assert [value.name for value in graph.inputs] == ["pixel_values"]
    assert [value.name for value in graph.outputs] == ["logits"]


def test_base_model_carries_nothing_of_the_machine_that_made_it():
    content = (FAMILY / "base.onnx").read_bytes()
    for trace in (b"torch", b".py", b"/home", b"/work", b"/tmp", b"site-packages", b"onnx::"):
        assert trace not in content


def test_family_files_match_their_hashes():
    family = load_family(FAMILY).family
    assert family.configurations[0].name == "full"
    assert len(family.labels) == 11
    assert "research" in family.license
