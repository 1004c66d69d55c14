"""Supernets as graphs and subnets as edits, against a forward pass that slices by itself."""

import dataclasses
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.build.derive import derive
from edgert.errors import UsageError
from edgert.families.ofa_plan import block_name, supernet_plan
from edgert.families.ofa_resnet50 import edits, note, subnet_from_text, supernet_graph
from edgert.families.ofa_space import Space, Subnet
from edgert.surgery.channel_groups import find_channel_groups
from edgert.surgery.cost import cost_of, node_costs
from edgert.surgery.graph import save_graph
from edgert.surgery.load import load_graph
from edgert.surgery.residuals import find_residual_branches
from tests.families.ofa_networks import SMALL, random_weights, reference_logits
from tests.surgery.sessions import session_of

WEIGHTS = random_weights(SMALL)
BASES = {
    size: supernet_graph(WEIGHTS, SMALL, image_size=size) for size in (*SMALL.image_sizes, 33)
}
RESNET50 = Space()
SLACK = 1e-5  # of the largest logit; the reference sums in float64


def pixels(size, seed=0):
    return np.random.default_rng(seed).standard_normal((1, 3, size, size)).astype(np.float32)


def derived(subnet, size, space=SMALL, base=None):
    steps = edits(space, subnet, base_image_size=subnet.image_size)
    return derive(base or BASES[size], steps, subject=f"derive {note(subnet)}")


def logits(graph, tensor):
    (answer,) = session_of(graph, threads=1).run(["logits"], {"pixel_values": tensor})
    return answer


def distance(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


@st.composite
def subnets(draw, space=SMALL):
    def each(values, count):
        return draw(st.tuples(*[st.sampled_from(values)] * count))

    stages = len(space.stage_widths)
    return Subnet(
        depth=each(space.depths, 1 + stages),
        expand=each(space.expands, space.blocks),
        width=each(range(len(space.width_multipliers)), 2 + stages),
        image_size=draw(st.sampled_from(space.image_sizes)),
    )


@settings(max_examples=25, deadline=None)
@given(subnets())
def test_a_subnet_answers_as_its_slices_do(subnet):
    tensor = pixels(subnet.image_size)
    expected = reference_logits(WEIGHTS, SMALL, subnet, tensor)
    got = logits(derived(subnet, subnet.image_size), tensor)
    assert distance(got, expected) < SLACK


@pytest.mark.parametrize("size", [20, 33, 36])
@pytest.mark.parametrize("end", ["largest", "smallest"])
def test_the_corners_answer_as_their_slices_do_also_at_odd_sizes(end, size):
    subnet = getattr(SMALL, end)()
    expected = reference_logits(WEIGHTS, SMALL, subnet, pixels(size))
    assert distance(logits(derived(subnet, size), pixels(size)), expected) < SLACK


def test_another_subnet_answers_otherwise():
    """The control of the comparisons above: each of d, e and w matters."""
    full = SMALL.largest(24)
    mine = logits(derived(full, 24), pixels(24))
    for other in (
        dataclasses.replace(full, depth=(0, 2, 2, 2)),
        dataclasses.replace(full, depth=(2, 2, 2, 1)),
        dataclasses.replace(full, expand=(*full.expand[:-1], 0.3)),
        dataclasses.replace(full, width=(0, 2, 2, 2, 2)),
        dataclasses.replace(full, width=(2, 2, 2, 2, 1)),
    ):
        assert distance(logits(derived(other, 24), pixels(24)), mine) > 1e3 * SLACK


def test_a_weight_that_is_off_is_seen():
    """The control of the reference: a hundredth more on one statistic is no rounding."""
    key = "blocks.4.conv2.bn.bn.running_var"
    off = {**WEIGHTS, key: WEIGHTS[key] * np.float32(1.01)}
    full = SMALL.largest(24)
    got = logits(derived(full, 24), pixels(24))
    assert distance(got, reference_logits(off, SMALL, full, pixels(24))) > 10 * SLACK


# ---------------------------------------------------------------- names


def groups_of(graph):
    return {group.name: group for group in find_channel_groups(graph)}


def test_names_of_branches_and_groups_are_those_of_the_parts():
    graph = BASES[24]
    blocks = [block_name(s, p) for s, n in enumerate(SMALL.stage_depths) for p in range(n)]
    branches = find_residual_branches(graph)
    assert [branch.name for branch in branches] == ["stem.residual", *blocks]
    projections = [branch.name for branch in branches if branch.shortcut == "projection"]
    assert projections == ["stage1.block1", "stage2.block1", "stage3.block1"]
    groups = groups_of(graph)
    inside = [f"{block}.{layer}" for block in blocks for layer in ("conv1", "conv2")]
    stages = ["stage1", "stage2", "stage3"]
    expected = {"stem.middle", "stem.end", "classifier", *stages, *inside}
    assert groups.keys() == expected
    assert {name for name, group in groups.items() if group.blocked} == {"classifier"}
    widths = {name: groups[name].channels for name in ("stem.middle", "stem.end", *stages)}
    assert widths == {"stem.middle": 16, "stem.end": 32, "stage1": 72, "stage2": 80, "stage3": 96}
    assert (graph.inputs[0].name, graph.outputs[0].name) == ("pixel_values", "logits")


def test_names_hold_when_branches_are_skipped():
    """A stage that is down to one block, and a stem without its residual, keep their names."""
    space = dataclasses.replace(SMALL, image_sizes=(24,))
    shallow = dataclasses.replace(space.largest(), depth=(0, 0, 0, 0))
    graph = derived(shallow, 24)
    kept = {f"stage{s}.block1.{layer}" for s in (1, 2, 3) for layer in ("conv1", "conv2")}
    kept |= {f"stage3.block2.{layer}" for layer in ("conv1", "conv2")}
    stages = {"stage1", "stage2", "stage3"}
    assert groups_of(graph).keys() == {"stem.middle", "stem.end", "classifier", *stages, *kept}


def test_names_hold_in_a_file(tmp_path):
    save_graph(BASES[24], tmp_path / "base.onnx", weights="base.weights")
    loaded = load_graph(tmp_path / "base.onnx")
    assert groups_of(loaded).keys() == groups_of(BASES[24]).keys()
    subnet = SMALL.smallest(24)
    mine = logits(derived(subnet, 24, base=loaded), pixels(24))
    assert distance(mine, reference_logits(WEIGHTS, SMALL, subnet, pixels(24))) < SLACK


def test_every_batch_normalisation_stays_a_node_of_its_own():
    operators = [node.op_type for node in BASES[24].nodes]
    assert operators.count("BatchNormalization") == operators.count("Conv")
    assert operators.count("Conv") == 3 + 3 * SMALL.blocks + 3


def test_weights_of_another_space_are_refused():
    with pytest.raises(ValueError, match=r"input_stem.0.conv.conv.weight .* \(32, 3, 3, 3\)"):
        supernet_graph(WEIGHTS, RESNET50, image_size=224)


# ---------------------------------------------------------------- edits


def test_the_largest_subnet_at_the_base_size_needs_no_edit():
    assert edits(RESNET50, RESNET50.largest(224), base_image_size=224) == []


def test_edits_come_in_their_order_and_say_only_what_changes():
    subnet = Subnet(
        depth=(0, 2, 1, 2, 2),
        expand=(0.25, *(0.35,) * 17),
        width=(2, 1, 2, 2, 0, 2),
        image_size=160,
    )
    assert edits(RESNET50, subnet, base_image_size=224, statistics="c1.npz") == [
        {"skip_residuals": {"branches": ["stem.residual", "stage2.block4"]}},
        {
            "narrow_groups": {
                "widths": {
                    "stem.end": 48,
                    "stage1.block1.conv1": 64,
                    "stage1.block1.conv2": 64,
                    "stage3": 664,
                    **{
                        f"stage3.block{block}.conv{layer}": 232
                        for block in range(1, 7)
                        for layer in (1, 2)
                    },
                },
                "order": "prefix",
            }
        },
        {"resize_input": {"height": 160, "width": 160}},
        {"recalibrate_batchnorm": {"statistics": "c1.npz"}},
    ]


def test_the_stem_keeps_its_residual_at_the_largest_depth_only():
    for depth, skipped in ((0, True), (1, True), (2, False)):
        subnet = dataclasses.replace(RESNET50.largest(224), depth=(depth, 2, 2, 2, 2))
        steps = edits(RESNET50, subnet, base_image_size=224)
        assert bool(steps) == skipped


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"depth": (2, 2, 2, 2)}, "depth: expected 5 numbers, got 4"),
        ({"depth": (2, 2, 3, 2, 2)}, r"depth\[2\]: expected one of 0, 1, 2, got 3"),
        ({"expand": (0.3,) * 18}, r"expand\[0\]: expected one of 0.2, 0.25, 0.35, got 0.3"),
        ({"width": (0, 0, 0, 0, 0, 3)}, r"width\[5\]: expected one of 0, 1, 2, got 3"),
        ({"image_size": 100}, r"image_size\[0\]: expected one of 128"),
    ],
)
def test_a_subnet_outside_the_space_is_refused(change, word):
    subnet = dataclasses.replace(RESNET50.smallest(), **change)
    with pytest.raises(UsageError, match=word):
        edits(RESNET50, subnet, base_image_size=224)


# ---------------------------------------------------------------- in the paper's words


def test_a_note_writes_equal_entries_once():
    shape = dataclasses.replace(RESNET50.largest(224), depth=(2, 1, 2, 2, 1))
    assert note(shape) == "d=2,1,2,2,1 e=0.35 w=2 r=224"


@given(subnets())
def test_a_note_reads_back(subnet):
    assert subnet_from_text(note(subnet), SMALL) == subnet


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("d=2 e=0.35 w=2", "no r"),
        ("e=0.35 r=224", "no d and no w"),
        ("d=2 e=0.35 w=2 r=224 k=3", "'k=3'"),
        ("d=2 d=1 e=0.35 w=2 r=224", "'d=1' a second time"),
        ("depth=2 e=0.35 w=2 r=224", "'depth=2'"),
        ("d= e=0.35 w=2 r=224", "'d='"),
        ("d=two e=0.35 w=2 r=224", "'two'"),
        ("d=1.5 e=0.35 w=2 r=224", "one of 0, 1, 2"),
        ("d=2,2 e=0.35 w=2 r=224", "5 numbers, got 2"),
        ("d=2 e=0.35 w=2 r=224,192", "image_size"),
        ("d=2 e=0.36 w=2 r=224", "0.36"),
        ("d=2 e=0.35 w=1.0,1,1,1,1,9 r=224", "got 9"),
        ("d=nan e=0.35 w=2 r=224", "one of 0, 1, 2"),
        ("d=inf e=0.35 w=2 r=224", "one of 0, 1, 2"),
    ],
)
def test_a_typo_in_the_words_is_refused(text, word):
    with pytest.raises(UsageError) as caught:
        subnet_from_text(text, RESNET50)
    assert word in str(caught.value)


# ---------------------------------------------------------------- cost


COSTS = [
    # facts of the published supernet: d, e, w, image size, GMACs, million parameters
    ("d=2 e=0.35 w=2 r=224", 7.492, 48.11),
    ("d=2 e=0.25 w=2 r=224", 4.766, 30.11),
    ("d=2,1,2,2,1 e=0.25 w=2 r=224", 4.329, 25.58),
    ("d=1 e=0.25 w=2 r=224", 3.776, 24.17),
    ("d=1 e=0.25 w=1 r=224", 2.485, 15.86),
    ("d=0 e=0.2 w=2 r=224", 2.253, 14.41),
    ("d=2 e=0.25 w=0 r=224", 2.075, 13.38),
    ("d=0 e=0.25 w=1 r=224", 1.899, 12.05),
    ("d=0 e=0.2 w=0 r=224", 0.962, 6.54),
    ("d=0 e=0.2 w=0 r=128", 0.315, 6.54),
]


@pytest.fixture(scope="module")
def hollow():
    """OFA-ResNet50 with zeros for weights, at both sizes: its costs do not depend on numbers."""
    shapes = supernet_plan(RESNET50).tensor_shapes()
    weights = {key: np.zeros(shape, np.float32) for key, shape in shapes.items()}
    return {size: supernet_graph(weights, RESNET50, image_size=size) for size in (128, 224)}


@pytest.mark.parametrize(("text", "gmacs", "millions"), COSTS)
def test_costs_are_those_of_the_published_subnets(hollow, text, gmacs, millions):
    subnet = subnet_from_text(text, RESNET50)
    graph = derived(subnet, 0, RESNET50, hollow[subnet.image_size])
    cost = cost_of(graph)
    assert round(cost.macs / 1e9, 3) == gmacs
    # A mean and a variance are stored for each scale and shift, and nobody counts them.
    counted = cost.parameters - sum(
        2 * node.inputs[1].shape[0] for node in graph.nodes if node.op_type == "BatchNormalization"
    )
    assert round(counted / 1e6, 2) == millions
    assert cost.unknown_operators == []


def test_a_sample_never_costs_more_than_the_supernet(hollow):
    draw = random.Random(0)
    whole = cost_of(hollow[224])
    for _ in range(5):
        subnet = dataclasses.replace(RESNET50.sample(draw), image_size=224)
        cost = cost_of(derived(subnet, 0, RESNET50, hollow[224]))
        assert cost.macs < whole.macs
        assert cost.parameters < whole.parameters
    assert sum(node.macs for node in node_costs(hollow[224])) == whole.macs
