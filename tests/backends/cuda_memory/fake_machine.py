"""What the fakes of both bindings stand on: memory, work that is queued, and threads.

Pinned memory is real, because the code under test looks at it through its address. The device's
is not: its addresses lie where this program has nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import get_ident

import numpy as np
from numpy.typing import NDArray

DEVICE_OFFSET = 1 << 46
ALIGNMENT = 256


class RefusedError(Exception):
    """A CUDA status other than success, by its name and number."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(name)
        self.name, self.number = name, number


# The number, and the words that pycuda shows in the name's place.
STATUSES = {
    "CUDA_SUCCESS": (0, "no error"),
    "CUDA_ERROR_INVALID_VALUE": (1, "invalid argument"),
    "CUDA_ERROR_OUT_OF_MEMORY": (2, "out of memory"),
    "CUDA_ERROR_NO_DEVICE": (100, "no CUDA-capable device is detected"),
    "CUDA_ERROR_INVALID_CONTEXT": (201, "invalid device context"),
    "CUDA_ERROR_INVALID_HANDLE": (400, "invalid resource handle"),
    "CUDA_ERROR_ILLEGAL_STATE": (401, "the operation cannot be performed in the present state"),
    "CUDA_ERROR_ILLEGAL_ADDRESS": (700, "an illegal memory access was encountered"),
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH": (
        803,
        "system has unsupported display driver / cuda driver combination",
    ),
    "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED": (
        900,
        "operation not permitted when stream is capturing",
    ),
    "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED": (
        901,
        "operation failed due to a previous error during capture",
    ),
}


def refused(name: str) -> RefusedError:
    return RefusedError(name, STATUSES[name][0])


@dataclass(eq=False)
class Queue:
    """A stream: its work runs at once, or is kept for a graph while a capture is on."""

    captured: list[Callable[[], None]] | None = None
    thread: int = 0
    lost: bool = False

    def submit(self, run: Callable[[], None]) -> None:
        if self.captured is None:
            run()
        elif self.lost:
            raise refused("CUDA_ERROR_STREAM_CAPTURE_INVALIDATED")
        else:
            self.captured.append(run)


@dataclass
class Machine:
    """One device; `live` holds what was allocated and not freed, by host address."""

    total_bytes: int = 64 << 20
    live: dict[int, tuple[NDArray[np.uint8], bool]] = field(default_factory=dict)
    queues: list[Queue] = field(default_factory=list)
    clock_ms: float = 0.0

    @property
    def free_bytes(self) -> int:
        return self.total_bytes - sum(memory.nbytes for memory, _ in self.live.values())

    def allocate(self, size_bytes: int, *, visible: bool) -> int:
        """A host address; the device sees the same bytes DEVICE_OFFSET further up, if visible."""
        for queue in self.queues:
            if queue.captured is not None and queue.thread == get_ident():
                queue.lost = True
                raise refused("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED")
        if size_bytes > self.free_bytes:
            raise refused("CUDA_ERROR_OUT_OF_MEMORY")
        block = np.full(size_bytes + ALIGNMENT, 0xCD, np.uint8)
        skip = -block.ctypes.data % ALIGNMENT
        memory = block[skip : skip + size_bytes]
        self.live[memory.ctypes.data] = (memory, visible)
        return memory.ctypes.data

    def free(self, host: int) -> None:
        if self.live.pop(host, None) is None:
            raise refused("CUDA_ERROR_INVALID_VALUE")

    def host_bytes(self, host: int) -> NDArray[np.uint8]:
        """The whole allocation at a host address."""
        return self.live[host][0]

    def reached(self, address: int, size_bytes: int) -> NDArray[np.uint8]:
        """The bytes at a device address."""
        for host, (memory, visible) in self.live.items():
            start = address - DEVICE_OFFSET - host
            if visible and start >= 0 and start + size_bytes <= memory.nbytes:
                return memory[start : start + size_bytes]
        raise refused("CUDA_ERROR_INVALID_VALUE")

    def tick(self) -> float:
        self.clock_ms += 1.5
        return self.clock_ms
