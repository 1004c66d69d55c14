"""Specialised networks: folders with a description, an image size and weights of their own."""

import copy
import json
import random

import numpy as np
import pytest

from edgert.errors import ArtifactError
from edgert.families.ofa_specialised import plan_from_config, read_specialised
from edgert.surgery.channel_groups import find_channel_groups
from edgert.surgery.residuals import find_residual_branches
from tests.families.ofa_networks import SMALL, random_weights, reference_logits
from tests.surgery.sessions import session_of

pytest.importorskip("safetensors", reason="the package safetensors is missing")

from tests.families.ofa_folders import (
    net_config,
    own_weights,
    write_specialised,
)

WEIGHTS = random_weights(SMALL)
SLACK = 1e-5
SUBNETS = [SMALL.largest(), SMALL.smallest(), *(SMALL.sample(random.Random(s)) for s in range(4))]


@pytest.mark.parametrize("subnet", SUBNETS)
def test_a_specialised_network_answers_as_the_slices_it_was_made_of(tmp_path, subnet):
    network = read_specialised(write_specialised(tmp_path / "net", SMALL, subnet, WEIGHTS))
    assert (network.name, network.image_size) == ("net", subnet.image_size)
    size = subnet.image_size
    pixels = np.random.default_rng(1).standard_normal((1, 3, size, size)).astype(np.float32)
    session = session_of(network.graph(), threads=1)
    (logits,) = session.run(["logits"], {"pixel_values": pixels})
    expected = reference_logits(WEIGHTS, SMALL, subnet, pixels)
    assert np.abs(logits - expected).max() < SLACK * np.abs(expected).max()


def test_parts_have_the_names_that_a_supernet_has(tmp_path):
    folder = write_specialised(tmp_path / "net", SMALL, SMALL.smallest(), WEIGHTS)
    graph = read_specialised(folder).graph()
    blocks = ["stage1.block1", "stage2.block1", "stage3.block1", "stage3.block2"]
    assert [branch.name for branch in find_residual_branches(graph)] == blocks
    names = {group.name for group in find_channel_groups(graph)}
    inside = {f"{block}.conv{layer}" for block in blocks for layer in (1, 2)}
    expected = {"stem.middle", "stem.end", "stage1", "stage2", "stage3", "classifier"}
    assert names == inside | expected


def test_names_of_folders_become_names_of_models(tmp_path):
    folder = tmp_path / "_resnet50D_MAC@4.1B_top1@79.8"
    network = read_specialised(write_specialised(folder, SMALL, SMALL.smallest(), WEIGHTS))
    assert network.name == "resnet50D_MAC_4.1B_top1_79.8"


CONFIG = net_config(SMALL, SMALL.largest())


def changed(path, value):
    """The description with something else at one place, such as ("blocks", 2, "stride")."""
    content = copy.deepcopy(CONFIG)
    inner = content
    for step in path[:-1]:
        inner = inner[step]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("bn", "ws_eps"), 1e-5, ["at bn.ws_eps", "expected null"]),
        (("bn", "eps"), "small", ["at bn.eps", "got small"]),
        (("input_stem",), None, ["at input_stem", "got nothing"]),
        (("input_stem",), [CONFIG["input_stem"][0]], ["at input_stem", "got ConvLayer."]),
        (("input_stem", 0, "kernel_size"), 7, ["input_stem[0].kernel_size", "expected 3, got 7"]),
        (("input_stem", 0, "stride"), 1, ["input_stem[0].stride", "expected 2, got 1"]),
        (("input_stem", 2, "act_func"), "h_swish", ["input_stem[2].act_func", "relu"]),
        (("input_stem", 1, "shortcut"), {"name": "ZeroLayer"}, ["input_stem[1].shortcut"]),
        (("input_stem", 1, "conv", "out_channels"), 24, ["[1].conv.out_channels"]),
        (("input_stem", 2, "out_channels"), 0, ["[2].out_channels", "whole number from 1"]),
        (("blocks",), [], ["at blocks", "list of layers"]),
        (("blocks", 1), "block", ["at blocks[1]", "an object"]),
        (("blocks", 1, "name"), "MBConvLayer", ["blocks[1].name", "got MBConvLayer"]),
        (("blocks", 1, "in_channels"), 16, ["blocks[1].in_channels", "expected 72, got 16"]),
        (("blocks", 1, "groups"), 4, ["blocks[1].groups", "expected 1, got 4"]),
        (("blocks", 3, "stride"), True, ["blocks[3].stride", "whole number from 1"]),
        (("blocks", 3, "downsample_mode"), "pool", ["blocks[3].downsample_mode", "got pool"]),
        (("classifier", "in_features"), 9, ["classifier.in_features", "expected 96, got 9"]),
        (("classifier",), None, ["at classifier", "got nothing"]),
    ],
)
def test_a_description_of_another_network_is_refused_by_its_place(path, value, words):
    with pytest.raises(ArtifactError) as caught:
        plan_from_config(changed(path, value), name="net", subject="read net.config")
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_width_inside_follows_from_the_expansion_where_it_is_not_said():
    content = copy.deepcopy(CONFIG)
    for block in content["blocks"]:
        block["mid_channels"] = None
    plan = plan_from_config(content, name="net", subject="read net.config")
    own = {key: array.shape for key, array in own_weights(SMALL, SMALL.largest(), WEIGHTS).items()}
    assert plan.tensor_shapes() == {k: s for k, s in own.items() if "tracked" not in k}
    content["blocks"][0]["expand_ratio"] = "wide"
    with pytest.raises(ArtifactError, match=r"blocks\[0\].expand_ratio"):
        plan_from_config(content, name="net", subject="read net.config")


def test_a_strided_shortcut_is_a_convolution_alone():
    content = copy.deepcopy(CONFIG)
    for block in content["blocks"]:
        block["downsample_mode"] = "conv"
    plan = plan_from_config(content, name="net", subject="read net.config")
    shortcuts = [block.shortcut for block in plan.blocks if block.shortcut is not None]
    assert [layer.stride for layer in shortcuts] == [1, 2, 2]


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("net.config", None, "no net.config"),
        ("run.config", None, "run.config"),
        ("init.safetensors", None, "init: expected a checkpoint"),
        ("net.config", "{", "JSON"),
        ("run.config", json.dumps({"image_size": [128, 224]}), "run.config.image_size"),
        ("init.safetensors", "", "init.safetensors"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(tmp_path, file, content, words):
    folder = write_specialised(tmp_path / "net", SMALL, SMALL.smallest(), WEIGHTS)
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactError) as caught:
        read_specialised(folder)
    assert words in str(caught.value)


def test_weights_of_another_network_are_refused_by_key(tmp_path):
    folder = write_specialised(tmp_path / "net", SMALL, SMALL.largest(), WEIGHTS)
    other = write_specialised(tmp_path / "other", SMALL, SUBNETS[2], WEIGHTS)
    (other / "init.safetensors").replace(folder / "init.safetensors")
    with pytest.raises(ArtifactError) as caught:
        read_specialised(folder)
    assert "init.safetensors" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_folder_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="no such folder"):
        read_specialised(tmp_path / "none")
