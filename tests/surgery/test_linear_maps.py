import numpy as np
import pytest

from edgert.surgery.linear_maps import is_pointwise, linear_map, why_no_map
from tests.surgery.graphs_linear import graph_from_text, random_weights


def node_of(text, shapes, size="5,6", *, opset=18):
    graph = graph_from_text(
        f"agraph (float[{size}] x) => (int64[R,N] y) {{ t = {text} y = NonZero(t) }}",
        random_weights(shapes),
        opset=opset,
    )
    return graph.nodes[0]


@pytest.mark.parametrize(
    ("text", "shapes", "size"),
    [
        ("MatMul(x, w)", {"w": (6, 3)}, "5,6"),
        ("Gemm(x, w, b)", {"w": (6, 3), "b": (3,)}, "5,6"),
        ("Gemm<transB=1, alpha=2.0, beta=0.5>(x, w, b)", {"w": (3, 6), "b": (1, 3)}, "5,6"),
        ("MatMul(w, x)", {"w": (3, 5)}, "5,6"),
        ("Conv(x, w, b)", {"w": (3, 5, 1), "b": (3,)}, "1,5,6"),
        ("Conv(x, w)", {"w": (3, 5, 1, 1)}, "1,5,6,2"),
    ],
)
def test_weight_and_bias_are_what_the_operator_computes_with(text, shapes, size):
    node = node_of(text, shapes, size)
    linear = linear_map(node)
    x = np.random.default_rng(1).standard_normal([int(d) for d in size.split(",")])
    ours = np.tensordot(
        np.moveaxis(x, linear.in_axis, -1), linear.weight.reshape(3, -1), axes=(-1, 1)
    )
    ours = np.moveaxis(ours + (0 if linear.bias is None else linear.bias), -1, linear.out_axis)
    assert linear.macs == ours.size * linear.channels_in
    assert (linear.channels_out, linear.channels_in) == linear.weight.shape[:2]
    assert np.abs(ours - expected_of(node, x)).max() < 1e-5


def expected_of(node, x):
    """The operator by numpy's own words."""
    arrays = [v.const_value.numpy() for v in node.inputs if v.const_value is not None]
    weight, bias = arrays[0].astype(np.float64), arrays[1] if len(arrays) > 1 else 0.0
    if node.op_type == "Conv":
        product = np.einsum("oc,nc...->no...", weight.reshape(weight.shape[:2]), x)
        return product + np.reshape(bias, (-1, *[1] * (x.ndim - 2)) if np.ndim(bias) else ())
    if node.op_type == "Gemm" and "transB" in node.attributes:
        return 2.0 * x @ weight.T + 0.5 * bias
    return weight @ x if node.inputs[0].const_value is not None else x @ weight + bias


@pytest.mark.parametrize(
    ("text", "shapes", "size", "reason"),
    [
        ("Relu(x)", {}, "5,6", "is not a linear map"),
        ("MatMul(x, x)", {}, "5,5", "has a computed weight"),
        ("MatMul(x, w)", {"w": (2, 6, 3)}, "5,6", "has a weight of 3 axes"),
        ("MatMul(x, w)", {"w": (6, 3)}, "6", "maps a plain vector"),
        ("Gemm<transA=1>(x, w)", {"w": (5, 3)}, "5,6", "transposes its input"),
        ("Gemm(x, x)", {}, "6,6", "has a computed weight"),
        ("Gemm(x, w, x)", {"w": (6, 6)}, "6,6", "has a computed bias"),
        ("Gemm(x, w, b)", {"w": (6, 3), "b": (5, 1)}, "5,6", "adds another number in each row"),
        ("Gemm(x, w, b)", {"w": (6, 3), "b": (5, 3)}, "5,6", "adds another number in each row"),
        ("Conv<group=2>(x, w)", {"w": (4, 3, 1)}, "1,6,5", "has 2 groups"),
    ],
)
def test_node_that_is_no_map_says_why(text, shapes, size, reason):
    node = node_of(text, shapes, size)
    assert linear_map(node) is None
    assert reason in why_no_map(node)


@pytest.mark.parametrize(
    ("attributes", "kernel", "is_at_one_point"),
    [
        ("", 1, True),
        ("<strides=[1], dilations=[3]>", 1, True),
        ("<strides=[2]>", 1, False),
        ("<pads=[1,0]>", 1, False),
        ("", 3, False),
    ],
)
def test_pointwise_convolution_is_told_apart(attributes, kernel, is_at_one_point):
    node = node_of(f"Conv{attributes}(x, w)", {"w": (4, 6, kernel)}, "1,6,9")
    assert is_pointwise(linear_map(node)) is is_at_one_point


def test_scope_comes_from_the_weight_where_it_kept_its_name():
    graph = graph_from_text(
        """agraph (float[1,6,9] x) => (float[1,5,9] y) {
          ["head.norm/Conv"] h = Conv(x, "head.fuse.weight")
          ["/head/out/Conv"] y = Conv(h, w)
        }""",
        random_weights({"head.fuse.weight": (4, 6, 1), "w": (5, 4, 1)}),
    )
    assert [linear_map(node).scope for node in graph.nodes] == ["head.fuse", "head.out"]
