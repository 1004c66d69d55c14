"""pycuda's errors as the house's, with the code's name where its words give it away."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edgert.backends.cuda_memory.failures import cuda_failure, no_driver
from edgert.optional import needs

BINDING = "pycuda"

# pycuda hands on CUDA's words for a status and drops the status. The words are those that
# libcudart 13.0 gives for the number; a driver that words one otherwise is quoted as it stands.
_CODES = {
    "invalid argument": "CUDA_ERROR_INVALID_VALUE",
    "out of memory": "CUDA_ERROR_OUT_OF_MEMORY",
    "initialization error": "CUDA_ERROR_NOT_INITIALIZED",
    "driver shutting down": "CUDA_ERROR_DEINITIALIZED",
    "CUDA driver is a stub library": "CUDA_ERROR_STUB_LIBRARY",
    "CUDA-capable device(s) is/are busy or unavailable": "CUDA_ERROR_DEVICE_UNAVAILABLE",
    "no CUDA-capable device is detected": "CUDA_ERROR_NO_DEVICE",
    "invalid device ordinal": "CUDA_ERROR_INVALID_DEVICE",
    "invalid device context": "CUDA_ERROR_INVALID_CONTEXT",
    "uncorrectable ECC error encountered": "CUDA_ERROR_ECC_UNCORRECTABLE",
    "OS call failed or operation not supported on this OS": "CUDA_ERROR_OPERATING_SYSTEM",
    "invalid resource handle": "CUDA_ERROR_INVALID_HANDLE",
    "the operation cannot be performed in the present state": "CUDA_ERROR_ILLEGAL_STATE",
    "device not ready": "CUDA_ERROR_NOT_READY",
    "an illegal memory access was encountered": "CUDA_ERROR_ILLEGAL_ADDRESS",
    "too many resources requested for launch": "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
    "the launch timed out and was terminated": "CUDA_ERROR_LAUNCH_TIMEOUT",
    "context is destroyed": "CUDA_ERROR_CONTEXT_IS_DESTROYED",
    "device-side assert triggered": "CUDA_ERROR_ASSERT",
    "an illegal instruction was encountered": "CUDA_ERROR_ILLEGAL_INSTRUCTION",
    "misaligned address": "CUDA_ERROR_MISALIGNED_ADDRESS",
    "unspecified launch failure": "CUDA_ERROR_LAUNCH_FAILED",
    "operation not permitted": "CUDA_ERROR_NOT_PERMITTED",
    "operation not supported": "CUDA_ERROR_NOT_SUPPORTED",
    "system has unsupported display driver / cuda driver combination": (
        "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"
    ),
}


def imported(load: Callable[[str, str, str], Any] = needs) -> Any:
    """The module `pycuda.driver`.

    Args:
        load: Imports a package, or names the extra that brings it.

    Raises:
        MissingDependencyError: It is not installed.
        BackendError: It is, and there is no libcuda that it could call.
    """
    try:
        return load("pycuda.driver", "pycuda", "to use the GPU")
    except ModuleNotFoundError:
        raise
    except ImportError as error:  # linked against libcuda, it fails where that is not
        if "libcuda" not in str(error):
            raise
        raise no_driver(BINDING, str(error)) from error


def code_from_words(message: str) -> tuple[str, str]:
    """What a message of pycuda's says: "cuMemAlloc failed: out of memory".

    Returns:
        The code's name, or the words where they are none of the usual ones, and the function
        that failed, or "".
    """
    found = re.fullmatch(r"(\w[\w:]*) failed: (.*?)(?: - .*)?", message.strip(), re.DOTALL)
    if found is None:
        return message.strip() or "an error without words", ""
    call, words = found.groups()
    return _CODES.get(words, words), call


@contextmanager
def translated(driver: Any, subject: str) -> Iterator[None]:
    """Raise pycuda's errors as BackendError.

    Args:
        driver: The module, whose `Error` is the root of what it raises.
        subject: What is being done, for the error: "wait for the GPU".
    """
    try:
        yield
    except driver.Error as error:
        code, call = code_from_words(str(error))
        raise cuda_failure(subject, code, call=call) from error
