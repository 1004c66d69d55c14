"""The accuracy predictor in NumPy against the same network in torch, on files torch wrote."""

import itertools
import random

import numpy as np
import pytest

from edgert.errors import ArtifactError
from edgert.families.ofa_space import Space
from edgert.search.subnets.predictor import features_of, read_predictor

pytestmark = pytest.mark.export

SPACE = Space()


@pytest.fixture
def network():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    sizes = (82, 400, 400, 400)
    hidden = [
        torch.nn.Sequential(torch.nn.Linear(before, after), torch.nn.ReLU())
        for before, after in itertools.pairwise(sizes)
    ]

    class Predictor(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(*hidden, torch.nn.Linear(400, 1, bias=False))
            self.base_acc = torch.nn.Parameter(torch.full((1,), 0.80556), requires_grad=False)

        def forward(self, features):
            return self.layers(features).squeeze(-1) + self.base_acc

    return torch, Predictor()


def drawn(count=50):
    draw = random.Random(0)
    return [SPACE.sample(draw) for _ in range(count)]


@pytest.mark.parametrize("kind", ["bare.pth", "wrapped.pth", "file.safetensors"])
def test_answers_are_those_of_torch(network, tmp_path, kind):
    torch, predictor = network
    path, state = tmp_path / kind, predictor.state_dict()
    if kind.endswith(".safetensors"):
        from safetensors.torch import save_file

        save_file(state, path)
    else:
        torch.save({"state_dict": state} if kind.startswith("wrapped") else state, path)
    subnets = drawn()
    features = np.stack([features_of(SPACE, subnet) for subnet in subnets])
    with torch.no_grad():
        expected = predictor(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(read_predictor(path)(subnets), expected, atol=2e-6)
    assert np.ptp(expected) > 1e-3  # the control: they differ among each other by more


def test_a_checkpoint_of_something_else_is_refused(network, tmp_path):
    torch, _ = network
    torch.save(torch.nn.Linear(82, 400).state_dict(), tmp_path / "p.pth")
    with pytest.raises(ArtifactError, match=r"base_acc|layers"):
        read_predictor(tmp_path / "p.pth")
