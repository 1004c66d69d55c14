"""Graphs that nothing here was written for: what is found on them is right, and edits hold.

Each single branch is left out and each channel group is cut by a quarter, and the result is run.
A graph without a branch has to compute what the full graph does with that branch's weights at
zero. The fast tests take a few of each; the slow ones one of each kind: networks repeat their
blocks, and a branch of the same operators and sizes between the same neighbours is the same again.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import fields
from typing import TypeVar

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgert.surgery.channel_groups import ChannelGroup, find_channel_groups
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph, static_shape
from edgert.surgery.narrow_channels import narrow_channels
from edgert.surgery.residuals import ResidualBranch, find_residual_branches
from edgert.surgery.skip_residuals import skip_residuals
from tests.skeletons import NAMES, OPSETS, skeleton, skeleton_proto
from tests.surgery.graphs_residual import outputs_of
from tests.surgery.variants import (
    as_graph,
    half_precision,
    with_own_weights,
    with_shared_weights,
)
from tests.surgery.zeroed_branches import ZeroableBranches

TOLERANCE = 5e-6  # of the largest output, float32
HALF_TOLERANCE = 5e-3
# A branch changes the output by this many times the difference allowed, or the test can't tell.
TELLING = 20

QUICK = ("mobilenet_v3", "yolo", "segformer_b0")

# model -> channel groups that can be cut, at least
CUTTABLE = {
    "detr_resnet50": 51,
    "mobilenet_v3": 30,
    "resnet50": 37,
    "segformer_b0": 9,
    "segformer_b2": 17,
    "swin_tiny": 12,
    "vit_small": 12,
    "yolo9_tiny": 72,
    "yolox_nano": 44,
}
Item = TypeVar("Item", ResidualBranch, ChannelGroup)

has_units = pytest.mark.skipif(
    "unit" not in {field.name for field in fields(ChannelGroup)},
    reason="channel groups have no unit yet",
)


def model_of(name: str) -> str:
    return (
        name.removeprefix("opsets/").rpartition("_dynamo")[0]
        or name.removeprefix("opsets/").rpartition("_torchscript")[0]
    )


def names_of(graph: Graph) -> list[str]:
    return [branch.name for branch in find_residual_branches(graph)]


def frame_for(graph: Graph, seed: int = 3):
    [value] = graph.inputs
    return np.random.default_rng(seed).standard_normal(static_shape(value), dtype=np.float32)


def materialised(name: str) -> Graph:
    """A skeleton whose weights lie in memory, for many edits of it."""
    return as_graph(skeleton_proto(name))


def operators_and_sizes(graph: Graph, names: Iterable[str]) -> Hashable:
    """Of nodes: what each is, and the shapes of all that it reads."""
    nodes = {node.name: node for node in graph.nodes}
    return tuple(
        (nodes[name].op_type, *(str(v.shape) for v in nodes[name].inputs if v is not None))
        for name in names
    )


def kind_of_branch(graph: Graph, branch: ResidualBranch) -> Hashable:
    add = graph.node(branch.add)
    readers = sorted(node.op_type for node, _ in add.outputs[0].uses())
    makers = [value.producer().op_type for value in add.inputs if value.producer() is not None]
    nodes = operators_and_sizes(graph, [*branch.nodes, branch.add])
    return branch.shortcut, branch.macs, nodes, *readers, *makers


def kind_of_group(graph: Graph, group: ChannelGroup) -> Hashable:
    nodes = (group.producers, group.readers, group.contractions, group.normalised_by)
    return group.channels, group.unit, *(operators_and_sizes(graph, names) for names in nodes)


def of_each_kind(
    graph: Graph, items: Sequence[Item], kind: Callable[[Graph, Item], Hashable]
) -> list[Item]:
    """The first of each kind, in order."""
    first: dict[Hashable, Item] = {}
    for item in items:
        first.setdefault(kind(graph, item), item)
    return list(first.values())


def check_valid(graph: Graph) -> None:
    onnx.checker.check_model(ir.to_proto(graph.model), full_check=True)


@pytest.mark.parametrize(
    ("model", "branches", "groups"),
    [("mobilenet_v3", 10, 24), ("resnet50", 8, 20), ("vit_small", 3, 3)],
)
def test_kinds_tell_sizes_and_neighbours_apart(model, branches, groups):
    graph = skeleton(f"{model}_dynamo")
    for items, kind, expected in (
        (find_residual_branches(graph), kind_of_branch, branches),
        (cuttable(graph), kind_of_group, groups),
    ):
        assert len(of_each_kind(graph, items, kind)) == expected


# ---------------------------------------------------------------- leaving branches out


def check_skips(
    graph: Graph, branches: Sequence[ResidualBranch], *, tolerance: float = TOLERANCE
) -> None:
    """Leave out one branch at a time: against the full graph with that branch at zero."""
    full = ZeroableBranches(graph, branches)
    frame = frame_for(graph)
    whole = full.run(frame)
    macs = cost_of(graph).macs
    for branch in branches:
        skipped = skip_residuals(graph, branches=[branch.name])
        if branch is branches[0]:
            check_valid(skipped)  # the runtime, too, refuses what is invalid
        assert macs - cost_of(skipped).macs == branch.macs, branch.name
        outputs = outputs_of(skipped, {graph.inputs[0].name: frame})
        wrong = largest_difference(outputs, full.run(frame, zero=branch.name), whole)
        changed = largest_difference(outputs, whole, whole)
        assert wrong <= min(tolerance, changed / TELLING), (branch.name, wrong, changed)


def largest_difference(some, others, whole) -> float:
    """Of the largest number of each output of the whole graph."""
    differences = []
    for one, other, output in zip(some, others, whole, strict=True):
        assert np.isfinite(one).all()
        assert one.shape == output.shape
        scale = float(np.abs(output).max())
        differences.append(float(np.abs(one.astype(np.float64) - other).max()) / scale)
    return max(differences)


# (model, each how manieth branch, from which on): quick ones of every kind
FEW_SKIPS = [
    ("mobilenet_v3", 4, 1),
    ("yolox_nano", 5, 1),
    ("yolo9_tiny", 23, 2),
    ("swin_tiny", 99, 2),
]


@pytest.mark.parametrize(("model", "step", "first"), FEW_SKIPS)
def test_a_branch_left_out_is_a_branch_at_zero(model, step, first):
    graph = skeleton(f"{model}_dynamo")
    check_skips(graph, find_residual_branches(graph)[first::step])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_branches_left_out_are_those_branches_at_zero(name):
    graph = materialised(name)
    branches = find_residual_branches(graph)
    if name.startswith(("detr", "segformer_b2")):  # these take long
        branches = branches[::3]
    if "dynamo" in name:
        check_skips(graph, of_each_kind(graph, branches, kind_of_branch))
    else:  # other places of the same blocks
        check_skips(graph, branches[::3])


def test_a_wrong_branch_left_out_fails_the_comparison():
    graph = skeleton("mobilenet_v3_dynamo")
    first, second = find_residual_branches(graph)[:2]
    full = ZeroableBranches(graph, [first, second])
    frame = frame_for(graph)
    whole = full.run(frame)
    outputs = outputs_of(
        skip_residuals(graph, branches=[first.name]), {graph.inputs[0].name: frame}
    )
    wrong = largest_difference(outputs, full.run(frame, zero=second.name), whole)
    assert wrong > TOLERANCE


# ---------------------------------------------------------------- cutting channels


def check_cuts(graph: Graph, groups: Sequence[ChannelGroup]) -> None:
    """Cut each group alone by a quarter of its units, and run what is left."""
    cost, frame = cost_of(graph), frame_for(graph)
    for group in groups:
        units = group.channels // group.unit
        assert units * group.unit == group.channels
        if units == 1:
            continue
        keep = units - max(1, units // 4)
        cut = narrow_channels(graph, group=group.name, keep=keep, order="prefix")
        if group is groups[0]:
            check_valid(cut)
        left = cost_of(cut)
        assert left.macs < cost.macs, group.name
        assert left.parameters < cost.parameters, group.name
        assert not left.unknown_operators
        for output, value in zip(
            outputs_of(cut, {graph.inputs[0].name: frame}), graph.outputs, strict=True
        ):
            assert output.shape == static_shape(value)
            assert np.isfinite(output).all(), group.name


def cuttable(graph: Graph) -> list[ChannelGroup]:
    return [group for group in find_channel_groups(graph) if not group.blocked]


@pytest.mark.parametrize(
    "name", [n if n.startswith(QUICK) else pytest.param(n, marks=pytest.mark.slow) for n in NAMES]
)
def test_groups_have_unique_names_and_those_that_cannot_be_cut_say_why(name):
    groups = find_channel_groups(skeleton(name))
    assert len({group.name for group in groups}) == len(groups)
    assert all(" " in group.blocked for group in groups if group.blocked)
    assert sum(not group.blocked for group in groups) >= CUTTABLE[model_of(name)]


@has_units
@pytest.mark.parametrize(
    ("model", "step"), [("mobilenet_v3", 13), ("yolox_nano", 25), ("yolo9_tiny", 60)]
)
def test_a_group_cut_by_a_quarter_runs(model, step):
    graph = skeleton(f"{model}_torchscript")
    check_cuts(graph, cuttable(graph)[1::step])


@has_units
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_groups_cut_by_a_quarter_run(name):
    graph = materialised(name)
    groups = cuttable(graph)
    if "dynamo" in name:
        check_cuts(graph, of_each_kind(graph, groups, kind_of_group))
    else:
        check_cuts(graph, groups[::4])


# ---------------------------------------------------------------- other opsets


@pytest.mark.parametrize("name", OPSETS)
def test_another_opset_has_the_same_branches_and_costs_the_same(name):
    graph, usual = skeleton(name), skeleton(name.removeprefix("opsets/").rpartition("_")[0])
    versions = {int(name.rpartition("_")[2])}
    assert {v for k, v in graph.model.opset_imports.items() if not k} == versions
    assert cost_of(graph).macs == cost_of(usual).macs
    assert not cost_of(graph).unknown_operators
    if name == "opsets/yolox_nano_dynamo_16":  # converted, and its module paths lost on the way
        assert len(set(names_of(graph))) == len(names_of(usual))
    else:
        assert names_of(graph) == names_of(usual)


@pytest.mark.parametrize("name", [n for n in OPSETS if "vit" not in n])
def test_a_branch_left_out_at_another_opset_is_a_branch_at_zero(name):
    graph = skeleton(name)
    check_skips(graph, find_residual_branches(graph)[1::20])


@pytest.mark.slow
@pytest.mark.parametrize("name", OPSETS)
def test_every_branch_left_out_at_another_opset_is_that_branch_at_zero(name):
    graph = materialised(name)
    check_skips(graph, find_residual_branches(graph))


@has_units
@pytest.mark.parametrize("name", [n for n in OPSETS if "mobilenet" in n])
def test_a_group_cut_at_another_opset_runs(name):
    graph = skeleton(name)
    check_cuts(graph, cuttable(graph)[2::20])


@has_units
@pytest.mark.slow
@pytest.mark.parametrize("name", OPSETS)
def test_every_group_cut_at_another_opset_runs(name):
    graph = materialised(name)
    check_cuts(graph, cuttable(graph))


# ---------------------------------------------------------------- half precision


@pytest.mark.parametrize("name", ["mobilenet_v3_torchscript", "yolo9_tiny_dynamo"])
def test_half_precision_has_the_same_branches_groups_and_macs(name):
    graph, half = skeleton(name), as_graph(half_precision(skeleton_proto(name)))
    assert names_of(half) == names_of(graph)
    assert [g.name for g in cuttable(half)] == [g.name for g in cuttable(graph)]
    cost, whole = cost_of(half), cost_of(graph)
    assert (cost.macs, cost.parameters) == (whole.macs, whole.parameters)
    assert not cost.unknown_operators
    assert cost.activation_bytes < 0.52 * whole.activation_bytes


@pytest.mark.parametrize("name", ["mobilenet_v3_dynamo"])
def test_a_branch_left_out_in_half_precision_is_a_branch_at_zero(name):
    graph = as_graph(half_precision(skeleton_proto(name)))
    check_skips(graph, find_residual_branches(graph)[2::6], tolerance=HALF_TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_fourth_branch_left_out_in_half_precision_is_that_branch_at_zero(name):
    graph = as_graph(half_precision(skeleton_proto(name)))
    assert names_of(graph) == names_of(skeleton(name))
    check_skips(graph, find_residual_branches(graph)[::4], tolerance=HALF_TOLERANCE)


@has_units
def test_groups_cut_in_half_precision_run():
    graph = as_graph(half_precision(skeleton_proto("mobilenet_v3_dynamo")))
    check_cuts(graph, cuttable(graph)[3::14])


@has_units
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_fourth_group_cut_in_half_precision_runs(name):
    graph = as_graph(half_precision(skeleton_proto(name)))
    check_cuts(graph, cuttable(graph)[::4])


# ---------------------------------------------------------------- shared weights


def shared_and_not(name: str) -> tuple[Graph, Graph]:
    """The same numbers, once with one tensor read by many nodes, once without."""
    model = with_shared_weights(skeleton_proto(name))
    before = len(model.graph.initializer)
    shared = as_graph(onnx.ModelProto.FromString(model.SerializeToString()))
    own = with_own_weights(model)
    assert len(own.graph.initializer) > before
    return shared, as_graph(own)


@pytest.mark.parametrize("name", ["mobilenet_v3_dynamo", "yolox_nano_torchscript"])
def test_shared_weights_change_neither_what_is_found_nor_what_it_costs(name):
    shared, own = shared_and_not(name)
    assert find_residual_branches(shared) == find_residual_branches(own)
    assert find_channel_groups(shared) == find_channel_groups(own)
    assert cost_of(shared).macs == cost_of(own).macs
    assert cost_of(shared).parameters < cost_of(own).parameters


def test_edits_of_one_reader_leave_a_shared_weight_to_the_others():
    shared, own = shared_and_not("mobilenet_v3_dynamo")
    feeds = {shared.inputs[0].name: frame_for(shared)}
    check_skips(shared, find_residual_branches(shared)[3:4])
    groups = [group.name for group in cuttable(shared)][4::9]
    assert len(groups) > 2
    for group in groups:
        cut, expected = (narrow_channels(g, group=group, keep=9) for g in (shared, own))
        check_valid(cut)
        for one, other in zip(outputs_of(cut, feeds), outputs_of(expected, feeds), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["detr_resnet50", "swin_tiny", "yolo9_tiny", "segformer_b0"])
def test_every_third_branch_left_out_among_shared_weights_is_that_branch_at_zero(model):
    shared, _ = shared_and_not(f"{model}_torchscript")
    check_skips(shared, find_residual_branches(shared)[::3])
