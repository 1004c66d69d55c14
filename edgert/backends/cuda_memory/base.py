"""What CUDA has to offer to the engines: memory, streams, graphs and events, and no more.

All of it lies in the device's primary context, the one that TensorRT uses. A thread that calls
anything here has to have called `use_in_this_thread`, but for the one that opened the device.
Every object is given back by `close`, in any order; `Cuda.close` gives back what is left.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CudaDevice:
    """What the driver says of one device."""

    name: str  # "Orin"
    compute_capability: tuple[int, int]  # (8, 7)
    integrated: bool  # it computes in the machine's own memory, as a Jetson's does
    total_bytes: int
    multiprocessors: int


class DeviceBuffer(Protocol):
    """Memory that the device computes in."""

    address: int  # a multiple of 256
    size_bytes: int

    def close(self) -> None:
        """Give the memory back, once what uses it has run. A second call does nothing."""
        ...


class PinnedBuffer(Protocol):
    """Memory of the machine that stays in its place, so that copies need no thread to wait.

    Mapped, the device reads and writes it where it lies: on an integrated device no copy is left.
    """

    address: int  # the device's, of mapped memory; 0 where it is not mapped
    size_bytes: int

    @property
    def array(self) -> NDArray[np.uint8]:
        """The same bytes for this program, (size_bytes,); not to be touched after `close`.

        Raises:
            ValueError: The buffer is closed.
        """
        ...

    def close(self) -> None:
        """Give the memory back, once what uses it has run. A second call does nothing."""
        ...


class Graph(Protocol):
    """Work that was captured from a stream, ready to be launched as a whole."""

    def launch(self, stream: "Stream") -> None:
        """Queue all of it on the stream, and return at once.

        Raises:
            BackendError: CUDA refused, or earlier work on the device failed.
            ValueError: The graph is closed.
        """
        ...

    def close(self) -> None:
        """Give it back, once no launch of it is under way. A second call does nothing."""
        ...


class Stream(Protocol):
    """A queue of work, independent of every other stream; one thread at a time uses it."""

    handle: int  # what TensorRT's execute_async_v3 takes

    def synchronize(self) -> None:
        """Wait until all queued work is done.

        Raises:
            BackendError: Some of it failed; the device may be of no more use to this process.
        """
        ...

    def begin_capture(self) -> None:
        """Note down what this thread queues from here on; where graphs exist, none of it runs.

        Other threads may call CUDA meanwhile. `end_capture` has to follow, after a failure too.
        """
        ...

    def end_capture(self) -> Graph | None:
        """What was queued since `begin_capture` as a graph, instantiated and uploaded.

        Returns:
            None where there is nothing to launch: no work was queued, some of it can't be part
            of a graph, or the binding knows no graphs. Queue the work itself then.

        Raises:
            BackendError: The work was captured, and CUDA refused to make it ready.
        """
        ...

    def copy_to_device(self, destination: int, source: PinnedBuffer) -> None:
        """Queue a copy of the whole buffer to an address of the device.

        The buffer is read when the copy's turn comes, not now.
        """
        ...

    def copy_from_device(self, destination: PinnedBuffer, source: int) -> None:
        """Queue a copy that fills the buffer from an address of the device."""
        ...

    def close(self) -> None:
        """Give the stream back; what is queued still runs. A second call does nothing."""
        ...


class Event(Protocol):
    """A mark in a stream that keeps the time at which it was reached."""

    def record(self, stream: Stream) -> None:
        """Queue the mark; an earlier one is forgotten."""
        ...

    def seconds_since(self, earlier: "Event") -> float:
        """Device time between two recorded marks, in steps of about half a microsecond.

        Waits until this mark is reached.

        Raises:
            BackendError: One of the two was never recorded.
        """
        ...

    def close(self) -> None:
        """Give it back. A second call does nothing."""
        ...


class Cuda(Protocol):
    """One device, opened through one binding."""

    binding: str  # a key of BINDINGS
    device: CudaDevice

    def driver_version(self) -> str:
        """The newest CUDA that the driver serves: "12.6"."""
        ...

    def free_bytes(self) -> int:
        """What can be allocated now.

        On an integrated device the operating system shares this memory, and could give more of
        it by dropping caches and swapping than this figure knows of.
        """
        ...

    def use_in_this_thread(self) -> None:
        """Make the device this thread's own for all that follows. To call it again is harmless."""
        ...

    def allocate(self, size_bytes: int) -> DeviceBuffer:
        """Memory of the device; its content is undefined.

        Raises:
            BackendError: There is not that much; the message says how much there is.
            ValueError: size_bytes < 1, or the device is closed.
        """
        ...

    def allocate_pinned(self, size_bytes: int, *, mapped: bool) -> PinnedBuffer:
        """Memory of the machine; its content is undefined.

        Args:
            size_bytes: How much.
            mapped: Give it an address that the device can use.

        Raises:
            BackendError, ValueError: As `allocate`.
        """
        ...

    def stream(self) -> Stream:
        """A new stream that never waits for the legacy default stream."""
        ...

    def event(self) -> Event:
        """A new event."""
        ...

    def close(self) -> None:
        """Close what is still open, and let go of the device. A second call does nothing."""
        ...
