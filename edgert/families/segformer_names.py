"""Names of SegFormer's parts: Hugging Face's module paths in, the papers' words out.

Owns the table between the two and the renaming of an exported graph. Stages, blocks and decoder
projections count from 1, as in the SegFormer paper's figures; Hugging Face counts from 0.
"""

import re
from collections.abc import Iterable
from typing import Any

from edgert.errors import PreconditionError
from edgert.optional import needs
from edgert.surgery.graph import Graph, constant_array, scope_of

INPUT_NAME = "pixel_values"
OUTPUT_NAME = "logits"

# Module paths as transformers wrote them before its SegFormer was regrouped by stage, and as
# checkpoints still carry them.
_OLDER_PATHS = (
    (r"^segformer\.encoder\.patch_embeddings\.(\d+)", r"segformer.stages.\1.patch_embeddings"),
    (r"^segformer\.encoder\.block\.(\d+)\.(\d+)", r"segformer.stages.\1.blocks.\2"),
    (r"^segformer\.encoder\.layer_norm\.(\d+)", r"segformer.stages.\1.layer_norm"),
    (r"^decode_head\.linear_c\.", "decode_head.linear_projections."),
    (r"\.attention\.self\.query\b", ".attention.q_proj"),
    (r"\.attention\.self\.key\b", ".attention.k_proj"),
    (r"\.attention\.self\.value\b", ".attention.v_proj"),
    (r"\.attention\.self\.sr\b", ".attention.sequence_reduction.sequence_reduction"),
    (r"\.attention\.self\.layer_norm\b", ".attention.sequence_reduction.layer_norm"),
    (r"\.attention\.output\.dense\b", ".attention.o_proj"),
    (r"\.attention\.(?:self|output)$", ".attention"),
    (r"\.mlp\.dense1\b", ".mlp.fc1"),
    (r"\.mlp\.dense2\b", ".mlp.fc2"),
    (r"\.mlp\.intermediate_act_fn$", ".mlp.activation_fn"),
    (r"\.layer_norm_1\b", ".layernorm_before"),
    (r"\.layer_norm_2\b", ".layernorm_after"),
)
_IN_STAGE = {
    "": "",
    "patch_embeddings": ".patch_embed",
    "patch_embeddings.proj": ".patch_embed/proj",
    "patch_embeddings.layer_norm": ".patch_embed/norm",
    "layer_norm": ".norm",
}
_IN_BLOCK = {
    "": "",
    "layernorm_before": ".attention/norm",
    "attention": ".attention",
    "attention.q_proj": ".attention/q",
    "attention.k_proj": ".attention/k",
    "attention.v_proj": ".attention/v",
    "attention.o_proj": ".attention/proj",
    "attention.sequence_reduction": ".attention/sr",
    "attention.sequence_reduction.sequence_reduction": ".attention/sr",
    "attention.sequence_reduction.layer_norm": ".attention/sr/norm",
    "layernorm_after": ".ffn/norm",
    "mlp": ".ffn",
    "mlp.fc1": ".ffn/fc1",
    "mlp.dwconv": ".ffn/dwconv",
    "mlp.dwconv.dwconv": ".ffn/dwconv",
    "mlp.activation_fn": ".ffn/activation",
    "mlp.fc2": ".ffn/fc2",
}
_IN_HEAD = {
    "decode_head": "decode",
    "decode_head.linear_fuse": "decode.fuse",
    "decode_head.batch_norm": "decode.fuse",  # folded into the convolution before it
    "decode_head.activation": "decode.fuse",
    "decode_head.classifier": "decode.predict",
    "segformer.encoder": "encoder",
    "segformer": "encoder",
}
_WEIGHT_ROLES = {
    "Conv": {1: "weight", 2: "bias"},
    "Gemm": {1: "weight", 2: "bias"},
    "MatMul": {1: "weight"},
    "LayerNormalization": {1: "weight", 2: "bias"},
}


def key_in_current_style(key: str) -> str:
    """A checkpoint key or module path with today's transformers names; today's pass unchanged.

    "segformer.encoder.block.2.0.mlp.dense1.weight" gives
    "segformer.stages.2.blocks.0.mlp.fc1.weight".

    Source: module and key names of transformers 4 and 5, `models/segformer`.
    """
    for pattern, replacement in _OLDER_PATHS:
        key = re.sub(pattern, replacement, key)
    return key


def name_from_module(path: str) -> str:
    """The name that a part of the model goes by in the graph.

    Args:
        path: Dotted module path from either exporter and either generation of transformers,
            with or without an outer module around the model.

    Returns:
        "stage3.block1.attention/q" for "segformer.stages.2.blocks.0.attention.q_proj". A dot
        separates what edits address, a slash what lies within.

    Raises:
        ValueError: No part of a SegFormer for segmentation has this path.
    """
    found = re.search(r"(?:^|\.)((?:segformer|decode_head)(?:\..*)?)$", path)
    inner = key_in_current_style(found[1]) if found else ""
    if inner in _IN_HEAD:
        return _IN_HEAD[inner]
    linear = re.fullmatch(r"decode_head\.linear_projections\.(\d+)(?:\.proj)?", inner)
    if linear:
        return f"decode.linear{int(linear[1]) + 1}"
    part = re.fullmatch(r"segformer\.stages\.(\d+)(?:\.blocks\.(\d+))?\.?(.*)", inner)
    if part:
        stage, block, rest = part.groups()
        within = _IN_STAGE if block is None else _IN_BLOCK
        if rest in within:
            prefix = f"stage{int(stage) + 1}" + (f".block{int(block) + 1}" if block else "")
            return prefix + within[rest]
    raise ValueError(f"{path!r} is no module path of a SegFormer")


def with_paper_names(graph: Graph) -> Graph:
    """Name nodes, values and weights of an exported SegFormer in the papers' words.

    Args:
        graph: A graph whose node names carry Hugging Face's module paths, as `load_graph` gives
            it, with one input and one output.

    Returns:
        New graph: nodes "stage3.block1.attention/q/MatMul", weights
        "stage3.block1.attention.q.weight", input "pixel_values", output "logits". The argument
        is unchanged.

    Raises:
        PreconditionError: Not one input and one output, or a node from somewhere else.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise _unfit(
            "one input and one output", f"{len(graph.inputs)} and {len(graph.outputs)} of them"
        )
    named = graph.copy()
    _name_nodes(named)
    _name_weights(named)
    for node in named.nodes:
        for index, value in enumerate(node.outputs):
            value.name = f"{node.name}:{index}" if index else node.name
    named.inputs[0].name, named.outputs[0].name = INPUT_NAME, OUTPUT_NAME
    return named


def _name_nodes(graph: Graph) -> None:
    taken: set[str] = set()
    for node in graph.nodes:
        try:
            place = name_from_module(scope_of(node))
        except ValueError as error:
            raise _unfit(
                "nodes named after the modules of a SegFormer for segmentation",
                f"'{node.name}'",
            ) from error
        name, count = f"{place}/{node.op_type}", 1
        while name in taken:
            name, count = f"{place}/{node.op_type}_{count}", count + 1
        taken.add(name)
        node.name = name


def _name_weights(graph: Graph) -> None:
    """Call each constant after the first node that reads it; weights are shared, so copy first."""
    ir = needs("onnx_ir", "build", "to edit ONNX graphs")
    names: dict[Any, str] = {}
    for node in graph.nodes:
        for index, value in enumerate(node.inputs):
            if constant_array(value) is not None and value not in names:
                names[value] = _free_name(_weight_name(node, index), names.values())
    for number, value in enumerate(names):  # out of each other's way
        value.const_value = ir.tensor(value.const_value.numpy())
        value.name = f"#{number}"
    for value, name in names.items():
        value.name = name


def _weight_name(node: Any, index: int) -> str:
    role = _WEIGHT_ROLES.get(node.op_type, {}).get(index)
    array = constant_array(node.inputs[index])
    if node.op_type == "Add" and array is not None and array.ndim == 1:
        role = "bias"
    if role is None:
        role = f"{node.name.rsplit('/', 1)[-1].lower()}.{index}"
    return f"{scope_of(node)}.{role}"


def _free_name(name: str, taken: Iterable[str]) -> str:
    used, unique, count = set(taken), name, 1
    while unique in used:
        unique, count = f"{name}.{count}", count + 1
    return unique


def _unfit(expected: str, got: str) -> PreconditionError:
    return PreconditionError(
        "name the parts of a SegFormer",
        expected=expected,
        got=got,
        advice="Export SegformerForSemanticSegmentation with tools/export_segformer.py",
    )
