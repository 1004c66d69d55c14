"""Queues of work through pycuda: streams and events. It knows no graphs."""

from typing import Any

from edgert.backends.cuda_memory import base
from edgert.backends.cuda_memory.lifetime import Owned, Owner
from edgert.backends.cuda_memory.pycuda_calls import translated

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING; pycuda takes the number and has no name for it


class Stream(Owned):
    """A queue of work that never waits for the legacy default stream."""

    kind = "stream"

    def __init__(self, cuda: Owner, driver: Any) -> None:
        self._driver = driver
        with translated(driver, "make a stream"):
            self._stream: Any = driver.Stream(_NON_BLOCKING)
        self.handle = int(self._stream.handle)
        super().__init__(cuda)

    def synchronize(self) -> None:
        """Wait until all queued work is done."""
        self.check_open()
        with translated(self._driver, "wait for the GPU"):
            self._stream.synchronize()

    def begin_capture(self) -> None:
        """Change nothing: pycuda can't capture, and what is queued now runs."""
        self.check_open()

    def end_capture(self) -> base.Graph | None:
        """None: there is no graph to be had."""
        self.check_open()
        return None

    def copy_to_device(self, destination: int, source: base.PinnedBuffer) -> None:
        """Queue a copy of the whole buffer to an address of the device."""
        self.check_open()
        with translated(self._driver, "copy to the GPU"):
            self._driver.memcpy_htod_async(destination, source.array, self._stream)

    def copy_from_device(self, destination: base.PinnedBuffer, source: int) -> None:
        """Queue a copy that fills the buffer from an address of the device."""
        self.check_open()
        with translated(self._driver, "copy from the GPU"):
            self._driver.memcpy_dtoh_async(destination.array, source, self._stream)

    def _give_back(self) -> None:
        self._stream = None  # pycuda destroys it with its last reference


class Event(Owned):
    """A mark in a stream that keeps the time at which it was reached."""

    kind = "event"

    def __init__(self, cuda: Owner, driver: Any) -> None:
        self._driver = driver
        with translated(driver, "make an event"):
            self._event: Any = driver.Event()
        super().__init__(cuda)

    def record(self, stream: base.Stream) -> None:
        """Queue the mark; an earlier one is forgotten."""
        if not isinstance(stream, Stream):
            raise TypeError(f"record: expected a stream of this device, got {stream!r}")
        self.check_open()
        stream.check_open()
        with translated(self._driver, "record an event"):
            self._event.record(stream._stream)

    def seconds_since(self, earlier: base.Event) -> float:
        """Device time between two recorded marks; waits until this one is reached."""
        if not isinstance(earlier, Event):
            raise TypeError(f"seconds_since: expected an event of this device, got {earlier!r}")
        self.check_open()
        earlier.check_open()
        with translated(self._driver, "read the time between events"):
            self._event.synchronize()
            return float(self._event.time_since(earlier._event)) / 1e3

    def _give_back(self) -> None:
        self._event = None
