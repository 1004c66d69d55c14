"""Statistics of subnets against the published package's own set_running_statistics."""

import dataclasses
import random

import numpy as np
import pytest

from edgert.build.derive import derive
from edgert.calibration.recalibration import measure_statistics
from edgert.families import ofa_resnet50
from edgert.families.ofa_space import Space
from edgert.surgery.batchnorm import statistics_of
from tests.export.ofa_package import ofa_module, random_supernet

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
set_running_statistics = ofa_module(
    "ofa.imagenet_classification.elastic_nn.utils"
).set_running_statistics

SPACE = Space()
TOLERANCE = 1e-3
SIZE, PICTURES, BATCH = 64, 14, 6


@pytest.fixture(scope="module")
def network():
    """The published supernet with random weights and statistics."""
    return random_supernet(torch, SPACE)


def pictures():
    noise = np.random.default_rng(1).standard_normal((PICTURES, 3, SIZE, SIZE))
    return noise.astype(np.float32)


def recalibrated_by_the_package(network, subnet):
    """Means and variances of the subnet's normalisations, in the order of its modules."""
    network.set_active_subnet(d=list(subnet.depth), e=list(subnet.expand), w=list(subnet.width))
    frames = torch.from_numpy(pictures())
    loader = [(frames[first : first + BATCH], None) for first in range(0, PICTURES, BATCH)]
    alone = network.get_active_subnet()
    set_running_statistics(alone, loader)
    return {
        name: (module.running_mean.numpy(), module.running_var.numpy())
        for name, module in alone.named_modules()
        if isinstance(module, torch.nn.BatchNorm2d)
    }


def multiset(pairs):
    """By their numbers: neither side's names matter, each layer's statistics do."""
    return sorted(pairs, key=lambda pair: (len(pair[0]), float(pair[0][0])))


def pairs_of(tensors):
    arrays = list(tensors.values())
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def largest_difference(got, wanted):
    assert [len(pair[0]) for pair in got] == [len(pair[0]) for pair in wanted]
    return max(
        max(
            float(np.abs((mine[0] - its[0]) / np.sqrt(its[1])).max()),
            float(np.abs(mine[1] / its[1] - 1).max()),
        )
        for mine, its in zip(got, wanted, strict=True)
    )


def subnets():
    draw = random.Random(3)
    drawn = [SPACE.smallest(), *(SPACE.sample(draw) for _ in range(3))]
    return [dataclasses.replace(subnet, image_size=128) for subnet in drawn]


@pytest.mark.parametrize("index", range(4))
def test_a_subnet_s_statistics_are_the_package_s(network, index):
    subnet = subnets()[index]
    weights = {
        key: tensor.numpy()
        for key, tensor in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    base = ofa_resnet50.supernet_graph(weights, SPACE, image_size=SIZE)
    steps = ofa_resnet50.edits(SPACE, subnet, base_image_size=subnet.image_size)
    graph = derive(base, steps, subject="derive")
    frames = pictures()
    batches = [
        [frame[None] for frame in frames[first : first + BATCH]]
        for first in range(0, PICTURES, BATCH)
    ]
    wanted = multiset(recalibrated_by_the_package(network, subnet).values())
    got = multiset(pairs_of(measure_statistics(graph, batches, threads=1)))
    assert largest_difference(got, wanted) < TOLERANCE
    old = multiset(pairs_of(statistics_of(graph)))
    assert largest_difference(old, wanted) > 100 * TOLERANCE
