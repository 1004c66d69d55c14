"""Every stage of the check, on the healthy pair and on every broken graph of the set."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgert.backends.onnxruntime import reference_session
from edgert.build.check import check_graph, static_model
from edgert.build.finding import STAGES
from edgert.build.graph_report import GraphReport, Parent
from edgert.build.regression import LatencyRatio
from edgert.errors import (
    ArtifactError,
    EdgertError,
    InferenceError,
    PreconditionError,
    VerificationError,
)
from tests.build.broken_graphs import (
    BROKEN,
    NEWER_OPSET_STAGE,
    Broken,
    add_weight,
    node_of,
    write_broken,
    write_healthy_pair,
)

NAMES = [fault.name for fault in BROKEN]


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[Path, Path]:
    return write_healthy_pair(tmp_path_factory.mktemp("healthy"))


@pytest.fixture(scope="module")
def reports(pair, tmp_path_factory):
    """Checks each broken graph when it is first asked for."""
    parent, derived = pair
    known: dict[str, GraphReport] = {}

    def report_of(fault: Broken) -> GraphReport:
        if fault.name not in known:
            path = write_broken(fault, derived, tmp_path_factory.mktemp("broken"))
            slow = fault.name == "slower_than_the_parent"
            known[fault.name] = check_graph(
                path, parent=Parent(parent, lossless=True), measure=twice if slow else as_fast
            )
        return known[fault.name]

    return report_of


def as_fast(run_derived, run_parent) -> LatencyRatio:
    run_derived(), run_parent()
    return LatencyRatio(0.010, 0.010, 1.0, 0.9, 1.1)


def twice(run_derived, run_parent) -> LatencyRatio:
    return LatencyRatio(0.020, 0.010, 2.0, 1.8, 2.2)


# ---------------------------------------------------------------- the set


def test_the_healthy_graph_passes_every_stage(pair):
    parent, derived = pair
    report = check_graph(derived, parent=Parent(parent, lossless=True), measure=as_fast)
    assert report.findings == []
    assert report.stages == list(STAGES)
    assert report.inputs == 9
    assert report.optimised is not None
    assert report.parent is not None
    assert 0 <= report.optimised.relative < 1e-5
    assert 0 < report.parent.relative < 1e-5  # merged weights round otherwise
    report.refuse_errors("check it")
    alone = check_graph(parent)
    assert alone.findings == []
    assert alone.stages == list(STAGES[:6])


@pytest.mark.parametrize("fault", BROKEN, ids=NAMES)
def test_a_broken_graph_is_caught_at_its_stage(reports, fault):
    report = reports(fault)
    first = report.errors[0]
    assert first.stage == fault.stage == report.stages[-1], first
    with pytest.raises(VerificationError) as caught:
        report.refuse_errors("check it")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"check it, {fault.stage}")


def test_all_broken_graphs_are_caught_and_this_many_at_each_stage(reports):
    caught = Counter(reports(fault).errors[0].stage for fault in BROKEN)
    assert len(set(NAMES)) == len(BROKEN) == sum(caught.values()) == 63
    assert caught == Counter({
        "format": 13, "operators": 2, "shapes": 16, "load": 1, "run": 4, "optimisation": 1,
        "parent": 19, "cost": 6}) + Counter([NEWER_OPSET_STAGE])  # fmt: skip
    assert Counter(fault.cause for fault in BROKEN) == {
        "incompatibility": 8, "type problem": 8, "shape problem": 12, "algorithmic error": 14,
        "graph optimisation": 5, "API misuse": 10, "bad performance": 6}  # fmt: skip
    print(dict(caught))


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("operator_of_an_own_domain", "head.act/Relu (FastRelu)"),
        ("type_without_a_kernel_in_an_operator_that_expands", ""),
        ("float_and_double_added", "ffn.fc2/Add (Add)"),
        ("batch_baked_in", "stem/Conv (Conv)"),
        ("index_wrapped_around", "shuffle/Gather (Gather)"),
        ("half_precision_overflows", "half/Cast (Cast)"),
        ("softmax_over_another_axis", "attention/Softmax (Softmax)"),
        ("gemm_not_transposed", "ffn.fc1/Gemm (Gemm)"),
        ("residual_removed_as_if_dead", "attention/Add (Identity)"),
        ("shared_weight_changed_for_one_reader", "attention.q/MatMul (MatMul)"),
        ("normalisation_that_the_runtime_fuses_inexactly", "norm0/Add.new (Add)"),
        ("nodes_out_of_order", "head.predict/Conv (Conv)"),
    ],
)
def test_the_finding_names_the_node(reports, name, node):
    [fault] = [fault for fault in BROKEN if fault.name == name]
    assert reports(fault).errors[0].node == node


def test_weights_that_are_not_there_are_named(reports):
    [fault] = [fault for fault in BROKEN if fault.name == "weights_left_behind"]
    finding = reports(fault).errors[0]
    assert finding.expected.startswith("weights weights_left_behind.weights of tensor")


# ---------------------------------------------------------------- stages


def refused(path: Path, **options) -> str:
    report = check_graph(path, **options)
    assert report.errors
    return report.errors[0].stage


def test_without_the_promise_results_may_differ_and_edges_may_not(pair, tmp_path):
    parent, derived = pair
    by_name = {fault.name: fault for fault in BROKEN}
    path = write_broken(by_name["bias_lost"], derived, tmp_path)
    report = check_graph(path, parent=Parent(parent), measure=as_fast)
    assert report.findings == []
    assert report.parent is None
    assert refused(path, parent=Parent(parent, lossless=True)) == "parent"
    path = write_broken(by_name["input_renamed"], derived, tmp_path)
    assert refused(path, parent=Parent(parent)) == "parent"


def test_only_what_is_asked_for_runs_in_its_order(pair):
    parent, derived = pair
    seen: list[str] = []
    report = check_graph(
        derived, parent=Parent(parent), stages=("cost", "format"), measure=None,
        progress=seen.append,
    )  # fmt: skip
    assert report.stages == seen == ["format", "cost"]
    assert report.inputs == 0
    assert report.latency is None
    with pytest.raises(ValueError, match="speed"):
        check_graph(derived, stages=("speed",))


def test_the_same_graph_is_fine_where_no_edit_was_asked_for(pair):
    parent, _ = pair
    report = check_graph(parent, parent=Parent(parent, edited=False), measure=as_fast)
    assert report.findings == []
    assert refused(parent, parent=Parent(parent), measure=as_fast) == "cost"


def test_a_slower_graph_is_a_warning_at_first(pair):
    parent, derived = pair

    def a_little(run_derived, run_parent) -> LatencyRatio:
        return LatencyRatio(0.012, 0.010, 1.2, 1.1, 1.3)

    report = check_graph(derived, parent=Parent(parent), measure=a_little)
    [finding] = report.findings
    assert finding.warning
    assert report.errors == []
    assert report.latency == a_little(None, None)
    report.refuse_errors("check it")


def test_frames_are_run_as_well_and_can_be_what_breaks(pair):
    _, derived = pair
    frame = np.full((1, 3, 16, 16), 0.25, np.float32)
    report = check_graph(derived, frames=[frame, frame + 1])
    assert report.findings == []
    assert report.inputs == 11
    [finding] = check_graph(derived, frames=[frame * np.float32(np.nan)]).errors
    assert finding.stage == "run"
    assert "frame 1" in finding.expected


def test_an_extreme_that_overflows_is_a_warning(pair, tmp_path):
    model = onnx.load(str(pair[1]))
    value = "pixel_values"
    cast = [
        helper.make_node("Mul", [value, "factor"], ["large"]),
        helper.make_node("Cast", ["large"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Transpose", ["half"], ["moved"], perm=[0, 1, 2, 3]),
        helper.make_node("Cast", ["moved"], ["back"], to=TensorProto.FLOAT),
    ]
    node_of(model, "stem/Conv").input[0] = "back"
    for node in reversed(cast):
        model.graph.node.insert(0, node)
    add_weight(model, "factor", np.float32(1000))
    model.graph.ClearField("value_info")
    onnx.save(model, str(tmp_path / "m.onnx"))
    report = check_graph(tmp_path / "m.onnx")
    [finding] = report.findings
    assert finding.warning
    assert "large noise" in finding.expected
    assert report.stages[-1] == "optimisation"


def test_one_constant_output_of_several_is_a_warning(pair, tmp_path):
    model = onnx.load(str(pair[1]))
    add_weight(model, "anchors", np.ones((1, 4), np.float32))
    model.graph.node.append(helper.make_node("Abs", ["anchors"], ["boxes"], name="boxes/Abs"))
    model.graph.output.append(helper.make_tensor_value_info("boxes", TensorProto.FLOAT, (1, 4)))
    onnx.save(model, str(tmp_path / "m.onnx"))
    [finding] = check_graph(tmp_path / "m.onnx").findings
    assert finding.warning
    assert finding.node == "boxes/Abs (Abs)"


class Engine:
    """A session of another runtime: the graph's own results, off by a little or a lot."""

    def __init__(self, path: Path, offset: float) -> None:
        self._session = reference_session(path)
        self.inputs, self.outputs = self._session.inputs, self._session.outputs
        self._offset, self.closed = offset, False

    def run(self, feeds):
        return {k: v + np.float32(self._offset) for k, v in self._session.run(feeds).items()}

    def close(self) -> None:
        self.closed = True


def test_an_engine_of_ones_own_is_compared_and_left_open_unless_it_is_wrong(pair):
    _, derived = pair
    good, bad = Engine(derived, 1e-6), Engine(derived, 0.1)
    report = check_graph(derived, engine=good)
    assert report.findings == []
    assert report.optimised is not None
    assert 5e-7 < report.optimised.parity.max_abs_difference < 1e-5  # of float32 near 16
    assert report.optimised.parity.inputs == 9
    [finding] = check_graph(derived, engine=bad).errors
    assert finding.stage == "optimisation"
    assert finding.node == ""  # the graph itself is optimised rightly: it is the engine
    assert "logits 1.00e-01 off" in finding.got
    assert not good.closed
    assert bad.closed  # its parts are looked at, and may need what it holds


def test_an_engine_that_fails_is_a_finding(pair):
    class Failing(Engine):
        def run(self, feeds):
            raise InferenceError(
                "run it", expected="an operator that runs",
                got="Conv node. Name:'patch/Conv' died", advice="Check the graph",
            )  # fmt: skip

    [finding] = check_graph(pair[1], engine=Failing(pair[1], 0)).errors
    assert (finding.stage, finding.node) == ("optimisation", "patch/Conv (Conv)")


def test_another_target_decides_what_runs(pair):
    class NoSoftmax:
        name = "a device"

        def supports(self, node):
            return "Softmax" if node.op_type == "Softmax" else None

    [finding] = check_graph(pair[1], target=NoSoftmax()).errors
    assert finding.stage == "operators"
    assert finding.node == "attention/Softmax (Softmax)"


def test_a_parent_that_is_none_is_an_error_of_its_own(pair, tmp_path):
    with pytest.raises(ArtifactError, match=r"gone\.onnx"):
        check_graph(pair[1], parent=Parent(tmp_path / "gone.onnx"))


def test_control_flow_runs_and_is_not_counted(tmp_path):
    text = """<ir_version: 9, opset_import: ["" : 18]>
        g (float[1,4] x) => (float[1,4] y) {
        s = ReduceSum <keepdims = 0> (x) c = Cast <to = 9> (s)
        y = If (c) <then_branch = t () => (float[1,4] u) { u = Relu(x) },
                    else_branch = e () => (float[1,4] v) { v = Neg(x) }> }"""
    onnx.save(onnx.parser.parse_model(text), str(tmp_path / "m.onnx"))
    assert check_graph(tmp_path / "m.onnx").findings == []
    parent = Parent(tmp_path / "m.onnx", lossless=True)
    [finding] = check_graph(tmp_path / "m.onnx", parent=parent).findings
    assert finding.warning
    assert "If" in finding.got


# ---------------------------------------------------------------- free sizes


def test_a_graph_of_static_sizes_is_checked_as_it_is(pair, tmp_path):
    assert static_model(pair[0], tmp_path) == pair[0]
    assert list(tmp_path.iterdir()) == []


def test_free_sizes_are_filled_in_in_a_copy(pair, tmp_path):
    model = onnx.load(str(pair[0]))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    (tmp_path / "copy").mkdir()
    onnx.save(model, str(tmp_path / "free.onnx"))
    copy = static_model(tmp_path / "free.onnx", tmp_path / "copy")
    assert copy.parent == tmp_path / "copy"
    report = check_graph(copy, parent=Parent(pair[0], lossless=True, edited=False), measure=None)
    assert report.findings == []
    shapes = {"pixel_values": (2, 3, 16, 16)}
    with pytest.raises(EdgertError):  # batch 1 is baked into the Reshapes
        copy = static_model(tmp_path / "free.onnx", tmp_path / "copy", input_shapes=shapes)
        check_graph(copy).refuse_errors("check it")
    with pytest.raises(PreconditionError, match="names among"):
        static_model(pair[0], tmp_path / "copy", input_shapes={"x": (1,)})
