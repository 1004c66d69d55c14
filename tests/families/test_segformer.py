"""SegFormer's knobs become the edits that they stand for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.errors import UsageError
from edgert.families.segformer import FUSE_GROUP, KNOBS, block_names, branch_names, edits

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


def test_the_papers_knobs_name_parts_of_the_decoder():
    assert KNOBS["DecodeLinear0"] == "decode.linear1"
    assert KNOBS["Conv2DFuse"] == "decode.fuse"
    assert len(set(KNOBS.values())) == len(KNOBS) == 6
