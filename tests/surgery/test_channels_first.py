import numpy as np
import pytest

from edgert.errors import PreconditionError
from edgert.surgery.channel_groups import find_channel_groups
from edgert.surgery.channels_first import channels_first
from edgert.surgery.cost import cost_of
from edgert.surgery.merge_linear import merge_linear
from edgert.surgery.narrow_channels import narrow_channels
from edgert.surgery.residuals import find_residual_branches
from edgert.surgery.skip_residuals import skip_residuals
from tests.skeletons import skeleton
from tests.surgery.graphs_linear import (
    difference,
    graph_from_text,
    operators,
    perturbed,
    random_weights,
)

TOLERANCE = 1e-5
SHAPES = {"w1": (4, 16), "b1": (16,), "dw": (16, 1, 3, 3), "db": (16,), "w2": (16, 4), "b2": (4,)}
LAYOUT = {
    "image": np.array([1, 16, 5, 6]),
    "tokens": np.array([1, 16, 30]),
    "two": np.float32(2),
}
IN = '["m.fc1/MatMul"] h = MatMul(x, w1) a = Add(h, b1)'
TO_IMAGE = "t = Transpose<perm=[0,2,1]>(a) i = Reshape(t, image)"
DEPTHWISE = "d = Conv<pads=[1,1,1,1],group=16>(i, dw, db)"
TO_TOKENS = "f = Reshape(d, tokens) u = Transpose<perm=[0,2,1]>(f)"
GATE = "s = Mul(u, two) g = Sigmoid(s) k = Mul(u, g)"
OUT = '["m.fc2/MatMul"] o = MatMul(k, w2) y = Add(o, b2)'


def feed_forward(*parts, output="float[1,30,4] y", shapes=SHAPES):
    """x (1, 30 tokens, 4) through the parts."""
    return graph_from_text(
        f"agraph (float[1,30,4] x) => ({output}) {{ {' '.join(parts)} }}",
        random_weights(shapes) | LAYOUT,
    )


def transposed_channels(graph):
    """Channels of what each Transpose moves: (1, C, N) or (1, N, C), N = 30."""
    shapes = [node.outputs[0].shape for node in graph.nodes if node.op_type == "Transpose"]
    return [next(d for d in shape[1:] if d != 30) for shape in shapes]


def test_feed_forward_branch_becomes_convolutions():
    graph = feed_forward(IN, TO_IMAGE, DEPTHWISE, TO_TOKENS, GATE, OUT)
    edited = channels_first(graph)
    assert operators(edited).count("Conv") == 3
    assert "MatMul" not in operators(edited)
    assert "Add" not in operators(edited)
    assert (transposed_channels(graph), transposed_channels(edited)) == ([16, 16], [4, 4])
    assert cost_of(edited).macs == cost_of(graph).macs
    assert difference(graph, edited) < TOLERANCE


@pytest.mark.parametrize("name", ["m.fc1/Conv", "m.fc2/Conv"])
def test_perturbed_weight_shows_in_the_comparison(name):
    graph = feed_forward(IN, TO_IMAGE, DEPTHWISE, TO_TOKENS, GATE, OUT)
    assert difference(graph, perturbed(channels_first(graph), name)) > TOLERANCE


def test_map_right_behind_the_layout_moves_too():
    graph = feed_forward(IN, TO_IMAGE, DEPTHWISE, TO_TOKENS, "k = Relu(u)", OUT)
    plain = feed_forward(
        IN, TO_IMAGE, DEPTHWISE, TO_TOKENS, '["m.fc2/MatMul"] o = MatMul(u, w2) y = Add(o, b2)'
    )
    for one in (graph, plain):
        edited = channels_first(one)
        assert "MatMul" not in operators(edited)
        assert difference(one, edited) < TOLERANCE


def test_tokens_of_four_axes_move():
    graph = graph_from_text(
        """agraph (float[1,5,6,4] x) => (float[1,5,6,3] y) {
          h = MatMul(x, w1)
          i = Transpose<perm=[0,3,1,2]>(h)
          d = Relu(i)
          u = Transpose<perm=[0,2,3,1]>(d)
          y = MatMul(u, w2)
        }""",
        random_weights({"w1": (4, 16), "w2": (16, 3)}),
    )
    edited = channels_first(graph)
    assert operators(edited) == ["Conv", "Conv", "Relu", "Transpose", "Transpose"]
    assert difference(graph, edited) < TOLERANCE


@pytest.mark.parametrize(
    ("parts", "output"),
    [
        # the wide value is read by another node as well
        ([IN, TO_IMAGE, "y = Relu(i)", "z = Neg(a)"], "float[1,16,5,6] y, float[1,30,16] z"),
        # nothing brings the tokens into an image
        ([IN, "y = Relu(a)"], "float[1,30,16] y"),
        ([IN, "t = Transpose<perm=[1,0,2]>(a) y = Relu(t)"], "float[30,1,16] y"),
    ],
)
def test_graph_without_anything_to_gain_is_refused(parts, output):
    with pytest.raises(PreconditionError, match="Leave channels_first out"):
        channels_first(feed_forward(*parts, output=output))


@pytest.mark.parametrize(
    "gate",
    [
        "k = Add(u, c)",  # another constant for each token
        "k = Softmax<axis=1>(u)",
        "v = Relu(d) p = Reshape(v, tokens) q = Transpose<perm=[0,2,1]>(p) k = Mul(u, q)",
        "r = ReduceMax(u) k = Mul(u, r)",
    ],
)
def test_map_behind_anything_but_one_elementwise_chain_stays(gate):
    shapes = SHAPES | {"c": (30, 1)}
    graph = feed_forward(IN, TO_IMAGE, DEPTHWISE, TO_TOKENS, gate, OUT, shapes=shapes)
    edited = channels_first(graph)  # the first map moves
    assert "m.fc2/MatMul" in [node.name for node in edited.nodes]
    assert difference(graph, edited) < TOLERANCE


def test_map_that_keeps_or_gains_channels_behind_an_image_stays():
    shapes = SHAPES | {"w2": (16, 16), "b2": (16,)}
    graph = feed_forward(
        IN, TO_IMAGE, DEPTHWISE, TO_TOKENS, GATE, OUT, output="float[1,30,16] y", shapes=shapes
    )
    assert "m.fc2/MatMul" in [node.name for node in channels_first(graph).nodes]


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_segformer_feed_forward_moves_and_keeps_names(exporter):
    graph = skeleton(f"segformer_b0_{exporter}")
    merged = merge_linear(graph)
    edited = channels_first(merged)
    assert difference(graph, edited) < TOLERANCE
    assert operators(merged).count("MatMul") - operators(edited).count("MatMul") == 16
    assert cost_of(edited).macs == cost_of(merged).macs
    groups = {group.name for group in find_channel_groups(merged) if not group.blocked}
    assert {group.name for group in find_channel_groups(edited) if not group.blocked} == groups
    branches = {branch.name for branch in find_residual_branches(merged)}
    assert {branch.name for branch in find_residual_branches(edited)} == branches


@pytest.mark.parametrize("name", ["resnet50_dynamo", "vit_small_torchscript"])
def test_models_whose_maps_never_meet_an_image_are_refused(name):
    with pytest.raises(PreconditionError, match="Leave channels_first out"):
        channels_first(skeleton(name))


def test_order_of_edits_does_not_matter():
    merged = merge_linear(skeleton("segformer_b0_dynamo"))
    group = next(g.name for g in find_channel_groups(merged) if g.name.endswith("fc1"))
    branch = [b.name for b in find_residual_branches(merged) if b.name.startswith("seg")][-1]
    kept = {"group": group, "keep": 40}
    one = skip_residuals(narrow_channels(channels_first(merged), **kept), branches=[branch])
    other = channels_first(skip_residuals(narrow_channels(merged, **kept), branches=[branch]))
    assert difference(one, other) < TOLERANCE
    assert cost_of(one).macs == cost_of(other).macs
