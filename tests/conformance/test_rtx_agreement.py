"""The written table of TensorRT 10.3 against NVIDIA's parser, as far as there is one to run here.

That one is TensorRT-RTX's, which is newer. Where they differ, the reason is written here, and a
difference that is gone fails the test.
"""

import pytest

from edgert.build.preflight import check_operators
from edgert.build.program import read_program
from edgert.build.targets import NodeUse, TensorRtTarget
from edgert.surgery.graph import save_graph
from tests.build.nvidia_graphs import save_text
from tests.build.tensorrt_restrictions import HEADER, PAIRS
from tests.skeletons import NAMES, OPSETS, skeleton, skeleton_file

pytestmark = pytest.mark.nvidia

# What the table refuses and TensorRT-RTX takes, and why the table is right all the same.
STRICTER = {
    "double": "read as float32 without a word, here and by 10.3",
    "a type that the operator has not": "later versions take integers",
    "int8 outside quantisation": "later versions take int8; the table has it for Q/DQ alone",
    "a running sum": "a layer of its own in later versions, a loop in 10.3's parser",
    "TopK of many": "3840 itself is taken; the table says fewer",
    "quantised to bytes without a sign": "read as int8 with a warning",
    "sampling in a volume": "later versions sample in five dimensions",
}


@pytest.mark.parametrize("name", PAIRS)
def test_both_refuse_a_restriction_and_take_its_twin(name, rtx, tmp_path):
    refused, taken, _ = PAIRS[name]
    found = rtx.compile(save_text(HEADER + refused, tmp_path / "m.onnx"), "m")
    assert (found.refused is None) == (name in STRICTER), found.refused
    found = rtx.compile(save_text(HEADER + taken, tmp_path / "m.onnx"), "m")
    assert found.refused is None


@pytest.mark.parametrize("opset", [21, 99])
def test_the_parser_looks_at_no_opset_so_the_gate_has_to(opset, rtx, tmp_path):
    header = HEADER.replace(": 18", f": {opset}")
    text = "(float[1,4] x) => (float[1,4] y) { y = Relu(x) }"
    path = save_text(header + text, tmp_path / "m.onnx")
    assert rtx.compile(path, "m").refused is None
    node = NodeUse("Relu", "", opset, ["tensor(float)"], ["tensor(float)"], {})
    assert "opset" in str(TensorRtTarget().supports(node))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES + OPSETS)
def test_exports_of_known_models_are_compiled_as_they_come(name, rtx, tmp_path):
    path = skeleton_file(name, tmp_path)
    gate = check_operators(read_program(path), TensorRtTarget())
    found = rtx.compile(path, name)
    assert found.refused is None
    assert found.low_precision == {}
    # DETR sums up its mask, which is constant: a layer here, a loop in 10.3's parser.
    assert bool(gate) == ("CUMULATIVE" in found.layers) == ("detr" in name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if "detr" in name])
def test_once_loaded_detr_is_without_its_loop_for_both(name, rtx, tmp_path):
    save_graph(skeleton(name), tmp_path / "m.onnx")
    assert check_operators(read_program(tmp_path / "m.onnx"), TensorRtTarget()) == []
    found = rtx.compile(tmp_path / "m.onnx", name)
    assert found.refused is None
    assert "CUMULATIVE" not in found.layers
