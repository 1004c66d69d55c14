"""The written table of TensorRT 10.3's parser: what it takes, what it refuses, and in what words.

That NVIDIA's newer parser agrees, and where it does not, is in tests/conformance.
"""

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.build.check import check_graph
from edgert.build.finding import Finding
from edgert.build.preflight import check_operators
from edgert.build.program import Program, read_program
from edgert.build.targets import TARGETS, NodeUse, TensorRtTarget
from edgert.build.targets.tensorrt_limits import LIMITS
from edgert.build.targets.tensorrt_operators import OPERATORS, OPSETS
from edgert.surgery.graph import save_graph
from tests.build.broken_graphs import BROKEN, write_broken, write_healthy_pair
from tests.build.nvidia_graphs import save_text
from tests.build.tensorrt_restrictions import IMAGE, PAIRS
from tests.skeletons import NAMES, skeleton, skeleton_file
from tests.skeletons import OPSETS as OTHER_OPSETS

TARGET = TensorRtTarget()


def program(text: str, folder, *, opset: int = 18, domains: str = "") -> Program:
    """A graph from its text form without the header; nodes are called block/<operator><index>."""
    header = f'<ir_version: 9, opset_import: ["" : {opset}{domains}]> g '
    return read_program(save_text(header + text, folder / "m.onnx"))


def findings(text: str, folder, **more) -> Sequence[Finding]:
    return check_operators(program(text, folder, **more), TARGET)


@pytest.mark.parametrize("name", PAIRS)
def test_a_restriction_is_told_and_the_same_graph_without_it_passes(name, tmp_path):
    refused, taken, said = PAIRS[name]
    first = findings(refused, tmp_path)[0]
    assert first.got == said
    assert first.node.startswith("block/")
    assert first.expected == "what TensorRT 10.3 (JetPack 6) runs"
    assert [finding.got for finding in findings(taken, tmp_path)] == []


@pytest.mark.parametrize("opset", [9, 18, 20])
def test_opsets_of_the_table_pass(opset, tmp_path):
    assert findings(f"{IMAGE} {{ y = Relu(x) }}", tmp_path, opset=opset) == []


@pytest.mark.parametrize("opset", [8, 21, 24])
def test_other_opsets_are_refused_once_with_the_first_node(opset, tmp_path):
    [finding] = findings(f"{IMAGE} {{ a = Relu(x) y = Relu(a) }}", tmp_path, opset=opset)
    assert finding.node == "block/Relu0 (Relu)"
    assert finding.got == (
        f"opset {opset}, where its parser knows 9 to 20 (export with 18) (and 1 more)"
    )


def test_gelu_of_opset_20_is_in_the_table(tmp_path):
    text = f'{IMAGE} {{ a = Gelu(x) y = Gelu<approximate = "tanh">(a) }}'
    assert findings(text, tmp_path, opset=20) == []


def test_an_operator_of_another_domain_needs_a_plugin(tmp_path):
    text = f"{IMAGE} {{ y = com.microsoft.FastGelu(x) }}"
    [finding] = findings(text, tmp_path, domains=', "com.microsoft" : 1')
    assert finding.got == "FastGelu of domain com.microsoft, which would need a plugin"


def test_control_flow_is_refused_for_the_cuda_graph(tmp_path):
    text = """(float[1,4] x, bool c) => (float[1,4] y) {
        y = If (c) <then_branch = t () => (float[1,4] u) { u = Relu(x) },
                    else_branch = e () => (float[1,4] v) { v = Neg(x) }> }"""
    [finding] = findings(text, tmp_path)
    assert finding.node == "block/If0 (If)"
    assert "no CUDA graph can hold that" in finding.got


def test_what_is_inside_the_models_own_functions_is_judged_too(tmp_path):
    onnx_text = """<ir_version: 9, opset_import: ["" : 18, "my" : 1]>
        g (float[1,4] x) => (float[1,4] y) { y = my.outer(x) }
        <domain: "my", opset_import: ["" : 18, "my" : 1]> outer (a) => (b) { b = my.inner(a) }
        <domain: "my", opset_import: ["" : 18]> inner (a) => (b) { c = Abs(a) b = Bernoulli(c) }
        <domain: "my", opset_import: ["" : 18]> unused (a) => (b) { b = Unique(a) }"""
    [finding] = check_operators(read_program(save_text(onnx_text, tmp_path / "m.onnx")), TARGET)
    assert finding.node.startswith("inner/")
    assert finding.got == "Bernoulli, which its parser does not have"


# ---------------------------------------------------------------- known graphs


LIGHT = ("mobilenet_v3_dynamo", "yolox_nano_torchscript", "opsets/segformer_b0_dynamo_20")
ALL = [
    name if name in LIGHT else pytest.param(name, marks=pytest.mark.slow)
    for name in NAMES + OTHER_OPSETS
]


@pytest.mark.parametrize("name", ALL)
def test_exports_of_known_models_pass_once_they_are_loaded(name, tmp_path):
    save_graph(skeleton(name), tmp_path / "m.onnx")
    assert check_operators(read_program(tmp_path / "m.onnx"), TARGET) == []


@pytest.mark.parametrize("name", ALL)
def test_of_the_exports_as_they_come_only_detr_has_a_loop(name, tmp_path):
    found = check_operators(read_program(skeleton_file(name, tmp_path)), TARGET)
    assert [finding.got.split(",")[0] for finding in found] == ["CumSum"] * ("detr" in name)


REFUSED = {
    "opset_newer_than_the_runtime": "opset",
    "type_without_a_kernel": "tensor(double)",
    "operator_of_an_own_domain": "plugin",
    "float_and_double_added": "tensor(double)",
    "size_that_depends_on_values": "NonZero",
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return write_healthy_pair(tmp_path_factory.mktemp("healthy"))


@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: fault.name)
def test_of_the_broken_graphs_those_are_refused_that_it_can_judge(fault, pair, tmp_path):
    (tmp_path / "parent.onnx").write_bytes(pair[0].read_bytes())
    (tmp_path / "derived.onnx").write_bytes(pair[1].read_bytes())
    path = write_broken(fault, tmp_path / "derived.onnx", tmp_path)
    report = check_graph(path, target=TARGET, stages=("format", "operators"))
    if fault.stage == "format":
        assert [finding.stage for finding in report.errors] == ["format"]
    else:
        said = [finding.got for finding in report.errors]
        assert bool(said) == (fault.name in REFUSED), said
        assert all(REFUSED[fault.name] in got for got in said)


# ---------------------------------------------------------------- the table


def test_every_operator_of_the_table_is_one_of_the_standard():
    for name in OPERATORS:
        assert any(onnx.defs.has(name, opset, "") for opset in OPSETS), name


def test_every_limit_is_of_an_operator_of_the_table():
    assert set(LIMITS) <= set(OPERATORS)


def test_types_of_the_table_are_those_of_the_standard():
    known = {f"tensor({name.lower()})" for name in dict(onnx.TensorProto.DataType.items())}
    for name, operator in OPERATORS.items():
        assert {f"tensor({kind})" for kind in operator.types} <= known, name


def test_every_target_has_a_name_and_judges():
    node = NodeUse("Relu", "", 18, ["tensor(float)"], ["tensor(float)"], {})
    for make in TARGETS.values():
        target = make()
        assert target.name
        assert target.supports(node) is None


def uses(name: str, opset: int, kind: str | None) -> NodeUse:
    return NodeUse(name, "", opset, [kind] * 3, [kind], {})


@given(st.sampled_from(sorted(OPERATORS)), st.integers(1, 30))
def test_the_opset_alone_decides_outside_its_range_and_never_inside(name, opset):
    reason = TARGET.supports(uses(name, opset, None))
    told = reason is not None and reason.startswith("opset ")
    assert told == (opset not in OPSETS)


@given(st.sampled_from(sorted(OPERATORS)), st.sampled_from(["double", "string", "complex64"]))
def test_no_operator_takes_what_no_tensor_may_have(name, kind):
    assert TARGET.supports(uses(name, 18, f"tensor({kind})")) is not None


@given(
    st.text(st.characters(codec="ascii", categories=["Lu", "Ll"]), min_size=1).filter(
        lambda name: name not in OPERATORS
    )
)
def test_what_is_not_in_the_table_is_refused_by_name(name):
    assert TARGET.supports(uses(name, 18, None)) == f"{name}, which its parser does not have"


def test_a_constant_that_was_not_read_is_not_judged():
    node = NodeUse(
        "QuantizeLinear", "", 18, ["tensor(float)", "tensor(float)", "tensor(int8)"],
        ["tensor(int8)"], {}, constants={1: None, 2: None},
    )  # fmt: skip
    assert TARGET.supports(node) is None
    wrong = NodeUse(
        "QuantizeLinear", "", 18, ["tensor(float)", "tensor(float)", "tensor(int8)"],
        ["tensor(int8)"], {}, constants={1: None, 2: np.ones(3, np.int8)},
    )  # fmt: skip
    assert "zero point" in str(TARGET.supports(wrong))
