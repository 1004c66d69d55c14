"""NVIDIA's TensorRT-RTX runs our parsing and building on this CPU: its parser, its compiler.

It is not the TensorRT of a board. It shows that what we call is called as NVIDIA expects, and what
NVIDIA answers; not that a board's version builds the same graph. Nothing can be executed here.
"""

import json
import textwrap

import onnx
import pytest

from tests.conformance.wheels import run_python, wheel_folder
from tests.tiny_graphs import conv_net

pytestmark = pytest.mark.nvidia

VERSION = "1.7.1.116"
PREAMBLE = """
import json, signal, sys, threading
from pathlib import Path
import tensorrt_rtx_bindings as vendor
from edgert.backends.tensorrt.builder import BuildOptions, build_plan
from edgert.backends.tensorrt.loading import check_header, open_engine, open_runtime
from edgert.backends.tensorrt.network import parse_network
from edgert.backends.tensorrt.plan_header import plan_version
from edgert.backends.tensorrt.vendor import installed_version, is_rtx, open_logger
from edgert.errors import BackendError

logger = open_logger(vendor)
graph = Path({graph!r})

def compiled(**arguments):
    parsed = parse_network(vendor, logger, graph)
    options = arguments.pop("options", BuildOptions())
    return build_plan(vendor, logger, parsed, options, subject="compile it", **arguments)
"""


@pytest.fixture
def graph(tmp_path):
    path = tmp_path / "graph.onnx"
    onnx.save(conv_net(), str(path))
    return path


@pytest.fixture
def run_rtx(graph):
    """Runs a program over the real module; gives what it prints as JSON."""
    folders = [
        wheel_folder(f"tensorrt-rtx-cu12-{part}=={VERSION}") for part in ("libs", "bindings")
    ]

    def run_program(program):
        text = PREAMBLE.format(graph=str(graph)) + textwrap.dedent(program)
        done = run_python(text, *folders)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run_program


def test_graph_is_compiled_and_its_plan_states_the_version(run_rtx):
    said = run_rtx("""
        built = compiled(options=BuildOptions(workspace_bytes=1 << 28, threads=1))
        header = plan_version(built.plan)
        check_header(vendor, built.plan, subject="load it")
        print(json.dumps([str(header), list(installed_version(vendor)), is_rtx(vendor),
                          len(built.plan), len(built.timing_cache)]))
    """)
    numbers = [int(part) for part in VERSION.split(".")]
    text, installed, rtx, plan_bytes, cache_bytes = said
    assert (text, installed, rtx) == (f"TensorRT-RTX {VERSION}", numbers, True)
    assert plan_bytes > 10_000
    assert cache_bytes == 0


@pytest.mark.parametrize("operator", ["Unique", "Levitate"])
def test_operator_that_nvidia_refuses_is_named_with_its_node(run_rtx, graph, operator):
    model = conv_net()
    model.graph.node[2].op_type, model.graph.node[2].name = operator, "/stage1/act"
    onnx.save(model, str(graph))
    error = run_rtx("""
        try:
            compiled()
        except BackendError as error:
            print(json.dumps([error.got, str(error)]))
    """)
    assert error[0].startswith(f"node /stage1/act ({operator}): ")
    assert "UNSUPPORTED_NODE" in error[0] or "INVALID_NODE" in error[0]
    assert "\n" not in error[1]


@pytest.mark.parametrize(
    ("content", "got"),
    [(b"", "an empty one"), (b"no graph " * 50, "MODEL_DESERIALIZE_FAILED: ")],
)
def test_what_is_no_graph_is_refused(run_rtx, graph, content, got):
    graph.write_bytes(content)
    said = run_rtx("""
        try:
            compiled()
        except BackendError as error:
            print(json.dumps(error.got))
    """)
    assert said.startswith(got)


def test_more_than_one_frame_is_refused(run_rtx, graph):
    model = conv_net()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    model.graph.initializer[-1].CopyFrom(
        onnx.numpy_helper.from_array(
            onnx.numpy_helper.to_array(model.graph.initializer[-1]) * 0 + [2, 32, 64], "shape"
        )
    )
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    onnx.save(model, str(graph))
    said = run_rtx("""
        try:
            compiled()
        except BackendError as error:
            print(json.dumps(error.got))
    """)
    assert said == "2 frames, (2, 3, 8, 8)"


def test_progress_comes_from_nvidias_phases(run_rtx):
    reports = run_rtx("""
        seen = []
        compiled(progress=lambda *report: seen.append(report))
        print(json.dumps(seen))
    """)
    parts = [done for done, _, _ in reports]
    assert parts == sorted(parts)
    assert reports[-1] == [100, 100, "built"]
    assert len({text for _, _, text in reports}) > 3
    assert len(set(parts)) > 10


def test_interrupt_ends_a_build_at_its_next_step(run_rtx):
    """The signal reaches the main thread while NVIDIA's code runs in another."""
    whole, interrupted, raised = run_rtx("""
        signal.signal(signal.SIGINT, signal.default_int_handler)  # else the shell may ignore it
        steps = []
        compiled(progress=lambda *report: steps.append(report))
        whole, main = len(steps), threading.main_thread().ident
        steps.clear()

        def interrupt(*report):
            steps.append(report)
            if len(steps) == 2:
                signal.pthread_kill(main, signal.SIGINT)
                waited.wait(30)

        waited = threading.Event()
        from edgert.backends.tensorrt.progress import Reporter
        stop = Reporter.stop
        Reporter.stop = lambda self: (stop(self), waited.set())
        raised = ""
        try:
            compiled(progress=interrupt)
        except KeyboardInterrupt:
            raised = "KeyboardInterrupt"
        print(json.dumps([whole, len(steps), raised]))
    """)
    assert raised == "KeyboardInterrupt"
    assert whole > 20
    assert interrupted < 10


def test_callback_that_raises_ends_a_build_with_what_it_raised(run_rtx):
    said = run_rtx("""
        def fail(*report):
            raise RuntimeError("the disk is full")
        try:
            compiled(progress=fail)
        except RuntimeError as error:
            print(json.dumps(str(error)))
    """)
    assert said == "the disk is full"


def test_dla_is_refused_where_nvidia_counts_no_cores(run_rtx):
    said = run_rtx("""
        try:
            compiled(options=BuildOptions(dla_core=0))
        except BackendError as error:
            print(json.dumps(error.got))
    """)
    assert said == "0 cores"


def test_plan_that_the_runtime_refuses_comes_with_nvidias_words(run_rtx):
    """Without a driver the real runtime gives None, and its reason to the logger alone."""
    said = run_rtx("""
        class NoDevice:
            def free_bytes(self):
                return 0

        plan = compiled().plan
        lines = []
        for content in (plan, plan[:-1000]):
            with logger.listening() as heard:
                try:
                    runtime = open_runtime(vendor, logger)
                    open_engine(vendor, runtime, content, NoDevice(), heard, subject="load it")
                except BackendError as error:
                    lines.append(str(error))
                heard._errors.clear()
        print(json.dumps([runtime.engine_host_code_allowed, lines]))
    """)
    allowed, (whole, truncated) = said
    assert allowed is False
    assert whole.startswith("load it: expected a plan that TensorRT takes, got ")
    assert "CUDA driver version is insufficient" in whole
    assert "plan.header.size == blobSize" in truncated
    assert "\n" not in whole + truncated
