"""Calls of the driver that may fail, and what of ours makes each: the same through any binding."""

import pytest

from edgert.errors import BackendError

CODE = "CUDA_ERROR_ILLEGAL_ADDRESS"
REFUSALS = [
    ("cuMemAlloc", lambda cuda: cuda.allocate(1)),
    ("cuMemHostAlloc", lambda cuda: cuda.allocate_pinned(1, mapped=False)),
    ("cuMemGetInfo", lambda cuda: cuda.free_bytes()),
    ("cuDriverGetVersion", lambda cuda: cuda.driver_version()),
    ("cuStreamCreate", lambda cuda: cuda.stream()),
    ("cuEventCreate", lambda cuda: cuda.event()),
    ("cuStreamSynchronize", lambda cuda: cuda.stream().synchronize()),
    ("cuEventRecord", lambda cuda: cuda.event().record(cuda.stream())),
]


def refusal_of(driver, cuda, call, act) -> BackendError:
    """The error when `call` fails, told by the call and the code."""
    driver.fail[call] = CODE
    with pytest.raises(BackendError) as error:
        act(cuda)
    assert error.value.expected == f"success from {call}"
    assert error.value.got == CODE
    return error.value
