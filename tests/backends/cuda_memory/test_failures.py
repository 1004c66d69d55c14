import pytest

from edgert.backends.cuda_memory.failures import (
    CAPTURE_LOST,
    cuda_failure,
    no_device,
    no_driver,
    out_of_memory,
)


def test_a_failure_has_the_call_the_code_and_advice():
    error = cuda_failure("launch a graph", "CUDA_ERROR_LAUNCH_FAILED", call="cuGraphLaunch")
    assert str(error) == (
        "launch a graph: expected success from cuGraphLaunch, got CUDA_ERROR_LAUNCH_FAILED. "
        "The device is lost to this process: start the program again."
    )
    assert cuda_failure("x", "y").expected == "success from CUDA"


def test_a_code_without_advice_of_its_own_sends_to_the_list():
    assert "NVIDIA's list" in cuda_failure("x", "CUDA_ERROR_NVLINK_UNCORRECTABLE").advice


@pytest.mark.parametrize(
    "error",
    [
        cuda_failure("do", "CUDA_ERROR_INVALID_VALUE"),
        out_of_memory("GPU memory", 1 << 30, 1 << 20),
        out_of_memory("GPU memory", 1 << 30, None),
        no_driver("pycuda", "libcuda.so.1: cannot open."),
        no_device("pycuda", 0, 0),
        no_device("pycuda", 3, 2),
    ],
)
def test_every_failure_is_one_line_with_one_full_stop_at_its_end(error):
    assert "\n" not in str(error)
    assert ".." not in str(error).replace("libcuda.so.1", "")
    assert str(error).endswith(".")


def test_a_thread_that_ends_a_capture_of_another_is_no_lost_capture():
    assert "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD" not in CAPTURE_LOST
    assert "CUDA_ERROR_OUT_OF_MEMORY" not in CAPTURE_LOST
