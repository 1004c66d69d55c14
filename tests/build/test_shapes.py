"""Shapes and types: inferred anew, compared with what is declared, and widths of layers."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgert.build.program import Program, read_program
from edgert.build.shapes import check_shapes
from edgert.build.widths import check_widths
from edgert.surgery.graph import save_graph
from tests.skeletons import NAMES, skeleton, skeleton_file
from tests.surgery.graphs_residual import NETS


def program_of(text: str, weights=None, folder: Path | None = None, opset=18) -> Program:
    model = onnx.parser.parse_model(
        f'<ir_version: 9, opset_import: ["" : {opset}, "my" : 1]> {text}'
    )
    for name, value in (weights or {}).items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}#{index}"
    if folder is not None:
        onnx.save(model, str(folder / "m.onnx"))
    return Program(model, "m.onnx", folder or Path())


@pytest.mark.parametrize("name", NETS)
def test_graphs_as_edits_leave_them_pass(name, tmp_path):
    save_graph(NETS[name].graph(), tmp_path / "g.onnx", weights="g.weights")
    assert check_shapes(read_program(tmp_path / "g.onnx")) == []


LARGE = [name for name in NAMES if "b2" in name or "detr" in name]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n in LARGE else []) for n in NAMES]
)
def test_exports_pass_as_they_come(name, tmp_path):
    """TorchScript computes sizes with nodes that ONNX's inference does not see through."""
    assert check_shapes(read_program(skeleton_file(name, tmp_path))) == []


def test_an_export_passes_in_edgerts_form(tmp_path):
    save_graph(skeleton("segformer_b0_torchscript"), tmp_path / "form.onnx")
    assert check_shapes(read_program(tmp_path / "form.onnx")) == []


def test_small_weights_outside_the_file_are_read(tmp_path):
    program = program_of(
        "g (float[1,4,6] x) => (float[1,24] y) { y = Reshape(x, to) }", {"to": np.array([1, 24])}
    )
    onnx.save(program.model, str(tmp_path / "m.onnx"), save_as_external_data=True,
              location="w", size_threshold=0)  # fmt: skip
    assert check_shapes(read_program(tmp_path / "m.onnx")) == []


@pytest.mark.parametrize(
    ("text", "weights", "node", "got"),
    [
        ("g (float[2,3] x) => (float[2,4] y) { y = MatMul(x, w) }",
         {"w": np.zeros((4, 4), np.float32)}, "MatMul#0 (MatMul)", "Incompatible dimensions"),
        ("g (float[2,3] x) => (float[2,3] y) { y = Add(x, w) }", {"w": np.zeros(3)},
         "Add#0 (Add)", "B has inconsistent type tensor(double)"),
        ("g (float[2,3] x) => (float[2,2] y) { y = Relu(x) }", {}, "Relu#0 (Relu)",
         "float (2, 3)"),
        ("g (float[2,3] x) => (float[2,3,1] y) { y = Relu(x) }", {}, "Relu#0 (Relu)",
         "float (2, 3)"),
        ("g (float[n,3] x) => (float[n,3] y) { y = Relu(x) }", {}, "", "float (n, 3)"),
        ("g (float[2,3] x) => (float[2,3] y) <float[2,9] a> { a = Relu(x) y = Neg(a) }", {},
         "Relu#0 (Relu)", "float (2, 3)"),
        ("g (float[2,3] x) => (float[2,3] y) <int64[2,3] a> { a = Relu(x) y = Neg(a) }", {},
         "Relu#0 (Relu)", "float (2, 3)"),
    ],
)  # fmt: skip
def test_a_contradiction_is_found_at_its_node(text, weights, node, got):
    finding = check_shapes(program_of(text, weights))[0]
    assert finding.stage == "shapes"
    assert finding.node == node
    assert got in finding.got


def test_a_free_name_in_a_declared_shape_leaves_room():
    program = program_of("g (float[2,3] x) => (float[batch,3] y) { y = Relu(x) }")
    assert check_shapes(program) == []


def test_the_first_of_several_contradictions_is_first():
    program = program_of(
        "g (float[2,3] x) => (float[2,3] y) <float[9] b, float[9] a> "
        "{ a = Relu(x) b = Neg(a) y = Abs(b) }"
    )
    assert [f.node for f in check_shapes(program)] == ["Relu#0 (Relu)", "Neg#1 (Neg)"]


def test_what_lies_behind_an_unknown_operator_is_believed(tmp_path):
    text = "g (float[2,3] x) => (float[2,5] y) <float[2,5] a> { a = my.Magic(x) y = Relu(a) }"
    assert check_shapes(program_of(text, folder=tmp_path)) == []
    wrong = text.replace("float[2,5] y", "float[2,4] y")
    assert check_shapes(program_of(wrong, folder=tmp_path))[0].node == "Relu#1 (Relu)"


def test_a_size_that_values_decide_is_found_at_its_node(tmp_path):
    text = "g (float[2,3] x) => (int64[2,n] y) { a = Relu(x) y = NonZero(a) }"
    [finding] = check_shapes(program_of(text, folder=tmp_path))
    assert "NonZero" in finding.node
    assert "depends on the values" in finding.got


# ---------------------------------------------------------------- widths


def layer(op: str, **sizes: tuple[int, ...]) -> Program:
    names = list(sizes)
    attributes = {"group": 2} if op.endswith("2") else {}
    graph = helper.make_graph(
        [helper.make_node(op.rstrip("2"), names, ["y"], name="it", **attributes)], "g",
        [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, sizes[names[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.zeros(sizes[n], np.float32), n) for n in names[1:]],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 18)]
    return Program(helper.make_model(graph, opset_imports=opsets, ir_version=9), "m", Path())


X = (1, 8, 5, 5)
PARTS = ("scale", "shift", "mean", "var")


@pytest.mark.parametrize(
    ("program", "got"),
    [
        (layer("Conv", x=X, w=(4, 8, 3, 3), b=(4,)), ""),
        (layer("Conv2", x=X, w=(4, 4, 3, 3), b=(4,)), ""),
        (layer("ConvTranspose", x=X, w=(8, 4, 3, 3), b=(4,)), ""),
        (layer("ConvTranspose2", x=X, w=(8, 4, 3, 3), b=(8,)), ""),
        (layer("BatchNormalization", x=X, **dict.fromkeys(PARTS, (8,))), ""),
        (layer("InstanceNormalization", x=X, scale=(8,), shift=(8,)), ""),
        (layer("Conv", x=X, w=(4, 7, 3, 3)), "8 channels and a weight for 7 in 1 groups"),
        (layer("Conv", x=X, w=(4, 8, 3, 3), b=(5,)), "a bias (5,) for 4 channels"),
        (layer("Conv2", x=X, w=(4, 8, 3, 3)), "8 channels and a weight for 16 in 2 groups"),
        (layer("Conv2", x=X, w=(5, 4, 3, 3)), "in 2 groups"),
        (layer("Conv", x=X, w=(4, 8, 3)), "input (1, 8, 5, 5) and weight (4, 8, 3)"),
        (layer("ConvTranspose", x=X, w=(4, 8, 3, 3)), "8 channels and a weight for 4"),
        (layer("ConvTranspose2", x=X, w=(8, 4, 3, 3), b=(4,)), "a bias (4,) for 8 channels"),
        (layer("BatchNormalization", x=X, **dict.fromkeys(PARTS, (8,)) | {"mean": (7,)}),
         "8 channels and a parameter (7,)"),
        (layer("InstanceNormalization", x=X, scale=(1,), shift=(8,)), "a parameter (1,)"),
    ],
)  # fmt: skip
def test_channels_have_to_agree(program, got):
    found = check_widths(program, {"x": X})
    assert [f.node.partition(" ")[0] for f in found] == (["it"] if got else [])
    assert all(got in f.got for f in found)
    assert check_widths(program, {}) == [] or got.startswith("a bias") or not got


def test_cut_channels_are_found_by_the_stage():
    program = layer("Conv", x=X, w=(4, 7, 3, 3))
    [finding] = check_shapes(program)
    assert finding.node == "it (Conv)"
    assert "Channels were cut" in finding.advice
