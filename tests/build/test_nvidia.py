"""NVIDIA's compiler, by a stand-in that the other process imports as it would import the real one.

What the real one does is in tests/conformance.
"""

import contextlib
import multiprocessing
import os
import signal

import pytest

from edgert.build.nvidia import NvidiaCompiler
from edgert.build.nvidia.report import Compilation, Refusal
from edgert.build.nvidia.worker import Rtx
from edgert.clock import VirtualClock
from edgert.errors import BackendError, BuildError, MissingDependencyError, SurgeryError
from tests.build.nvidia_graphs import MIXED, STANDIN, one_operator, save_text, standin


@pytest.fixture
def compiler(monkeypatch):
    monkeypatch.syspath_prepend(str(STANDIN))  # processes that are started get this path too
    with NvidiaCompiler(machine="x86_64") as opened:
        yield opened


@pytest.fixture
def rtx():
    return Rtx(standin(), capability="SM86", clock=VirtualClock())


# ---------------------------------------------------------------- in this process


def test_layers_are_counted_by_kind_and_type(rtx, tmp_path):
    found = rtx.compile(save_text(MIXED, tmp_path / "m.onnx"), "m")
    assert found.refused is None
    assert found.layers == {
        "REDUCE": {"HALF": 2, "FLOAT": 1},
        "CAST": {"HALF": 1, "FLOAT": 1},
        "SOFTMAX": {"HALF": 1, "FLOAT": 1},
        "ELEMENTWISE": {"HALF": 1},
        "NORMALIZATION": {"HALF": 1},
    }
    assert found.layer_count == 9
    assert found.types == {"HALF": 6, "FLOAT": 3}
    assert found.plan_bytes == 900


def test_what_sums_in_half_precision_is_named_and_what_picks_is_not(rtx, tmp_path):
    found = rtx.compile(save_text(MIXED, tmp_path / "m.onnx"), "m")
    assert found.low_precision == {
        "block/LayerNormalization1": "NORMALIZATION",
        "block/Softmax2": "SOFTMAX",
        "block/ReduceMean4": "REDUCE",
    }
    wide = MIXED.replace("to = 10", "to = 1").replace("float16[16]", "float[16]")
    assert rtx.compile(save_text(wide, tmp_path / "w.onnx"), "w").low_precision == {}


def test_times_come_from_the_clock(tmp_path):
    class Ticking(VirtualClock):
        def now_s(self) -> float:
            self.sleep(1.5)
            return super().now_s()

    rtx = Rtx(standin(), capability="SM86", clock=Ticking())
    found = rtx.compile(save_text(MIXED, tmp_path / "m.onnx"), "m")
    assert (found.parse_s, found.compile_s) == (1.5, 1.5)


def test_the_parsers_refusal_names_node_operator_code_and_words(rtx, tmp_path):
    found = rtx.compile(one_operator("Refused", tmp_path), "m")
    assert found.refused is not None
    assert found.refused.stage == "parse"
    assert found.refused.got == (
        "node block/Refused1 (Refused): UNSUPPORTED_NODE: Assertion failed: it is refused"
    )
    assert found.layers == {}
    assert found.plan_bytes == 0


def test_the_compilers_refusal_keeps_the_layers(rtx, tmp_path):
    found = rtx.compile(one_operator("Unbuildable", tmp_path), "m")
    assert found.refused is not None
    assert found.refused.stage == "compile"
    assert found.refused.got == "Error Code 4: no tactic for block/Unbuildable1"
    assert found.layer_count == 2


def test_a_file_that_is_none_is_refused(rtx, tmp_path):
    found = rtx.compile(tmp_path / "gone.onnx", "gone")
    assert found.refused is not None
    assert "gone.onnx" in found.refused.expected


def test_warnings_are_kept_once_and_printed_by_nobody(rtx, tmp_path, caplog):
    assert rtx.compile(one_operator("Warned", tmp_path), "m").warnings == ("block/Warned1 is odd",)
    assert rtx.compile(save_text(MIXED, tmp_path / "m.onnx"), "m").warnings == ()
    assert caplog.records == []


@pytest.mark.parametrize("capability", ["SM87", "CURRENT"])
def test_a_capability_that_it_does_not_compile_for_is_refused(capability, tmp_path):
    rtx = Rtx(standin(), capability=capability)
    refused = rtx.compile(save_text(MIXED, tmp_path / "m.onnx"), "m").refused
    assert refused is not None
    assert (refused.got, refused.expected) == (capability, "one of CURRENT, SM86, SM89")


def test_what_a_machine_without_a_gpu_adds_to_errors_is_left_out(rtx, tmp_path):
    vendor = standin()
    noise = (
        "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In catchCudaError at "
        "/_src/common/dispatch/checkMacros.cpp:250 (cudaError 35: CUDA driver version is "
        "insufficient for CUDA runtime version))"
    )
    cause = "ElementWiseOperation SUM must have same input types."
    vendor.ParserError.desc = lambda self: f"{cause}\n{noise}"
    rtx = Rtx(vendor, capability="SM86")
    refused = rtx.compile(one_operator("Refused", tmp_path), "m").refused
    assert refused is not None
    assert refused.got.endswith(f"UNSUPPORTED_NODE: {cause.rstrip('.')}")


def test_a_refusal_is_one_line_with_its_place():
    error = SurgeryError("derive it", expected="a branch", got="none", advice="Look")
    refusal = Refusal.of("derive", error, place="family.yaml at configurations[1]")
    assert str(refusal.error("c1")) == (
        "c1, derive, family.yaml at configurations[1]: expected a branch, got none. Look."
    )
    refusal = Refusal.of("parse", error)
    assert str(refusal.error("c1")) == "c1, parse: expected a branch, got none. Look."


# ---------------------------------------------------------------- in the other process


def test_a_process_answers_for_one_graph_after_the_other(compiler, tmp_path):
    assert compiler.version == "9.8.7.6"
    found = [
        compiler.compile(one_operator(name, tmp_path), name)
        for name in ("Warned", "Refused", "Unbuildable")
    ]
    assert [each.refused and each.refused.stage for each in found] == [None, "parse", "compile"]
    assert found[0].warnings == ("block/Warned1 is odd",)
    assert found[0].plan_bytes == 200


def test_a_crash_is_one_refusal_and_the_next_graph_is_compiled(compiler, tmp_path):
    crashed = compiler.compile(one_operator("Crashed", tmp_path), "c1").refused
    assert crashed is not None
    assert str(crashed.error("c1")) == (
        "c1, crash: expected a plan, or a reason why there is none, got a process that ended by "
        "SIGSEGV: a last word from native code. Leave it out, or look at its last edits one by "
        "one."
    )
    raised = compiler.compile(one_operator("Raised", tmp_path), "c2").refused
    assert raised is not None
    assert raised.got == "a process that ended with status 1: TypeError: a fault of the bindings"
    assert compiler.compile(one_operator("Warned", tmp_path), "c3").refused is None


def test_a_graph_without_end_is_given_up(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(STANDIN))
    with NvidiaCompiler(machine="x86_64", patience_s=0.2) as compiler:
        refused = compiler.compile(one_operator("Hung", tmp_path), "c1").refused
    assert refused is not None
    assert (refused.stage, refused.got) == ("crash", "no answer within 0.2 s")
    assert multiprocessing.active_children() == []


def test_an_exception_ends_the_process_and_its_folder(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(STANDIN))
    wanted = NvidiaCompiler(machine="x86_64", scratch=tmp_path)
    with contextlib.suppress(KeyboardInterrupt), wanted:
        assert len(list(tmp_path.iterdir())) == 1
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    assert multiprocessing.active_children() == []


def test_ctrl_c_is_not_for_the_process_that_compiles(compiler, tmp_path):
    [process] = multiprocessing.active_children()
    os.kill(process.pid, signal.SIGINT)  # as a terminal sends it to all of a group
    assert compiler.compile(one_operator("Warned", tmp_path), "c1").refused is None


def test_no_room_for_temporary_files_is_one_line(tmp_path):
    wanted = NvidiaCompiler(machine="x86_64", scratch=tmp_path / "gone")
    with pytest.raises(BuildError, match=r"got No such file or directory.*TMPDIR"), wanted:
        pass


def test_another_processor_is_one_line():
    with (
        pytest.raises(BuildError, match=r"x86-64.*got aarch64"),
        NvidiaCompiler(machine="aarch64"),
    ):
        pass


def test_the_extra_is_named_where_it_is_missing():
    wanted = NvidiaCompiler(machine="x86_64", module="tensorrt_rtx_that_is_not_there")
    with pytest.raises(MissingDependencyError, match=r"pip install 'edgert\[rtx\]'"), wanted:
        pass
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import a_library_that_is_missing", "No module named 'a_library_that_is_missing'"),
        ("raise ImportError('libnvinfer.so.1: cannot open')", "libnvinfer.so.1: cannot open"),
        ("import os; os._exit(3)", "a process that ended with status 3"),
    ],
)
def test_a_package_that_does_not_load_is_one_line(source, said, monkeypatch, tmp_path):
    (tmp_path / "broken_rtx.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    wanted = NvidiaCompiler(machine="x86_64", module="broken_rtx")
    with pytest.raises(BackendError) as caught, wanted:
        pass
    assert said in caught.value.got
    assert multiprocessing.active_children() == []


def test_records_of_nothing_count_nothing():
    assert Compilation().layer_count == 0
    assert Compilation().types == {}
