"""A device through pycuda, where that is what a machine has.

What pycuda 2026.1 and older lack, and what happens instead:

* Graphs. There is no stream capture in it: `begin_capture` changes nothing, the work runs as it
  is queued, `end_capture` gives None, and the caller queues the work for each frame.
* Codes. Its errors carry CUDA's words without the code's name. The usual ones are translated
  back; any other is quoted as it stands.
* Threads that end with a context pushed: it aborts the process (see `pycuda_threads`).
* A failure while something is given back is printed to stderr, by pycuda itself.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.backends.cuda_memory.base import CudaDevice
from edgert.backends.cuda_memory.failures import (
    NO_DEVICE,
    cuda_failure,
    no_device,
    out_of_memory,
)
from edgert.backends.cuda_memory.lifetime import Owned, Owner
from edgert.backends.cuda_memory.pinned import PinnedMemory
from edgert.backends.cuda_memory.pycuda_calls import (
    BINDING,
    code_from_words,
    imported,
    translated,
)
from edgert.backends.cuda_memory.pycuda_stream import Event, Stream
from edgert.backends.cuda_memory.pycuda_threads import ThreadContexts
from edgert.errors import BackendError


class PyCuda(Owner):
    """A device through pycuda.

    Args:
        ordinal: Which of the devices that the driver lists.
        driver: `pycuda.driver`, or what stands for it in a test.

    Raises:
        MissingDependencyError: The package is not installed.
        BackendError: There is no driver, or no such device.
    """

    binding = BINDING

    def __init__(self, ordinal: int = 0, *, driver: Any | None = None) -> None:
        super().__init__()
        self._driver = imported() if driver is None else driver
        self._check_device(ordinal)
        with translated(self._driver, "open the GPU"):
            device = self._driver.Device(ordinal)
            self.device = self._described(device)
            self._context = device.retain_primary_context()
        self._threads = ThreadContexts(self._driver, self._context)
        try:
            self.use_in_this_thread()
        except BackendError:
            self._let_go()
            raise

    def driver_version(self) -> str:
        """The newest CUDA that the driver serves: "12.6"."""
        self.check_open("ask the driver's version")
        with translated(self._driver, "ask the driver's version"):
            number = self._driver.get_driver_version()
        return f"{number // 1000}.{number % 1000 // 10}"

    def free_bytes(self) -> int:
        """What can be allocated now."""
        self.check_open("ask for free GPU memory")
        with translated(self._driver, "ask for free GPU memory"):
            free, _ = self._driver.mem_get_info()
        return int(free)

    def use_in_this_thread(self) -> None:
        """Make the device this thread's own for all that follows."""
        self.check_open("use the GPU in a thread")
        with translated(self._driver, "use the GPU in a thread"):
            self._threads.push()

    def allocate(self, size_bytes: int) -> "DeviceBuffer":
        """Memory of the device."""
        allocation = self._allocated("GPU memory", size_bytes, self._driver.mem_alloc)
        return DeviceBuffer(self, allocation, size_bytes)

    def allocate_pinned(self, size_bytes: int, *, mapped: bool) -> "PinnedBuffer":
        """Memory of the machine."""
        flags = int(self._driver.host_alloc_flags.DEVICEMAP) if mapped else 0
        empty, options = self._driver.pagelocked_empty, (np.uint8, "C", flags)
        buffer = PinnedBuffer(self, self._allocated("pinned memory", size_bytes, empty, *options))
        if mapped:
            try:
                with translated(self._driver, "map pinned memory"):
                    buffer.address = int(buffer.allocation.get_device_pointer())
            except BackendError:
                buffer.close()
                raise
        return buffer

    def stream(self) -> Stream:
        """A new stream that never waits for the legacy default stream."""
        self.check_open("make a stream")
        return Stream(self, self._driver)

    def event(self) -> Event:
        """A new event."""
        self.check_open("make an event")
        return Event(self, self._driver)

    def _check_device(self, ordinal: int) -> None:
        """Initialise the driver and see whether it lists the device."""
        try:
            self._driver.init()
            count = self._driver.Device.count()
        except self._driver.Error as error:
            code, call = code_from_words(str(error))
            if code == NO_DEVICE:
                raise no_device(self.binding, ordinal, 0) from error
            raise cuda_failure("open the GPU", code, call=call) from error
        if not 0 <= ordinal < count:
            raise no_device(self.binding, ordinal, count)

    def _described(self, device: Any) -> CudaDevice:
        attribute = self._driver.device_attribute
        major, minor = device.compute_capability()
        return CudaDevice(
            name=str(device.name()),
            compute_capability=(int(major), int(minor)),
            integrated=bool(device.get_attribute(attribute.INTEGRATED)),
            total_bytes=int(device.total_memory()),
            multiprocessors=int(device.get_attribute(attribute.MULTIPROCESSOR_COUNT)),
        )

    def _allocated(
        self, kind: str, size_bytes: int, call: Callable[..., Any], *options: Any
    ) -> Any:
        """Pycuda's allocation; out of memory is told with how much there is."""
        subject = self.check_allocation(kind, size_bytes)
        try:
            with translated(self._driver, subject):
                return call(size_bytes, *options)
        except BackendError as error:
            if not isinstance(error.__cause__, self._driver.MemoryError):
                raise
            raise out_of_memory(kind, size_bytes, self._free_or_none()) from error.__cause__

    def _free_or_none(self) -> int | None:
        try:
            return self.free_bytes()
        except BackendError:
            return None

    def _enter(self) -> None:
        with suppress(self._driver.Error):
            self._threads.push()

    def _finish(self) -> None:
        with suppress(self._driver.Error):
            self._context.synchronize()

    def _let_go(self) -> None:
        # Said aloud: a context that is merely dropped goes to cuCtxDetach, which is not for a
        # primary one. The thread's own entry with the driver stays, as with cuda-python.
        with suppress(self._driver.Error):
            self._context.detach()
        self._threads.pop()


class DeviceBuffer(Owned):
    """Memory that the device computes in."""

    kind = "GPU buffer"

    def __init__(self, cuda: Owner, allocation: Any, size_bytes: int) -> None:
        super().__init__(cuda)
        self._allocation = allocation
        self.address, self.size_bytes = int(allocation), size_bytes

    def _give_back(self) -> None:
        self._allocation.free()


class PinnedBuffer(PinnedMemory):
    """Memory of the machine by pycuda's own array of it."""

    def __init__(self, cuda: Owner, array: NDArray[np.uint8]) -> None:
        super().__init__(cuda, array)
        self.allocation: Any = array.base

    def _give_back(self) -> None:
        self.allocation.free()
