"""What NVIDIA's own parser refuses, in its words; and what it accepts that deserves a warning."""

import pytest

from edgert.build.nvidia import NvidiaCompiler
from tests.build.broken_graphs import BROKEN, write_broken, write_healthy_pair
from tests.build.nvidia_graphs import MIXED, save_text
from tests.build.tensorrt_restrictions import HEADER
from tests.conformance.rtx import VERSION

pytestmark = pytest.mark.nvidia


def refused(rtx, text: str, folder):
    found = rtx.compile(save_text(HEADER + text, folder / "m.onnx"), "m").refused
    assert found is not None
    return found


def test_it_is_the_version_that_the_readme_names(rtx):
    assert rtx.version == VERSION


def test_an_operator_that_it_has_not_is_named_with_its_node(rtx, tmp_path):
    found = refused(rtx, "(float[8] x) => (float[n] y) { a = Abs(x) y = Unique(a) }", tmp_path)
    assert found.stage == "parse"
    assert found.got == "node block/Unique1 (Unique): UNSUPPORTED_NODE"


def test_dropout_in_training_mode_is_named_with_its_node(rtx, tmp_path):
    text = """(float[1,4] x) => (float[1,4] y) <bool on = {1}, float r = {0.5}>
        { y = Dropout(x, r, on) }"""
    found = refused(rtx, text, tmp_path)
    assert found.got.startswith("node block/Dropout0 (Dropout): UNSUPPORTED_NODE: ")
    assert "training mode" in found.got
    assert len(str(found.error("c1")).splitlines()) == 1


def test_what_the_compiler_refuses_after_parsing_keeps_the_layers(rtx, tmp_path):
    text = """(float[1,8000] x) => (float[1,n] y, int64[1,n] i) <int64[1] k = {5000}>
        { y, i = TopK(x, k) }"""
    path = save_text(HEADER + text, tmp_path / "m.onnx")
    found = rtx.compile(path, "m")
    assert found.refused is not None
    assert found.refused.stage == "compile"
    assert "block/TopK0" in found.refused.got
    assert found.layers["TOPK"] == {"FLOAT": 1}


def test_the_missing_gpu_is_not_mistaken_for_the_reason(rtx, tmp_path):
    text = "(float[1,4] x, float16[1,4] z) => (float[1,4] y) { y = Add(x, z) }"
    found = refused(rtx, text, tmp_path)
    assert "must have same input types" in found.got
    assert "cudaError" not in found.got


def test_norms_and_sums_in_half_precision_are_found(rtx, tmp_path):
    found = rtx.compile(save_text(MIXED, tmp_path / "m.onnx"), "m")
    assert found.refused is None
    assert found.low_precision == {
        "block/LayerNormalization1": "NORMALIZATION",
        "block/Softmax2": "SOFTMAX",
        "block/ReduceMean4": "REDUCE",
    }
    assert found.types["HALF"] > found.types["FLOAT"] > 0
    wide = MIXED.replace("to = 10", "to = 1").replace("float16[16]", "float[16]")
    found = rtx.compile(save_text(wide, tmp_path / "w.onnx"), "w")
    assert found.low_precision == {}
    assert set(found.types) == {"FLOAT"}


def test_what_it_does_silently_to_unsigned_bytes_is_a_warning(rtx, tmp_path):
    text = """(float[1,4] x) => (float[1,4] y) <float s = {0.1}, uint8 z = {0}>
        { q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z) }"""
    found = rtx.compile(save_text(HEADER + text, tmp_path / "m.onnx"), "m")
    assert found.refused is None
    assert any("Defaulting to INT8" in line for line in found.warnings)


def test_orins_compute_capability_is_not_among_those_it_knows(rtx_path, monkeypatch, tmp_path):
    for folder in rtx_path:
        monkeypatch.syspath_prepend(str(folder))
    path = save_text(HEADER + "(float[4] x) => (float[4] y) { y = Relu(x) }", tmp_path / "m.onnx")
    for capability in ("SM87", "SM110"):
        with NvidiaCompiler(capability=capability) as compiler:
            found = compiler.compile(path, "m").refused
        assert found is not None
        assert found.got == capability
        assert "SM86, SM89" in found.expected


# ---------------------------------------------------------------- graphs that are broken


# Of the faults that the operator gate refuses, what TensorRT-RTX says. The two that it takes it
# reads as something else: an opset of the future as the newest it knows, doubles as floats.
SAID = {
    "opset_newer_than_the_runtime": None,
    "type_without_a_kernel": None,
    "operator_of_an_own_domain": "Plugin not found",
    "float_and_double_added": None,
    "size_that_depends_on_values": "NonZero",
}


@pytest.mark.parametrize("name", SAID)
def test_broken_graphs_that_the_gate_refuses(name, rtx, tmp_path):
    [fault] = [fault for fault in BROKEN if fault.name == name]
    _, derived = write_healthy_pair(tmp_path)
    found = rtx.compile(write_broken(fault, derived, tmp_path), name).refused
    if SAID[name] is None:
        assert found is None
    else:
        assert found is not None
        assert SAID[name] in found.got


def test_the_healthy_pair_is_compiled(rtx, tmp_path):
    for path in write_healthy_pair(tmp_path):
        assert rtx.compile(path, path.name).refused is None
