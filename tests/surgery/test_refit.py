"""Other numbers for a linear map, whatever operator it is."""

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgert.surgery.graph import Graph
from edgert.surgery.linear_maps import linear_map
from edgert.surgery.load import normalised
from edgert.surgery.refit import bias_node, set_numbers, takes_bias


def _graph(nodes, shape, tensors):
    proto = helper.make_graph(
        nodes,
        "map",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(a, np.float32), n) for n, a in tensors.items()],
    )
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return normalised(Graph(ir.from_proto(model)))


def _gemm(**attributes):
    weight = np.zeros((3, 4) if attributes.get("transB") else (4, 3))
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="fc/Gemm", **attributes)
    return _graph([node], (5, 4), {"w": weight, "b": np.zeros(3)})


def _product(left=False, bias=True):
    inputs = ["w", "x"] if left else ["x", "w"]
    nodes = [helper.make_node("MatMul", inputs, ["z" if bias else "y"], name="fc/MatMul")]
    if bias:
        nodes.append(helper.make_node("Add", ["b", "z"], ["y"], name="fc/Add"))
    tensors = {"w": np.zeros((3, 4) if left else (4, 3))}
    if bias:
        tensors["b"] = np.zeros((3, 1) if left else 3)
    return _graph(nodes, (2, 4, 5) if left else (2, 5, 4), tensors)


def _run(graph, x):
    model = ir.serde.serialize_model(graph.model).SerializeToString()
    return ort.InferenceSession(model).run(None, {"x": x})[0]


WEIGHT = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
BIAS = np.array([0.5, -1.0, 2.0], np.float32)


@pytest.mark.parametrize(
    "graph",
    [
        pytest.param(_gemm, id="gemm"),
        pytest.param(lambda: _gemm(transB=1), id="gemm, turned"),
        pytest.param(lambda: _gemm(alpha=0.5, beta=4.0), id="gemm, scaled"),
        pytest.param(_product, id="product"),
        pytest.param(lambda: _product(left=True), id="product from the left"),
    ],
)
def test_the_map_computes_its_new_numbers(graph):
    graph = graph().copy()
    node = next(node for node in graph.nodes if node.name.startswith("fc/"))
    linear = linear_map(node)
    set_numbers(graph, linear, WEIGHT, BIAS)
    x = np.random.default_rng(1).standard_normal(linear.data.shape.numpy()).astype(np.float32)
    moved = np.moveaxis(x, linear.in_axis, -1) @ WEIGHT.T + BIAS
    expected = np.moveaxis(moved, -1, linear.out_axis)
    np.testing.assert_allclose(_run(graph, x), expected, atol=1e-5)
    assert not np.allclose(expected, np.moveaxis(moved - BIAS, -1, linear.out_axis))


def test_a_product_without_an_add_takes_no_bias():
    graph = _product(bias=False).copy()
    linear = linear_map(graph.nodes[0])
    assert not takes_bias(linear)
    with pytest.raises(ValueError, match="no place for a bias"):
        set_numbers(graph, linear, WEIGHT, BIAS)


def test_an_add_that_shares_the_product_is_no_bias():
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"], name="fc/MatMul"),
        helper.make_node("Add", ["z", "b"], ["a"], name="one/Add"),
        helper.make_node("Mul", ["a", "z"], ["y"], name="two/Mul"),
    ]
    graph = _graph(nodes, (2, 5, 4), {"w": np.zeros((4, 3)), "b": np.zeros(3)})
    assert bias_node(linear_map(graph.node("fc/MatMul"))) is None


def test_an_add_that_differs_between_positions_is_no_bias():
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"], name="fc/MatMul"),
        helper.make_node("Add", ["z", "b"], ["y"], name="position/Add"),
    ]
    graph = _graph(nodes, (2, 5, 4), {"w": np.zeros((4, 3)), "b": np.zeros((5, 3))})
    assert bias_node(linear_map(graph.node("fc/MatMul"))) is None


def test_a_weight_of_another_shape_is_a_programming_error():
    graph = _product().copy()
    with pytest.raises(ValueError, match="shape"):
        set_numbers(graph, linear_map(graph.node("fc/MatMul")), WEIGHT[:, :2], BIAS)
