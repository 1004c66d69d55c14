# ruff: noqa: N802 - the functions have NVIDIA's names
"""`cuda.bindings.driver` without a driver: tuples whose first item is a status, handles, a log.

driver = FakeDriver()
cuda = CudaPython(driver=driver)
driver.fail["cuGraphUpload"] = "CUDA_ERROR_OUT_OF_MEMORY"   # until it is taken out again
driver.names                                                # what was called, in order
"""

import functools
from collections.abc import Callable
from enum import IntEnum
from threading import get_ident
from types import SimpleNamespace
from typing import Any

from tests.backends.cuda_memory.fake_machine import (
    DEVICE_OFFSET,
    STATUSES,
    Machine,
    Queue,
    RefusedError,
    refused,
)

CUresult = IntEnum("CUresult", {name: number for name, (number, _) in STATUSES.items()})


class Handle:
    """What the binding wraps around a pointer; functions take it or its number."""

    _next = 0x1000

    def __init__(self, content: Any) -> None:
        Handle._next += 0x10
        self.number, self.content = Handle._next, content

    def __int__(self) -> int:
        return self.number


def function(context: bool = True) -> Callable[..., Any]:
    """Makes of a method a function of the binding; its name, arguments and thread are noted."""

    def decorate(body: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(body)
        def call(driver: "FakeDriver", *arguments: Any) -> tuple[Any, ...]:
            driver.calls.append((body.__name__, arguments, get_ident()))
            try:
                failure = driver.fail.get(body.__name__)
                if isinstance(failure, Exception):
                    raise failure
                if failure:
                    raise refused(failure)
                if context and get_ident() not in driver.current:
                    raise refused("CUDA_ERROR_INVALID_CONTEXT")
                results = body(driver, *arguments)
            except RefusedError as error:
                # As the binding does: None for everything that the function would have returned.
                return (CUresult(error.number), *([None] * RESULTS.get(body.__name__, 0)))
            return (CUresult.CUDA_SUCCESS, *results)

        return call

    return decorate


RESULTS = {"cuMemGetInfo": 2, "cuGraphGetNodes": 2, "cuMemAlloc": 1, "cuStreamEndCapture": 1}


class FakeDriver:
    """The module. `live` says how many handles of each kind were made and not destroyed."""

    CU_MEMHOSTALLOC_DEVICEMAP = 2
    CUstreamCaptureMode = IntEnum(
        "CUstreamCaptureMode",
        {
            "CU_STREAM_CAPTURE_MODE_GLOBAL": 0,
            "CU_STREAM_CAPTURE_MODE_THREAD_LOCAL": 1,
        },
    )
    CUstream_flags = SimpleNamespace(CU_STREAM_DEFAULT=0, CU_STREAM_NON_BLOCKING=1)
    CUevent_flags = SimpleNamespace(CU_EVENT_DEFAULT=0)
    CUdevice_attribute = SimpleNamespace(
        CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT=16,
        CU_DEVICE_ATTRIBUTE_INTEGRATED=18,
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR=75,
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR=76,
    )

    def __init__(self, *, total_bytes: int = 64 << 20, devices: int = 1) -> None:
        self.machine = Machine(total_bytes)
        self.devices = devices
        self.fail: dict[str, str | Exception] = {}
        self.calls: list[tuple[str, tuple[Any, ...], int]] = []
        self.current: set[int] = set()  # threads
        self.retained = 0
        self.live: dict[int, tuple[str, Any]] = {}

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.calls]

    def arguments(self, name: str) -> tuple[Any, ...]:
        """Of the last call of that name."""
        return next(arguments for call, arguments, _ in reversed(self.calls) if call == name)

    def _made(self, kind: str, content: Any) -> Handle:
        handle = Handle(content)
        self.live[int(handle)] = (kind, content)
        return handle

    def _of(self, handle: Any, kind: str) -> Any:
        found, content = self.live.get(int(handle), ("", None))
        if found != kind:
            raise refused("CUDA_ERROR_INVALID_HANDLE")
        return content

    def _destroyed(self, handle: Any, kind: str) -> tuple[()]:
        self._of(handle, kind)
        del self.live[int(handle)]
        return ()

    @function(context=False)
    def cuInit(self, flags):
        if not self.devices:
            raise refused("CUDA_ERROR_NO_DEVICE")
        return ()

    @function(context=False)
    def cuDriverGetVersion(self):
        return (12060,)

    @function(context=False)
    def cuDeviceGetCount(self):
        return (self.devices,)

    @function(context=False)
    def cuDeviceGet(self, ordinal):
        return (ordinal,)

    @function(context=False)
    def cuDeviceGetName(self, length, device):
        return (b"Orin".ljust(length, b"\0"),)

    @function(context=False)
    def cuDeviceTotalMem(self, device):
        return (self.machine.total_bytes,)

    @function(context=False)
    def cuDeviceGetAttribute(self, attribute, device):
        return ({16: 8, 18: 1, 75: 8, 76: 7}[int(attribute)],)

    @function(context=False)
    def cuDevicePrimaryCtxRetain(self, device):
        self.retained += 1
        return (Handle("context"),)

    @function(context=False)
    def cuDevicePrimaryCtxRelease(self, device):
        self.retained -= 1
        return ()

    @function(context=False)
    def cuCtxSetCurrent(self, context):
        self.current.add(get_ident())
        return ()

    @function()
    def cuCtxSynchronize(self):
        return ()

    @function()
    def cuMemGetInfo(self):
        return self.machine.free_bytes, self.machine.total_bytes

    @function()
    def cuMemAlloc(self, size_bytes):
        return (self.machine.allocate(size_bytes, visible=True) + DEVICE_OFFSET,)

    @function()
    def cuMemFree(self, address):
        self.machine.free(int(address) - DEVICE_OFFSET)
        return ()

    @function()
    def cuMemHostAlloc(self, size_bytes, flags):
        return (self.machine.allocate(size_bytes, visible=bool(flags & 2)),)

    @function()
    def cuMemHostGetDevicePointer(self, host, flags):
        if not self.machine.live[host][1]:
            raise refused("CUDA_ERROR_INVALID_VALUE")
        return (host + DEVICE_OFFSET,)

    @function()
    def cuMemFreeHost(self, host):
        self.machine.free(host)
        return ()

    @function()
    def cuStreamCreate(self, flags):
        queue = Queue()
        self.machine.queues.append(queue)
        return (self._made("stream", queue),)

    @function()
    def cuStreamSynchronize(self, stream):
        self._of(stream, "stream")
        return ()

    @function()
    def cuStreamDestroy(self, stream):
        return self._destroyed(stream, "stream")

    @function()
    def cuMemcpyHtoDAsync(self, destination, source, size_bytes, stream):
        to = self.machine.reached(destination, size_bytes)
        source_bytes = self.machine.host_bytes(source)

        def copy():
            to[:] = source_bytes[:size_bytes]

        self._of(stream, "stream").submit(copy)
        return ()

    @function()
    def cuMemcpyDtoHAsync(self, destination, source, size_bytes, stream):
        to = self.machine.host_bytes(destination)
        source_bytes = self.machine.reached(source, size_bytes)

        def copy():
            to[:size_bytes] = source_bytes

        self._of(stream, "stream").submit(copy)
        return ()

    @function()
    def cuStreamBeginCapture(self, stream, mode):
        queue = self._of(stream, "stream")
        if queue.captured is not None:
            raise refused("CUDA_ERROR_ILLEGAL_STATE")
        queue.captured, queue.lost, queue.thread = [], False, get_ident()
        return ()

    @function()
    def cuStreamEndCapture(self, stream):
        queue = self._of(stream, "stream")
        if queue.captured is None:
            raise refused("CUDA_ERROR_ILLEGAL_STATE")
        captured, queue.captured = queue.captured, None
        if queue.lost:
            raise refused("CUDA_ERROR_STREAM_CAPTURE_INVALIDATED")
        return (self._made("graph", captured),)

    @function(context=False)
    def cuGraphGetNodes(self, graph):
        return None, len(self._of(graph, "graph"))

    @function()
    def cuGraphInstantiate(self, graph, flags):
        return (self._made("executable graph", list(self._of(graph, "graph"))),)

    @function()
    def cuGraphUpload(self, graph, stream):
        self._of(graph, "executable graph")
        self._of(stream, "stream")
        return ()

    @function()
    def cuGraphLaunch(self, graph, stream):
        for run in self._of(graph, "executable graph"):
            self._of(stream, "stream").submit(run)
        return ()

    @function()
    def cuGraphExecDestroy(self, graph):
        return self._destroyed(graph, "executable graph")

    @function(context=False)
    def cuGraphDestroy(self, graph):
        return self._destroyed(graph, "graph")

    @function()
    def cuEventCreate(self, flags):
        return (self._made("event", SimpleNamespace(reached_ms=None)),)

    @function()
    def cuEventRecord(self, event, stream):
        mark = self._of(event, "event")

        def reach():
            mark.reached_ms = self.machine.tick()

        self._of(stream, "stream").submit(reach)
        return ()

    @function()
    def cuEventSynchronize(self, event):
        self._of(event, "event")
        return ()

    @function()
    def cuEventElapsedTime(self, start, end):
        marks = [self._of(event, "event").reached_ms for event in (start, end)]
        if None in marks:
            raise refused("CUDA_ERROR_INVALID_HANDLE")
        return (marks[1] - marks[0],)

    @function()
    def cuEventDestroy(self, event):
        return self._destroyed(event, "event")
