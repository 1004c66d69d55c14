import numpy as np
import pytest

from edgert.surgery.quantizable import quantizable, weight_axis, weight_index
from tests.skeletons import skeleton
from tests.surgery.graphs_linear import graph_from_text

W = {
    "k": np.ones((4, 4, 1, 1), np.float32),
    "m": np.ones((6, 6), np.float32),
    "v": np.ones((4, 1, 1), np.float32),
    "batch": np.ones((1, 4, 6, 6), np.float32),
}


def graph_of(body, *, output="float[1,4,6,6] y"):
    return graph_from_text(f"agraph (float[1,4,6,6] x) => ({output}) {{ {body} }}", W)


def places_of(body, **asked):
    return [(node.name, index) for node, index in quantizable(graph_of(body), **asked)]


def test_maps_with_constant_weights_are_quantised():
    body = '["a"] h = Conv(x, k) ["b"] i = MatMul(h, m) ["c"] y = MatMul(m, i)'
    assert places_of(body) == [("a", 0), ("b", 0), ("c", 1)]


@pytest.mark.parametrize(
    "body",
    [
        "y = MatMul(x, x)",
        "y = MatMul(x, batch)",  # no single matrix
        "y = ConvTranspose(x, k)",
        "y = Add(x, v)",
        "h = Relu(x) y = Add(x, h)",
    ],
)
def test_nothing_else_is(body):
    assert places_of(body) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('["a"] h = Conv(x, k) ["s"] y = Add(h, x)', [("a", 0), ("s", 1)]),
        ('["a"] h = Conv(x, k) ["s"] y = Add(x, h)', [("a", 0), ("s", 0)]),
        # constants in between are fused into the convolution
        ('["a"] h = Conv(x, k) b = Add(h, v) ["s"] y = Add(b, x)', [("a", 0), ("s", 1)]),
        # what is read elsewhere too is not fused
        ('["a"] h = Conv(x, k) r = Relu(h) ["s"] s = Add(h, x) y = Mul(s, r)', [("a", 0)]),
        # the later one of two takes the sum in
        (
            '["a"] h = Conv(x, k) ["b"] i = Conv(x, k) ["s"] y = Add(h, i)',
            [("a", 0), ("b", 0), ("s", 0)],
        ),
        ('["a"] h = Conv(x, k) ["s"] y = Add(h, h)', [("a", 0)]),
    ],
)
def test_other_summand_behind_a_convolution_is_quantised(body, expected):
    assert places_of(body) == expected


def test_kept_nodes_and_operators_are_left_out():
    body = '["a"] h = Conv(x, k) ["b"] i = MatMul(h, m) ["s"] y = Add(i, x)'
    assert places_of(body, keep=["a"]) == [("b", 0)]
    assert places_of(body, keep=["MatMul"]) == [("a", 0)]


def test_resnet_shortcuts_are_among_them():
    graph = skeleton("resnet50_dynamo")
    places = quantizable(graph)
    kinds = [node.op_type for node, _ in places]
    assert (kinds.count("Conv"), kinds.count("Gemm"), kinds.count("Add")) == (53, 1, 16)
    for node, index in places:
        if node.op_type == "Add":  # a Relu behind the sum before, or the shortcut's convolution
            assert node.inputs[index].producer().op_type in ("Relu", "Conv")
            assert node.inputs[1 - index].producer().op_type == "Conv"


@pytest.mark.parametrize(
    ("body", "axis", "index"),
    [
        ("y = Conv(x, k)", 0, 1),
        ("y = MatMul(x, m)", 1, 1),
        ("y = MatMul(m, x)", 0, 0),
        ("y = Relu(x)", None, None),
    ],
)
def test_axis_of_output_channels(body, axis, index):
    [node] = graph_of(body).nodes
    assert weight_axis(node) == axis
    if axis is not None:
        assert weight_index(node) == index


@pytest.mark.parametrize(("flags", "axis"), [("", 1), ("<transB=1>", 0), ("<transA=1>", None)])
def test_axis_of_a_gemm(flags, axis):
    graph = graph_from_text(
        f"agraph (float[4,4] x) => (float[4,4] y) {{ y = Gemm{flags}(x, w) }}",
        {"w": np.ones((4, 4), np.float32)},
    )
    assert weight_axis(graph.nodes[0]) == axis
