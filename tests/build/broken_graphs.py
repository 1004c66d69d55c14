"""Graphs that are wrong in one way each, after the kinds of fault that converters make.

The kinds are the causes in tables of the study that `edgert.build.check` names. All start from one
healthy pair: `parent_model`, and what the edit merge_linear derives from it. `BROKEN` holds for
each fault its cause, the stage that has to catch it, and what changes the derived model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgert.build.derive import derive
from edgert.build.targets import newest_opset
from edgert.surgery.graph import save_graph
from edgert.surgery.load import load_graph

INPUT = (1, 3, 16, 16)
TOKENS, WIDTH = 64, 16  # after the stem: 8 x 8 positions of 16 channels
NEWEST_OPSET = newest_opset()
# One that onnx does not know either is found by onnx, before operators are looked at.
NEWER_OPSET_STAGE = "operators" if onnx.defs.onnx_opset_version() > NEWEST_OPSET else "format"


def parent_model(seed: int = 0) -> onnx.ModelProto:
    """A stem, a block of attention and one of FFN, and a head of two sizes, as SegFormer has.

    Input "pixel_values" (1, 3, 16, 16), output "logits" (1, 5, 16, 16).
    """
    random = np.random.default_rng(seed)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def array(name: str, value: Any) -> str:
        weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(name: str, *shape: int) -> str:
        scale = 1 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.3
        return array(name, (random.standard_normal(shape) * scale).astype(np.float32))

    def add(op: str, scope: str, *inputs: str, **attributes: Any) -> str:
        output = f"{scope}.{op}.out"
        nodes.append(helper.make_node(op, inputs, [output], name=f"{scope}/{op}", **attributes))
        return output

    def conv(scope: str, x: str, out: int, into: int, k: int = 1, **attributes: Any) -> str:
        kernel, bias = weight(f"{scope}.weight", out, into, k, k), weight(f"{scope}.bias", out)
        return add("Conv", scope, x, kernel, bias, kernel_shape=[k, k], **attributes)

    x = conv("stem", "pixel_values", 8, 3, 3, pads=[1] * 4)
    for part in ("scale", "shift", "mean"):
        weight(f"stem.bn.{part}", 8)
    array("stem.bn.var", random.uniform(0.5, 2, 8).astype(np.float32))
    names = [f"stem.bn.{part}" for part in ("scale", "shift", "mean", "var")]
    near = add("Relu", "stem", add("BatchNormalization", "stem.bn", x, *names))
    x = conv("patch", near, WIDTH, 8, 3, strides=[2, 2], auto_pad="SAME_UPPER")
    x = add("Reshape", "flat", x, array("flat.size", np.array([1, WIDTH, TOKENS])))
    x = add("Transpose", "flat", x, perm=[0, 2, 1])
    # Attention: one weight is read twice, as tied ones are.
    y = add("LayerNormalization", "norm1", x, weight("norm1.scale", WIDTH),
            weight("norm1.bias", WIDTH), epsilon=1e-5)  # fmt: skip
    tied = weight("attention.tied", WIDTH, WIDTH)
    q, v = add("MatMul", "attention.q", y, tied), add("MatMul", "attention.v", y, tied)
    k = add("Transpose", "attention.k", y, perm=[0, 2, 1])
    scores = add("Softmax", "attention", add("MatMul", "attention.scores", q, k), axis=-1)
    x = add("Add", "attention", x, add("MatMul", "attention.mixed", scores, v))
    # FFN: a Gemm on the rows, GELU, a MatMul with its bias, a gate.
    rows = add("Reshape", "ffn.rows", x, array("ffn.rows.size", np.array([TOKENS, WIDTH])))
    h = add("Gemm", "ffn.fc1", rows, weight("ffn.fc1.weight", WIDTH, WIDTH),
            weight("ffn.fc1.bias", WIDTH), transB=1)  # fmt: skip
    gelu = add("Erf", "ffn.act", add("Div", "ffn.act", h, array("ffn.root", np.float32(2**0.5))))
    h = add("Mul", "ffn.act", h, add("Add", "ffn.act", gelu, array("ffn.one", np.float32(1))))
    h = add("Add", "ffn.fc2", add("MatMul", "ffn.fc2", h, weight("ffn.fc2.weight", WIDTH, WIDTH)),
            weight("ffn.fc2.bias", WIDTH))  # fmt: skip
    gate = add("Cast", "gate", add("Greater", "gate", rows, array("gate.zero", np.float32(0))),
               to=TensorProto.FLOAT)  # fmt: skip
    h = add("Mul", "gate", h, gate)
    order = array("shuffle.order", random.permutation(WIDTH).astype(np.int64))
    h = add("Gather", "shuffle", h, order, axis=1)
    h = add("Reshape", "ffn.tokens", h, array("ffn.tokens.size", np.array([1, TOKENS, WIDTH])))
    x = add("Transpose", "image", add("Add", "ffn", x, h), perm=[0, 2, 1])
    x = add("Reshape", "image", x, array("image.size", np.array([1, WIDTH, 8, 8])))
    # Head: two linear maps at two sizes that are resized, joined and mapped once more.
    far = conv("head.far", x, 16, WIDTH)
    size = array("head.size", np.array([1, 16, 16, 16]))
    far = add("Resize", "head.up", far, "", "", size, mode="linear",
              coordinate_transformation_mode="half_pixel")  # fmt: skip
    joined = add("Concat", "head.join", far, conv("head.near", near, 16, 8), axis=1)
    fused = add("Relu", "head.act", conv("head.fuse", joined, 16, 32))
    kernel, bias = weight("head.predict.weight", 5, 16, 1, 1), weight("head.predict.bias", 5)
    nodes.append(
        helper.make_node("Conv", [fused, kernel, bias], ["logits"], name="head.predict/Conv")
    )
    graph = helper.make_graph(
        nodes, "parent",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, INPUT)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 5, 16, 16))],
        weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def write_healthy_pair(folder: Path) -> tuple[Path, Path]:
    """Write parent.onnx and derived.onnx, merged by the edit itself; each is one file."""
    parent, derived = folder / "parent.onnx", folder / "derived.onnx"
    onnx.save(parent_model(), str(parent))
    merged = derive(load_graph(parent), [{"merge_linear": {}}], subject="derive merged")
    save_graph(merged, derived)
    return parent, derived


# ---------------------------------------------------------------- the set


@dataclass(frozen=True)
class Broken:
    """One fault. `change` works on the derived model in place; `write` on its file instead."""

    name: str
    cause: str
    stage: str
    change: Callable[[onnx.ModelProto], None] | None = None
    write: Callable[[Path, Path], None] | None = None  # from the derived file to the broken one


BROKEN: list[Broken] = []
_Change = Callable[[onnx.ModelProto], None]


def broken(cause: str, stage: str) -> Callable[[_Change], _Change]:
    """Put a change of the model into the set, under its function's name."""

    def register(change: _Change) -> _Change:
        BROKEN.append(Broken(change.__name__, cause, stage, change=change))
        return change

    return register


def broken_file(cause: str, stage: str) -> Callable[..., Callable[[Path, Path], None]]:
    """The same for a change of the file."""

    def register(write: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
        BROKEN.append(Broken(write.__name__, cause, stage, write=write))
        return write

    return register


def write_broken(fault: Broken, derived: Path, folder: Path) -> Path:
    """The derived graph with one fault, in a folder of its own."""
    path = folder / f"{fault.name}.onnx"
    if fault.write is not None:
        fault.write(derived, path)
        return path
    model = onnx.load(str(derived))
    assert fault.change is not None
    fault.change(model)
    path.write_bytes(model.SerializeToString())
    return path


def node_of(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    [found] = [node for node in model.graph.node if node.name == name]
    return found


def set_attribute(node: onnx.NodeProto, name: str, value: Any) -> None:
    for entry in [entry for entry in node.attribute if entry.name == name]:
        node.attribute.remove(entry)
    if value is not None:
        node.attribute.append(helper.make_attribute(name, value))


def set_weight(model: onnx.ModelProto, name: str, change: Callable[[Any], Any]) -> None:
    [tensor] = [t for t in model.graph.initializer if t.name == name]
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()), name))


def declared(model: onnx.ModelProto, name: str) -> Any:
    """What the file says of an inner value."""
    [value] = [v for v in model.graph.value_info if v.name == name]
    return value.type.tensor_type


def add_weight(model: onnx.ModelProto, name: str, value: Any) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return name


def insert(model: onnx.ModelProto, value: str, *nodes: onnx.NodeProto) -> None:
    """Put nodes between a value's producer and its readers; they read `value`, write "new"."""
    at = next(i for i, node in enumerate(model.graph.node) if value in node.output)
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == value:
                node.input[index] = "new"
    for offset, node in enumerate(nodes):
        model.graph.node.insert(at + 1 + offset, node)


def forget_shapes(model: onnx.ModelProto) -> None:
    """Without declared inner shapes no stage can stumble over them: only the fault is left."""
    del model.graph.value_info[:]


# ---------------------------------------------------------------- incompatibility


@broken("incompatibility", "format")
def operator_that_no_opset_has(model):
    node_of(model, "head.act/Relu").op_type = "Relu6"


@broken("incompatibility", "format")
def operator_newer_than_the_opset(model):
    node_of(model, "head.act/Relu").op_type = "Gelu"  # came with opset 20


@broken("incompatibility", "format")
def opset_that_nobody_knows(model):
    model.opset_import[0].version = onnx.defs.onnx_opset_version() + 1


@broken("incompatibility", NEWER_OPSET_STAGE)
def opset_newer_than_the_runtime(model):
    model.opset_import[0].version = NEWEST_OPSET + 1


@broken("incompatibility", "format")
def file_format_newer_than_anybody_reads(model):
    model.ir_version = 99


@broken("incompatibility", "operators")
def type_without_a_kernel(model):
    node = node_of(model, "head.predict/Conv")
    for name in node.input[1:]:
        set_weight(model, name, lambda array: array.astype(np.float64))
    wide = helper.make_node("Cast", [node.input[0]], ["wide"], to=TensorProto.DOUBLE)
    narrow = helper.make_node("Cast", ["wide.logits"], ["logits"], to=TensorProto.FLOAT)
    node.input[0], node.output[0] = "wide", "wide.logits"
    model.graph.node.insert(len(model.graph.node) - 1, wide)
    model.graph.node.append(narrow)


@broken("incompatibility", "load")
def type_without_a_kernel_in_an_operator_that_expands(model):
    # The standard writes Relu in terms of Max, so only loading tells what is inside.
    node = node_of(model, "head.act/Relu")
    brief = helper.make_node("Cast", [node.input[0]], ["brief"], to=TensorProto.BFLOAT16)
    back = helper.make_node("Cast", ["brief.act"], [node.output[0]], to=TensorProto.FLOAT)
    at = list(model.graph.node).index(node)
    node.input[0], node.output[0] = "brief", "brief.act"
    model.graph.node.insert(at + 1, back)
    model.graph.node.insert(at, brief)


@broken("incompatibility", "operators")
def operator_of_an_own_domain(model):
    model.opset_import.append(helper.make_opsetid("my.ops", 1))
    node = node_of(model, "head.act/Relu")
    node.op_type, node.domain = "FastRelu", "my.ops"


# ---------------------------------------------------------------- types


@broken("type problem", "shapes")
def index_of_32_bits(model):
    name = node_of(model, "image/Reshape").input[1]
    set_weight(model, name, lambda array: array.astype(np.int32))


@broken("type problem", "shapes")
def float_and_double_added(model):
    set_weight(model, "ffn.fc2.bias", lambda array: array.astype(np.float64))


@broken("type problem", "shapes")
def inner_value_declared_as_another_type(model):
    declared(model, "norm1.LayerNormalization.out").elem_type = TensorProto.INT64


@broken("type problem", "shapes")
def output_declared_as_another_type(model):
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16


@broken("type problem", "shapes")
def cast_dropped(model):
    cast = node_of(model, "gate/Cast")
    node_of(model, "gate/Mul").input[1] = cast.input[0]
    model.graph.node.remove(cast)


@broken("type problem", "shapes")
def truth_used_as_a_number(model):
    set_weight(model, "head.predict.bias", lambda array: array > 0)


@broken("type problem", "run")
def half_precision_overflows(model):
    # onnxruntime's CPU computes most operators on halves in float; moving them stays in halves.
    value = node_of(model, "ffn.fc1/Gemm").output[0]
    add_weight(model, "factor", np.float32(60000))
    insert(
        model, value,
        helper.make_node("Mul", [value, "factor"], ["large"]),
        helper.make_node("Cast", ["large"], ["half"], to=TensorProto.FLOAT16, name="half/Cast"),
        helper.make_node("Transpose", ["half"], ["moved"], perm=[0, 1]),
        helper.make_node("Cast", ["moved"], ["back"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["back", "factor"], ["new"]),
    )  # fmt: skip


@broken("type problem", "run")
def index_wrapped_around(model):
    # 2**33 + 3 cut to 32 bits and widened again is no index of the table any more.
    set_weight(model, "shuffle.order", lambda array: array + 1000)


# ---------------------------------------------------------------- shapes


@broken("shape problem", "shapes")
def stale_inner_shape(model):
    declared(model, "norm1.LayerNormalization.out").shape.dim[1].dim_value = 65


@broken("shape problem", "shapes")
def weight_declared_with_another_shape(model):
    declared(model, "norm1.scale").shape.dim[0].dim_value = 15


@broken("shape problem", "shapes")
def reshape_to_another_size(model):
    set_weight(model, node_of(model, "image/Reshape").input[1], lambda a: np.array([1, 16, 8, 9]))


@broken("shape problem", "parent")
def reshape_to_another_layout_of_the_same_size(model):
    # Straight to the picture without the Transpose before: right sizes, mixed up positions.
    transpose, reshape = node_of(model, "image/Transpose"), node_of(model, "image/Reshape")
    reshape.input[0] = transpose.input[0]
    model.graph.node.remove(transpose)


@broken("shape problem", "shapes")
def transpose_without_its_permutation(model):
    set_attribute(node_of(model, "attention.k/Transpose"), "perm", None)


@broken("shape problem", "parent")
def height_and_width_swapped(model):
    value = node_of(model, "image/Reshape").output[0]
    insert(model, value, helper.make_node("Transpose", [value], ["new"], perm=[0, 1, 3, 2]))


@broken("shape problem", "parent")
def bias_broadcast_along_another_axis(model):
    forget_shapes(model)
    set_weight(
        model, "ffn.fc2.bias",
        lambda array: np.resize(array, (TOKENS, 1)),
    )  # fmt: skip


@broken("shape problem", "shapes")
def size_left_free(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"


@broken("shape problem", "shapes")
def size_that_depends_on_values(model):
    node = node_of(model, "head.act/Relu")
    forget_shapes(model)
    insert(
        model, node.output[0],
        helper.make_node("NonZero", [node.output[0]], ["where"], name="odd/NonZero"),
        helper.make_node("Shape", ["where"], ["count"]),
        helper.make_node("Slice", ["count", "one", "two"], ["n"]),
        helper.make_node("Sub", ["n", "n"], ["none"]),
        helper.make_node("Concat", ["none", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", [node.output[0], "to"], ["new"]),
    )  # fmt: skip
    for name, value in (("one", [1]), ("two", [2]), ("rest", [16, 16, 16])):
        add_weight(model, name, np.array(value))


@broken("shape problem", "shapes")
def output_declared_with_another_shape(model):
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 6


@broken("shape problem", "shapes")
def batch_baked_in(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2


@broken("shape problem", "shapes")
def weights_of_another_width(model):
    set_weight(model, "patch.weight", lambda array: array[:, :7])


# ---------------------------------------------------------------- algorithmic errors


@broken("algorithmic error", "parent")
def softmax_over_another_axis(model):
    set_attribute(node_of(model, "attention/Softmax"), "axis", 1)


@broken("algorithmic error", "shapes")
def gather_along_another_axis(model):
    node = node_of(model, "shuffle/Gather")
    set_attribute(node, "axis", 0)


@broken("algorithmic error", "parent")
def padding_on_one_side(model):
    set_attribute(node_of(model, "stem/Conv"), "pads", [2, 2, 0, 0])


@broken("algorithmic error", "parent")
def padding_on_the_other_side(model):
    set_attribute(node_of(model, "patch/Conv"), "auto_pad", "SAME_LOWER")


@broken("algorithmic error", "parent")
def another_epsilon(model):
    set_attribute(node_of(model, "norm1/LayerNormalization"), "epsilon", 1e-3)


@broken("algorithmic error", "parent")
def gemm_not_transposed(model):
    set_attribute(node_of(model, "ffn.fc1/Gemm"), "transB", 0)


@broken("algorithmic error", "parent")
def bias_lost(model):
    del node_of(model, "patch/Conv").input[2:]


@broken("algorithmic error", "parent")
def resize_with_other_corners(model):
    [node] = [n for n in model.graph.node if n.op_type == "Resize"]
    set_attribute(node, "coordinate_transformation_mode", "align_corners")


@broken("algorithmic error", "parent")
def resize_to_the_nearest(model):
    [node] = [n for n in model.graph.node if n.op_type == "Resize"]
    set_attribute(node, "mode", "nearest")


@broken("algorithmic error", "parent")
def colours_in_another_order(model):
    set_weight(model, "stem.weight", lambda array: array[:, ::-1])


@broken("algorithmic error", "parent")
def weights_and_bias_out_of_step(model):
    set_weight(model, "head.predict.bias", lambda array: np.roll(array, 1))


@broken("algorithmic error", "parent")
def approximate_activation(model):
    node = node_of(model, "ffn.act/Erf")
    node.op_type = "Tanh"  # of x / sqrt(2), without the cubic term


@broken("algorithmic error", "run")
def constant_traced(model):
    relu = node_of(model, "stem/Relu")
    traced = add_weight(model, "traced", np.ones((1, 8, 16, 16), np.float32))
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == relu.output[0]:
                node.input[index] = traced


@broken("algorithmic error", "run")
def division_by_zero(model):
    set_weight(model, "stem.bn.var", lambda array: -np.abs(array))


# ---------------------------------------------------------------- graph optimisation


@broken("graph optimisation", "parent")
def residual_removed_as_if_dead(model):
    node = node_of(model, "attention/Add")
    node.op_type = "Identity"
    del node.input[1:]


@broken("graph optimisation", "parent")
def batchnorm_folded_without_its_mean(model):
    set_weight(model, "stem.bn.mean", np.zeros_like)


@broken("graph optimisation", "parent")
def shared_weight_changed_for_one_reader(model):
    set_weight(model, "attention.tied", lambda array: array / 4)


@broken("graph optimisation", "parent")
def activation_fused_before_the_sum(model):
    bn, relu = node_of(model, "stem.bn/BatchNormalization"), node_of(model, "stem/Relu")
    bn.op_type, relu.op_type = "Relu", "BatchNormalization"
    relu.input.extend(bn.input[1:])
    del bn.input[1:]


@broken("graph optimisation", "optimisation")
def normalisation_that_the_runtime_fuses_inexactly(model):
    insert_inexact_normalisation(model, node_of(model, "attention/Add").output[0], WIDTH)


def insert_inexact_normalisation(model: onnx.ModelProto, value: str, width: int) -> None:
    """A LayerNormalization in single steps on rows far from zero.

    onnxruntime fuses the steps and computes the variance as a difference of two large squares.
    """
    for name, number in (("far", 30000), ("two", 2), ("eps", 1e-5), ("gain", 1), ("off", 0)):
        shape = (width,) if name in ("gain", "off") else ()
        add_weight(model, name, np.full(shape, number, np.float32))
    add_weight(model, "last", np.array([-1]))
    steps = (
        ("Add", "a", value, "far"), ("ReduceMean", "m", "a", "last"), ("Sub", "d", "a", "m"),
        ("Pow", "p", "d", "two"), ("ReduceMean", "v", "p", "last"), ("Add", "e", "v", "eps"),
        ("Sqrt", "s", "e"), ("Div", "q", "d", "s"), ("Mul", "g", "q", "gain"),
        ("Add", "new", "g", "off"),
    )  # fmt: skip
    insert(
        model, value,
        *(helper.make_node(op, inputs, [out], name=f"norm0/{op}.{out}")
          for op, out, *inputs in steps),
    )  # fmt: skip


# ---------------------------------------------------------------- API misuse


@broken_file("API misuse", "format")
def weights_left_behind(derived, path):
    onnx.save(onnx.load(str(derived)), str(path), save_as_external_data=True,
              location=f"{path.stem}.weights", size_threshold=0)  # fmt: skip
    (path.parent / f"{path.stem}.weights").unlink()


@broken_file("API misuse", "format")
def weights_cut_short(derived, path):
    onnx.save(onnx.load(str(derived)), str(path), save_as_external_data=True,
              location=f"{path.stem}.weights", size_threshold=0)  # fmt: skip
    weights = path.parent / f"{path.stem}.weights"
    weights.write_bytes(weights.read_bytes()[:-500])


@broken_file("API misuse", "format")
def file_cut_short(derived, path):
    path.write_bytes(derived.read_bytes()[:-2000])


@broken("API misuse", "format")
def weight_missing(model):
    [bias] = [t for t in model.graph.initializer if t.name == "patch.bias"]
    model.graph.initializer.remove(bias)


@broken("API misuse", "format")
def name_given_twice(model):
    node_of(model, "ffn.fc2/Add").output[0] = node_of(model, "ffn.fc2/MatMul").output[0]


@broken("API misuse", "format")
def nodes_in_a_circle(model):
    node_of(model, "stem/Conv").input[0] = node_of(model, "ffn/Add").output[0]


@broken("API misuse", "format")
def nodes_out_of_order(model):
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))


@broken("API misuse", "format")
def attribute_missing(model):
    set_attribute(node_of(model, "gate/Cast"), "to", None)


@broken("API misuse", "format")
def output_that_no_node_computes(model):
    model.graph.output[0].name = "scores"


@broken("API misuse", "parent")
def input_renamed(model):
    model.graph.input[0].name = node_of(model, "stem/Conv").input[0] = "image"


# ---------------------------------------------------------------- bad performance


@broken_file("bad performance", "cost")
def edits_that_did_nothing(derived, path):
    path.write_bytes((derived.parent / "parent.onnx").read_bytes())


@broken_file("bad performance", "cost")
def edits_that_only_renamed(derived, path):
    model = onnx.load(str(derived.parent / "parent.onnx"))
    for node in model.graph.node:
        node.name = f"new/{node.name}"
    save_graph(load_graph(_saved(model, path)), path)


def _saved(model: onnx.ModelProto, path: Path) -> Path:
    onnx.save(model, str(path))
    return path


@broken("bad performance", "cost")
def more_multiplications_than_the_parent(model):
    identity = np.zeros((16, 16, 9, 9), np.float32)
    identity[range(16), range(16), 4, 4] = 1
    add_weight(model, "identity", identity)
    value = node_of(model, "head.act/Relu").output[0]
    insert(model, value, helper.make_node("Conv", [value, "identity"], ["new"], pads=[4] * 4))


@broken("bad performance", "cost")
def more_weights_than_the_parent(model):
    table = np.zeros((4096, WIDTH), np.float32)
    add_weight(model, "table", np.ascontiguousarray(table))
    value = node_of(model, "ffn.fc2/Add").output[0]
    insert(
        model, value,
        helper.make_node("ArgMax", [value], ["rows"], axis=1, keepdims=0),
        helper.make_node("Gather", ["table", "rows"], ["looked"], axis=0),
        helper.make_node("Mul", [value, "looked"], ["nothing"]),
        helper.make_node("Add", [value, "nothing"], ["new"]),
    )  # fmt: skip


@broken("bad performance", "cost")
def more_memory_than_the_parent(model):
    add_weight(model, "times", np.array([1, 1, 16, 16]))
    value = node_of(model, "head.act/Relu").output[0]
    insert(
        model, value,
        helper.make_node("Tile", [value, "times"], ["wide"]),
        helper.make_node("Slice", ["wide", "zeros", "ends", "axes"], ["new"]),
    )  # fmt: skip
    for name, numbers in (("zeros", [0, 0]), ("ends", [16, 16]), ("axes", [2, 3])):
        add_weight(model, name, np.array(numbers))


@broken("bad performance", "cost")
def slower_than_the_parent(model):
    """As cheap as the healthy graph by every count: only a clock can tell. The test brings one."""
    model.doc_string = "slow"
