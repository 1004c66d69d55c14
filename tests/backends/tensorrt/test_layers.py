import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.backends.tensorrt.layers import EngineLayer, layers_from_json


def tensor(text, key="Format/Datatype"):
    return {"Name": "x", "Dimensions": [1, 8], key: text}


def inspected(layers, **rest):
    return layers_from_json(json.dumps({"Layers": layers, **rest}))


def test_layer_has_its_name_kind_unit_and_types():
    layers = inspected(
        [
            {
                "Name": "conv + relu",
                "LayerType": "CaskConvolution",
                "Inputs": [tensor("Row major linear FP16 format")],
                "Outputs": [tensor("Float")],
            }
        ]
    )
    expected = EngineLayer("conv + relu", "CaskConvolution", "GPU", ("fp16", "fp32"))
    assert layers.layers == (expected,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Half", "fp16"),
        ("Float", "fp32"),
        ("FP32", "fp32"),
        ("Row major linear FP32", "fp32"),
        ("Channel major FP16 format where channel % 4 == 0", "fp16"),
        ("Thirty-two wide channel vectorized row major Int8 format.", "int8"),
        ("BFloat16", "bf16"),
        ("BF16", "bf16"),
        ("FP8", "fp8"),
        ("Int64", "int64"),
        ("Int32", "int32"),
        ("Bool", "bool"),
    ],
)
@pytest.mark.parametrize("key", ["Format/Datatype", "DataType", "Datatype"])
def test_types_are_read_as_every_version_writes_them(text, expected, key):
    assert inspected([{"Name": "a", "Inputs": [tensor(text, key)]}]).layers[0].types == (expected,)


def test_type_that_is_unknown_is_left_out():
    assert inspected([{"Name": "a", "Inputs": [tensor("Ternary"), {}]}]).layers[0].types == ()


@pytest.mark.parametrize(
    "edges",
    [
        {"Bindings": ["frame", "logits"]},  # up to 10.x
        {"I/O Tensors": [{"Name": "frame"}, {"Name": "logits"}]},  # 11.x
    ],
)
def test_edges_are_found_under_either_name(edges):
    assert inspected([], **edges).edges == ("frame", "logits")


def test_engine_without_details_has_names_alone():
    layers = inspected(["conv + relu", "softmax"])
    assert [layer.name for layer in layers.layers] == ["conv + relu", "softmax"]
    assert layers.count_by_device() == {"GPU": 2}


def test_layers_on_the_dla_are_counted_apart():
    text = json.dumps(
        {
            "Layers": [
                {"Name": "{ForeignNode[conv...relu]}", "LayerType": "Reformat"},
                {"Name": "b", "LayerType": "DLA"},
                {"Name": "{ForeignNode[mul...add]}", "LayerType": "Myelin"},  # a GPU's as well
            ]
        }
    )
    layers = layers_from_json(text, dla_layers=["{ForeignNode[conv...relu]}"])
    assert [layer.device for layer in layers.layers] == ["DLA", "DLA", "GPU"]
    assert layers.count_by_device() == {"DLA": 2, "GPU": 1}


def test_list_of_layers_alone_is_read():
    assert layers_from_json('[{"Name": "a"}]').layers[0].name == "a"


KEYS = st.sampled_from(["Layers", "Bindings", "Name", "Inputs", "Outputs", "Format/Datatype"])
CONTENT = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(CONTENT)
def test_no_json_is_an_error(content):
    layers_from_json(json.dumps(content))


@pytest.mark.parametrize("text", ["", "not json", "{", "3"])
def test_what_is_no_json_has_no_layers(text):
    assert layers_from_json(text).layers == ()
