"""One execution context on a lane: bound to addresses, queued, captured into a graph, and proven.

A graph holds addresses, and may hold nothing: a capture on the wrong device or of work that can't
be captured need not raise. So each is launched once against a plain enqueue, and where the outputs
differ by a byte, or there is no graph, the engine is enqueued anew for each run.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.backends.cuda_memory.base import Graph, Stream
from edgert.backends.tensorrt.arena import LaneSlot, TensorBuffer
from edgert.errors import BackendError, InferenceError
from edgert.records import TensorSpec

GRAPH = "graph"
_POISON = 0xA5  # in an output before a launch that has to write it


class Execution:
    """An execution context with memory of a lane; one thread at a time uses it."""

    def __init__(self, context: Any, logger: Any, *, subject: str) -> None:
        self._context, self._logger, self._subject = context, logger, subject

    def close(self) -> None:
        """Let go of the context, and so of what it keeps on the device."""
        self._context = None

    def bind(self, slot: LaneSlot) -> None:
        """Give the context its scratch memory and the addresses of all inputs and outputs.

        Raises:
            BackendError: TensorRT doesn't take one of them.
        """
        with self._logger.listening() as said:
            self._context.set_device_memory(slot.scratch_address, slot.scratch_bytes)
            for buffer in slot.buffers:
                if not self._context.set_tensor_address(buffer.spec.name, buffer.address):
                    raise BackendError(
                        f"{self._subject}, tensor {buffer.spec.name}",
                        expected="its address to be taken",
                        got=said.first,
                        advice="Build the family again",
                    )

    def queue(self, slot: LaneSlot, stream: Stream) -> None:
        """Queue one run, with the copies that it needs, on a stream.

        Raises:
            InferenceError: TensorRT refuses.
        """
        for buffer in slot.inputs:
            buffer.queue_upload(stream)
        with self._logger.listening() as said:
            if not self._context.execute_async_v3(stream.handle):
                raise InferenceError(
                    self._subject,
                    expected="TensorRT to queue the run",
                    got=said.first,
                    advice="Build the family again",
                )
        for buffer in slot.outputs:
            buffer.queue_download(stream)

    def run_plainly(self, slot: LaneSlot) -> None:
        """Queue one run on the slot's stream and wait for it."""
        self.queue(slot, slot.stream)
        slot.stream.synchronize()

    def capture(self, slot: LaneSlot, stream: Stream) -> tuple[Graph | None, str]:
        """Note one run down as a graph; it doesn't run.

        Args:
            slot: What the context is bound to.
            stream: Captures; it may be another than the graph is launched on.

        Returns:
            The graph, or None and why there is none.
        """
        why = ""
        try:
            stream.begin_capture()
            try:
                self.queue(slot, stream)
            except BackendError as error:
                why = error.got
            graph = stream.end_capture()
        except BackendError as error:
            return None, error.got
        if graph is not None and why:  # half a run
            graph.close()
            graph = None
        if graph is None:
            return None, why or "nothing was captured"
        return graph, ""

    def difference(self, graph: Graph, slot: LaneSlot) -> str:
        """Launch the graph with the inputs as they are, against the outputs as they are.

        Returns:
            "" where it writes the same bytes, else what was seen.
        """
        expected = _taken(slot.outputs)
        try:
            for buffer in slot.outputs:
                _bytes(buffer.array)[...] = _POISON
                buffer.queue_upload(slot.stream)  # else a graph of copies alone would pass
            graph.launch(slot.stream)
            slot.stream.synchronize()
        except BackendError as error:
            return error.got
        for buffer, before in zip(slot.outputs, expected, strict=True):
            if not np.array_equal(_bytes(buffer.array), before):
                return f"its launch gave other bytes for {buffer.spec.name} than an enqueue"
        return ""


def fill_inputs(inputs: tuple[TensorBuffer, ...]) -> None:
    """Something to run on: fractions that differ from place to place; zeros where they can't."""
    for buffer in inputs:
        buffer.array[...] = _pattern(buffer.spec)


def _pattern(spec: TensorSpec) -> NDArray[Any]:
    if not np.issubdtype(np.dtype(spec.dtype), np.floating):
        return np.zeros(spec.shape, spec.dtype)  # as an index, all else may be out of range
    ramp = np.arange(math.prod(spec.shape)) % 251 / 251
    return ramp.astype(spec.dtype).reshape(spec.shape)


def _taken(buffers: tuple[TensorBuffer, ...]) -> list[NDArray[np.uint8]]:
    return [_bytes(buffer.array).copy() for buffer in buffers]


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    return array.reshape(-1).view(np.uint8)
