"""Which channels matter, measured on frames."""

import json

import numpy as np
import pytest

from edgert.calibration.fit import fit_compensation
from edgert.calibration.ranking import rank_units, save_ranking
from edgert.calibration.reference import Reference
from edgert.errors import CalibrationError
from edgert.surgery.channel_groups import find_channel_groups
from edgert.surgery.narrow_channels import keep_units
from tests.calibration.graphs import conv_net, frames, run, token_net
from tests.skeletons import skeleton


def test_every_group_that_can_be_cut_is_ranked(tmp_path):
    reference = Reference.make(tmp_path / "r", token_net(), frames(8), threads=1)
    ranking = rank_units(reference, threads=1)
    assert {"block1.fc1", "block2.fc1"} <= set(ranking)
    assert sorted(ranking["block1.fc1"]) == list(range(16))


def test_named_groups_only(tmp_path):
    reference = Reference.make(tmp_path / "r", token_net(), frames(4), threads=1)
    assert list(rank_units(reference, groups=["block2.fc1"], threads=1)) == ["block2.fc1"]


def test_a_channel_that_nobody_listens_to_goes_first(tmp_path):
    graph = token_net().copy()
    weight = graph.node("block1.fc2/MatMul").inputs[1]
    array = weight.const_value.numpy().copy()
    array[[3, 11]] = 0
    import onnx_ir as ir

    weight.const_value = ir.tensor(array, name=weight.name)
    reference = Reference.make(tmp_path / "r", graph, frames(8), threads=1)
    order = rank_units(reference, groups=["block1.fc1"], threads=1)["block1.fc1"]
    assert set(order[-2:]) == {3, 11}


def test_the_ranking_beats_its_reverse_after_compensation(tmp_path):
    reference = Reference.make(tmp_path / "r", token_net(), frames(24), threads=1)
    order = rank_units(reference, groups=["block1.fc1"], threads=1)["block1.fc1"]
    errors = []
    for chosen in (order[:8], order[8:]):
        narrow = keep_units(token_net(), group="block1.fc1", kept=sorted(chosen))
        fitted = fit_compensation(narrow, reference, threads=1).graph
        error = [np.square(run(fitted, x) - run(token_net(), x)).mean() for x in frames(6, seed=3)]
        errors.append(float(np.mean(error)))
    assert errors[0] < errors[1] / 1.5


def test_channels_read_by_a_kernel_are_ranked(tmp_path):
    reference = Reference.make(tmp_path / "r", conv_net(), frames(6), threads=1)
    ranking = rank_units(reference, threads=1)
    assert sorted(len(units) for units in ranking.values())[-1] == 12


def test_the_file_is_what_narrow_channels_reads(tmp_path):
    save_ranking(tmp_path / "ranking.json", {"a.b": [2, 0, 1], "c": [0]})
    content = json.loads((tmp_path / "ranking.json").read_text())
    assert content == {"groups": {"a.b": [2, 0, 1], "c": [0]}}


def test_a_stream_that_many_maps_read_is_ranked_by_all_of_them(tmp_path):
    reference = Reference.make(tmp_path / "r", token_net(), frames(8), threads=1)
    [stream] = [g.name for g in find_channel_groups(token_net()) if g.normalised_by]
    order = rank_units(reference, groups=[stream], threads=1)[stream]
    assert sorted(order) == list(range(6))


def test_heads_are_ranked_as_whole_units(tmp_path):
    graph = skeleton("vit_small_torchscript")
    [group] = [g for g in find_channel_groups(graph) if g.unit == 64][:1]
    inputs = [np.random.default_rng(i).standard_normal((1, 3, 224, 224)) for i in range(2)]
    frames_ = [array.astype(np.float32) for array in inputs]
    reference = Reference.make(tmp_path / "r", graph, frames_, threads=1)
    order = rank_units(reference, groups=[group.name], threads=1)[group.name]
    assert sorted(order) == list(range(6))


def test_a_group_that_is_not_there_is_one_line(tmp_path):
    reference = Reference.make(tmp_path / "r", token_net(), frames(2), threads=1)
    with pytest.raises(CalibrationError, match="expected a channel group that can be cut"):
        rank_units(reference, groups=["nothing"], threads=1)
