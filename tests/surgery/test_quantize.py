"""int8 by Q/DQ: what stands where, in which numbers, and that wrong scales show."""

import msgspec
import numpy as np
import onnx_ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.errors import PreconditionError
from edgert.surgery.graph import constant_array
from edgert.surgery.load import normalised
from edgert.surgery.lower_precision import lower_precision
from edgert.surgery.quantize import (
    InputScale,
    Scales,
    quantize,
    read_scales,
    text_from_scales,
    weights_in_int8,
)
from tests.surgery.graphs_linear import (
    difference,
    graph_from_text,
    operators,
    outputs_of,
    random_weights,
)
from tests.surgery.precision_checks import checked_types, mixed_nodes

SHAPES = {"k": (4, 4, 3, 3), "b": (4,), "m": (6, 5), "n": (4, 6)}
INT8_ERROR = 0.02  # of the largest output: 127 steps, three maps
BODY = """["a/Conv"] h = Conv<pads=[1,1,1,1]>(x, k, b) ["a/Relu"] r = Relu(h)
    ["b/Conv"] c = Conv<pads=[1,1,1,1]>(r, k, b) ["b/Add"] s = Add(c, r)
    ["c/MatMul"] t = MatMul(s, m) ["d/MatMul"] y = MatMul(w, t)"""
PLACES = (("a/Conv", 0), ("b/Conv", 0), ("b/Add", 1), ("c/MatMul", 0))


def graph_of(body=BODY, *, opset=18):
    weights = random_weights(SHAPES) | {"w": np.eye(6, dtype=np.float32)}
    return graph_from_text(
        f"agraph (float[1,4,6,6] x) => (float[1,4,6,5] y) {{ {body} }}", weights, opset=opset
    )


def exact_scales(graph, places=PLACES, *, factor=1.0):
    """Scales from the values on the input that `outputs_of` draws."""
    probe = graph.copy()
    values = [probe.node(name).inputs[index] for name, index in places]
    for value in dict.fromkeys(values):
        if not value.is_graph_input():
            probe.model.graph.outputs.append(value)
    x = np.random.default_rng(0).standard_normal((1, 4, 6, 6)).astype(np.float32)
    found = dict(zip([v.name for v in probe.outputs], outputs_of(probe), strict=True)) | {"x": x}
    return Scales(
        method="max",
        frames=1,
        inputs=[
            InputScale(node=n, input=i, scale=factor * float(np.abs(found[v.name]).max()) / 127)
            for (n, i), v in zip(places, values, strict=True)
        ],
    )


def test_quantised_graph_computes_nearly_the_same():
    graph = graph_of()
    quantised = quantize(graph, exact_scales(graph))
    assert mixed_nodes(quantised) == []
    assert 0 < difference(graph, quantised) < INT8_ERROR
    assert "QuantizeLinear" not in operators(graph)


@pytest.mark.parametrize("factor", [0.5, 8.0])
def test_wrong_scales_show(factor):
    graph = graph_of()
    quantised = quantize(graph, exact_scales(graph, factor=factor))
    assert difference(graph, quantised) > INT8_ERROR


def test_every_listed_input_comes_through_q_and_dq():
    graph = graph_of()
    quantised = quantize(graph, exact_scales(graph))
    for name, index in PLACES:
        dequantize = quantised.node(name).inputs[index].producer()
        quantise = dequantize.inputs[0].producer()
        assert (dequantize.op_type, quantise.op_type) == ("DequantizeLinear", "QuantizeLinear")
        assert quantise.inputs[1] is dequantize.inputs[1]
        assert constant_array(quantise.inputs[1]).dtype == np.float32
        assert constant_array(quantise.inputs[2]) == np.int8(0)
    assert quantised.node("b/Add").inputs[0].producer().op_type == "Conv"
    assert quantised.node("d/MatMul").inputs[1].producer().op_type == "MatMul"


def test_value_that_two_read_with_one_scale_has_one_pair():
    graph = graph_of()
    scales = exact_scales(graph)  # b/Conv and b/Add read what the Relu makes
    assert operators(quantize(graph, scales)).count("QuantizeLinear") == 3
    first, second, third, last = scales.inputs
    apart = msgspec.structs.replace(third, scale=2 * third.scale)
    other = msgspec.structs.replace(scales, inputs=[first, second, apart, last])
    assert operators(quantize(graph, other)).count("QuantizeLinear") == 4


def test_weights_are_int8_with_a_scale_for_each_output_channel():
    graph = graph_of()
    quantised = quantize(graph, exact_scales(graph))
    for name, axis, channels in (("a/Conv", 0, 4), ("c/MatMul", 1, 5)):
        dequantize = quantised.node(name).inputs[1].producer()
        weight, scale = (constant_array(value) for value in dequantize.inputs)
        assert dequantize.attributes["axis"].value == axis
        assert (weight.dtype, scale.dtype, scale.shape) == (np.int8, np.float32, (channels,))
        assert np.abs(weight).max(axis=tuple({*range(weight.ndim)} - {axis})).tolist() == (
            [127] * channels
        )
    # both convolutions read one weight, and go on doing so
    one, other = (quantised.node(name).inputs[1] for name in ("a/Conv", "b/Conv"))
    assert one is other
    names = {v.name for v in quantised.model.graph.initializers.values()}
    assert {"k", "m"} & names == set()
    assert {"b", "w"} <= names  # biases, and maps that are not listed, stay


def test_quantised_graph_survives_being_read_again():
    graph = graph_of()
    quantised = quantize(graph, exact_scales(graph))
    again = normalised(quantised.copy())
    assert operators(again) == operators(quantised)
    assert difference(quantised, again) == 0


def test_rest_can_be_lowered_to_half_precision():
    graph = graph_of()
    both = lower_precision(quantize(graph, exact_scales(graph)))
    assert mixed_nodes(both) == []
    types = checked_types(both)
    for node in both.nodes:
        if node.op_type in ("Conv", "MatMul"):
            assert {types[v.name] for v in node.inputs} == {"float16"}
    assert difference(graph, both) < INT8_ERROR


@pytest.mark.parametrize(
    ("entry", "got"),
    [
        ({"node": "z/Conv"}, "no node of that name"),
        ({"input": 7}, "no such input"),
        ({"input": 1}, "a constant there"),
    ],
)
def test_scales_of_another_graph_are_refused(entry, got):
    scales = exact_scales(graph_of())
    wrong = msgspec.structs.replace(scales.inputs[0], **entry)
    other = msgspec.structs.replace(scales, inputs=[wrong, *scales.inputs[1:]])
    with pytest.raises(PreconditionError, match=f"got {got}. The scales were found for another"):
        quantize(graph_of(), other)


def test_input_that_is_listed_twice_is_refused():
    scales = exact_scales(graph_of())
    other = msgspec.structs.replace(scales, inputs=[*scales.inputs, scales.inputs[0]])
    with pytest.raises(PreconditionError, match="node a/Conv once, got it twice"):
        quantize(graph_of(), other)


def test_graph_that_is_quantised_already_is_refused():
    graph = graph_of()
    scales = exact_scales(graph)
    with pytest.raises(PreconditionError, match="quantised already"):
        quantize(quantize(graph, scales), scales)


def test_opset_without_scales_for_each_channel_is_refused():
    graph = graph_of(opset=11)
    with pytest.raises(PreconditionError, match="opset 13 or newer"):
        quantize(graph, exact_scales(graph_of()))


# ---------------------------------------------------------------- files


def test_scales_come_back_from_their_file(tmp_path):
    scales = exact_scales(graph_of())
    path = tmp_path / "scales.json"
    path.write_text(text_from_scales(scales))
    assert read_scales(path) == scales
    assert len(path.read_text().splitlines()) == len(PLACES) + 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"format":2,"method":"max","frames":1,"inputs":[{"node":"a","input":0,"scale":1.0}]}',
        '{"format":1,"method":"max","frames":1,"inputs":[]}',
        '{"format":1,"method":"max","frames":1,"inputs":[{"node":"a","input":0,"scale":0.0}]}',
        '{"format":1,"method":"max","frames":1,"inputs":[{"node":"a","input":-1,"scale":1.0}]}',
        '{"format":1,"method":"max","frames":1,"zero":1,"inputs":[]}',
    ],
)
def test_damaged_file_is_refused(tmp_path, text):
    path = tmp_path / "scales.json"
    path.write_text(text)
    with pytest.raises(PreconditionError, match="expected a JSON file of scales"):
        read_scales(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(PreconditionError, match="expected a JSON file of scales"):
        read_scales(tmp_path / "none.json")


# ---------------------------------------------------------------- weights


@given(st.integers(0, 2**32 - 1), st.integers(0, 1), st.floats(1e-3, 1e3), st.booleans())
def test_weights_are_rounded_to_the_nearest_step(seed, axis, size, empty_channel):
    array = (size * np.random.default_rng(seed).standard_normal((5, 7))).astype(np.float32)
    if empty_channel:
        array[(slice(None), 0) if axis else (0, slice(None))] = 0
    quantised, scale = weights_in_int8(array, axis)
    steps = scale[None, :] if axis else scale[:, None]
    assert quantised.dtype == np.int8
    assert np.abs(quantised).max() <= 127
    assert (scale > 0).all()
    assert (np.abs(quantised * steps - array) <= 0.5001 * steps).all()


def test_tiny_weights_get_a_scale_that_half_precision_holds():
    _, scale = weights_in_int8(np.full((2, 3), 1e-12, np.float32), 0)
    assert (scale.astype(np.float16) > 0).all()


def test_half_precision_value_is_no_input_to_quantise():
    graph = lower_precision(graph_of())
    with pytest.raises(PreconditionError, match="got a FLOAT16 there"):
        quantize(graph, exact_scales(graph_of()))
    assert graph.inputs[0].dtype == onnx_ir.DataType.FLOAT
