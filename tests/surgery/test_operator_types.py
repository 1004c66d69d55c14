import numpy as np
import onnx_ir
import pytest

from edgert.surgery.operator_types import HalfPorts, half_ports, is_half, is_single, opset_of
from tests.surgery.graphs_linear import graph_from_text

SCALES = {"scales": np.array([1, 1, 2, 2], np.float32)}
VECTOR = {"v": np.ones(4, np.float32)}
STEP = {"s": np.array(0.1, np.float32), "z": np.array(0, np.int8)}


def ports_of(
    body, weights=None, *, opset=18, inputs="float[1,4,6,6] x", output="float[1,4,6,6] y"
):
    graph = graph_from_text(
        f"agraph ({inputs}) => ({output}) {{ {body} }}", weights, opset=opset, in_form=False
    )
    for value in graph.inputs:
        assert is_single(value) or value.dtype is not None
    return half_ports(graph.nodes[0], opset)


def test_data_of_one_type_moves_together():
    ports = ports_of("y = LayerNormalization<axis=3>(x, w, b)", {
        "w": np.ones(6, np.float32), "b": np.ones(6, np.float32)})  # fmt: skip
    # the initializers' types are known, the output's is declared by the graph
    assert ports == HalfPorts((0, 1, 2), (0,))


def test_scales_of_resize_stay():
    ports = ports_of("y = Resize(x, , scales)", SCALES, output="float[1,4,12,12] y")
    assert ports == HalfPorts((0,), (0,))


def test_inputs_of_other_types_do_not_count():
    ports = ports_of("y = Where(c, x, x)", inputs="bool[1] c, float[1,4,6,6] x")
    assert ports == HalfPorts((1, 2), (0,))


def test_variadic_inputs_are_all_asked():
    ports = ports_of("y = Concat<axis=1>(x, x, x)", output="float[1,12,6,6] y")
    assert ports == HalfPorts((0, 1, 2), (0,))


@pytest.mark.parametrize(
    ("body", "inputs"),
    [
        ("y = NonMaxSuppression(b, s)", "float[1,9,4] b, float[1,1,9] s"),
        ("y = Shape(b)", "float[1,9,4] b"),
    ],
)
def test_indices_are_no_halves(body, inputs):
    ports = ports_of(body, inputs=inputs, output="int64[n,3] y")
    assert ports.outputs == ()


def test_detection_operator_takes_no_halves_at_all():
    graph = "float[1,9,4] b, float[1,1,9] s"
    assert (
        ports_of("y = NonMaxSuppression(b, s)", inputs=graph, output="int64[n,3] y") == HalfPorts()
    )


def test_type_from_an_attribute_is_left_alone():
    ports = ports_of("y = ConstantOfShape(n)", inputs="int64[4] n", output="float[a,b,c,d] y")
    assert ports == HalfPorts()


def test_cast_changes_its_attribute():
    assert ports_of("y = Cast<to=1>(n)", inputs="int64[1,4,6,6] n") == HalfPorts((), (0,))
    assert ports_of("y = Cast<to=7>(x)", output="int64[1,4,6,6] y") == HalfPorts((0,), ())


@pytest.mark.parametrize(("opset", "expected"), [(18, HalfPorts()), (19, HalfPorts((0, 1), ()))])
def test_quantising_has_half_scales_from_opset_19(opset, expected):
    ports = ports_of("y = QuantizeLinear(x, s, z)", STEP, opset=opset, output="int8[1,4,6,6] y")
    assert ports == expected


def test_operator_that_nobody_knows_is_left_alone():
    graph = graph_from_text("agraph (float[1,4] x) => (float[1,4] y) { y = Relu(x) }")
    [node] = graph.copy().nodes
    node.op_type = "Frobnicate"
    assert half_ports(node, 18) == HalfPorts()
    node.op_type, node.domain = "Relu", "com.example"
    assert half_ports(node, 18) == HalfPorts()


def test_reader_of_an_unknown_type_is_left_alone():
    graph = graph_from_text("agraph (float[1,4] x) => (float[1,4] y) { y = Add(x, v) }", VECTOR)
    [node] = graph.nodes
    assert half_ports(node, opset_of(graph)) == HalfPorts((0, 1), (0,))
    node.inputs[0].type = None
    assert half_ports(node, opset_of(graph)) == HalfPorts()


def test_halves_and_singles_are_told_apart():
    graph = graph_from_text("agraph (float16[2] h, float[2] s) => (float[2] y) { y = Relu(s) }")
    half, single = graph.inputs
    assert is_half(half)
    assert not is_half(single)
    assert is_single(single)
    assert not is_single(half)
    assert not is_single(None)
    assert not is_half(None)
    assert half.dtype == onnx_ir.DataType.FLOAT16
