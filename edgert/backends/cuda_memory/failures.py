"""What CUDA refuses, as the house's error lines: the code's name, and what to do about it.

Only the name tells an operator, and a search engine, what went wrong. Both bindings come here.
"""

from edgert.errors import BackendError
from edgert.units import text_from_bytes

OUT_OF_MEMORY = "CUDA_ERROR_OUT_OF_MEMORY"
NO_DEVICE = "CUDA_ERROR_NO_DEVICE"

# `end_capture` answers these with None: the work holds something that no graph can.
CAPTURE_LOST = frozenset(
    {
        "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
        "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
        "CUDA_ERROR_STREAM_CAPTURE_MERGE",
        "CUDA_ERROR_STREAM_CAPTURE_UNJOINED",
        "CUDA_ERROR_STREAM_CAPTURE_ISOLATION",
        "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT",
    }
)

_START_AGAIN = "The device is lost to this process: start the program again"
_NO_DRIVER = "Run on a machine with an NVIDIA GPU and its driver, or choose another backend"
_NEW_DRIVER = "Install the driver of the CUDA version that the binding was made for"
_ADVICE = {
    "CUDA_ERROR_NOT_INITIALIZED": "Open the device first",
    "CUDA_ERROR_INVALID_CONTEXT": "Call use_in_this_thread first in this thread",
    "CUDA_ERROR_INVALID_DEVICE": "Name a device that the driver lists",
    "CUDA_ERROR_NOT_SUPPORTED": _NEW_DRIVER,
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH": _NEW_DRIVER,
    "CUDA_ERROR_STUB_LIBRARY": "Take the toolkit's stubs folder off LD_LIBRARY_PATH",
    "CUDA_ERROR_DEVICE_UNAVAILABLE": "End the process that holds the GPU for itself",
    "CUDA_ERROR_OPERATING_SYSTEM": "Give this user the rights to the GPU's device files",
    "CUDA_ERROR_CONTEXT_IS_DESTROYED": _START_AGAIN,
    "CUDA_ERROR_ILLEGAL_ADDRESS": _START_AGAIN,
    "CUDA_ERROR_ILLEGAL_INSTRUCTION": _START_AGAIN,
    "CUDA_ERROR_MISALIGNED_ADDRESS": _START_AGAIN,
    "CUDA_ERROR_LAUNCH_FAILED": _START_AGAIN,
    "CUDA_ERROR_LAUNCH_TIMEOUT": _START_AGAIN,
    "CUDA_ERROR_ASSERT": _START_AGAIN,
    "CUDA_ERROR_ECC_UNCORRECTABLE": _START_AGAIN,
}


def cuda_failure(subject: str, code: str, *, call: str = "") -> BackendError:
    """One call of CUDA that did not succeed.

    Args:
        subject: What was being done: "launch a graph".
        code: The status by its name, or the binding's words where it gives no name.
        call: The driver's function, where the binding says which.
    """
    return BackendError(
        subject,
        expected=f"success from {call or 'CUDA'}",
        got=code,
        advice=_ADVICE.get(code, "Look the code up in NVIDIA's list of CUresult values"),
    )


def out_of_memory(kind: str, size_bytes: int, free_bytes: int | None) -> BackendError:
    """An allocation that did not fit.

    Args:
        kind: "GPU memory" or "pinned memory".
        size_bytes: How much was asked for.
        free_bytes: How much the driver has left, None where it does not say.
    """
    left = "an unknown amount" if free_bytes is None else text_from_bytes(free_bytes)
    return BackendError(
        f"allocate {text_from_bytes(size_bytes)} of {kind}",
        expected="that much free",
        got=f"{OUT_OF_MEMORY} with {left} free",
        advice="Keep fewer engines resident, or close what else uses the GPU",
    )


def no_driver(binding: str, reason: str) -> BackendError:
    """The binding is installed, and there is no libcuda for it to call, or none that it knows."""
    return BackendError(
        f"open the GPU through {binding}",
        expected="an NVIDIA driver on this machine",
        got=f"none that answers ({reason.strip().rstrip('.')})",
        advice=_NO_DRIVER,
    )


def no_device(binding: str, ordinal: int, count: int) -> BackendError:
    """There is a driver, and it does not list that device."""
    return BackendError(
        f"open GPU {ordinal} through {binding}",
        expected=f"a device of number {ordinal}" if count else "an NVIDIA GPU",
        got=f"{count} in all, numbered from 0" if count else f"{NO_DEVICE}: the driver sees none",
        advice="Name one of them" if count else _NO_DRIVER,
    )
