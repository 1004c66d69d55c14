"""Checkpoints of supernets that torch saved: read without running any code from them."""

import os

import numpy as np
import pytest

from edgert.errors import ArtifactError
from edgert.families.ofa_checkpoint import read_supernet
from tests.families.ofa_networks import SMALL, random_weights

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")

WEIGHTS = random_weights(SMALL)


def tensors(**more):
    return {**{key: torch.from_numpy(array) for key, array in WEIGHTS.items()}, **more}


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("is_zip", [True, False])
def test_what_torch_saved_comes_back(tmp_path, wrapped, is_zip):
    counter = {"blocks.0.conv1.bn.bn.num_batches_tracked": torch.tensor(7)}
    content = tensors(**counter)
    path = tmp_path / "supernet.pth.tar"
    torch.save(
        {"state_dict": content, "epoch": 120} if wrapped else content,
        path,
        _use_new_zipfile_serialization=is_zip,
    )
    read = read_supernet(path, SMALL)
    assert read.keys() == WEIGHTS.keys()
    assert all(np.array_equal(read[key], array) for key, array in WEIGHTS.items())


def test_bfloat16_is_widened(tmp_path):
    torch.save({key: t.bfloat16() for key, t in tensors().items()}, tmp_path / "half")
    read = read_supernet(tmp_path / "half", SMALL)  # the published file has no suffix at all
    for key, array in WEIGHTS.items():
        np.testing.assert_allclose(read[key], array, rtol=2**-8)


class Runs:
    """What a loader that trusts files would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    torch.save({"state_dict": tensors(), "extra": Runs(tmp_path / "ran")}, tmp_path / "net.pth")
    with pytest.raises(ArtifactError, match="weights_only=True"):
        read_supernet(tmp_path / "net.pth", SMALL)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ([1, 2], "list of something else"),
        ({"state_dict": {"a": 1}}, "dict of something else"),
        ({}, "dict of something else"),
        ({"state_dict": {"fc.weight": torch.zeros(2, 2)}}, "another network: 0 of these among 1"),
    ],
)
def test_other_content_is_refused(tmp_path, content, word):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(ArtifactError, match=word):
        read_supernet(tmp_path / "net.pth", SMALL)


@pytest.mark.parametrize("kept", [0, 100, 4000])
def test_a_truncated_file_is_refused_in_one_line(tmp_path, kept):
    torch.save(tensors(), tmp_path / "net.pth")
    content = (tmp_path / "net.pth").read_bytes()
    (tmp_path / "net.pth").write_bytes(content[:kept])
    with pytest.raises(ArtifactError) as caught:
        read_supernet(tmp_path / "net.pth", SMALL)
    assert "\n" not in str(caught.value)
