"""A device in plain memory, for tests of what is built on the Cuda protocol.

    cuda = FakeCuda(total_bytes=1 << 20)
    stream = cuda.stream()
    stream.begin_capture()
    cuda.stream_of(stream.handle).submit("infer a", lambda: ...)   # a fake engine's enqueue
    graph = stream.end_capture()                                    # nothing has run yet
    graph.launch(stream)

Work runs when it is queued, or is noted down while a capture is on. Addresses are the device's
own: only `memory` finds what lies there, and it refuses what was never allocated, was closed, or
reaches over a buffer's end. Every call is in `calls`; `open_names` says what was never closed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import get_ident

import numpy as np
from numpy.typing import NDArray

from edgert.backends.cuda_memory.base import CudaDevice, Event, Graph, PinnedBuffer, Stream
from edgert.errors import BackendError
from edgert.units import text_from_bytes

ALIGNMENT = 256
FIRST_ADDRESS = 0x7000_0000_0000

ORIN = CudaDevice("Orin", (8, 7), integrated=True, total_bytes=8 << 30, multiprocessors=8)


def failure(code: str, subject: str = "use the GPU") -> BackendError:
    """What the real bindings raise for a CUDA status."""
    return BackendError(subject, expected="CUDA_SUCCESS", got=code, advice="Look it up")


class FakeMemory:
    """A buffer of either kind."""

    def __init__(self, cuda: "FakeCuda", name: str, address: int, size_bytes: int) -> None:
        self._cuda, self.name = cuda, name
        self.address, self.size_bytes = address, size_bytes
        self.content = np.full(size_bytes, 0xCD, np.uint8)  # nobody may count on zeros
        self.closed = False

    @property
    def array(self) -> NDArray[np.uint8]:
        if self.closed:
            raise ValueError(f"{self.name} is closed")
        return self.content

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._cuda._released(self)


class FakeGraph:
    def __init__(self, cuda: "FakeCuda", work: list[tuple[str, Callable[[], None]]]) -> None:
        self._cuda, self.work, self.closed = cuda, work, False
        self.name = f"graph {cuda._number('graph')}"
        self.launches = 0

    def launch(self, stream: Stream) -> None:
        self._cuda._call("launch", self.name)
        if self.closed:
            raise ValueError(f"{self.name} is closed")
        fake = self._cuda.stream_of(stream.handle)
        self.launches += 1
        for name, run in self.work:
            fake.submit(name, run)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._cuda._released(self)


class FakeStream:
    def __init__(self, cuda: "FakeCuda") -> None:
        self._cuda, self.closed = cuda, False
        number = cuda._number("stream")
        self.name, self.handle = f"stream {number}", 0x5000 + number
        self._captured: list[tuple[str, Callable[[], None]]] | None = None
        self._invalid = False
        self.thread = 0  # of the capture

    @property
    def capturing(self) -> bool:
        return self._captured is not None

    def submit(self, name: str, run: Callable[[], None]) -> None:
        """Queue work: it runs now, or later in a graph where a capture is on."""
        if self.closed:
            raise ValueError(f"{self.name} is closed")
        if self._captured is not None:
            self._captured.append((name, run))
            return
        self._cuda.ran.append(name)
        run()

    def _used(self, call: str) -> None:
        self._cuda._call(call, self.name)
        if self.closed:
            raise ValueError(f"{call}: {self.name} is closed")

    def invalidate_capture(self) -> None:
        """What an operation does that can't be captured, as an engine's enqueue may."""
        self._invalid = True

    def synchronize(self) -> None:
        self._used("synchronize")

    def begin_capture(self) -> None:
        self._used("begin_capture")
        if self.capturing:
            raise failure("CUDA_ERROR_ILLEGAL_STATE", "capture a graph")
        self._invalid = False
        if self._cuda.graphs:
            self._captured, self.thread = [], get_ident()

    def end_capture(self) -> Graph | None:
        self._used("end_capture")
        captured, self._captured = self._captured, None
        if not captured or self._invalid:
            return None
        return self._cuda._opened(FakeGraph(self._cuda, captured))

    def copy_to_device(self, destination: int, source: PinnedBuffer) -> None:
        self._used("copy_to_device")

        def copy() -> None:
            self._cuda.memory(destination, source.size_bytes)[:] = source.array

        self.submit("copy to device", copy)

    def copy_from_device(self, destination: PinnedBuffer, source: int) -> None:
        self._used("copy_from_device")

        def copy() -> None:
            destination.array[:] = self._cuda.memory(source, destination.size_bytes)

        self.submit("copy from device", copy)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._cuda._released(self)


class FakeEvent:
    def __init__(self, cuda: "FakeCuda") -> None:
        self._cuda, self.closed = cuda, False
        self.name = f"event {cuda._number('event')}"
        self.reached_s: float | None = None

    def record(self, stream: Stream) -> None:
        self._cuda._call("record", self.name)
        self._cuda.stream_of(stream.handle).submit(f"record {self.name}", self._reach)

    def _reach(self) -> None:
        self._cuda.elapsed_s += self._cuda.step_s
        self.reached_s = self._cuda.elapsed_s

    def seconds_since(self, earlier: Event) -> float:
        assert isinstance(earlier, FakeEvent)
        if self.reached_s is None or earlier.reached_s is None:
            raise failure("CUDA_ERROR_INVALID_HANDLE", "read an event")
        return self.reached_s - earlier.reached_s

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._cuda._released(self)


@dataclass
class FakeCuda:
    """A Cuda of plain memory.

    Args:
        device: What it says of itself.
        budget_bytes: What can be allocated in all; device and pinned memory both count where the
            device is integrated, device memory alone where not.
        graphs: False: as pycuda, end_capture gives None and work runs at once.
        step_s: How far its clock goes on with each recorded event.
    """

    device: CudaDevice = ORIN
    budget_bytes: int = 64 << 20
    graphs: bool = True
    step_s: float = 0.001
    binding: str = "cuda-python"
    calls: list[tuple[str, object]] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)  # work in the order in which it ran
    elapsed_s: float = 0.0
    threads: set[int] = field(default_factory=lambda: {get_ident()})
    closed: bool = False

    def __post_init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._open: dict[int, FakeMemory | FakeStream | FakeGraph | FakeEvent] = {}
        self._next_address = FIRST_ADDRESS
        self._failures: dict[str, list[BackendError]] = {}

    # What a test looks at and turns.

    def fail_next(self, call: str, code: str = "CUDA_ERROR_ILLEGAL_ADDRESS") -> None:
        """The next call of that name ("launch", "synchronize", "stream", …) raises."""
        self._failures.setdefault(call, []).append(failure(code))

    def memory(self, address: int, size_bytes: int) -> NDArray[np.uint8]:
        """The bytes at an address; writing to them writes to the device.

        Raises:
            BackendError: That is not inside one open buffer.
        """
        for item in self._open.values():
            if isinstance(item, FakeMemory) and item.address:
                start = address - item.address
                end = start + size_bytes
                if start >= 0 and end <= item.size_bytes:
                    return item.content[start:end]
        raise failure("CUDA_ERROR_ILLEGAL_ADDRESS", f"reach {size_bytes} B at {address:#x}")

    def stream_of(self, handle: int) -> FakeStream:
        """The open stream with that handle, as a fake execute_async_v3 needs it."""
        for item in self._open.values():
            if isinstance(item, FakeStream) and item.handle == handle:
                return item
        raise failure("CUDA_ERROR_INVALID_HANDLE", f"use stream {handle:#x}")

    @property
    def open_names(self) -> list[str]:
        """All that was handed out and not closed."""
        return sorted(item.name for item in self._open.values())

    def count(self, call: str) -> int:
        """How often a call was made."""
        return sum(name == call for name, _ in self.calls)

    # The protocol.

    def driver_version(self) -> str:
        return "12.6"

    def free_bytes(self) -> int:
        return self.budget_bytes - sum(
            item.size_bytes for item in self._open.values() if self._counts(item)
        )

    def use_in_this_thread(self) -> None:
        self.threads.add(get_ident())

    def allocate(self, size_bytes: int) -> FakeMemory:
        self._call("allocate", size_bytes)
        return self._allocated("device memory", size_bytes, mapped=True, counted=True)

    def allocate_pinned(self, size_bytes: int, *, mapped: bool) -> FakeMemory:
        self._call("allocate_pinned", (size_bytes, mapped))
        return self._allocated(
            "pinned memory", size_bytes, mapped=mapped, counted=self.device.integrated
        )

    def stream(self) -> FakeStream:
        self._call("stream", None)
        return self._opened(FakeStream(self))

    def event(self) -> FakeEvent:
        self._call("event", None)
        return self._opened(FakeEvent(self))

    def close(self) -> None:
        for item in list(self._open.values()):
            item.close()
        self.closed = True

    # Inside.

    def _allocated(self, kind: str, size_bytes: int, *, mapped: bool, counted: bool) -> FakeMemory:
        if size_bytes < 1:
            raise ValueError(f"allocate {size_bytes} B")
        for item in self._open.values():
            if isinstance(item, FakeStream) and item.capturing and item.thread == get_ident():
                item.invalidate_capture()  # as CUDA does, and only to the capturing thread
                raise failure("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", f"allocate {kind}")
        if counted and size_bytes > self.free_bytes():
            raise BackendError(
                f"allocate {text_from_bytes(size_bytes)} of {kind}",
                expected="that much free memory",
                got=f"CUDA_ERROR_OUT_OF_MEMORY with {text_from_bytes(self.free_bytes())} free",
                advice="Keep fewer engines resident",
            )
        address = self._next_address if mapped else 0
        self._next_address += -(-size_bytes // ALIGNMENT) * ALIGNMENT + ALIGNMENT
        name = f"{kind} {self._number(kind)} of {size_bytes} B"
        return self._opened(FakeMemory(self, name, address, size_bytes))

    def _counts(self, item: object) -> bool:
        return isinstance(item, FakeMemory) and (
            self.device.integrated or item.name.startswith("device")
        )

    def _call(self, name: str, detail: object) -> None:
        if self.closed:
            raise ValueError(f"{name}: the device is closed")
        if get_ident() not in self.threads:
            raise failure("CUDA_ERROR_INVALID_CONTEXT", f"{name} in a thread of its own")
        self.calls.append((name, detail))
        if self._failures.get(name):
            raise self._failures[name].pop(0)

    def _number(self, kind: str) -> int:
        self._numbers[kind] = self._numbers.get(kind, 0) + 1
        return self._numbers[kind]

    def _opened(self, item):
        self._open[id(item)] = item
        return item

    def _released(self, item) -> None:
        self.calls.append(("close", item.name))
        self._open.pop(id(item), None)
