"""Half precision: types that fit everywhere, Casts that are needed, results that stay."""

import numpy as np
import onnx_ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.errors import PreconditionError
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph
from edgert.surgery.lower_precision import lower_precision
from edgert.surgery.merge_linear import merge_linear
from edgert.surgery.operator_types import opset_of
from tests.skeletons import NAMES, OPSETS, skeleton, skeleton_proto
from tests.surgery.graphs_linear import (
    difference,
    graph_from_text,
    head_graph,
    operators,
    outputs_of,
    perturbed,
)
from tests.surgery.precision_checks import (
    checked_types,
    mixed_nodes,
    needless_casts,
    types_by_operator,
)
from tests.surgery.variants import as_graph, half_precision

TOLERANCE = 5e-3  # 11 bits, some dozen layers; skeletons are near 1e-3
QUICK = ("mobilenet_v3_dynamo", "segformer_b0_dynamo", "segformer_b0_torchscript",
         "yolox_nano_dynamo", "opsets/mobilenet_v3_torchscript_13")  # fmt: skip
OTHERS = sorted({*NAMES, *OPSETS} - set(QUICK))
STAY = {"LayerNormalization", "Softmax", "ReduceMean", "ReduceSum", "GlobalAveragePool", "Exp"}
WORK = {"Conv", "Gemm", "MatMul"}
W = {"w": np.linspace(-1, 1, 16, dtype=np.float32).reshape(4, 4, 1, 1)}


def small(body, weights=None, *, output="float[1,4,6,6] y", opset=18):
    return graph_from_text(
        f"agraph (float[1,4,6,6] x) => ({output}) {{ {body} }}", W | (weights or {}), opset=opset
    )


def check_whole(graph: Graph, lowered: Graph) -> None:
    assert mixed_nodes(lowered) == []
    assert needless_casts(lowered) == []
    for kind in ("inputs", "outputs"):
        one, other = getattr(graph, kind), getattr(lowered, kind)
        assert [(v.name, v.shape, v.dtype) for v in one] == [
            (v.name, v.shape, v.dtype) for v in other
        ]


# ---------------------------------------------------------------- whole models


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
)
def test_models_of_all_kinds_compute_in_half_precision(name):
    graph = skeleton(name)
    before = [node.op_type for node in graph.nodes]
    lowered = lower_precision(graph)
    check_whole(graph, lowered)
    types = types_by_operator(lowered)
    for operator, kinds in types.items():
        if operator in STAY:
            assert kinds == {"float32"}, operator
        if operator in WORK:
            assert kinds == {"float16"}, operator
    assert [op for op in operators(lowered) if op != "Cast"] == [
        op for op in sorted(before) if op != "Cast"
    ]
    assert cost_of(lowered).macs == cost_of(graph).macs
    assert 0 < difference(graph, lowered) < TOLERANCE
    assert [node.op_type for node in graph.nodes] == before


def test_wrong_weight_shows_beside_half_precision():
    graph = skeleton("segformer_b0_dynamo")
    lowered = lower_precision(graph)
    name = next(n.name for n in graph.nodes if n.op_type == "Conv")
    assert difference(perturbed(graph, name, factor=-1.0), lowered) > TOLERANCE


def test_segformer_casts_at_normalisations_and_edges_alone():
    graph = skeleton("segformer_b0_dynamo")
    lowered = lower_precision(graph)
    casts = [node for node in lowered.nodes if node.op_type == "Cast"]
    kept = operators(graph).count("LayerNormalization") + operators(graph).count("Softmax")
    up = [cast for cast in casts if cast.outputs[0].dtype == onnx_ir.DataType.FLOAT]
    assert kept == 38
    assert len(up) < kept  # a value that two of them read is cast once
    assert len(casts) - len(up) == kept + 1  # and the input


def test_weights_are_halves_of_the_same_numbers():
    graph = head_graph()
    lowered = lower_precision(graph)
    numbers = {v.name: v.const_value for v in lowered.model.graph.initializers.values()}
    for value in graph.model.graph.initializers.values():
        if value.dtype == onnx_ir.DataType.FLOAT:
            half = numbers[f"{value.name}.fp16"].numpy()
            assert half.dtype == np.float16
            np.testing.assert_array_equal(half, value.const_value.numpy().astype(np.float16))
            assert value.name not in numbers


def test_model_that_is_in_halves_already_has_nothing_to_lower():
    graph = as_graph(half_precision(skeleton_proto("mobilenet_v3_dynamo")))
    with pytest.raises(PreconditionError, match="operators that can compute in float16, got Cast"):
        lower_precision(graph)


def test_works_on_what_other_edits_made():
    merged = merge_linear(head_graph())
    lowered = lower_precision(merged)
    check_whole(merged, lowered)
    assert difference(merged, lowered) < TOLERANCE


# ---------------------------------------------------------------- structure, node by node


def sequence(graph):
    """Operators with the type of their first output, in order."""
    short = {onnx_ir.DataType.FLOAT: "f32", onnx_ir.DataType.FLOAT16: "f16"}
    return " ".join(f"{n.op_type}:{short.get(n.outputs[0].dtype, '?')}" for n in graph.nodes)


def test_one_convolution_is_cast_into_and_out_of():
    assert sequence(lower_precision(small("y = Conv(x, w)"))) == "Cast:f16 Conv:f16 Cast:f32"


def test_value_is_cast_once_for_all_its_readers():
    graph = small("a = Softmax(x) b = Conv(a, w) c = Conv(a, w) y = Add(b, c)")
    lowered = lower_precision(graph)
    assert sequence(lowered) == "Softmax:f32 Cast:f16 Conv:f16 Conv:f16 Add:f16 Cast:f32"


def test_output_that_is_read_inside_too_keeps_its_name():
    graph = small(
        "a = Conv(x, w) b = Relu(a) c = Softmax(a)",
        output="float[1,4,6,6] a, float[1,4,6,6] b, float[1,4,6,6] c",
    )
    lowered = lower_precision(graph)
    check_whole(graph, lowered)
    assert difference(graph, lowered) < TOLERANCE
    # one Cast serves the Softmax and the output
    assert operators(lowered).count("Cast") == 3


def test_constant_of_both_kinds_of_readers_is_kept_in_both_types():
    graph = small(
        "a = Add(x, v) b = Pow(a, v) c = Conv(b, w) y = Add(c, v)", {"v": np.ones(1, np.float32)}
    )
    lowered = lower_precision(graph)
    check_whole(graph, lowered)
    kinds = {v.name: str(v.dtype) for v in lowered.model.graph.initializers.values()}
    assert kinds == {"v": "FLOAT", "v.fp16": "FLOAT16", "w.fp16": "FLOAT16"}


def test_large_constant_keeps_its_node_and_nothing_else():
    graph = small(
        'a = Conv(x, w) ["m"] b = Add(a, mask) y = Conv(b, w)',
        {"mask": np.full(1, -1e9, np.float32)},
    )
    lowered = lower_precision(graph)
    assert sequence(lowered) == "Cast:f16 Conv:f16 Cast:f32 Add:f32 Cast:f16 Conv:f16 Cast:f32"


def test_scales_of_a_resize_stay_in_float32():
    graph = small(
        "a = Conv(x, w) y = Resize(a, , s)",
        {"s": np.array([1, 1, 2, 2], np.float32)},
        output="float[1,4,12,12] y",
    )
    lowered = lower_precision(graph)
    check_whole(graph, lowered)
    assert types_by_operator(lowered)["Resize"] == {"float16"}
    assert [v.name for v in lowered.nodes[2].inputs if v is not None][1] == "s"


def test_casts_to_and_from_halves_that_become_idle_go():
    graph = small("a = Conv(x, w) b = Cast<to=10>(a) c = Cast<to=1>(b) y = Conv(c, w)")
    assert sequence(lower_precision(graph)) == "Cast:f16 Conv:f16 Conv:f16 Cast:f32"


def test_cast_from_whole_numbers_makes_halves_at_once():
    graph = small("i = Cast<to=7>(x) f = Cast<to=1>(i) y = Conv(f, w)")
    assert sequence(lower_precision(graph)) == "Cast:? Cast:f16 Conv:f16 Cast:f32"


def test_graph_without_anything_to_lower_is_refused():
    with pytest.raises(PreconditionError, match="which normalises"):
        lower_precision(small("y = Softmax(x)"))


def test_unknown_entry_of_keep_is_refused():
    with pytest.raises(PreconditionError, match="nearest are"):
        lower_precision(small('["a/Conv"] y = Conv(x, w)'), keep=["a/Conw"])


def test_node_kept_by_name_computes_in_float32():
    graph = small('["a"] h = Conv(x, w) ["b"] y = Conv(h, w)')
    lowered = lower_precision(graph, keep=["a"])
    assert sequence(lowered) == "Conv:f32 Cast:f16 Conv:f16 Cast:f32"


def test_values_that_reached_far_on_frames_stay():
    graph = small('["a"] h = Conv(x, w) ["b"] y = Conv(h, w)')
    lowered = lower_precision(graph, largest={"x": 5e4})
    assert sequence(lowered) == "Conv:f32 Cast:f16 Conv:f16 Cast:f32"


def test_quantised_graph_gets_half_scales_at_opset_19():
    weights = {"s": np.array(0.05, np.float32), "z": np.array(0, np.int8)}
    body = "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Conv(d, w)"
    graph = small(body, weights)
    lowered = lower_precision(graph)
    assert (opset_of(graph), opset_of(lowered)) == (18, 19)
    # the input is quantised as it comes; only what is dequantised is half
    assert sequence(lowered) == "QuantizeLinear:? DequantizeLinear:f16 Conv:f16 Cast:f32"
    assert difference(graph, lowered) < TOLERANCE


def test_quantised_graph_of_an_old_opset_is_refused_by_name():
    weights = {"s": np.array(0.05, np.float32), "z": np.array(0, np.int8)}
    body = """q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) h = Conv(d, w)
        ["r"] y = ReduceMean<axes=[2,3]>(h)"""
    graph = small(body, weights, opset=13, output="float[1,4,1,1] y")
    with pytest.raises(PreconditionError, match="node r "):
        lower_precision(graph)


# ---------------------------------------------------------------- any graph

UNARY = ("Relu", "Sigmoid", "Exp", "Sqrt", "Erf", "Identity", "Neg")
SHAPED = ("Transpose<perm=[0,1,3,2]>", "Softmax<axis=1>", "LpNormalization<axis=1>")
BINARY = ("Add", "Mul", "Sub", "Max", "Div")


@st.composite
def random_graphs(draw):
    """Up to a dozen nodes on values of one shape, with constants in and out of range."""
    values, lines = ["x"], []
    weights = {
        "one": np.ones(1, np.float32),
        "large": np.full(1, 1e6, np.float32),
        "small": np.full(1, 1e-7, np.float32),
    }
    for index in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(("unary", "shaped", "binary", "conv", "constant", "cast")))
        one = draw(st.sampled_from(values))
        out = f"v{index}"
        if kind == "unary":
            lines.append(f"{out} = {draw(st.sampled_from(UNARY))}({one})")
        elif kind == "shaped":
            lines.append(f"{out} = {draw(st.sampled_from(SHAPED))}({one})")
        elif kind == "binary":
            other = draw(st.sampled_from(values))
            lines.append(f"{out} = {draw(st.sampled_from(BINARY))}({one}, {other})")
        elif kind == "constant":
            constant = draw(st.sampled_from(sorted(weights)))
            lines.append(f"{out} = {draw(st.sampled_from(BINARY))}({one}, {constant})")
        elif kind == "cast":
            lines.append(f"c{index} = Cast<to=10>({one}) {out} = Cast<to=1>(c{index})")
        else:
            lines.append(f"{out} = Conv({one}, w)")
        values.append(out)
    outputs = draw(st.lists(st.sampled_from(values[1:]), min_size=1, max_size=2, unique=True))
    declared = ", ".join(f"float[1,4,6,6] {name}" for name in outputs)
    return small(" ".join(lines), weights, output=declared)


@given(random_graphs())
def test_types_of_any_graph_fit_and_casts_are_needed(graph):
    try:
        lowered = lower_precision(graph)
    except PreconditionError:  # nothing to lower: some of these are Softmax and Exp alone
        return
    assert mixed_nodes(lowered) == []
    assert needless_casts(graph) or needless_casts(lowered) == []
    assert {v.name for v in graph.outputs} == {v.name for v in lowered.outputs}
    assert {checked_types(lowered)[v.name] for v in lowered.outputs} == {"float32"}
    outputs_of(lowered)  # runs
