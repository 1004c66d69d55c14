from importlib.util import find_spec
from threading import get_ident

import pytest

from edgert.backends.cuda_memory.pycuda import PyCuda
from edgert.backends.cuda_memory.pycuda_calls import code_from_words, imported, translated
from edgert.errors import BackendError, MissingDependencyError
from edgert.optional import needs
from tests.backends.cuda_memory.contract import in_another_thread
from tests.backends.cuda_memory.fake_machine import STATUSES
from tests.backends.cuda_memory.fake_pycuda import FakePycuda
from tests.backends.cuda_memory.refusals import REFUSALS, refusal_of


@pytest.fixture
def vendor():
    return FakePycuda()


@pytest.fixture
def cuda(vendor):
    return PyCuda(driver=vendor)


def names(vendor):
    return [name for name, _ in vendor.calls]


def test_the_primary_context_is_retained_and_pushed(vendor, cuda):
    assert names(vendor)[0] == "cuInit"
    assert names(vendor)[-2:] == ["cuDevicePrimaryCtxRetain", "cuCtxPushCurrent"]
    assert len(vendor.stacks[get_ident()]) == 1
    cuda.close()
    assert vendor.retained == 0
    assert not vendor.stacks[get_ident()]


def test_the_device_is_described(cuda):
    assert cuda.device.name == "Orin"
    assert cuda.device.compute_capability == (8, 7)
    assert cuda.device.integrated is True
    assert cuda.device.multiprocessors == 8
    assert cuda.driver_version() == "12.6"


def test_a_stream_waits_for_no_other(vendor, cuda):
    assert cuda.stream().handle
    assert vendor.calls[-1] == ("cuStreamCreate", 1)  # CU_STREAM_NON_BLOCKING


def test_a_stream_and_an_event_end_with_their_close(vendor, cuda):
    stream = cuda.stream()
    stream.close()
    assert vendor.live_streams == 0


def test_it_knows_no_graphs_and_queued_work_runs(vendor, cuda):
    stream, memory = cuda.stream(), cuda.allocate(64)
    pinned = cuda.allocate_pinned(64, mapped=False)
    pinned.array[:] = 7
    stream.begin_capture()
    stream.copy_to_device(memory.address, pinned)
    assert (vendor.machine.reached(memory.address, 64) == 7).all()
    assert stream.end_capture() is None
    stream.close()
    with pytest.raises(ValueError, match="use a stream: it is closed"):
        stream.end_capture()


def test_a_thread_ends_with_no_context_pushed(vendor, cuda):
    def work():
        cuda.use_in_this_thread()
        cuda.use_in_this_thread()
        assert len(vendor.stacks[get_ident()]) == 1
        return get_ident()

    thread = in_another_thread(work)
    assert vendor.stacks[thread] == []
    assert ("cuCtxPopCurrent", thread) in vendor.calls
    assert len(vendor.stacks[get_ident()]) == 1  # this one's is untouched


def test_a_thread_that_ends_after_the_device_was_closed_pops_its_context_too(vendor):
    cuda = PyCuda(driver=vendor)

    def work():
        cuda.use_in_this_thread()
        in_another_thread(cuda.close)
        return get_ident()

    thread = in_another_thread(work)
    assert not vendor.stacks[thread]
    assert vendor.retained == 0


def test_a_thread_keeps_its_context_when_the_device_is_dropped(vendor):
    def work():
        cuda = PyCuda(driver=vendor)
        cuda.use_in_this_thread()
        del cuda
        assert len(vendor.stacks[get_ident()]) == 1
        return get_ident()

    assert not vendor.stacks[in_another_thread(work)]


def test_what_another_thread_made_is_given_back_with_a_context(vendor, cuda):
    def load():
        cuda.use_in_this_thread()
        return cuda.allocate(64)

    in_another_thread(load).close()
    memory = cuda.allocate(64)
    in_another_thread(memory.close)  # it asks for the context by itself
    assert not vendor.left_behind
    assert not vendor.machine.live


def test_mapped_memory_is_asked_for_its_address_on_the_device(vendor, cuda):
    mapped = cuda.allocate_pinned(64, mapped=True)
    assert mapped.address not in (0, mapped.array.ctypes.data)
    assert "cuMemHostGetDevicePointer" in names(vendor)
    assert cuda.allocate_pinned(64, mapped=False).address == 0


def test_memory_that_cannot_be_mapped_is_given_back(vendor, cuda):
    vendor.fail["cuMemHostGetDevicePointer"] = "CUDA_ERROR_INVALID_VALUE"
    with pytest.raises(BackendError, match=r"map pinned memory: .*CUDA_ERROR_INVALID_VALUE"):
        cuda.allocate_pinned(64, mapped=True)
    assert not vendor.machine.live


def test_out_of_memory_says_how_much_was_asked_and_is_left(vendor, cuda):
    cuda.allocate(16 << 20)
    with pytest.raises(BackendError, match=r"64.0 MiB of GPU memory: .*with 48.0 MiB free") as e:
        cuda.allocate(64 << 20)
    assert isinstance(e.value.__cause__, vendor.MemoryError)
    vendor.fail["cuMemGetInfo"] = "CUDA_ERROR_ILLEGAL_ADDRESS"
    with pytest.raises(BackendError, match="an unknown amount free"):
        cuda.allocate_pinned(64 << 20, mapped=True)


@pytest.mark.parametrize(("call", "act"), REFUSALS)
def test_every_refusal_is_told_by_call_and_code(vendor, cuda, call, act):
    assert isinstance(refusal_of(vendor, cuda, call, act).__cause__, vendor.Error)


def test_words_that_are_not_known_are_quoted(vendor, cuda):
    vendor.fail["cuStreamCreate"] = "a new kind of trouble"
    with pytest.raises(BackendError, match="got a new kind of trouble"):
        cuda.stream()


def test_no_device_is_told_as_such():
    with pytest.raises(BackendError, match="expected an NVIDIA GPU, got CUDA_ERROR_NO_DEVICE"):
        PyCuda(driver=FakePycuda(devices=0))


def test_another_failure_to_initialise_keeps_its_name(vendor):
    vendor.fail["cuInit"] = "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"
    with pytest.raises(BackendError, match="cuInit, got CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"):
        PyCuda(driver=vendor)


@pytest.mark.parametrize("ordinal", [1, -1])
def test_a_device_that_is_not_listed_is_refused(ordinal, vendor):
    with pytest.raises(BackendError, match=f"open GPU {ordinal} .*got 1 in all"):
        PyCuda(ordinal, driver=vendor)


def test_a_context_that_cannot_be_used_is_let_go(vendor):
    vendor.fail["cuCtxPushCurrent"] = "CUDA_ERROR_INVALID_CONTEXT"
    with pytest.raises(BackendError, match="use the GPU in a thread"):
        PyCuda(driver=vendor)
    assert vendor.retained == 0


def test_a_device_that_is_broken_is_let_go_all_the_same(vendor, cuda):
    cuda.allocate(64)
    vendor.fail["cuCtxSynchronize"] = "CUDA_ERROR_ILLEGAL_ADDRESS"
    cuda.close()
    assert vendor.retained == 0


def test_what_belongs_to_another_device_is_a_type_error(cuda):
    with pytest.raises(TypeError, match="expected a stream of this device"):
        cuda.event().record(object())
    with pytest.raises(TypeError, match="expected an event of this device"):
        cuda.event().seconds_since(object())


# What pycuda's import and its messages say.


def failing(error):
    def load(*_):
        raise error

    return load


def test_an_import_without_libcuda_is_a_missing_driver():
    error = ImportError("libcuda.so.1: cannot open shared object file: No such file or directory")
    with pytest.raises(BackendError, match="through pycuda: expected an NVIDIA driver") as told:
        imported(failing(error))
    assert told.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'pytools'", name="pytools"),
        ImportError("libcurand.so.10: cannot open shared object file"),
    ],
)
def test_another_failing_import_is_let_through(error):
    with pytest.raises(ImportError) as told:
        imported(failing(error))
    assert told.value is error


@pytest.mark.skipif(find_spec("pycuda") is not None, reason="pycuda is installed here")
def test_the_missing_package_names_its_extra():
    with pytest.raises(MissingDependencyError, match=r"edgert\[pycuda\]"):
        imported(needs)


@pytest.mark.parametrize(
    ("message", "code", "call"),
    [
        ("cuMemAlloc failed: out of memory", "CUDA_ERROR_OUT_OF_MEMORY", "cuMemAlloc"),
        (
            "explicit_context_dependent failed: invalid device context - no currently active "
            "context?",
            "CUDA_ERROR_INVALID_CONTEXT",
            "explicit_context_dependent",
        ),
        (
            "device_allocation::free failed: invalid resource handle",
            "CUDA_ERROR_INVALID_HANDLE",
            "device_allocation::free",
        ),
        ("cuInit failed: something new", "something new", "cuInit"),
        ("no such form", "no such form", ""),
        ("", "an error without words", ""),
    ],
)
def test_a_message_gives_its_code_and_call(message, code, call):
    assert code_from_words(message) == (code, call)


@pytest.mark.parametrize("code", [code for code in STATUSES if "CAPTURE" not in code][1:])
def test_the_usual_words_lead_back_to_their_code(code):
    assert code_from_words(f"cuThing failed: {STATUSES[code][1]}")[0] == code


def test_what_is_no_error_of_pycuda_is_let_through(vendor):
    with pytest.raises(ZeroDivisionError), translated(vendor, "divide"):
        _ = 1 / 0
