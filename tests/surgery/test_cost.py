"""Counting MACs, parameters and bytes: known models, single operators, and what is not known."""

import math

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgert.surgery.cost import cost_of, node_costs
from edgert.surgery.graph import Graph, infer_shapes, static_shape
from tests.skeletons import NAMES, skeleton
from tests.surgery.graphs_residual import SQUARE, VECTORS, graph_from_text, random_weights


def macs_of_text(text, **shapes):
    return cost_of(graph_from_text(text, random_weights(shapes))).macs


# ---------------------------------------------------------------- known models


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
@pytest.mark.parametrize(
    ("model", "gmacs", "digits"),
    [
        ("segformer_b2", 62.338, 3),  # 512x512, 150 classes
        ("segformer_b0", 4.94, 2),  # 360x480, 11 classes
        ("resnet50", 4.09, 2),
        ("vit_small", 4.599, 3),
        ("swin_tiny", 4.5, 1),
    ],
)
def test_known_models_cost_what_is_published(model, gmacs, digits, exporter):
    cost = cost_of(skeleton(f"{model}_{exporter}"))
    assert round(cost.macs / 1e9, digits) == gmacs
    assert cost.unknown_operators == []


def test_vit_small_costs_what_its_dimensions_say():
    tokens, width, layers = 197, 384, 12
    linear = layers * tokens * 12 * width * width  # q, k, v, out: 4; up and down: 4 + 4
    attention = layers * 2 * tokens * tokens * width
    patches = 196 * width * 3 * 16 * 16
    head = width * 1000
    expected = linear + attention + patches + head
    assert cost_of(skeleton("vit_small_torchscript")).macs == expected


def test_parameters_are_those_of_the_model():
    parameters = cost_of(skeleton("segformer_b2_torchscript")).parameters
    assert round(parameters / 1e6, 2) == 27.46


PARTS_GMACS = {
    "linear_fuse/Conv": 38.6547,
    "classifier/Conv": 1.8874,
    "fc1/MatMul": 5.2009,
    "fc2/MatMul": 5.2009,
    "dwconv/Conv": 0.2737,
    "attention/MatMul": 1.9462,
    "attention/MatMul_1": 1.9462,
    "q_proj/MatMul": 1.3002,
    "o_proj/MatMul": 1.3002,
    "sequence_reduction/Conv": 1.0989,
    "proj/Conv": 1.2111,  # patch embeddings
    "proj/MatMul": 0.8053 + 0.4027 + 0.2517 + 0.1007,  # the decode head's four
}


@pytest.mark.parametrize("part", PARTS_GMACS)
def test_the_parts_of_segformer_b2_cost_what_their_dimensions_say(part):
    costs = node_costs(skeleton("segformer_b2_torchscript"))
    found = sum(node.macs for node in costs if node.name.endswith(f"/{part}")) / 1e9
    assert found == pytest.approx(PARTS_GMACS[part], abs=2e-4)


@pytest.mark.parametrize("model", sorted({name.rpartition("_")[0] for name in NAMES}))
def test_both_exporters_cost_the_same(model):
    dynamo, torchscript = (cost_of(skeleton(f"{model}_{e}")) for e in ("dynamo", "torchscript"))
    assert dynamo.macs == torchscript.macs


@pytest.mark.parametrize("name", NAMES)
def test_node_costs_add_up_to_the_graph(name):
    graph = skeleton(name)
    nodes, total = node_costs(graph), cost_of(graph)
    assert [node.name for node in nodes] == [node.name for node in graph.nodes]
    assert sum(node.macs for node in nodes) == total.macs
    assert sum(node.parameters for node in nodes) == total.parameters
    assert sum(node.activation_bytes for node in nodes) == total.activation_bytes
    assert total.activation_bytes == sum(
        value.dtype.itemsize * math.prod(static_shape(value))
        for node in graph.nodes
        for value in node.outputs
        if value.name
    )


# ---------------------------------------------------------------- single operators

IMAGE = "g (float[2,6,8,8] x)"
CASES = {
    "Conv": (
        f"{IMAGE} => (float[2,4,4,4] y) "
        "{ y = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(x, w) }",
        {"w": (4, 6, 3, 3)},
        2 * 4 * 4 * 4 * 6 * 9,
    ),
    "Conv in groups": (
        f"{IMAGE} => (float[2,6,6,6] y) {{ y = Conv<group = 6>(x, w) }}",
        {"w": (6, 1, 3, 3)},
        2 * 6 * 36 * 9,
    ),
    "ConvTranspose": (
        f"{IMAGE} => (float[2,4,16,16] y) "
        "{ y = ConvTranspose<strides = [2, 2], group = 2>(x, w) }",
        {"w": (6, 2, 2, 2)},
        2 * 6 * 64 * 2 * 4,
    ),
    "DeformConv": (
        f"""{IMAGE} => (float[2,4,6,6] y) {{ y = DeformConv(x, w, o) }}""",
        {"w": (4, 6, 3, 3), "o": (2, 18, 6, 6)},
        2 * 4 * 36 * 54,
    ),
    "MatMul in a batch": (
        "g (float[2,3,5,7] x) => (float[2,3,5,4] y) { y = MatMul(x, w) }",
        {"w": (7, 4)},
        2 * 3 * 5 * 7 * 4,
    ),
    "MatMul of vectors": ("g (float[7] x) => (float y) { y = MatMul(x, w) }", {"w": (7,)}, 7),
    "Gemm transposed": (
        "g (float[7,5] x) => (float[5,4] y) { y = Gemm<transA = 1, transB = 1>(x, w) }",
        {"w": (4, 7)},
        7 * 5 * 4,
    ),
    "LSTM": (
        "g (float[9,2,3] x) => (float[9,2,2,5] y) "
        '{ y = LSTM<hidden_size = 5, direction = "bidirectional">(x, w, r) }',
        {"w": (2, 20, 3), "r": (2, 20, 5)},
        9 * 2 * 2 * 20 * (3 + 5),
    ),
    "FusedMatMul": (
        "g (float[2,7,5] x) => (float[2,5,4] y) "
        "{ y = com.microsoft.FusedMatMul<transA = 1>(x, w) }",
        {"w": (7, 4)},
        2 * 5 * 7 * 4,
    ),
    "FusedConv": (
        f"{IMAGE} => (float[2,4,6,6] y) {{ y = com.microsoft.FusedConv(x, w) }}",
        {"w": (4, 6, 3, 3)},
        2 * 4 * 36 * 54,
    ),
    "Attention of ONNX Runtime": (
        "g (float[2,5,8] x) => (float[2,5,8] y) "
        "{ y = com.microsoft.Attention<num_heads = 2>(x, w) }",
        {"w": (8, 24)},
        2 * 5 * 8 * 24 + 2 * 5 * 5 * 16,
    ),
    "MatMulNBits": (
        "g (float[2,5,32] x) => (float[2,5,4] y) "
        "{ y = com.microsoft.MatMulNBits<K = 32, N = 4, bits = 4, block_size = 32>(x, w, s) }",
        {"w": (4, 1, 16), "s": (4,)},
        2 * 5 * 32 * 4,
    ),
    "MultiHeadAttention": (
        "g (float[2,5,8] x, float[2,7,8] k, float[2,7,6] v) => (float[2,5,6] y) "
        "{ y = com.microsoft.MultiHeadAttention<num_heads = 2>(x, k, v) }",
        {},
        2 * 5 * 7 * (8 + 6),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_operator_costs(name):
    text, shapes, expected = CASES[name]
    assert macs_of_text(text, **shapes) == expected


EINSUMS = [
    ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5),
    ("bqhd,bkhd->bhqk", [(2, 3, 4, 5), (2, 6, 4, 5)], 2 * 3 * 4 * 5 * 6),
    ("...ij,...jk", [(2, 7, 3, 4), (7, 4, 5)], 2 * 7 * 3 * 4 * 5),
    ("i , i ->", [(9,), (9,)], 9),
    ("ii->i", [(5, 5)], 0),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)], 2 * 3 * 4 + 2 * 4 * 5),
]


@pytest.mark.parametrize(("equation", "shapes", "expected"), EINSUMS)
def test_einsum_costs_what_its_indices_span(equation, shapes, expected):
    result = np.einsum(equation.replace(" ", ""), *(np.zeros(shape) for shape in shapes)).shape
    inputs = ", ".join(f"float[{','.join(map(str, s))}] x{i}" for i, s in enumerate(shapes))
    names = ", ".join(f"x{i}" for i in range(len(shapes)))
    output = f"float[{','.join(map(str, result))}]" if result else "float"
    text = f'g ({inputs}) => ({output} y) {{ y = Einsum<equation = "{equation}">({names}) }}'
    assert macs_of_text(text) == expected


@pytest.mark.parametrize("rank", [3, 4])
def test_attention_costs_scores_and_values(rank):
    """Heads 6 (2 of keys and values), 5 queries, 7 keys, 8 wide, values 4 wide."""
    shapes = {
        3: ("float[2,5,48]", "float[2,7,16]", "float[2,7,8]", "float[2,5,24]"),
        4: ("float[2,6,5,8]", "float[2,2,7,8]", "float[2,2,7,4]", "float[2,6,5,4]"),
    }[rank]
    heads = "<q_num_heads = 6, kv_num_heads = 2>" if rank == 3 else ""
    text = (
        f"g ({shapes[0]} q, {shapes[1]} k, {shapes[2]} v) => ({shapes[3]} y) "
        f"{{ y = Attention{heads}(q, k, v) }}"
    )
    graph = graph_from_text(text, opset=23)
    assert cost_of(graph).macs == 2 * 6 * 5 * 7 * (8 + 4)


def test_a_quantised_convolution_costs_what_a_plain_one_does():
    text = """g (uint8[1,6,8,8] x) => (uint8[1,4,6,6] y)
        <float s = {0.1}, uint8 z = {0}> { y = QLinearConv(x, s, z, w, s, z, s, z) }"""
    graph = graph_from_text(text, {"w": np.ones((4, 6, 3, 3), dtype=np.uint8)})
    assert cost_of(graph).macs == 4 * 36 * 54


def test_attention_with_cached_keys_costs_them_too():
    text = """g (float[1,2,5,8] q, float[1,2,5,8] k, float[1,2,5,8] v,
               float[1,2,3,8] pk, float[1,2,3,8] pv) => (float[1,2,5,8] y)
        { y, nk, nv = Attention(q, k, v, , pk, pv) }"""
    assert cost_of(graph_from_text(text, opset=23)).macs == 2 * 5 * (5 + 3) * 16


# ---------------------------------------------------------------- not known, never zero


def test_an_operator_that_is_neither_counted_nor_free_is_listed():
    text = """g (float[4,4] x) => (float y) { d = Det(x) e = ai.example.Dense(x)
        f = com.microsoft.NobodyKnows(e) s = ReduceSum(f) y = Add(d, s) }"""
    unknown = cost_of(graph_from_text(text)).unknown_operators
    assert [name.split(" ")[0] for name in unknown][:3] == [
        "Det", "ReduceSum", "ai.example.Dense"]  # fmt: skip
    assert any(name.startswith("com.microsoft.NobodyKnows") for name in unknown)


def test_a_shape_that_is_unknown_is_listed_with_its_operator():
    text = f"{VECTORS} {{ h = ai.example.Dense(x) m = MatMul(h, wa) y = Relu(m) }}"
    cost = cost_of(graph_from_text(text, random_weights(SQUARE)))
    assert "MatMul (shape unknown)" in cost.unknown_operators


@pytest.mark.parametrize(
    ("operator", "line"),
    [
        ("MultiHeadAttention", "MultiHeadAttention<num_heads = 2>(x)"),
        ("Attention", "Attention<num_heads = 2>(x, w, , , p)"),
        ("FusedMatMul", "FusedMatMul<transBatchA = 1>(x, w)"),
    ],
)
def test_what_is_packed_cached_or_rearranged_is_not_guessed(operator, line):
    text = f"g (float[2,5,8] x) => (float[2,5,8] y) {{ y = com.microsoft.{line} }}"
    shapes = {"w": (8, 24), "p": (2, 2, 2, 3, 4)}
    cost = cost_of(graph_from_text(text, random_weights(shapes)))
    assert (cost.macs, cost.unknown_operators) == (
        0,
        [f"com.microsoft.{operator} (shape unknown)"],
    )


def test_a_subgraph_is_listed():
    text = f"""{VECTORS} {{ c = ReduceSum<keepdims = 0>(x) b = Cast<to = 9>(c)
        y = If(b) <then_branch = t () => (float[1,4] u) {{ u = MatMul(x, wa) }},
                   else_branch = e () => (float[1,4] v) {{ v = Relu(x) }}> }}"""
    cost = cost_of(graph_from_text(text, random_weights(SQUARE)))
    assert cost.unknown_operators == ["If (subgraph)"]


def test_every_listed_operator_appears_once():
    text = "g (float[4,4] x) => (float y) { a = Det(x) b = Det(x) y = Add(a, b) }"
    assert cost_of(graph_from_text(text)).unknown_operators == ["Det"]


def test_free_operators_cost_nothing_and_are_not_listed():
    text = f"{VECTORS} {{ a = Relu(x) b = Softmax(a) y = Add(a, b) }}"
    cost = cost_of(graph_from_text(text))
    assert (cost.macs, cost.unknown_operators) == (0, [])


# ---------------------------------------------------------------- parameters and bytes


def test_a_shared_tensor_counts_once_and_shape_constants_do_not():
    text = """g (float[1,4,2,2] x) => (float[1,4,4,4] y)
        <int64[4] to = {1, 4, 2, 2}, float[4] scales = {1.0, 1.0, 2.0, 2.0}> {
        a = Conv(x, w) b = Conv(a, w) c = Reshape(b, to) y = Resize(c, , scales) }"""
    nodes = node_costs(graph_from_text(text, random_weights({"w": (4, 4, 1, 1)})))
    assert [node.parameters for node in nodes] == [16, 0, 0, 0]


def test_bytes_follow_the_type_and_unwanted_outputs_weigh_nothing():
    text = """g (float[1,4] x) => (double[1,4] y, bool[1,4] z) {
        y = Cast<to = 11>(x) v, i = TopK(x, one)
        v4 = Concat<axis = 1>(v, v, v, v) z = Equal(v4, x) }"""
    graph = graph_from_text(text, {"one": np.array([1], dtype=np.int64)})
    sizes = {n.op_type: n.activation_bytes for n in node_costs(graph)}
    assert sizes == {"Cast": 32, "TopK": 4 + 8, "Concat": 16, "Equal": 4}
    unwanted = graph_from_text(
        "g (float[1,4] x) => (int64[1,2] i) { v, i = TopK(x, two) }",
        {"two": np.array([2], dtype=np.int64)},
    )
    unwanted.nodes[0].outputs[0].name = ""
    assert cost_of(unwanted).activation_bytes == 16


def test_constants_left_in_the_graph_weigh_nothing():
    model = onnx.parser.parse_model(
        """<ir_version: 9, opset_import: ["" : 18]> g (float[2] x) => (float[2] y)
        { c = Constant<value_floats = [1.0, 2.0]>() y = Add(x, c) }"""
    )
    graph = Graph(ir.from_proto(model))
    infer_shapes(graph)
    assert cost_of(graph).activation_bytes == 8
