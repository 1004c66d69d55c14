"""SegFormer's knobs become the edits that they stand for."""

import numpy as np
import onnx_ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.build.derive import derive
from edgert.errors import UsageError
from edgert.families.segformer import (
    FUSE_GROUP,
    KNOBS,
    LINEAR_GROUPS,
    block_names,
    branch_names,
    edits,
)
from edgert.surgery.channel_groups import find_channel_groups
from edgert.surgery.cost import cost_of, node_costs
from edgert.surgery.graph import Graph
from edgert.surgery.load import load_graph
from tests.surgery.graphs_linear import outputs_of

B0 = (2, 2, 2, 2)
B2 = (3, 4, 6, 3)


def branches(steps):
    return next((s["skip_residuals"]["branches"] for s in steps if "skip_residuals" in s), [])


def test_block_names_count_from_one():
    assert block_names((1, 2)) == ("stage1.block1", "stage2.block1", "stage2.block2")


def test_branch_names_of_b0():
    names = branch_names(B0)
    assert len(names) == 16
    assert names[:3] == (
        "stage1.block1.attention",
        "stage1.block1.ffn",
        "stage1.block2.attention",
    )
    assert names[-1] == "stage4.block2.ffn"


def test_all_knobs_at_full_merge_only():
    assert edits(depths=B2, keep_blocks=B2, decoder_dim=768, fuse_width=768) == [
        {"merge_linear": {}}
    ]
    assert edits(depths=B0) == [{"merge_linear": {}}]


def test_fewer_blocks_skip_both_branches_of_the_last_ones():
    assert branches(edits(depths=B0, keep_blocks=(1, 2, 2, 2))) == [
        "stage1.block2.attention",
        "stage1.block2.ffn",
    ]


def test_knobs_together_come_in_the_order_the_graph_runs():
    steps = edits(
        depths=B0,
        keep_blocks=(2, 2, 1, 2),
        skip_attention=["stage4.block1", "stage1.block2"],
        skip_ffn=["stage2.block1"],
        ffn_widths={"stage4.block1": 768, "stage1.block1": 96},
        fuse_width=192,
    )
    assert steps == [
        {"merge_linear": {}},
        {
            "skip_residuals": {
                "branches": [
                    "stage1.block2.attention",
                    "stage2.block1.ffn",
                    "stage3.block2.attention",
                    "stage3.block2.ffn",
                    "stage4.block1.attention",
                ]
            }
        },
        {"narrow_channels": {"group": "stage1.block1.ffn.fc1", "keep": 96}},
        {"narrow_channels": {"group": "stage4.block1.ffn.fc1", "keep": 768}},
        {"narrow_channels": {"group": FUSE_GROUP, "keep": 192}},
    ]


@pytest.mark.parametrize(
    ("knobs", "word"),
    [
        ({"keep_blocks": (2, 2, 0, 2)}, "stage 3"),
        ({"keep_blocks": (2, 2, 3, 2)}, "1 to 2"),
        ({"keep_blocks": (2, 2, 2)}, "3 numbers"),
        ({"skip_attention": ["stage5.block1"]}, "stage5.block1"),
        ({"skip_attention": ["stage0.block1"]}, "count from 1"),
        ({"skip_ffn": ["stage1.block3"]}, "stage1.block1 to stage4.block2"),
        ({"ffn_widths": {"stage1.block1": 0}}, "ffn_widths['stage1.block1']"),
        ({"ffn_widths": {"stage9.block1": 8}}, "stage9.block1"),
        (
            {"ffn_widths": {"stage1.block1": 8}, "skip_ffn": ["stage1.block1"]},
            "a skipped branch",
        ),
        ({"ffn_widths": {"stage1.block2": 8}, "keep_blocks": (1, 2, 2, 2)}, "a skipped branch"),
        ({"fuse_width": 0}, "1 to 256"),
        ({"fuse_width": 257}, "257"),
        ({"fuse_width": 64, "decoder": {"Conv2DPred": 65}}, "64 as fuse_width says"),
        ({"decoder": {"Conv2DPred": 0}}, "decoder['Conv2DPred']"),
        ({"decoder": {"DecodeLinear2": 257}}, "narrow DecodeLinear2"),
        ({"decoder": {"DecodeLinear4": 8}}, "a knob among DecodeLinear0"),
        ({"decoder": {"Conv2DFuse": 3}}, "4 to 1024 input channels"),
        ({"decoder": {"Conv2DFuse": 1025}}, "4 to 1024 input channels"),
        ({"decoder": {"Conv2DFuse": 200, "DecodeLinear0": 256}}, "259 to 1024 input channels"),
        (
            {"decoder": {"Conv2DFuse": 40} | {f"DecodeLinear{i}": 8 for i in range(4)}},
            "32 to 32 input channels",
        ),
    ],
)
def test_an_impossible_value_is_refused_in_one_line(knobs, word):
    with pytest.raises(UsageError) as caught:
        edits(depths=B0, **knobs)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@st.composite
def depths_and_kept(draw):
    depths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    return depths, [draw(st.integers(1, depth)) for depth in depths]


@given(depths_and_kept())
def test_every_block_is_either_kept_or_skipped_whole(case):
    depths, kept = case
    skipped = branches(edits(depths=depths, keep_blocks=kept))
    assert len(skipped) == 2 * (sum(depths) - sum(kept))
    assert set(skipped).isdisjoint(branch_names(kept))
    assert set(skipped) <= set(branch_names(depths))


def widths(steps):
    """Channels kept by group."""
    narrowed = [step["narrow_channels"] for step in steps if "narrow_channels" in step]
    return {edit["group"]: edit["keep"] for edit in narrowed}


def test_the_papers_knobs_name_groups_of_the_decoder():
    assert KNOBS["DecodeLinear0"] == ("decode.linear1",)
    assert KNOBS["DecodeLinear3"] == ("decode.linear4",)
    assert KNOBS["Conv2DFuse"] == LINEAR_GROUPS
    assert KNOBS["Conv2DPred"] == ("decode.fuse",)
    assert len(KNOBS) == 6


def test_projections_are_narrowed_before_the_merge_and_the_fused_width_after_it():
    steps = edits(depths=B0, decoder={"DecodeLinear3": 32, "DecodeLinear0": 64, "Conv2DPred": 96})
    assert steps == [
        {"narrow_channels": {"group": "decode.linear1", "keep": 64}},
        {"narrow_channels": {"group": "decode.linear4", "keep": 32}},
        {"merge_linear": {}},
        {"narrow_channels": {"group": "decode.fuse", "keep": 96}},
    ]
    assert edits(depths=B0, decoder={"Conv2DPred": 96}) == edits(depths=B0, fuse_width=96)
    assert {"merge_linear": {}} not in edits(depths=B0, decoder={"Conv2DPred": 96}, merge=False)


def test_full_widths_are_no_edits():
    full = dict.fromkeys(KNOBS, 256) | {"Conv2DFuse": 1024}
    assert edits(depths=B0, decoder=full, merge=False) == []


@given(
    st.integers(4, 4 * 64),
    st.dictionaries(st.sampled_from([f"DecodeLinear{i}" for i in range(4)]), st.integers(1, 64)),
)
def test_input_channels_of_the_fused_convolution_add_up(channels, given_widths):
    free = 4 - len(given_widths)
    least = sum(given_widths.values()) + free
    channels = max(least, min(channels, least + free * 63))
    steps = edits(
        depths=B0, decoder_dim=64, decoder={"Conv2DFuse": channels} | given_widths, merge=False
    )
    kept = dict.fromkeys(LINEAR_GROUPS, 64) | widths(steps)
    assert sum(kept.values()) == channels
    for knob, width in given_widths.items():
        assert kept[KNOBS[knob][0]] == width
    shared = [
        kept[g] for i, g in enumerate(LINEAR_GROUPS) if f"DecodeLinear{i}" not in given_widths
    ]
    assert not shared or max(shared) - min(shared) <= 1


# ---------------------------------------------------------------- on the bundled model


@pytest.fixture(scope="module")
def base(bundled_family):
    return load_graph(bundled_family / "base.onnx")


def macs_by_part(graph):
    return {node.name: node.macs for node in node_costs(graph) if node.macs}


def derived(base, **knobs):
    return derive(base, edits(depths=B0, **knobs), subject="knobs")


def test_every_knob_names_a_group_of_the_bundled_model(base):
    groups = {group.name: group for group in find_channel_groups(base)}
    for names in KNOBS.values():
        for name in names:
            assert (groups[name].channels, groups[name].unit, groups[name].blocked) == (256, 1, "")
    for block in block_names(B0):
        assert groups[f"{block}.ffn.fc1"].blocked == ""


@pytest.mark.parametrize("channels", [1024, 512, 100])
def test_fused_convolution_costs_as_many_channels_as_it_reads(base, channels):
    full = macs_by_part(base)
    parts = macs_by_part(derived(base, decoder={"Conv2DFuse": channels}, merge=False))
    assert parts["decode.fuse/Conv"] * 1024 == full["decode.fuse/Conv"] * channels
    for index, name in enumerate(f"decode.linear{i}/MatMul" for i in (1, 2, 3, 4)):
        width = channels // 4 + (index < channels % 4)
        assert parts[name] * 256 == full[name] * width
    assert parts["decode.predict/Conv"] == full["decode.predict/Conv"]


def test_one_projection_is_narrowed_alone(base):
    full = macs_by_part(base)
    parts = macs_by_part(derived(base, decoder={"DecodeLinear2": 64}, merge=False))
    assert parts["decode.linear3/MatMul"] * 4 == full["decode.linear3/MatMul"]
    assert parts["decode.fuse/Conv"] * 1024 == full["decode.fuse/Conv"] * (1024 - 192)
    changed = {name for name in full if full[name] != parts[name]}
    assert changed == {"decode.linear3/MatMul", "decode.fuse/Conv"}


def test_predicting_convolution_costs_as_many_channels_as_it_reads(base):
    full = macs_by_part(base)
    for merge in (False, True):
        parts = macs_by_part(derived(base, decoder={"Conv2DPred": 128}, merge=merge))
        assert parts["decode.predict/Conv"] * 2 == full["decode.predict/Conv"]
        fused = sum(macs for name, macs in parts.items() if name.startswith("decode.fuse"))
        before = macs_by_part(derived(base, merge=merge))
        whole = sum(macs for name, macs in before.items() if name.startswith("decode.fuse"))
        assert fused * 2 == whole


def test_fewer_blocks_leave_nothing_of_the_others(base):
    parts = macs_by_part(derived(base, keep_blocks=(2, 1, 2, 2), merge=False))
    full = macs_by_part(base)
    gone = {name for name in full if name not in parts}
    assert gone == {name for name in full if name.startswith("stage2.block2")}
    assert all(parts[name] == full[name] for name in parts)


def test_behind_the_merge_the_projections_widths_cost_nothing(base):
    full = cost_of(derived(base)).macs
    assert cost_of(derived(base, decoder={"Conv2DFuse": 512})).macs == full
    assert full < cost_of(derived(base, decoder={"Conv2DFuse": 64}, merge=False)).macs


def test_all_knobs_together_run(base):
    knobs = {"Conv2DFuse": 512, "DecodeLinear0": 64, "Conv2DPred": 128}
    graph = derived(
        base,
        keep_blocks=(1, 2, 2, 1),
        skip_attention=["stage3.block1"],
        ffn_widths={"stage1.block1": 64},
        decoder=knobs,
        merge=False,
    )
    (logits,) = outputs_of(Graph(onnx_ir.external_data.load_to_model(graph.copy().model)))
    assert logits.shape == tuple(base.outputs[0].shape)
    assert np.isfinite(logits).all()
    assert cost_of(graph).macs < 0.5 * cost_of(base).macs
