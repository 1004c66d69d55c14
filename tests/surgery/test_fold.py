"""Folding: what is known before any frame becomes a number, and nothing else does."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgert.surgery.fold import fold_static_values
from edgert.surgery.graph import Graph, constant_array, infer_shapes


def graph_of(text, opset=18, weights=None):
    """Parsed and with shapes inferred, not folded yet."""
    opsets = f'"" : {opset}, "ai.example" : 1'
    model = onnx.parser.parse_model(f"<ir_version: 9, opset_import: [{opsets}]> {text}")
    for name, array in (weights or {}).items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    graph = Graph(ir.from_proto(model))
    infer_shapes(graph)
    return graph


def operators(graph):
    return [node.op_type for node in graph.nodes]


def test_shape_becomes_a_number_with_its_start_and_end():
    graph = graph_of(
        """g (float[2,3,5] x) => (int64[2] y) { s = Shape<start = 1, end = -1>(x)
        t = Shape<start = -1>(x) c = Concat<axis = 0>(s, t) y = Identity(c) }"""
    )
    assert fold_static_values(graph.model.graph) == 3
    [identity] = graph.nodes
    assert constant_array(identity.inputs[0]).tolist() == [3, 5]


def test_a_chain_folds_in_one_pass_and_keeps_values_and_types():
    graph = graph_of(
        """g (float[1,4] x) => (float[1,4] y)
        <float a = {2.0}, float b = {3.0}, int64[2] to = {1, 4}> {
        c = Mul(a, b) d = Sqrt(c) e = Expand(d, to) y = Add(x, e) }"""
    )
    assert fold_static_values(graph.model.graph) == 3
    [add] = graph.nodes
    folded = constant_array(add.inputs[1])
    assert folded.dtype == np.float32
    np.testing.assert_allclose(folded, np.full((1, 4), np.sqrt(6), dtype=np.float32), rtol=1e-6)


def test_folding_again_finds_nothing():
    graph = graph_of(
        "g (float[1,4] x) => (float[1,4] y) <float a = {2.0}> { b = Neg(a) y = Add(x, b) }"
    )
    assert fold_static_values(graph.model.graph) == 1
    assert fold_static_values(graph.model.graph) == 0


def test_what_depends_on_the_input_stays():
    graph = graph_of("g (float[1,4] x) => (float[1,4] y) { a = Relu(x) y = Neg(a) }")
    assert fold_static_values(graph.model.graph) == 0
    assert operators(graph) == ["Relu", "Neg"]


@pytest.mark.parametrize(
    "line",
    [
        "a = RandomNormal<shape = [1, 4]>()",
        "a = RandomUniform<shape = [1, 4]>()",
        "a = RandomNormalLike(k)",
        "a = Bernoulli(k)",
    ],
)
def test_random_numbers_are_not_drawn(line):
    graph = graph_of(
        f"g (float[1,4] x) => (float[1,4] y) <float[1,4] k = {{0, 0, 1, 1}}> "
        f"{{ {line} y = Add(x, a) }}"
    )
    assert fold_static_values(graph.model.graph) == 0


def test_a_free_dimension_stays_a_node():
    graph = graph_of("g (float[n,4] x) => (int64[2] y) { s = Shape(x) y = Neg(s) }")
    assert fold_static_values(graph.model.graph) == 0


def test_an_operator_of_an_own_domain_stays():
    graph = graph_of(
        "g (float[1,4] x) => (float[1,4] y) <float k = {1.0}> "
        "{ a = ai.example.Thing(k) y = Add(x, a) }"
    )
    assert fold_static_values(graph.model.graph) == 0


def test_an_output_stays_computed():
    graph = graph_of(
        "g (float[1] x) => (float[1] y, float[1] z) <float[1] k = {1.0}> "
        "{ y = Neg(k) z = Add(x, y) }"
    )
    assert fold_static_values(graph.model.graph) == 0


def test_large_results_stay_computed():
    graph = graph_of(
        "g (float[2048,1024] x) => (float[2048,1024] y) "
        "<float k = {1.0}, int64[2] to = {2048, 1024}> { a = Expand(k, to) y = Add(x, a) }"
    )
    assert fold_static_values(graph.model.graph) == 0


def test_large_inputs_stay_unread():
    graph = graph_of(
        "g (float x) => (float y) { a = ReduceSum<keepdims = 0>(k) y = Add(x, a) }",
        weights={"k": np.zeros((2048, 1024), dtype=np.float32)},
    )
    assert fold_static_values(graph.model.graph) == 0


def test_several_outputs_stay_computed():
    graph = graph_of(
        "g (float[1] x) => (float[1] y) <float[2] k = {1.0, 2.0}> "
        "{ a, b = Split<num_outputs = 2>(k) c = Add(a, b) y = Add(x, c) }"
    )
    fold_static_values(graph.model.graph)
    assert "Split" in operators(graph)


@pytest.mark.parametrize(("opset", "folded"), [(11, 0), (12, 0), (13, 1)])
def test_an_operator_is_not_run_by_the_rules_of_a_later_opset(opset, folded):
    """Before opset 13, Softmax takes all that follows its axis as one."""
    graph = graph_of(
        "g (float[1,2,2] x) => (float[1,2,2] y) <float[1,2,2] k = {0.0, 0.0, 0.0, 0.0}> "
        "{ a = Softmax<axis = 1>(k) y = Add(x, a) }",
        opset=opset,
    )
    assert fold_static_values(graph.model.graph) == folded


def test_an_operator_that_the_reference_cannot_run_stays():
    graph = graph_of(
        "g (float[1,4] x) => (float[1,4] y) <float[1,4] k = {1.0, 1.0, 1.0, 1.0}, "
        "int64[2] bad = {3, 5}> { a = Reshape(k, bad) y = Add(x, a) }"
    )
    assert fold_static_values(graph.model.graph) == 0
