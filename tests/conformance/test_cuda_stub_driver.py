"""The real bindings, NVIDIA's and pycuda, drive our code against a stub of the driver.

What that proves is in the stub's first lines: our calls, their order, what we make of a status.
No GPU's behaviour is claimed from it.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.backends.cuda_memory.contract import CHECKS
from tests.conformance.cuda_names import cuda_python_names
from tests.conformance.test_cuda_names import VERSIONS, folders
from tests.conformance.wheels import run_python, wheel_folder

SOURCE = Path(__file__).with_name("cuda_stub_driver.c")
COMPILE = ("-std=c11", "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror")
PYCUDA = "pycuda==2026.1"

pytestmark = pytest.mark.nvidia

# pycuda refers to more of the driver than the stub has; what is called is what has to be there.
PRELUDE = """
import json, os, sys, threading
sys.setdlopenflags(os.RTLD_LAZY)
from edgert.backends.cuda_memory import open_cuda
from edgert.errors import EdgertError
"""
CONTRACT = """
from tests.backends.cuda_memory.contract import results
print(json.dumps(results(lambda: open_cuda(BINDING))))
"""
REFUSAL = """
try:
    cuda = open_cuda(BINDING)
    ACT
except EdgertError as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""
GRAPH = """
stream, memory = cuda.stream(), cuda.allocate(64)
    pinned = cuda.allocate_pinned(64, mapped=True)
    stream.begin_capture()
    stream.copy_to_device(memory.address, pinned)
    graph = stream.end_capture()
    graph.launch(stream)
    stream.synchronize()
    cuda.close()
"""


@pytest.fixture(scope="module")
def stub(tmp_path_factory) -> Path:
    """A folder with the stub as libcuda.so.1."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("NO C COMPILER HERE: the bindings are not driven against the stub driver")
    folder = tmp_path_factory.mktemp("stub")
    library = folder / "libcuda.so.1"
    done = subprocess.run(
        [compiler, *COMPILE, "-Wl,-soname,libcuda.so.1", "-o", library, SOURCE, "-lpthread"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def log(tmp_path) -> Path:
    return tmp_path / "calls.log"


@pytest.fixture(params=[*VERSIONS, "pycuda"])
def binding(request) -> tuple[str, tuple[Path, ...]]:
    """A binding's name, and the folders of its packages."""
    if request.param == "pycuda":
        return "pycuda", (wheel_folder(PYCUDA),)
    return "cuda-python", folders(request.param)


def run(
    program: str,
    binding: tuple[str, tuple[Path, ...]],
    stub: Path | None,
    log: Path,
    **settings: str,
) -> subprocess.CompletedProcess[str]:
    name, packages = binding
    environment: Mapping[str, str] = {
        "EDGERT_STUB_LOG": str(log),
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, [str(stub or "")])),
        **{f"EDGERT_STUB_{key.upper()}": value for key, value in settings.items()},
    }
    source = PRELUDE + program.replace("BINDING", repr(name))
    return run_python(source, *packages, environment=environment)


def answer(*arguments, **settings):
    done = run(*arguments, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def calls(log: Path) -> list[str]:
    """Each line without its thread."""
    return [line.split(" ", 1)[1] for line in log.read_text().splitlines()]


def test_keeps_the_contract(binding, stub, log):
    told = answer(CONTRACT, binding, stub, log)
    assert len(told) == len(CHECKS)
    assert {name: how for name, how in told.items() if how} == {}
    left = [line for line in calls(log) if line.startswith("left")]
    assert left == ["left 0"] * len(CHECKS)  # at every release of the context


def test_the_contract_can_fail_here(binding, stub, log):
    told = answer(CONTRACT, binding, stub, log, fail="cuEventRecord=700")
    failed = {name for name, how in told.items() if how}
    assert "check_events_tell_the_time_between_them" in failed
    assert "check_what_is_copied_arrives" not in failed
    assert "CUDA_ERROR_ILLEGAL_ADDRESS" in told["check_events_tell_the_time_between_them"]


@pytest.mark.parametrize("version", VERSIONS)
def test_calls_come_with_the_right_flags_and_in_order(version, stub, log):
    done = run(REFUSAL.replace("ACT", GRAPH.strip()), ("cuda-python", folders(version)), stub, log)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    made = [line for line in calls(log) if not line.startswith("cuGetProcAddress")]
    begun = made.index("cuStreamCreate 1")  # CU_STREAM_NON_BLOCKING
    assert made[begun:] == [
        "cuStreamCreate 1",
        "cuMemAlloc 64",
        "cuMemHostAlloc 64 2",  # CU_MEMHOSTALLOC_DEVICEMAP
        "cuMemHostGetDevicePointer 0",
        "cuStreamBeginCapture 1",  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        "cuMemcpyHtoDAsync 64",
        "cuStreamEndCapture",
        "cuGraphGetNodes 0",
        "cuGraphInstantiate 0",
        "cuGraphUpload",
        "cuGraphDestroy",
        "cuGraphLaunch",
        "cuStreamSynchronize",
        "cuCtxSetCurrent 1",
        "cuCtxSynchronize",
        *("cuCtxSetCurrent 1", "cuGraphExecDestroy"),
        *("cuCtxSetCurrent 1", "cuMemFreeHost"),
        *("cuCtxSetCurrent 1", "cuMemFree"),
        *("cuCtxSetCurrent 1", "cuStreamDestroy"),
        "cuDevicePrimaryCtxRelease 0",
        "left 0",
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_driver_of_its_jetpack_has_every_function(version, stub, log):
    run("open_cuda('cuda-python').close()", ("cuda-python", folders(version)), stub, log)
    asked: dict[str, list[int]] = {}
    for line in calls(log):
        if line.startswith("cuGetProcAddress"):
            _, name, since = line.split()
            asked.setdefault(name, []).append(int(since))
    asked["cuGraphInstantiate"] = asked["cuGraphInstantiateWithFlags"]
    # JetPack 6.1 to 6.2.2 has CUDA 12.6, 7.0 and 7.1 have 13.0.
    driver = 12060 if version.startswith("12.") else 13000
    functions = {name for name in cuda_python_names() if name.startswith("cu")}
    assert {name for name in functions if min(asked[name]) > driver} == set()


@pytest.mark.parametrize(
    ("act", "settings", "words"),
    [
        ("pass", {"devices": "0"}, "got CUDA_ERROR_NO_DEVICE: the driver sees none"),
        ("pass", {"fail": "cuInit=803"}, "got CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"),
        ("open_cuda(BINDING, ordinal=1)", {}, "expected a device of number 1, got 1 in all"),
        ("cuda.allocate(5 << 20)", {"bytes": str(4 << 20)}, "OUT_OF_MEMORY with 4.0 MiB free"),
        (
            "cuda.allocate(8)",
            {"fail": "cuMemAlloc=700"},
            "from cuMemAlloc, got CUDA_ERROR_ILLEGAL",
        ),
        ("cuda.stream().synchronize()", {"fail": "cuStreamSynchronize=719"}, "LAUNCH_FAILED. The"),
        (
            "cuda.allocate_pinned(8, mapped=True)",
            {"fail": "cuMemHostGetDevicePointer=1"},
            "map pinned memory: expected success from cuMemHostGetDevicePointer, got CUDA_ERROR_",
        ),
    ],
)
def test_each_refusal_is_one_line_with_the_codes_name(binding, stub, log, act, settings, words):
    kind, message = answer(REFUSAL.replace("ACT", act), binding, stub, log, **settings)
    assert kind == "BackendError"
    assert words in message
    assert "\n" not in message


def test_a_status_that_the_binding_does_not_know_is_told(binding, stub, log):
    told = answer(
        REFUSAL.replace("ACT", "cuda.allocate(8)"), binding, stub, log, fail="cuMemAlloc=4711"
    )
    assert told[0] == "BackendError"
    assert ("4711" if binding[0] == "cuda-python" else "unrecognized") in told[1]


@pytest.mark.parametrize("code", [2, 801])
def test_a_graph_that_cannot_be_uploaded_leaves_nothing_behind(stub, log, code):
    program = REFUSAL.replace("ACT", GRAPH.strip()) + "\ncuda.close()"
    packages = folders(VERSIONS[-1])
    told = answer(program, ("cuda-python", packages), stub, log, fail=f"cuGraphUpload={code}")
    assert "upload a graph: expected success from cuGraphUpload" in told[1]
    assert calls(log)[-1] == "left 0"


def test_no_driver_is_told_as_such(binding, log):
    try:
        run_python("import ctypes; ctypes.CDLL('libcuda.so.1')").check_returncode()
    except subprocess.CalledProcessError:
        pass
    else:
        pytest.skip("there is a driver here")
    kind, message = answer(REFUSAL.replace("ACT", "pass"), binding, None, log)
    assert kind == "BackendError"
    assert "expected an NVIDIA driver on this machine, got none that answers" in message


THREAD = """
cuda = open_cuda("pycuda")
thread = threading.Thread(target=lambda: HOW)
thread.start()
thread.join()
print("joined", cuda.free_bytes() > 0)
LAST
"""


@pytest.mark.parametrize("last", ["cuda.close()", "", "del cuda"])
def test_a_thread_of_pycuda_may_end(stub, log, last):
    program = THREAD.replace("HOW", "cuda.use_in_this_thread()").replace("LAST", last)
    done = run(program, ("pycuda", (wheel_folder(PYCUDA),)), stub, log)
    assert (done.returncode, done.stdout) == (0, "joined True\n"), done.stderr


def test_a_thread_of_pycuda_that_leaves_its_context_ends_the_program(stub, log):
    """Why `pycuda_threads` is there."""
    program = THREAD.replace("HOW", "cuda._context.push()").replace("LAST", "")
    done = run(program, ("pycuda", (wheel_folder(PYCUDA),)), stub, log)
    assert done.returncode < 0
    assert "The context stack was not empty" in done.stderr
