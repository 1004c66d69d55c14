"""Queues of work through NVIDIA's own binding: streams, the graphs captured from them, events."""

from typing import Any

from edgert.backends.cuda_memory import base
from edgert.backends.cuda_memory.cuda_python_calls import SUCCESS, run, run_for_status
from edgert.backends.cuda_memory.failures import CAPTURE_LOST, cuda_failure
from edgert.backends.cuda_memory.lifetime import Owned, Owner
from edgert.errors import BackendError


class Stream(Owned):
    """A queue of work that never waits for the legacy default stream."""

    kind = "stream"

    def __init__(self, cuda: Owner, driver: Any) -> None:
        self._driver = driver
        flags = int(driver.CUstream_flags.CU_STREAM_NON_BLOCKING)
        self._stream = run("make a stream", driver.cuStreamCreate, flags)
        self.handle = int(self._stream)
        super().__init__(cuda)

    def synchronize(self) -> None:
        """Wait until all queued work is done."""
        self.check_open()
        run("wait for the GPU", self._driver.cuStreamSynchronize, self._stream)

    def begin_capture(self) -> None:
        """Note down what this thread queues from here on, without running it.

        Thread-local: what other threads call meanwhile, an allocation of a loader among it, is
        neither forbidden to them nor the end of this capture.
        """
        self.check_open()
        mode = self._driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        run("begin a capture", self._driver.cuStreamBeginCapture, self._stream, mode)

    def end_capture(self) -> "Graph | None":
        """What was queued since `begin_capture`, instantiated and uploaded; None if nothing."""
        self.check_open()
        driver, subject = self._driver, "end a capture"
        code, results = run_for_status(subject, driver.cuStreamEndCapture, self._stream)
        if code in CAPTURE_LOST:
            return None
        if code != SUCCESS:
            raise cuda_failure(subject, code, call="cuStreamEndCapture")
        if not int(results[0]):
            return None
        try:
            # A capture on the wrong device, or of calls that queue nothing, succeeds: launched,
            # it would leave the outputs of another frame in place.
            _, count = run("count a graph's nodes", driver.cuGraphGetNodes, results[0])
            return Graph(self._owner, driver, results[0], self) if count else None
        finally:
            driver.cuGraphDestroy(results[0])  # what is launched is a copy of it

    def copy_to_device(self, destination: int, source: base.PinnedBuffer) -> None:
        """Queue a copy of the whole buffer to an address of the device."""
        self.check_open()
        run(
            "copy to the GPU",
            self._driver.cuMemcpyHtoDAsync,
            *(destination, source.array.ctypes.data, source.size_bytes, self._stream),
        )

    def copy_from_device(self, destination: base.PinnedBuffer, source: int) -> None:
        """Queue a copy that fills the buffer from an address of the device."""
        self.check_open()
        run(
            "copy from the GPU",
            self._driver.cuMemcpyDtoHAsync,
            *(destination.array.ctypes.data, source, destination.size_bytes, self._stream),
        )

    def _give_back(self) -> None:
        self._driver.cuStreamDestroy(self._stream)


class Graph(Owned):
    """Captured work, ready to be launched as a whole."""

    kind = "graph"

    def __init__(self, cuda: Owner, driver: Any, captured: Any, stream: Stream) -> None:
        self._driver = driver
        self._graph = run("instantiate a graph", driver.cuGraphInstantiate, captured, 0)
        super().__init__(cuda)
        try:
            # The first launch would upload it, in the middle of a frame.
            run("upload a graph", driver.cuGraphUpload, self._graph, stream.handle)
        except BackendError:
            self.close()
            raise

    def launch(self, stream: base.Stream) -> None:
        """Queue all of it on the stream, and return at once."""
        self.check_open()
        run("launch a graph", self._driver.cuGraphLaunch, self._graph, stream.handle)

    def _give_back(self) -> None:
        self._driver.cuGraphExecDestroy(self._graph)


class Event(Owned):
    """A mark in a stream that keeps the time at which it was reached."""

    kind = "event"

    def __init__(self, cuda: Owner, driver: Any) -> None:
        self._driver = driver
        flags = int(driver.CUevent_flags.CU_EVENT_DEFAULT)
        self._event = run("make an event", driver.cuEventCreate, flags)
        super().__init__(cuda)

    def record(self, stream: base.Stream) -> None:
        """Queue the mark; an earlier one is forgotten."""
        self.check_open()
        run("record an event", self._driver.cuEventRecord, self._event, stream.handle)

    def seconds_since(self, earlier: base.Event) -> float:
        """Device time between two recorded marks; waits until this one is reached."""
        if not isinstance(earlier, Event):
            raise TypeError(f"seconds_since: expected an event of this device, got {earlier!r}")
        self.check_open()
        earlier.check_open()
        run("wait for an event", self._driver.cuEventSynchronize, self._event)
        subject = "read the time between events"
        elapsed_ms = run(subject, self._driver.cuEventElapsedTime, earlier._event, self._event)
        return float(elapsed_ms) / 1e3

    def _give_back(self) -> None:
        self._driver.cuEventDestroy(self._event)
