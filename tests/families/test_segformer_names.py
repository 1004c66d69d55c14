"""Module paths of both exporters and both generations of transformers become the papers' names."""

import onnx
import pytest
from onnx import TensorProto, helper

from edgert.errors import PreconditionError
from edgert.families.segformer_names import (
    key_in_current_style,
    name_from_module,
    with_paper_names,
)
from edgert.surgery.load import load_graph

PARTS = [
    # today's path, the older path, the name
    ("stages.0.patch_embeddings", "encoder.patch_embeddings.0", "stage1.patch_embed"),
    (
        "stages.0.patch_embeddings.proj",
        "encoder.patch_embeddings.0.proj",
        "stage1.patch_embed/proj",
    ),
    (
        "stages.3.patch_embeddings.layer_norm",
        "encoder.patch_embeddings.3.layer_norm",
        "stage4.patch_embed/norm",
    ),
    (
        "stages.2.blocks.0.layernorm_before",
        "encoder.block.2.0.layer_norm_1",
        "stage3.block1.attention/norm",
    ),
    ("stages.2.blocks.0.attention", "encoder.block.2.0.attention.self", "stage3.block1.attention"),
    (
        "stages.2.blocks.0.attention.q_proj",
        "encoder.block.2.0.attention.self.query",
        "stage3.block1.attention/q",
    ),
    (
        "stages.2.blocks.0.attention.k_proj",
        "encoder.block.2.0.attention.self.key",
        "stage3.block1.attention/k",
    ),
    (
        "stages.2.blocks.17.attention.v_proj",
        "encoder.block.2.17.attention.self.value",
        "stage3.block18.attention/v",
    ),
    (
        "stages.1.blocks.1.attention.o_proj",
        "encoder.block.1.1.attention.output.dense",
        "stage2.block2.attention/proj",
    ),
    (
        "stages.0.blocks.0.attention.sequence_reduction.sequence_reduction",
        "encoder.block.0.0.attention.self.sr",
        "stage1.block1.attention/sr",
    ),
    (
        "stages.0.blocks.0.attention.sequence_reduction.layer_norm",
        "encoder.block.0.0.attention.self.layer_norm",
        "stage1.block1.attention/sr/norm",
    ),
    ("stages.0.blocks.0", "encoder.block.0.0", "stage1.block1"),
    (
        "stages.0.blocks.0.layernorm_after",
        "encoder.block.0.0.layer_norm_2",
        "stage1.block1.ffn/norm",
    ),
    ("stages.0.blocks.0.mlp.fc1", "encoder.block.0.0.mlp.dense1", "stage1.block1.ffn/fc1"),
    (
        "stages.0.blocks.0.mlp.dwconv.dwconv",
        "encoder.block.0.0.mlp.dwconv.dwconv",
        "stage1.block1.ffn/dwconv",
    ),
    (
        "stages.0.blocks.0.mlp.activation_fn",
        "encoder.block.0.0.mlp.intermediate_act_fn",
        "stage1.block1.ffn/activation",
    ),
    ("stages.0.blocks.0.mlp.fc2", "encoder.block.0.0.mlp.dense2", "stage1.block1.ffn/fc2"),
    ("stages.1.layer_norm", "encoder.layer_norm.1", "stage2.norm"),
]
HEAD = [
    ("decode_head", "decode_head", "decode"),
    (
        "decode_head.linear_projections.0.proj",
        "decode_head.linear_c.0.proj",
        "decode.linear1",
    ),
    ("decode_head.linear_projections.3", "decode_head.linear_c.3", "decode.linear4"),
    ("decode_head.linear_fuse", "decode_head.linear_fuse", "decode.fuse"),
    ("decode_head.batch_norm", "decode_head.batch_norm", "decode.fuse"),
    ("decode_head.activation", "decode_head.activation", "decode.fuse"),
    ("decode_head.classifier", "decode_head.classifier", "decode.predict"),
]
ALL = [(f"segformer.{new}", f"segformer.{old}", name) for new, old, name in PARTS] + HEAD


@pytest.mark.parametrize(("today", "older", "name"), ALL)
@pytest.mark.parametrize("outer", ["", "model.", "m.inner."])
def test_both_generations_and_any_wrapper_give_the_same_name(today, older, name, outer):
    assert name_from_module(outer + today) == name
    assert name_from_module(outer + older) == name


@pytest.mark.parametrize(("today", "older", "_name"), ALL)
def test_keys_in_todays_style_pass_unchanged(today, older, _name):
    assert key_in_current_style(f"{today}.weight") == f"{today}.weight"
    if not older.endswith(("attention.self", "act_fn")):  # modules without weights of their own
        assert key_in_current_style(f"{older}.weight") == f"{today}.weight"


@pytest.mark.parametrize(
    "path", ["", "vit.encoder.layer.0", "segformer.stages.0.blocks.0.mlp.fc9", "decode_head.extra"]
)
def test_a_path_from_elsewhere_is_refused(path):
    with pytest.raises(ValueError, match="no module path of a SegFormer"):
        name_from_module(path)


def small_model(tmp_path, scopes, *, metadata=False):
    """Conv -> Relu, with module paths in node names or, as dynamo writes them, in metadata."""
    conv, relu = scopes
    nodes = [
        helper.make_node("Conv", ["image", "w", "b"], ["c"], name=f"/{conv}/Conv"),
        helper.make_node("Relu", ["c"], ["y"], name=f"/{relu}/Relu"),
    ]
    if metadata:
        for node, scope in zip(nodes, scopes, strict=True):
            path = scope.replace("/", ".")
            node.name = f"node_{node.op_type}"
            entry = node.metadata_props.add()
            entry.key, entry.value = "pkg.torch.onnx.name_scopes", str(["", path, "op"])
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 4, 4])],
        [
            helper.make_tensor("w", TensorProto.FLOAT, [2, 1, 1, 1], [1.0, 2.0]),
            helper.make_tensor("b", TensorProto.FLOAT, [2], [0.5, 0.5]),
        ],
    )
    path = tmp_path / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    return load_graph(path)


@pytest.mark.parametrize("metadata", [False, True])
def test_nodes_values_and_weights_are_renamed(tmp_path, metadata):
    before = small_model(
        tmp_path, ("m/decode_head/linear_fuse", "m/decode_head/activation"), metadata=metadata
    )
    named = with_paper_names(before)
    assert [node.name for node in named.nodes] == ["decode.fuse/Conv", "decode.fuse/Relu"]
    assert set(named.model.graph.initializers) == {"decode.fuse.weight", "decode.fuse.bias"}
    assert [v.name for v in (*named.inputs, *named.outputs)] == ["pixel_values", "logits"]
    assert named.nodes[0].outputs[0].name == "decode.fuse/Conv"


def test_the_graph_given_is_left_as_it_was(tmp_path):
    before = small_model(tmp_path, ("decode_head/linear_fuse", "decode_head/activation"))
    with_paper_names(before)
    assert before.inputs[0].name == "image"
    assert set(before.model.graph.initializers) == {"w", "b"}
    assert before.model.graph.initializers["w"].const_value.name == "w"


def test_a_node_from_elsewhere_is_refused_in_one_line(tmp_path):
    graph = small_model(tmp_path, ("decode_head/linear_fuse", "tail/softmax"))
    with pytest.raises(PreconditionError, match="'/tail/softmax/Relu'") as caught:
        with_paper_names(graph)
    assert "\n" not in str(caught.value)


def test_naming_twice_is_refused_because_the_paths_are_gone(tmp_path):
    named = with_paper_names(
        small_model(tmp_path, ("decode_head/linear_fuse", "decode_head/activation"))
    )
    with pytest.raises(PreconditionError):
        with_paper_names(named)
