"""A device through NVIDIA's own binding: `cuda.bindings`, 12.8 and newer, and 13.

It is what cuda-python installs, or cuda-bindings alone. Nothing here makes a context: the primary
one is retained, so TensorRT is in the same, and cuCtxCreate, whose arguments changed with 13, is
not needed.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from edgert.backends.cuda_memory.base import CudaDevice
from edgert.backends.cuda_memory.cuda_python_calls import SUCCESS, run, run_for_status
from edgert.backends.cuda_memory.cuda_python_stream import Event, Stream
from edgert.backends.cuda_memory.failures import (
    NO_DEVICE,
    OUT_OF_MEMORY,
    cuda_failure,
    no_device,
    no_driver,
    out_of_memory,
)
from edgert.backends.cuda_memory.lifetime import Owned, Owner
from edgert.backends.cuda_memory.pinned import PinnedMemory
from edgert.errors import BackendError
from edgert.optional import needs

_NAME_BYTES = 256


class CudaPython(Owner):
    """A device through cuda-python.

    Args:
        ordinal: Which of the devices that the driver lists.
        driver: `cuda.bindings.driver`, or what stands for it in a test.

    Raises:
        MissingDependencyError: The package is not installed.
        BackendError: There is no driver, or no such device.
    """

    binding = "cuda-python"

    def __init__(self, ordinal: int = 0, *, driver: Any | None = None) -> None:
        super().__init__()
        if driver is None:
            driver = needs("cuda.bindings.driver", "cuda", "to use the GPU")
        self._driver = driver
        self._check_device(ordinal)
        self._device = run("open the GPU", driver.cuDeviceGet, ordinal)
        self.device = self._described()
        self._context = run("open the GPU", driver.cuDevicePrimaryCtxRetain, self._device)
        try:
            self.use_in_this_thread()
        except BackendError:
            self._let_go()
            raise

    def driver_version(self) -> str:
        """The newest CUDA that the driver serves: "12.6"."""
        self.check_open("ask the driver's version")
        number = run("ask the driver's version", self._driver.cuDriverGetVersion)
        return f"{number // 1000}.{number % 1000 // 10}"

    def free_bytes(self) -> int:
        """What can be allocated now."""
        self.check_open("ask for free GPU memory")
        free, _ = run("ask for free GPU memory", self._driver.cuMemGetInfo)
        return int(free)

    def use_in_this_thread(self) -> None:
        """Make the device this thread's own for all that follows."""
        self.check_open("use the GPU in a thread")
        run("use the GPU in a thread", self._driver.cuCtxSetCurrent, self._context)

    def allocate(self, size_bytes: int) -> "DeviceBuffer":
        """Memory of the device."""
        address = self._allocated("GPU memory", size_bytes, self._driver.cuMemAlloc)
        return DeviceBuffer(self, self._driver, int(address), size_bytes)

    def allocate_pinned(self, size_bytes: int, *, mapped: bool) -> "PinnedBuffer":
        """Memory of the machine."""
        driver = self._driver
        flags = int(driver.CU_MEMHOSTALLOC_DEVICEMAP) if mapped else 0
        host = int(self._allocated("pinned memory", size_bytes, driver.cuMemHostAlloc, flags))
        buffer = PinnedBuffer(self, driver, host, size_bytes)
        if mapped:
            try:
                device_side = run("map pinned memory", driver.cuMemHostGetDevicePointer, host, 0)
            except BackendError:
                buffer.close()
                raise
            buffer.address = int(device_side)
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
            status, *_ = self._driver.cuInit(0)
        except RuntimeError as error:  # 13's DynamicLibNotFoundError is one too
            raise no_driver(self.binding, str(error)) from error
        if status.name == NO_DEVICE:
            raise no_device(self.binding, ordinal, 0)
        if status.name != SUCCESS:
            raise cuda_failure("open the GPU", status.name, call="cuInit")
        count = run("count the GPUs", self._driver.cuDeviceGetCount)
        if not 0 <= ordinal < count:
            raise no_device(self.binding, ordinal, count)

    def _described(self) -> CudaDevice:
        driver, about = self._driver, "describe the GPU"
        name = run(about, driver.cuDeviceGetName, _NAME_BYTES, self._device)
        attribute = driver.CUdevice_attribute
        major, minor, integrated, multiprocessors = (
            int(run(about, driver.cuDeviceGetAttribute, number, self._device))
            for number in (
                attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
                attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
                attribute.CU_DEVICE_ATTRIBUTE_INTEGRATED,
                attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT,
            )
        )
        return CudaDevice(
            name=bytes(name).split(b"\0", maxsplit=1)[0].decode(errors="replace"),
            compute_capability=(major, minor),
            integrated=bool(integrated),
            total_bytes=int(run(about, driver.cuDeviceTotalMem, self._device)),
            multiprocessors=multiprocessors,
        )

    def _allocated(self, kind: str, size_bytes: int, call: Callable[..., Any], *flags: int) -> Any:
        """The address; out of memory is told with how much there is."""
        subject = self.check_allocation(kind, size_bytes)
        code, results = run_for_status(subject, call, size_bytes, *flags)
        if code == OUT_OF_MEMORY:
            told, left = run_for_status("ask for free GPU memory", self._driver.cuMemGetInfo)
            raise out_of_memory(kind, size_bytes, int(left[0]) if told == SUCCESS else None)
        if code != SUCCESS:
            raise cuda_failure(subject, code, call=call.__name__)
        return results[0]

    def _enter(self) -> None:
        self._driver.cuCtxSetCurrent(self._context)

    def _finish(self) -> None:
        self._driver.cuCtxSynchronize()

    def _let_go(self) -> None:
        self._driver.cuDevicePrimaryCtxRelease(self._device)


class DeviceBuffer(Owned):
    """Memory that the device computes in."""

    kind = "GPU buffer"

    def __init__(self, cuda: Owner, driver: Any, address: int, size_bytes: int) -> None:
        super().__init__(cuda)
        self._driver = driver
        self.address, self.size_bytes = address, size_bytes

    def _give_back(self) -> None:
        self._driver.cuMemFree(self.address)


class PinnedBuffer(PinnedMemory):
    """Memory of the machine by its address."""

    def __init__(self, cuda: Owner, driver: Any, host_address: int, size_bytes: int) -> None:
        memory = (ctypes.c_uint8 * size_bytes).from_address(host_address)
        super().__init__(cuda, np.frombuffer(memoryview(memory), np.uint8))
        self._driver, self._host_address = driver, host_address

    def _give_back(self) -> None:
        self._driver.cuMemFreeHost(self._host_address)
