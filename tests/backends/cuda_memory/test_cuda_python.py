from importlib.util import find_spec

import pytest

from edgert.backends.cuda_memory.cuda_python import CudaPython
from edgert.backends.cuda_memory.cuda_python_calls import run, run_for_status
from edgert.errors import BackendError, MissingDependencyError
from tests.backends.cuda_memory.contract import in_another_thread
from tests.backends.cuda_memory.fake_driver import FakeDriver
from tests.backends.cuda_memory.refusals import REFUSALS, refusal_of


@pytest.fixture
def driver():
    return FakeDriver()


@pytest.fixture
def cuda(driver):
    return CudaPython(driver=driver)


def captured(cuda):
    """A graph of one copy, with the stream that it was captured from."""
    stream, memory = cuda.stream(), cuda.allocate(64)
    pinned = cuda.allocate_pinned(64, mapped=False)
    stream.begin_capture()
    stream.copy_to_device(memory.address, pinned)
    return stream, stream.end_capture()


def test_the_primary_context_is_retained_and_made_current(driver, cuda):
    assert driver.names[0] == "cuInit"
    assert driver.names[-2:] == ["cuDevicePrimaryCtxRetain", "cuCtxSetCurrent"]
    assert "cuCtxCreate" not in driver.names
    assert driver.retained == 1


def test_the_device_is_described(cuda):
    assert cuda.device.name == "Orin"
    assert cuda.device.compute_capability == (8, 7)
    assert cuda.device.integrated
    assert cuda.device.multiprocessors == 8
    assert cuda.device.total_bytes == 64 << 20
    assert cuda.driver_version() == "12.6"


def test_a_stream_waits_for_no_other(driver, cuda):
    stream = cuda.stream()
    assert driver.arguments("cuStreamCreate") == (1,)  # CU_STREAM_NON_BLOCKING
    assert stream.handle
    assert "stream" in driver.live[stream.handle]


def test_a_capture_is_one_of_this_thread_alone(driver, cuda):
    cuda.stream().begin_capture()
    assert driver.arguments("cuStreamBeginCapture")[1].name == (
        "CU_STREAM_CAPTURE_MODE_THREAD_LOCAL"
    )


def test_a_graph_is_instantiated_and_uploaded_and_its_capture_destroyed(driver, cuda):
    stream, graph = captured(cuda)
    begun = driver.names.index("cuStreamBeginCapture")
    assert [name for name in driver.names[begun:] if "Graph" in name or "Capture" in name] == [
        "cuStreamBeginCapture",
        "cuStreamEndCapture",
        "cuGraphGetNodes",
        "cuGraphInstantiate",
        "cuGraphUpload",
        "cuGraphDestroy",
    ]
    assert int(driver.arguments("cuGraphUpload")[1]) == stream.handle
    driver.calls.clear()
    graph.launch(stream)
    assert driver.names == ["cuGraphLaunch"]  # a switch is this call and no other


def test_an_empty_capture_leaves_no_graph_behind(driver, cuda):
    stream = cuda.stream()
    stream.begin_capture()
    assert stream.end_capture() is None
    assert "cuGraphInstantiate" not in driver.names
    assert not [kind for kind, _ in driver.live.values() if "graph" in kind]


@pytest.mark.parametrize("call", ["cuGraphGetNodes", "cuGraphInstantiate", "cuGraphUpload"])
def test_a_graph_that_is_refused_leaves_nothing_behind(driver, cuda, call):
    driver.fail[call] = "CUDA_ERROR_OUT_OF_MEMORY"
    with pytest.raises(BackendError, match=f"{call}, got CUDA_ERROR_OUT_OF_MEMORY"):
        captured(cuda)
    assert not [kind for kind, _ in driver.live.values() if "graph" in kind]
    del driver.fail[call]
    stream, graph = captured(cuda)
    graph.launch(stream)


@pytest.mark.parametrize(
    "code", ["CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"]
)
def test_a_lost_capture_is_no_error(driver, cuda, code):
    driver.fail["cuStreamEndCapture"] = code
    _, graph = captured(cuda)
    assert graph is None


def test_another_failure_of_a_capture_is_one(driver, cuda):
    with pytest.raises(BackendError, match="CUDA_ERROR_ILLEGAL_STATE"):
        cuda.stream().end_capture()
    stream = cuda.stream()
    stream.begin_capture()
    with pytest.raises(BackendError, match=r"begin a capture: .*CUDA_ERROR_ILLEGAL_STATE"):
        stream.begin_capture()


def test_mapped_memory_is_asked_for_its_address_on_the_device(driver, cuda):
    mapped = cuda.allocate_pinned(64, mapped=True)
    assert driver.arguments("cuMemHostAlloc") == (64, 2)  # CU_MEMHOSTALLOC_DEVICEMAP
    assert mapped.address not in (0, mapped.array.ctypes.data)
    asked = driver.names.count("cuMemHostGetDevicePointer")
    assert cuda.allocate_pinned(64, mapped=False).address == 0
    assert driver.arguments("cuMemHostAlloc") == (64, 0)
    assert driver.names.count("cuMemHostGetDevicePointer") == asked == 1


def test_memory_that_cannot_be_mapped_is_given_back(driver, cuda):
    driver.fail["cuMemHostGetDevicePointer"] = "CUDA_ERROR_INVALID_VALUE"
    with pytest.raises(BackendError, match="map pinned memory"):
        cuda.allocate_pinned(64, mapped=True)
    assert not driver.machine.live


def test_out_of_memory_says_how_much_was_asked_and_is_left(cuda):
    cuda.allocate(16 << 20)
    with pytest.raises(BackendError) as error:
        cuda.allocate(64 << 20)
    assert str(error.value) == (
        "allocate 64.0 MiB of GPU memory: expected that much free, got CUDA_ERROR_OUT_OF_MEMORY "
        "with 48.0 MiB free. Keep fewer engines resident, or close what else uses the GPU."
    )
    with pytest.raises(BackendError, match=r"64.0 MiB of pinned memory"):
        cuda.allocate_pinned(64 << 20, mapped=True)


def test_out_of_memory_is_told_where_the_driver_does_not_say_what_is_left(driver, cuda):
    driver.fail["cuMemGetInfo"] = "CUDA_ERROR_ILLEGAL_ADDRESS"
    with pytest.raises(BackendError, match="CUDA_ERROR_OUT_OF_MEMORY with an unknown amount free"):
        cuda.allocate(1 << 40)


@pytest.mark.parametrize(
    ("call", "act"), [*REFUSALS, ("cuCtxSetCurrent", lambda cuda: cuda.use_in_this_thread())]
)
def test_every_refusal_is_told_by_call_and_code(driver, cuda, call, act):
    assert "start the program again" in refusal_of(driver, cuda, call, act).advice


def test_a_thread_that_did_not_ask_for_the_device_is_told_to(cuda):
    with pytest.raises(BackendError, match=r"INVALID_CONTEXT.*use_in_this_thread"):
        in_another_thread(cuda.stream)


def test_a_thread_that_gives_back_asks_for_the_device_by_itself(driver, cuda):
    memory = cuda.allocate(64)
    in_another_thread(memory.close)
    assert not driver.machine.live


def test_a_broken_device_does_not_fail_again_where_things_are_given_back(driver, cuda):
    stream, graph = captured(cuda)
    event, memory = cuda.event(), cuda.allocate(64)
    for call in (
        *("cuMemFree", "cuMemFreeHost", "cuStreamDestroy", "cuEventDestroy", "cuCtxSetCurrent"),
        *("cuGraphExecDestroy", "cuCtxSynchronize"),
    ):
        driver.fail[call] = "CUDA_ERROR_ILLEGAL_ADDRESS"
    for item in (graph, event, memory, stream):
        item.close()
    cuda.close()
    assert driver.names[-1] == "cuDevicePrimaryCtxRelease"
    assert driver.retained == 0


def test_the_device_is_idle_before_anything_is_given_back(driver, cuda):
    captured(cuda)
    cuda.event()
    driver.calls.clear()
    cuda.close()
    assert [name for name in driver.names if name != "cuCtxSetCurrent"] == [
        "cuCtxSynchronize",
        "cuEventDestroy",
        "cuGraphExecDestroy",
        "cuMemFreeHost",
        "cuMemFree",
        "cuStreamDestroy",
        "cuDevicePrimaryCtxRelease",
    ]


def test_what_was_dropped_is_given_back_with_the_device(driver, cuda):
    cuda.allocate(64)
    cuda.close()
    assert not driver.machine.live


@pytest.mark.parametrize(
    "reason", ["Failed to dlopen libcuda.so.1", '"cuda" is an NVIDIA driver library and …']
)
def test_no_driver_is_told_as_such(driver, reason):
    driver.fail["cuInit"] = RuntimeError(reason)
    with pytest.raises(BackendError, match="expected an NVIDIA driver on this machine") as error:
        CudaPython(driver=driver)
    assert reason in error.value.got
    assert isinstance(error.value.__cause__, RuntimeError)


def test_no_device_is_told_as_such():
    with pytest.raises(BackendError, match="expected an NVIDIA GPU, got CUDA_ERROR_NO_DEVICE"):
        CudaPython(driver=FakeDriver(devices=0))


def test_another_failure_to_initialise_keeps_its_name(driver):
    driver.fail["cuInit"] = "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"
    with pytest.raises(BackendError, match=r"got CUDA_ERROR_SYSTEM_DRIVER_MISMATCH\. Install"):
        CudaPython(driver=driver)


@pytest.mark.parametrize("ordinal", [2, -1])
def test_a_device_that_is_not_listed_is_refused(ordinal):
    with pytest.raises(BackendError, match=f"open GPU {ordinal} .*got 2 in all"):
        CudaPython(ordinal, driver=FakeDriver(devices=2))
    assert CudaPython(1, driver=FakeDriver(devices=2)).device.name


def test_a_context_that_cannot_be_used_is_let_go(driver):
    driver.fail["cuCtxSetCurrent"] = "CUDA_ERROR_INVALID_CONTEXT"
    with pytest.raises(BackendError, match="use the GPU in a thread"):
        CudaPython(driver=driver)
    assert driver.retained == 0


def test_an_event_of_something_else_is_a_type_error(cuda):
    with pytest.raises(TypeError, match="expected an event of this device"):
        cuda.event().seconds_since(object())


@pytest.mark.skipif(find_spec("cuda") is not None, reason="cuda-python is installed here")
def test_the_missing_package_names_its_extra():
    with pytest.raises(MissingDependencyError, match=r"edgert\[cuda\]"):
        CudaPython()


# What the binding itself raises, and what a call gives.


def answering(*answer):
    def call(*_):
        return answer

    return call


def raising(error):
    def cu_thing(*_):
        raise error

    return cu_thing


def test_results_come_without_their_status(driver):
    ok = driver.cuInit(0)[0]
    assert run("do", answering(ok)) is None
    assert run("do", answering(ok, 3)) == 3
    assert run("do", answering(ok, 3, 4)) == [3, 4]
    assert run_for_status("do", answering(ok, 3)) == ("CUDA_SUCCESS", [3])


def test_a_driver_older_than_the_binding_is_told_by_the_function_that_it_lacks():
    with pytest.raises(BackendError, match=r"a driver that lacks it .*cuGraphUpload") as error:
        run("upload a graph", raising(RuntimeError('Function "cuGraphUpload" not found')))
    assert error.value.expected == "success from cu_thing"


@pytest.mark.parametrize("error", [KeyError(4711), ValueError("4711 is not a valid CUresult")])
def test_a_status_newer_than_the_binding_is_told_by_its_number(error):
    with pytest.raises(BackendError, match=r"unknown to the binding .*4711"):
        run("upload a graph", raising(error))
