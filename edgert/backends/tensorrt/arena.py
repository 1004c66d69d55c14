"""The lane: one stream, one block of scratch memory, and the inputs and outputs, for all engines.

Engines that run one after the other on one stream can share everything but their weights and what
each keeps of its own. Addresses stay as long as a session uses them, for they are written into
captured graphs: one buffer for each name, shape and type of an input, and of an output.

On an integrated device, as a Jetson's, inputs and outputs are mapped memory of the machine, which
both sides use where it lies. Elsewhere there is a buffer on each side, and a copy between them.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from edgert.backends.cuda_memory.base import Cuda, DeviceBuffer, PinnedBuffer, Stream
from edgert.errors import BackendError, EngineLoadError
from edgert.records import TensorSpec
from edgert.units import text_from_bytes

_Side = Literal["input", "output"]
_LEAST_BYTES = 256  # an engine without scratch is given an address all the same


class TensorBuffer:
    """One input or output on both sides.

    address: What the engine is given.
    array: What the program reads or writes, of the tensor's shape and type.
    """

    def __init__(self, cuda: Cuda, spec: TensorSpec) -> None:
        self.spec = spec
        size_bytes = max(spec.size_bytes, 1)
        mapped = cuda.device.integrated
        self._device: DeviceBuffer | None = None
        self._pinned: PinnedBuffer = cuda.allocate_pinned(size_bytes, mapped=mapped)
        try:
            self._device = None if mapped else cuda.allocate(size_bytes)
        except BackendError:
            self._pinned.close()
            raise
        self.address = self._device.address if self._device else self._pinned.address
        content = self._pinned.array[: spec.size_bytes]
        self.array: NDArray[Any] = content.view(spec.dtype).reshape(spec.shape)

    def queue_upload(self, stream: Stream) -> None:
        """Queue what brings the program's side to the device's; nothing where it is one."""
        if self._device is not None:
            stream.copy_to_device(self._device.address, self._pinned)

    def queue_download(self, stream: Stream) -> None:
        """Queue what brings the device's side to the program's; nothing where it is one."""
        if self._device is not None:
            stream.copy_from_device(self._pinned, self._device.address)

    def close(self) -> None:
        """Give the memory back."""
        self._pinned.close()
        if self._device is not None:
            self._device.close()


@dataclass(frozen=True)
class LaneSlot:
    """What one session holds of a lane."""

    stream: Stream
    scratch_address: int
    scratch_bytes: int
    inputs: tuple[TensorBuffer, ...]
    outputs: tuple[TensorBuffer, ...]

    @property
    def buffers(self) -> tuple[TensorBuffer, ...]:
        """All inputs, then all outputs."""
        return (*self.inputs, *self.outputs)


class Lane:
    """Memory and a stream that sessions share; any thread may take a slot or give it back.

    Memory is held while a slot is taken, and the scratch block that was reserved also before. It
    is given back with the last slot: between two pools a board's memory belongs to others.
    """

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._lock = threading.RLock()
        self._stream: Stream | None = None
        self._scratch: DeviceBuffer | None = None
        self._reserved_bytes = 0
        self._buffers: dict[tuple[_Side, TensorSpec], TensorBuffer] = {}
        self._uses: dict[tuple[_Side, TensorSpec], int] = {}
        self._slots = 0

    @property
    def slots(self) -> int:
        """How many sessions hold one."""
        return self._slots

    @property
    def scratch_bytes(self) -> int:
        """The size of the scratch block; 0 where there is none yet."""
        return self._scratch.size_bytes if self._scratch else 0

    def reserve(self, scratch_bytes: int) -> None:
        """Make the scratch block that large, or leave it where it is large enough and in use.

        Raises:
            BackendError: It is in use and smaller, or there is not that much memory.
        """
        with self._lock:
            if self._slots and scratch_bytes > self.scratch_bytes:
                raise BackendError(
                    f"reserve {text_from_bytes(scratch_bytes)} of scratch memory",
                    expected="no engines loaded yet",
                    got=f"{self._slots} that share a block of "
                    f"{text_from_bytes(self.scratch_bytes)}",
                    advice="Close them first: their graphs hold its address",
                )
            if not self._slots:
                self._allocate(scratch_bytes)
                self._reserved_bytes = scratch_bytes

    @contextmanager
    def slot(
        self,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        scratch_bytes: int,
        *,
        subject: str,
    ) -> Iterator[LaneSlot]:
        """Take part in the lane while the context lasts.

        Args:
            inputs: Of the engine; those that another slot has are the same memory.
            outputs: Likewise.
            scratch_bytes: What the engine needs at least.
            subject: What errors say was being done.

        Raises:
            EngineLoadError: It needs more scratch memory than the slots that are taken share.
            BackendError: There is not enough memory.
        """
        wanted: list[tuple[_Side, TensorSpec]] = [
            *(("input", spec) for spec in inputs),
            *(("output", spec) for spec in outputs),
        ]
        with ExitStack() as held:
            with self._lock:
                self._make_room(scratch_bytes, subject)
                self._slots += 1
                held.callback(self._leave)
                buffers = [self._use(key, held) for key in wanted]
                if self._stream is None:
                    self._stream = self._cuda.stream()
                if self._scratch is None:
                    raise RuntimeError("no scratch block")
                slot = LaneSlot(
                    self._stream,
                    self._scratch.address,
                    self._scratch.size_bytes,
                    tuple(buffers[: len(inputs)]),
                    tuple(buffers[len(inputs) :]),
                )
            yield slot

    def _make_room(self, scratch_bytes: int, subject: str) -> None:
        if self._scratch is None or (not self._slots and scratch_bytes > self.scratch_bytes):
            self._allocate(max(scratch_bytes, self._reserved_bytes))
        if scratch_bytes > self.scratch_bytes:
            raise EngineLoadError(
                subject,
                expected=f"at most {text_from_bytes(self.scratch_bytes)} of scratch memory, "
                "which the loaded engines share",
                got=f"an engine that needs {text_from_bytes(scratch_bytes)}",
                advice="Load all engines anew, the one that needs most among them",
            )

    def _allocate(self, scratch_bytes: int) -> None:
        """A block of at least that size; one that is there is closed first, to make room."""
        if self._scratch is not None and self._scratch.size_bytes == scratch_bytes:
            return
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None
        self._scratch = self._cuda.allocate(max(scratch_bytes, _LEAST_BYTES))

    def _use(self, key: tuple[_Side, TensorSpec], held: ExitStack) -> TensorBuffer:
        if key not in self._buffers:
            self._buffers[key] = TensorBuffer(self._cuda, key[1])
            self._uses[key] = 0
        self._uses[key] += 1
        held.callback(self._give_back, key)
        return self._buffers[key]

    def _give_back(self, key: tuple[_Side, TensorSpec]) -> None:
        with self._lock:
            self._uses[key] -= 1
            if not self._uses[key]:
                del self._uses[key]
                self._buffers.pop(key).close()

    def _leave(self) -> None:
        with self._lock:
            self._slots -= 1
            if not self._slots:
                self._close()

    def close(self) -> None:
        """Give back what was reserved; what sessions hold goes with the last of them."""
        with self._lock:
            self._reserved_bytes = 0
            if not self._slots:
                self._close()

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        if self._scratch is not None:
            self._scratch.close()
        self._stream = self._scratch = None
