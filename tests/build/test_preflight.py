"""Operators, opset and types, held against what onnxruntime does when it loads the node."""

from collections import Counter
from pathlib import Path

import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from edgert.backends.onnxruntime_kernels import Kernel, KernelTable
from edgert.build.preflight import check_operators, uses
from edgert.build.program import Program, read_program
from edgert.build.targets import NodeUse, OnnxRuntimeTarget, newest_opset
from tests.skeletons import NAMES, skeleton_file

TYPES = {"float": 1, "double": 11, "half": 10, "int64": 7, "bool": 9}
REFUSALS = tuple(
    getattr(onnxruntime.capi.onnxruntime_pybind11_state, name)
    for name in ("Fail", "InvalidGraph", "NotImplemented", "InvalidArgument", "RuntimeException")
)
TARGET = OnnxRuntimeTarget.installed()


def program_of(op: str, kind: int, opset: int, inputs: int, domain: str = "") -> Program:
    graph = helper.make_graph(
        [helper.make_node(op, ["x"] * inputs, ["y"], name="n", domain=domain)], "g",
        [helper.make_tensor_value_info("x", kind, [1, 4, 4, 4])], [onnx.ValueInfoProto(name="y")],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(domain, 1)] if domain else []
    return Program(helper.make_model(graph, opset_imports=opsets, ir_version=9), "m", Path())


def load_error(program: Program) -> str:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(
            program.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except REFUSALS as error:
        return str(error)
    return ""


def plain_operators(opset: int):
    """Operators of the standard that one tensor, given once or twice, is enough for."""
    for name in sorted({schema.name for schema in onnx.defs.get_all_schemas_with_history()}):
        if onnx.defs.has(name, opset, ""):
            schema = onnx.defs.get_schema(name, opset, "")
            required = any(entry.required for entry in schema.attributes.values())
            if not schema.deprecated and schema.min_input <= 2 and not required:
                yield schema


@pytest.mark.parametrize("opset", [13, 18, 22])
def test_what_is_refused_does_not_load_and_what_has_no_kernel_is_refused(opset):
    seen = Counter()
    for schema in plain_operators(opset):
        is_function = schema.has_function or schema.has_context_dependent_function
        for kind in TYPES.values():
            program = program_of(schema.name, kind, opset, max(1, schema.min_input))
            try:
                onnx.shape_inference.infer_shapes(program.model, check_type=True, strict_mode=True)
            except onnx.shape_inference.InferenceError:
                continue  # the operator does not take the type: what the stage shapes is for
            refused, error = check_operators(program, TARGET), load_error(program)
            if refused:
                assert error, (schema.name, refused)
            if "Could not find an implementation" in error and not is_function:
                assert refused, (schema.name, kind, error)
            seen[bool(refused), bool(error)] += 1
    assert seen[True, True] > 12
    assert seen[False, False] > 150


@pytest.mark.parametrize("name", [name for name in NAMES if "segformer_b0" in name])
def test_exports_of_known_models_pass(name, tmp_path):
    assert check_operators(read_program(skeleton_file(name, tmp_path)), TARGET) == []


def test_the_newest_opset_loads_and_the_next_does_not():
    newest = newest_opset()
    assert not load_error(program_of("Relu", 1, newest, 1))
    assert check_operators(program_of("Relu", 1, newest, 1), TARGET) == []
    if newest < onnx.defs.onnx_opset_version():
        program = program_of("Relu", 1, newest + 1, 1)
        assert load_error(program)
        [finding] = check_operators(program, TARGET)
        assert finding.got == f"opset {newest + 1}, where the runtime knows those up to {newest}"


def test_operators_of_the_runtimes_own_domain_are_known_partly():
    assert check_operators(program_of("FastGelu", 1, 18, 1, "com.microsoft"), TARGET) == []
    [finding] = check_operators(program_of("FastGelo", 1, 18, 1, "com.microsoft"), TARGET)
    assert finding.got == "FastGelo of domain com.microsoft, which the runtime does not know"


def test_a_reason_is_told_once_with_the_first_node():
    program = program_of("Magic", 1, 18, 1, "my.ops")
    program.model.graph.node[0].name = "first"
    program.model.graph.node.append(
        helper.make_node("Magic", ["y"], ["z"], name="second", domain="my.ops")
    )
    [finding] = check_operators(program, TARGET)
    assert finding.node == "first (Magic)"
    assert finding.got.endswith("(and 1 more)")
    assert finding.stage == "operators"


def test_nodes_are_shown_with_their_types_and_attributes():
    constants = [onnx.numpy_helper.from_array(onnx.numpy_helper.np.array([1, 4, 16]), "to")]
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "to"], ["a"], name="r", allowzero=1),
         helper.make_node("Clip", ["a", "", "top"], ["y"], name="c")], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, [1, 4, 4, 4]),
         helper.make_tensor_value_info("top", TensorProto.FLOAT16, [])],
        [onnx.ValueInfoProto(name="y")], constants,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 18)]
    program = Program(helper.make_model(graph, opset_imports=opsets, ir_version=9), "m", Path())
    found = dict(uses(program))
    assert found["r (Reshape)"] == NodeUse(
        "Reshape", "", 18, ["tensor(float16)", "tensor(int64)"], ["tensor(float16)"],
        {"allowzero": 1},
    )  # fmt: skip
    assert found["c (Clip)"].inputs == ["tensor(float16)", None, "tensor(float16)"]


def test_nodes_of_the_models_own_functions_are_not_the_targets():
    program = program_of("Twice", 1, 18, 1, "my.fn")
    opsets = [helper.make_opsetid("", 18)]
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    program.model.functions.append(
        helper.make_function("my.fn", "Twice", ["a"], ["b"], body, opsets)
    )
    assert load_error(program) == ""
    assert check_operators(program, TARGET) == []


def test_another_target_is_asked_in_its_own_words():
    class NoSoftmax:
        name = "a device"

        def supports(self, node: NodeUse) -> str | None:
            return "Softmax over four dimensions" if node.op_type == "Softmax" else None

    [finding] = check_operators(program_of("Softmax", 1, 18, 1), NoSoftmax())
    assert finding.expected == "what a device runs"
    assert finding.got == "Softmax over four dimensions"
    assert check_operators(program_of("Relu", 1, 18, 1), NoSoftmax()) == []


def test_without_the_runtimes_lists_opset_and_operator_are_judged():
    blind = OnnxRuntimeTarget(None)
    assert check_operators(program_of("Relu", 11, 18, 1), blind) == []
    assert check_operators(program_of("Magic", 1, 18, 1, "my.ops"), blind) == []
    [finding] = check_operators(program_of("Magic", 1, 18, 1), blind)
    assert finding.got == "Magic, which is not in opset 18"
    [finding] = check_operators(program_of("Relu", 1, newest_opset() + 1, 1), blind)
    assert finding.got.startswith("opset")


def test_a_kernel_for_float_serves_halves_as_the_runtime_does():
    table = KernelTable(
        versions={("", "Foo"): (1,)},
        signatures={("", "Foo", 1): (("T",), ("T",))},
        kernels={("", "Foo"): (Kernel(1, 9, {"T": frozenset({"tensor(float)"})}),)},
    )
    target = OnnxRuntimeTarget(table)

    def reason(kind: str | None) -> str | None:
        return target.supports(NodeUse("Foo", "", 5, [kind, kind], [kind], {}))

    assert reason("tensor(float)") is reason("tensor(float16)") is reason(None) is None
    assert reason("tensor(double)") == "no kernel for Foo with T = tensor(double)"
    kernels = {("", "Foo"): (Kernel(2, 9, {}),)}
    target = OnnxRuntimeTarget(KernelTable(table.versions, table.signatures, kernels))
    assert reason("tensor(float)") == "no kernel for Foo of opset 1"
