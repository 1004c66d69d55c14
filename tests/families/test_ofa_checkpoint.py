"""Checkpoints of supernets from .safetensors files; what is wrong with one is told by its key."""

import dataclasses
import json

import msgspec
import numpy as np
import pytest

from edgert.errors import ArtifactError
from edgert.families.ofa_checkpoint import read_supernet, stated_space
from edgert.families.ofa_space import Space
from tests.families.ofa_networks import SMALL, random_weights

numpy_files = pytest.importorskip("safetensors.numpy", reason="the package safetensors is missing")

WEIGHTS = random_weights(SMALL)
KEY = "blocks.3.conv2.conv.conv.weight"


def static_style(key):
    """The names of a network cut from a supernet, written down apart from the code under test."""
    for nested, plain in (
        (".linear.linear.", ".linear."),
        ("bn.bn.", "bn."),
        ("conv.conv.weight", "conv.weight"),
    ):
        key = key.replace(nested, plain)
    return key


def write(folder, tensors, metadata=None):
    path = folder / "net.safetensors"
    numpy_files.save_file(tensors, path, metadata=metadata)
    return path


def changed(**changes):
    """The tensors with some others; None takes one away. Dots are written as two underscores."""
    tensors = dict(WEIGHTS)
    for name, array in changes.items():
        key = name.replace("__", ".")
        tensors.pop(key, None)
        if array is not None:
            tensors[key] = array
    return tensors


def test_tensors_come_back_as_they_were(tmp_path):
    read = read_supernet(write(tmp_path, WEIGHTS), SMALL)
    assert read.keys() == WEIGHTS.keys()
    for key, array in WEIGHTS.items():
        np.testing.assert_array_equal(read[key], array)


def test_static_names_are_rewritten(tmp_path):
    tensors = {static_style(key): array for key, array in WEIGHTS.items()}
    assert "input_stem.1.conv.conv.weight" in tensors
    assert not tensors.keys() & {KEY, "classifier.linear.linear.bias"}
    read = read_supernet(write(tmp_path, tensors), SMALL)
    assert read.keys() == WEIGHTS.keys()
    assert all(np.array_equal(read[key], array) for key, array in WEIGHTS.items())


def test_half_precision_is_widened_and_counters_are_ignored(tmp_path):
    tensors = {key: array.astype(np.float16) for key, array in WEIGHTS.items()}
    tensors["blocks.0.conv1.bn.bn.num_batches_tracked"] = np.array(7)
    read = read_supernet(write(tmp_path, tensors), SMALL)
    assert {array.dtype for array in read.values()} == {np.dtype(np.float32)}
    assert read.keys() == WEIGHTS.keys()


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (
            changed(blocks__3__conv2__conv__conv__weight=None),
            [f"at {KEY}", "expected shape (40, 40, 3, 3)", "got nothing of that name."],
        ),
        (
            changed(input_stem__0__bn__bn__bias=None, blocks__3__conv2__conv__conv__weight=None),
            ["at input_stem.0.bn.bn.bias", "(and 1 more)"],
        ),
        (
            changed(head__weight=np.zeros((2, 3), np.float32)),
            ["at head.weight", "small-resnet has no such tensor", "got shape (2, 3)"],
        ),
        (
            changed(blocks__3__conv2__conv__weight=WEIGHTS[KEY]),
            ["at blocks.3.conv2.conv.weight", "no such tensor"],
        ),
        (
            changed(blocks__3__conv2__conv__conv__weight=np.zeros((40, 16, 3, 3), np.float32)),
            [f"at {KEY}", "expected shape (40, 40, 3, 3)", "got shape (40, 16, 3, 3)"],
        ),
        (
            changed(classifier__linear__linear__bias=np.full(5, np.nan, np.float32)),
            ["at classifier.linear.linear.bias", "finite", "got 5 that are not finite"],
        ),
        (
            changed(classifier__linear__linear__bias=np.zeros(5, np.int32)),
            ["at classifier.linear.linear.bias", "floating-point", "int32"],
        ),
    ],
)
def test_what_is_wrong_is_told_by_its_key(tmp_path, tensors, words):
    with pytest.raises(ArtifactError) as caught:
        read_supernet(write(tmp_path, tensors), SMALL)
    line = str(caught.value)
    assert all(word in line for word in words), line
    assert "\n" not in line


def test_a_checkpoint_of_another_supernet_is_one_clear_line(tmp_path):
    path = write(tmp_path, random_weights(dataclasses.replace(SMALL, base_depths=(1, 1, 1))))
    with pytest.raises(ArtifactError) as caught:
        read_supernet(path, Space())
    line = str(caught.value)
    assert "expected a checkpoint of ofa-resnet50, with its 307 tensors" in line
    assert "got one of another network" in line
    assert "such as blocks.0.conv1.bn.bn.bias (40,)" in line


def test_a_checkpoint_of_a_deeper_supernet_is_refused(tmp_path):
    """Same names and shapes as far as they go; what is too much is named."""
    deeper = dataclasses.replace(SMALL, base_depths=(1, 1, 3))
    with pytest.raises(ArtifactError, match=r"at blocks\.10\.conv1.* no such tensor"):
        read_supernet(write(tmp_path, random_weights(deeper)), SMALL)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("none.safetensors", None, "no such file"),
        ("none.pth", None, "no such file"),
        ("bad.safetensors", b"\x10\0\0\0\0\0\0\0not a header", "weights"),
        ("empty.safetensors", b"", "weights"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, name, content, word):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=word):
        read_supernet(tmp_path / name, SMALL)


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(ArtifactError, match="a folder"):
        read_supernet(tmp_path, SMALL)


# ---------------------------------------------------------------- the space


def with_space(folder, content):
    text = content if isinstance(content, str) else json.dumps(content)
    return write(folder, WEIGHTS, {"space": text})


def test_a_checkpoint_states_its_space(tmp_path):
    content = msgspec.json.encode(SMALL).decode()
    assert stated_space(with_space(tmp_path, content)) == SMALL


def test_a_checkpoint_that_says_nothing_is_of_ofa_resnet50(tmp_path):
    assert stated_space(write(tmp_path, WEIGHTS)) == Space()
    assert stated_space(tmp_path / "supernet.pth") == Space()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("{", "expected JSON"),
        ({"stage_widths": "wide"}, "stage_widths"),
        ({"stages": 4}, "unknown 'stages'"),
        ({"strides": [1, 2]}, "as many stages"),
        ({"expands": [0.5, 0.3]}, "rising order"),
        ({"depths": []}, "rising order"),
        ([1, 2], "space"),
    ],
)
def test_a_space_that_is_none_is_refused(tmp_path, content, word):
    with pytest.raises(ArtifactError) as caught:
        stated_space(with_space(tmp_path, content))
    assert word in str(caught.value)
