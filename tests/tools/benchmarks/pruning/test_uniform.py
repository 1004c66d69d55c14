import onnx_ir as ir
import pytest
from benchmarks.pruning.uniform import UniformLadder, attention_branches, inner_groups

from edgert.errors import BuildError
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph
from edgert.surgery.load import normalised
from edgert.surgery.merge_linear import merge_linear
from tests.tiny_family import tiny_model
from tests.tools.attention_family import attention_model


@pytest.fixture(scope="module")
def full():
    return merge_linear(normalised(Graph(ir.from_proto(attention_model()))))


def test_attention_and_feed_forward_are_told_apart(full):
    names = [branch.name for branch in attention_branches(full)]
    assert names == ["block1.attention", "block2.attention"]
    groups = [group.name for group in inner_groups(full)]
    assert groups == ["block1.ffn.fc1", "block2.ffn.fc1"]  # and not head.fuse


def test_the_ladder_begins_with_nothing_and_replaces_before_it_narrows(full):
    ladder = UniformLadder(full, None)
    assert ladder.edits(0) == []
    assert ladder.steps(1) == (["block1.attention"], 1.0)
    names = ["block1.attention", "block2.attention"]
    assert ladder.edits(2) == [{"replace_residuals": {"branches": names}}]
    *narrowed, replaced = ladder.edits(18)
    assert ladder.steps(18) == (names, 0.5)
    assert [edit["narrow_channels"]["keep"] for edit in narrowed] == [16, 16]
    assert replaced == ladder.edits(2)[0]
    assert ladder.steps(ladder.rungs - 1) == (names, 1 / 32)


def test_the_choice_is_the_dearest_rung_within_the_budget(full):
    ladder = UniformLadder(full, None)
    macs = [ladder.macs(rung) for rung in range(ladder.rungs)]
    assert macs == sorted(macs, reverse=True)
    assert macs[0] == cost_of(full).macs
    for rung in (0, 1, 2, 18, ladder.rungs - 1):
        chosen = ladder.within(macs[rung] + 1)
        assert macs[chosen] == macs[rung]
        assert chosen == 0 or macs[chosen - 1] > macs[rung]


def test_a_budget_below_the_last_rung_is_refused(full):
    ladder = UniformLadder(full, None)
    least = ladder.macs(ladder.rungs - 1)
    with pytest.raises(BuildError, match="for the cheapest"):
        ladder.within(least - 1)


def test_a_net_without_attention_is_only_narrowed():
    ladder = UniformLadder(merge_linear(normalised(Graph(ir.from_proto(tiny_model())))), None)
    assert {name for edit in ladder.edits(1) for name in edit} == {"narrow_channels"}
    groups = [edit["narrow_channels"]["group"] for edit in ladder.edits(16)]
    assert groups == ["block1.mix.in", "block2.mix.in", "block3.mix.in"]
    assert ladder.macs(16) < ladder.macs(0)
