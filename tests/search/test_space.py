"""Knobs found on real graphs, and choices in one form only."""

import functools
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.backends.onnxruntime import session_from_bytes
from edgert.build.derive import derive
from edgert.errors import PreconditionError, UsageError
from edgert.search.choice import (
    SIZE,
    edits_of,
    fitted_edits,
    key_of,
    size_edits_of,
    with_step,
)
from edgert.search.space import Space, find_space, levels_of
from edgert.search.structure import structure_of
from edgert.search.trial import serialised
from edgert.surgery.channel_groups import ChannelGroup, find_channel_groups
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph
from edgert.surgery.load import load_graph, normalised
from edgert.surgery.merge_linear import merge_linear
from edgert.surgery.residuals import find_residual_branches
from edgert.surgery.skip_residuals import skip_residuals
from tests.skeletons import skeleton
from tests.surgery.graphs_sized import NETS
from tests.surgery.variants import as_graph
from tests.tiny_family import INPUT_SHAPE, tiny_model


@pytest.fixture(scope="module")
def ranked(tmp_path_factory) -> Path:
    """A folder with a ranking of every group: last unit first."""
    folder = tmp_path_factory.mktemp("ranking")
    groups = {
        group.name: list(range(group.units))[::-1]
        for group in find_channel_groups(tiny_graph())
        if not group.blocked
    }
    text = ", ".join(f'"{name}": {units}' for name, units in groups.items())
    (folder / "ranking.json").write_text(f'{{"groups": {{{text}}}}}')
    return folder


@functools.cache
def tiny_graph() -> Graph:
    return merge_linear(normalised(Graph(ir.from_proto(tiny_model()))))


@functools.cache
def tiny_space() -> Space:
    return find_space(tiny_graph(), align=2)


def choices(space: Space):
    """Any mapping from knobs to levels, canonical or not."""
    picks = [
        st.sampled_from([None, "keep" if not k.units else k.units, *k.levels]) for k in space.knobs
    ]
    names = [knob.name for knob in space.knobs]
    return st.tuples(*picks).map(
        lambda levels: {n: lv for n, lv in zip(names, levels, strict=True) if lv is not None}
    )


def test_every_knob_of_the_tiny_model_is_found():
    space = tiny_space()
    assert [knob.name for knob in space.knobs] == [
        "branch:block1.mix", "branch:block2.mix", "branch:block3.mix", "channels:stem",
        "channels:block1.mix.in", "channels:block2.mix.in", "channels:block3.mix.in",
        "channels:down", "channels:head.fuse",
    ]  # fmt: skip
    assert space.knob("branch:block1.mix").levels == ("linear", "skip")
    assert space.knob("channels:head.fuse").levels == (14, 12, 10, 8, 6, 4, 2)
    assert "logits" in space.left_out["head.predict"]


def test_patterns_limit_the_space_and_say_so():
    space = find_space(tiny_graph(), align=2, only=["block*"], exclude=["block2*"])
    names = {knob.name.partition(":")[2] for knob in space.knobs}
    assert names == {"block1.mix", "block3.mix", "block1.mix.in", "block3.mix.in"}
    assert space.left_out["stem"] == "not among --only"
    assert space.left_out["block2.mix"] == "excluded"


@pytest.mark.parametrize("wanted", [{"only": ["none*"]}, {"exclude": ["*"]}])
def test_an_empty_space_is_one_line(wanted):
    with pytest.raises(UsageError, match="expected a residual branch or channel group"):
        find_space(tiny_graph(), **wanted)


def test_sizes_asked_for_are_one_knob_more():
    space = find_space(tiny_graph(), align=2, sizes=[0.5, 0.75, 0.5])
    assert [knob.name for knob in space.knobs][:-1] == [knob.name for knob in tiny_space().knobs]
    knob = space.knob(SIZE)
    assert (knob.levels, knob.units) == (("18x24", "12x16"), 0)
    assert SIZE not in {k.name for k in tiny_space().knobs}
    # it matters whatever goes beside it
    choice = {SIZE: "12x16", "branch:block1.mix": "skip", "channels:block1.mix.in": 8}
    assert space.canonical(choice) == {SIZE: "12x16", "branch:block1.mix": "skip"}
    assert space.canonical({SIZE: "keep"}) == {}
    assert not space.within(SIZE, "branch:block1.mix")


def test_sizes_alone_are_a_space():
    assert [k.name for k in find_space(tiny_graph(), exclude=["*"], sizes=[0.5]).knobs] == [SIZE]


def test_a_share_becomes_the_nearest_size_that_works():
    graph = as_graph(NETS["focus"](64, 96))
    assert find_space(graph, sizes=[0.7, 0.99]).knob(SIZE).levels == ("44x68",)
    with pytest.raises(UsageError, match="a smaller one, got 64 x 96"):
        find_space(graph, sizes=[0.99])


def test_a_graph_tied_to_its_size_is_refused_with_the_reason():
    with pytest.raises(PreconditionError, match=r"position_embeddings, which has numbers for 197"):
        find_space(skeleton("vit_small_dynamo"), only=["none*"], sizes=[0.5])


def group(channels: int, unit: int) -> ChannelGroup:
    return ChannelGroup(name="g", channels=channels, producers=(), readers=(), unit=unit)


@given(st.integers(1, 64), st.sampled_from([1, 2, 8, 24, 32, 64]), st.sampled_from([1, 4, 8, 16]))
def test_levels_are_fewer_units_in_whole_multiples(units: int, unit: int, align: int):
    levels = levels_of(group(units * unit, unit), align)
    assert list(levels) == sorted(set(levels), reverse=True)
    assert all(0 < level < units for level in levels)
    assert all(level * unit % align == 0 for level in levels)


def test_heads_are_units_and_need_no_alignment():
    assert levels_of(group(160, 32), 8) == (4, 3, 2, 1)
    assert levels_of(group(8, 1), 8) == ()


@settings(max_examples=10, deadline=None)
@given(choices(tiny_space()))
def test_the_canonical_choice_makes_the_same_graph(ranked: Path, choice):
    space, graph = tiny_space(), tiny_graph()
    canonical = space.canonical(choice)
    assert space.canonical(canonical) == canonical
    assert set(canonical) <= set(choice)
    raw = {k: v for k, v in choice.items() if v not in ("keep", space.knob(k).units or "keep")}
    graphs = [derive(graph, edits_of(c), subject="t", folder=ranked) for c in (raw, canonical)]
    assert cost_of(graphs[0]) == cost_of(graphs[1])
    tensor = np.random.default_rng(0).standard_normal(INPUT_SHAPE).astype(np.float32)
    outputs = [
        session_from_bytes(serialised(g), threads=1).run({"pixel_values": tensor})["logits"]
        for g in graphs
    ]
    np.testing.assert_array_equal(outputs[0], outputs[1])


@settings(max_examples=10, deadline=None)
@given(choices(tiny_space()), choices(tiny_space()))
def test_different_canonical_choices_make_different_graphs(ranked: Path, one, other):
    space, graph = tiny_space(), tiny_graph()
    pair = [space.canonical(choice) for choice in (one, other)]
    graphs = [derive(graph, edits_of(c), subject="t", folder=ranked) for c in pair]
    described = [
        [(n.op_type, [str(v.shape) for v in n.inputs if v]) for n in g.nodes] for g in graphs
    ]
    assert (described[0] == described[1]) == (pair[0] == pair[1])
    assert (key_of(pair[0]) == key_of(pair[1])) == (pair[0] == pair[1])


def test_a_group_within_a_branch_that_goes_has_no_effect():
    space = tiny_space()
    assert space.within("channels:block1.mix.in", "branch:block1.mix")
    assert not space.within("channels:block1.mix.in", "branch:block2.mix")
    assert not space.within("channels:stem", "branch:block1.mix")
    assert space.canonical({"branch:block1.mix": "skip", "channels:block1.mix.in": 8}) == {
        "branch:block1.mix": "skip"
    }


def test_a_knob_that_does_not_exist_is_misuse():
    with pytest.raises(KeyError):
        tiny_space().canonical({"branch:nobody": "skip"})
    with pytest.raises(KeyError):
        tiny_space().knob("branch:nobody")


def test_what_is_alive_is_what_skipping_leaves():
    graph = tiny_graph()
    branches = find_residual_branches(graph)
    structure = structure_of(graph, branches)
    assert structure.alive([]) == {node.name for node in graph.nodes}
    for gone in ([branches[0].name], [b.name for b in branches]):
        left = {node.name for node in skip_residuals(graph, branches=gone).nodes}
        sums = {b.add for b in branches if b.name in gone}  # they stay, with one operand less
        assert structure.alive(gone) - sums == left - sums


def test_the_key_does_not_depend_on_the_order():
    assert key_of({"a": 1, "b": "skip"}) == key_of({"b": "skip", "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
    assert len(key_of({})) == 16
    assert with_step({"a": 1}, [("a", 2), ("b", 3)]) == {"a": 2, "b": 3}


def test_groups_are_narrowed_before_branches_go():
    choice = {"branch:x": "linear", "branch:y": "skip", "channels:g": 8}
    names = [next(iter(edit)) for edit in fitted_edits(choice, fitted=Path("fitted/a.npz"))]
    assert names == ["narrow_groups", "skip_residuals", "replace_residuals", "compensate"]
    assert fitted_edits({}, fitted=Path("fitted/a.npz")) == []


def test_the_picture_is_resized_after_everything_else_was_fitted():
    choice = {"channels:g": 8, SIZE: "18x24"}
    resized = {"resize_input": {"height": 18, "width": 24}}
    assert [next(iter(edit)) for edit in edits_of(choice)] == ["narrow_groups"]
    assert size_edits_of(choice) == [resized]
    edits = fitted_edits(choice, fitted=Path("fitted/a.npz"))
    assert edits[1:] == [{"compensate": {"fitted": "fitted/a.npz"}}, resized]
    assert fitted_edits({SIZE: "18x24"}, fitted=Path("fitted/a.npz")) == [
        resized
    ]  # nothing to fit
    assert size_edits_of({"channels:g": 8}) == []


def test_the_bundled_model_has_a_knob_for_each_of_its_branches(bundled_family: Path):
    graph = merge_linear(load_graph(bundled_family / "base.onnx"))
    space = find_space(graph, only=["stage4.block1*", "decode.fuse"])
    names = [knob.name for knob in space.knobs]
    assert [n for n in names if n.startswith("branch:")] == [
        f"branch:stage4.block1.{part}" for part in ("attention", "ffn")
    ]
    assert "channels:stage4.block1.ffn.fc1" in names
    assert space.within("channels:stage4.block1.ffn.fc1", "branch:stage4.block1.ffn")
    assert "channels:decode.fuse" in names
