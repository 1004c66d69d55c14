"""Our subnets against those of the published package: 50 random ones and the corners."""

import dataclasses
import itertools
import json
import random

import import_ofa
import numpy as np
import pytest

from edgert.artifacts import load_family
from edgert.backends.onnxruntime import reference_session
from edgert.build.derive import derive
from edgert.families.ofa_plan import supernet_plan
from edgert.families.ofa_resnet50 import edits, note, supernet_graph
from edgert.families.ofa_space import Space, Subnet
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import save_graph
from edgert.surgery.load import load_graph
from tests.export.ofa_package import NETWORKS, ofa_module, random_supernet
from tests.surgery.sessions import session_of

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
ofa_module(NETWORKS)  # skips where the package is not installed

SPACE = Space()
SLACK = 1e-4  # of the largest logit
RANDOM_SUBNETS = 50


def random_draws():
    """Seeded subnets; their image sizes take turns, so that each size gets as many."""
    draw = random.Random(50)
    for index in range(RANDOM_SUBNETS):
        size = SPACE.image_sizes[index % len(SPACE.image_sizes)]
        yield dataclasses.replace(SPACE.sample(draw), image_size=size)


def corners():
    """Each of depths, expansions and widths at either end, the sizes at either end too."""
    for ends in itertools.product((0, -1), repeat=3):
        d, e, w = (
            choices[end]
            for choices, end in zip(
                (SPACE.depths, SPACE.expands, range(len(SPACE.width_multipliers))),
                ends,
                strict=True,
            )
        )
        size = SPACE.image_sizes[ends[0] * ends[1] * ends[2]]
        yield Subnet((d,) * 5, (e,) * SPACE.blocks, (w,) * 6, size)


SUBNETS = [*random_draws(), *corners()]


@pytest.fixture(scope="module")
def network():
    """The published supernet with random weights; statistics of BatchNormalization random too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield random_supernet(torch, SPACE)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def weights(network):
    return {
        key: tensor.numpy()
        for key, tensor in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }


@pytest.fixture(scope="module")
def bases(weights):
    return {size: supernet_graph(weights, SPACE, image_size=size) for size in SPACE.image_sizes}


def pixels(size):
    return np.random.default_rng(size).standard_normal((1, 3, size, size)).astype(np.float32)


def published(network, subnet):
    """The logits of a subnet that the package cuts out by itself."""
    network.set_active_subnet(d=list(subnet.depth), e=list(subnet.expand), w=list(subnet.width))
    with torch.no_grad():
        return network(torch.from_numpy(pixels(subnet.image_size))).numpy()


def ours(bases, subnet):
    graph = bases[subnet.image_size]
    steps = edits(SPACE, subnet, base_image_size=subnet.image_size)
    graph = derive(graph, steps, subject=f"derive {note(subnet)}")
    (logits,) = session_of(graph, threads=1).run(
        ["logits"], {"pixel_values": pixels(subnet.image_size)}
    )
    return logits


def distance(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


def test_a_checkpoint_has_the_tensors_that_the_package_has(weights):
    shapes = {key: array.shape for key, array in weights.items()}
    assert shapes == supernet_plan(SPACE).tensor_shapes()


def test_draws_take_every_size_and_choice():
    assert {subnet.image_size for subnet in SUBNETS} == set(SPACE.image_sizes)
    assert {e for subnet in SUBNETS for e in subnet.expand} == set(SPACE.expands)
    assert {d for subnet in SUBNETS for d in subnet.depth} == set(SPACE.depths)
    assert {w for subnet in SUBNETS for w in subnet.width} == {0, 1, 2}
    assert len({dataclasses.astuple(subnet) for subnet in SUBNETS}) == RANDOM_SUBNETS + 8


@pytest.mark.parametrize("index", range(len(SUBNETS)))
def test_a_subnet_answers_as_the_package_does(index, network, bases):
    subnet = SUBNETS[index]
    assert distance(ours(bases, subnet), published(network, subnet)) < SLACK


def test_the_next_subnet_answers_otherwise(network, bases):
    """The control: what is compared tells two subnets apart that differ in one number."""
    subnet = SUBNETS[0]
    mine = ours(bases, subnet)
    for change in (
        {
            "expand": (
                *subnet.expand[:4],
                0.35 if subnet.expand[4] < 0.3 else 0.2,
                *subnet.expand[5:],
            )
        },
        {"width": (*subnet.width[:5], (subnet.width[5] + 1) % 3)},
        {"depth": (*subnet.depth[:4], (subnet.depth[4] + 1) % 3)},
    ):
        other = dataclasses.replace(subnet, **change)
        assert distance(mine, published(network, other)) > 100 * SLACK


def test_subnets_that_the_package_draws_are_in_our_space(network):
    for seed in range(5):
        random.seed(seed)
        drawn = network.sample_active_subnet()
        subnet = Subnet(tuple(drawn["d"]), tuple(drawn["e"]), tuple(drawn["w"]), 128)
        SPACE.check(subnet)


def test_a_subnet_has_as_many_weights_as_the_package_cuts_out(network, bases):
    """Parameters are those of the network that it hands out alone, statistics too."""
    for subnet in SUBNETS[:3]:
        network.set_active_subnet(
            d=list(subnet.depth), e=list(subnet.expand), w=list(subnet.width)
        )
        state = network.get_active_subnet().state_dict()
        counted = sum(t.numel() for key, t in state.items() if "tracked" not in key)
        steps = edits(SPACE, subnet, base_image_size=subnet.image_size)
        graph = derive(bases[subnet.image_size], steps, subject="derive")
        assert cost_of(graph).parameters == counted


def cut_out(network, subnet):
    """A subnet as a network of its own, as the package makes it."""
    network.set_active_subnet(d=list(subnet.depth), e=list(subnet.expand), w=list(subnet.width))
    return network.get_active_subnet().eval()


def publish(folder, network, size):
    """The files of a specialised network, as they are published."""
    folder.mkdir()
    (folder / "net.config").write_text(json.dumps(network.config), encoding="utf-8")
    (folder / "run.config").write_text(json.dumps({"image_size": size}), encoding="utf-8")
    torch.save({"state_dict": network.state_dict()}, folder / "init")
    return folder


def test_networks_cut_out_by_the_package_import_as_a_family(tmp_path, network, capsys):
    with_residual = next(s for s in SUBNETS if s.depth[0] == 2 and max(s.width) < 2)
    subnets = {"MAC@0.3B": SPACE.smallest(), "other": with_residual}
    expected = {}
    for name, subnet in subnets.items():
        alone = cut_out(network, subnet)
        publish(tmp_path / name, alone, subnet.image_size)
        with torch.no_grad():
            expected[name] = alone(torch.from_numpy(pixels(subnet.image_size))).numpy()
    folders = [str(tmp_path / name) for name in subnets]
    assert import_ofa.main(["--specialised", *folders, "-o", str(tmp_path / "family")]) == 0
    assert "2 specialised networks" in capsys.readouterr().out
    assert [m.name for m in load_family(tmp_path / "family").family.models] == ["MAC_0.3B"]
    for name, file in (("other", "base.onnx"), ("MAC@0.3B", "MAC_0.3B.onnx")):
        session = reference_session(tmp_path / "family" / file)
        size = subnets[name].image_size
        (logits,) = session.run({"pixel_values": pixels(size)}).values()
        session.close()
        assert distance(logits, expected[name]) < SLACK


def test_the_supernet_imports_from_the_file_that_the_package_saves(tmp_path, network, capsys):
    torch.save({"state_dict": network.state_dict()}, tmp_path / "ofa_supernet_resnet50")
    words = ["--subnet", "small d=0 e=0.2 w=0 r=224", "-o", str(tmp_path / "family")]
    assert import_ofa.main([str(tmp_path / "ofa_supernet_resnet50"), *words]) == 0
    assert "ofa-resnet50, 2 subnets" in capsys.readouterr().out
    small = load_family(tmp_path / "family").family.configurations[1]
    base = load_graph(tmp_path / "family" / "base.onnx")
    save_graph(derive(base, small.edits, subject="derive small"), tmp_path / "small.onnx")
    session = reference_session(tmp_path / "small.onnx")
    (logits,) = session.run({"pixel_values": pixels(224)}).values()
    session.close()
    assert distance(logits, published(network, SPACE.smallest(224))) < SLACK
