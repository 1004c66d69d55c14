import numpy as np
import onnx_ir
import pytest

from edgert.surgery.lower_precision import lower_precision
from edgert.surgery.precision import half_precision_norms, precision_of
from edgert.surgery.quantize import InputScale, Scales, quantize
from tests.skeletons import skeleton, skeleton_proto
from tests.surgery.graphs_linear import graph_from_text, head_graph
from tests.surgery.variants import as_graph, half_precision

SCALES = Scales(
    method="test", frames=1, inputs=[InputScale(node="/head/classifier/Conv", input=0, scale=0.1)]
)


def test_precision_follows_from_what_the_graph_holds():
    graph = head_graph()
    assert precision_of(graph) == "fp32"
    assert precision_of(lower_precision(graph)) == "fp16"
    quantised = quantize(graph, SCALES)
    assert precision_of(quantised) == "int8"
    assert precision_of(lower_precision(quantised)) == "int8"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("y = Relu(x)", "fp32"),
        ("h = Cast<to=10>(x) r = Relu(h) y = Cast<to=1>(r)", "fp16"),
        ("i = Cast<to=7>(x) y = Cast<to=1>(i)", "fp32"),
        ("q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)", "int8"),
        ("q, s2, z2 = DynamicQuantizeLinear(x) m = MatMulInteger(q, q) y = Cast<to=1>(m)", "int8"),
    ],
)
def test_precision_of_single_operators(body, expected):
    constants = {"s": np.array(0.1, np.float32), "z": np.array(0, np.int8)}
    graph = graph_from_text(f"agraph (float[4,4] x) => (float[4,4] y) {{ {body} }}", constants)
    assert precision_of(graph) == expected


def test_norms_in_half_precision_are_named():
    graph = skeleton("segformer_b0_dynamo")
    assert half_precision_norms(graph) == []
    assert half_precision_norms(lower_precision(graph)) == []
    whole = as_graph(half_precision(skeleton_proto("segformer_b0_dynamo")))
    named = half_precision_norms(whole)
    assert len(named) == 38  # each LayerNormalization and each Softmax
    assert {whole.node(name).op_type for name in named} == {"LayerNormalization", "Softmax"}


def test_sum_in_half_precision_is_named():
    graph = graph_from_text(
        """agraph (float[1,4,6,6] x) => (float[1,4,1,1] y) {
        h = Cast<to=10>(x) ["pool"] p = GlobalAveragePool(h) ["most"] m = ReduceMax(h)
        s = Add(p, m) y = Cast<to=1>(s) }"""
    )
    assert graph.node("pool").inputs[0].dtype == onnx_ir.DataType.FLOAT16
    assert half_precision_norms(graph) == ["pool"]
