from pathlib import Path

import onnx
import pytest

from edgert.build.derive import EDITS, derive
from edgert.errors import BuildError, PreconditionError
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph
from edgert.surgery.load import load_graph


@pytest.fixture
def graph(tiny_family: Path) -> Graph:
    return load_graph(tiny_family / "base.onnx")


def test_edits_are_applied_in_order(graph: Graph):
    merged = derive(graph, [{"merge_linear": {}}], subject="derive x")
    both = derive(
        graph,
        [{"merge_linear": {}}, {"skip_residuals": {"branches": ["block1.mix"]}}],
        subject="derive x",
    )
    assert cost_of(both).macs < cost_of(merged).macs < cost_of(graph).macs


def test_no_edits_is_the_graph_itself(graph: Graph):
    assert derive(graph, [], subject="derive x") is graph


def test_the_base_graph_stays_as_it_was(graph: Graph):
    before = [node.name for node in graph.nodes]
    derive(graph, [{"merge_linear": {}}], subject="derive x")
    assert [node.name for node in graph.nodes] == before


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        ({"merge": {}}, r"derive x at edits\[0\]: expected an edit among merge_linear"),
        ({"merge_linear": {"depth": 1}}, r"merge_linear: expected no parameters, got 'depth'"),
        ({"skip_residuals": {}}, "expected parameters branches, got no 'branches'"),
        ({"skip_residuals": {"branch": ["a"]}}, "got no 'branches' and 'branch'"),
        ({"skip_residuals": {"branches": 3}}, r"skip_residuals\.branches: expected array, got 3"),
        (
            {"narrow_channels": {"group": "head.fuse", "keep": "many"}},
            r"narrow_channels\.keep: expected int, got 'many'",
        ),
        (
            {"prune_tokens": {"sites": [{"attention": "a", "keep": 3}], "score": "best"}},
            r"prune_tokens\.score: expected one of attention_and_value, attention, class_",
        ),
        (
            {"merge_keys": {"sites": [{"attention": "a", "windows": 2}]}},
            r"merge_keys\.sites: expected what the edit takes \(object .*windows",
        ),
    ],
)
def test_a_wrong_edit_is_one_line(graph: Graph, edit: dict, line: str):
    with pytest.raises(BuildError, match=line):
        derive(graph, [edit], subject="derive x")


def test_a_branch_that_is_not_there_is_refused(graph: Graph):
    with pytest.raises(PreconditionError, match=r"derive x at edits\[0\]: .*block9\.mix"):
        derive(graph, [{"skip_residuals": {"branches": ["block9.mix"]}}], subject="derive x")


def test_every_edit_in_the_table_can_be_imported(graph: Graph):
    for name in EDITS:
        with pytest.raises(BuildError):
            derive(graph, [{name: {"no_such_parameter": 1}}], subject="derive x")


def test_tiny_model_is_valid(tiny_family: Path):
    onnx.checker.check_model(str(tiny_family / "base.onnx"), full_check=True)
