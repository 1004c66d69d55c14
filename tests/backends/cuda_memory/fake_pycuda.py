"""`pycuda.driver` without a driver, as its sources (2026.1) have it.

Each thread has a list of contexts; what is made with none is refused, what is freed with none is
left behind (`left_behind`), and a thread that ends with one pushed ends the program: `stacks` says
which would have.
"""

from threading import get_ident
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.backends.cuda_memory.fake_machine import (
    DEVICE_OFFSET,
    STATUSES,
    Machine,
    Queue,
    RefusedError,
)


class FakePycuda:
    """The module."""

    host_alloc_flags = SimpleNamespace(PORTABLE=1, DEVICEMAP=2)
    device_attribute = SimpleNamespace(INTEGRATED=18, MULTIPROCESSOR_COUNT=16)

    class Error(Exception):
        pass

    class MemoryError(Error):  # noqa: A001 - as pycuda has it
        pass

    class LogicError(Error):
        pass

    class RuntimeError(Error):  # noqa: A001
        pass

    def __init__(self, *, total_bytes: int = 64 << 20, devices: int = 1) -> None:
        self.machine = Machine(total_bytes)
        self.devices = devices
        self.fail: dict[str, str] = {}  # the driver's function: a status, or words as they stand
        self.calls: list[tuple[str, Any]] = []
        self.stacks: dict[int, list[Any]] = {}
        self.left_behind: list[str] = []
        self.retained = 0
        self.live_streams = 0
        module = self

        class Device:
            def __init__(self, ordinal: int) -> None:
                module.call("cuDeviceGet", ordinal)

            @staticmethod
            def count() -> int:
                module.call("cuDeviceGetCount", None)
                return module.devices

            def name(self) -> str:
                return "Orin"

            def compute_capability(self) -> tuple[int, int]:
                return 8, 7

            def total_memory(self) -> int:
                return module.machine.total_bytes

            def get_attribute(self, attribute: int) -> int:
                return {16: 8, 18: 1}[attribute]

            def retain_primary_context(self) -> "Context":
                module.call("cuDevicePrimaryCtxRetain", None)
                module.retained += 1
                return Context(module)

        self.Device = Device
        self.Stream = lambda flags=0: Stream(module, flags)
        self.Event = lambda flags=0: Event(module)

    # What the methods below and the classes share.

    def call(self, name: str, detail: Any) -> None:
        self.calls.append((name, detail))
        if name in self.fail:
            raise self.error(name, self.fail[name])

    def error(self, call: str, status: str) -> Exception:
        words = STATUSES[status][1] if status in STATUSES else status
        kind = {
            "CUDA_ERROR_OUT_OF_MEMORY": self.MemoryError,
            "CUDA_ERROR_NO_DEVICE": self.RuntimeError,
        }.get(status, self.LogicError)
        return kind(f"{call} failed: {words}")

    def context(self, what: str) -> "Context":
        stack = self.stacks.get(get_ident(), [])
        if not stack:
            raise self.LogicError(
                f"{what} failed: invalid device context - no currently active context?"
            )
        return stack[-1]

    def freed(self, what: str, host: int) -> None:
        if self.stacks.get(get_ident()):
            self.machine.free(host)
        else:
            self.left_behind.append(what)

    def allocated(self, call: str, size_bytes: int, *, visible: bool) -> int:
        self.call(call, size_bytes)
        self.context("explicit_context_dependent")
        try:
            return self.machine.allocate(size_bytes, visible=visible)
        except RefusedError as error:
            raise self.error(call, error.name) from None

    # The module's functions.

    def init(self, flags: int = 0) -> None:
        self.call("cuInit", flags)
        if not self.devices:
            raise self.error("cuInit", "CUDA_ERROR_NO_DEVICE")

    def get_driver_version(self) -> int:
        self.call("cuDriverGetVersion", None)
        return 12060

    def mem_get_info(self) -> tuple[int, int]:
        self.call("cuMemGetInfo", None)
        self.context("cuMemGetInfo")
        return self.machine.free_bytes, self.machine.total_bytes

    def mem_alloc(self, size_bytes: int) -> "Allocation":
        host = self.allocated("cuMemAlloc", size_bytes, visible=True)
        return Allocation(self, host)

    def pagelocked_empty(
        self, shape: int, dtype: Any, order: str = "C", mem_flags: int = 0
    ) -> Any:
        size_bytes = shape * np.dtype(dtype).itemsize
        host = self.allocated("cuMemHostAlloc", size_bytes, visible=bool(mem_flags & 2))
        memory = self.machine.host_bytes(host).view(PinnedArray)
        memory.base_of_pycuda = HostAllocation(self, host)
        return memory

    def memcpy_htod_async(self, dest: int, src: Any, stream: "Stream") -> None:
        self.call("cuMemcpyHtoDAsync", src.nbytes)
        to = self._reached("cuMemcpyHtoDAsync", dest, src.nbytes)

        def copy() -> None:
            to[:] = src

        stream.queue.submit(copy)

    def memcpy_dtoh_async(self, dest: Any, src: int, stream: "Stream") -> None:
        self.call("cuMemcpyDtoHAsync", dest.nbytes)
        source = self._reached("cuMemcpyDtoHAsync", src, dest.nbytes)

        def copy() -> None:
            dest[:] = source

        stream.queue.submit(copy)

    def _reached(self, call: str, address: int, size_bytes: int) -> Any:
        try:
            return self.machine.reached(address, size_bytes)
        except RefusedError as error:
            raise self.error(call, error.name) from None


class Context:
    def __init__(self, module: FakePycuda) -> None:
        self.module, self.valid = module, True

    def push(self) -> None:
        self.module.call("cuCtxPushCurrent", get_ident())
        self.module.stacks.setdefault(get_ident(), []).append(self)

    def pop(self) -> None:
        """Pops the top one, whichever it is; pycuda's is a static method."""
        stack = self.module.stacks.get(get_ident(), [])
        if not stack:
            raise self.module.LogicError("context::pop failed: invalid device context")
        self.module.call("cuCtxPopCurrent", get_ident())
        stack.pop()

    def detach(self) -> None:
        if not self.valid:
            raise self.module.LogicError("context::detach failed: invalid device context")
        self.valid = False
        self.module.retained -= 1

    def synchronize(self) -> None:
        self.module.call("cuCtxSynchronize", None)


class Allocation:
    def __init__(self, module: FakePycuda, host: int) -> None:
        self.module, self.host, self.valid = module, host, True

    def __int__(self) -> int:
        return self.host + DEVICE_OFFSET

    def free(self) -> None:
        if not self.valid:
            raise self.module.LogicError("device_allocation::free failed: invalid resource handle")
        self.valid = False
        self.module.freed("memory", self.host)


class HostAllocation(Allocation):
    def get_device_pointer(self) -> int:
        self.module.call("cuMemHostGetDevicePointer", None)
        if not self.module.machine.live[self.host][1]:
            raise self.module.error("cuMemHostGetDevicePointer", "CUDA_ERROR_INVALID_VALUE")
        return self.host + DEVICE_OFFSET


class PinnedArray(np.ndarray):
    """An array whose `base` is pycuda's allocation, as that of pagelocked_empty is."""

    base_of_pycuda: Any = None

    @property
    def base(self) -> Any:
        return self.base_of_pycuda


class Stream:
    def __init__(self, module: FakePycuda, flags: int) -> None:
        self.module, self.queue = module, Queue()
        module.live_streams += 1
        module.call("cuStreamCreate", flags)
        module.context("explicit_context_dependent")
        self.handle = 0x4000 + len(module.calls)

    def synchronize(self) -> None:
        self.module.call("cuStreamSynchronize", None)

    def __del__(self) -> None:  # this is pycuda's way, not ours
        self.module.live_streams -= 1


class Event:
    def __init__(self, module: FakePycuda) -> None:
        module.call("cuEventCreate", None)
        module.context("explicit_context_dependent")
        self.module, self.reached_ms = module, None

    def record(self, stream: Stream) -> "Event":
        self.module.call("cuEventRecord", None)
        stream.queue.submit(self._reach)
        return self

    def _reach(self) -> None:
        self.reached_ms = self.module.machine.tick()

    def synchronize(self) -> "Event":
        self.module.call("cuEventSynchronize", None)
        return self

    def time_since(self, earlier: "Event") -> float:
        if self.reached_ms is None or earlier.reached_ms is None:
            raise self.module.error("cuEventElapsedTime", "CUDA_ERROR_INVALID_HANDLE")
        return self.reached_ms - earlier.reached_ms
