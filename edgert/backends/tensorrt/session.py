"""An engine ready to run: what it holds of the lane, its graph, and one launch for each run."""

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.backends.base import check_feeds
from edgert.backends.cuda_memory.base import Cuda, Graph
from edgert.backends.tensorrt.arena import Lane, LaneSlot
from edgert.backends.tensorrt.execution import GRAPH, Execution, fill_inputs
from edgert.backends.tensorrt.loading import OpenEngine, refusal
from edgert.errors import BackendError, InferenceError
from edgert.records import EngineMemory

_log = logging.getLogger(__name__)


class TensorRtSession:
    """One engine on the lane.

    The arrays that `run` gives are the lane's outputs: the next run of any session with the same
    outputs writes to them, and they end with the session.

    Attributes:
        launched_by: "graph", or "enqueue: " and why there is no graph.
    """

    def __init__(
        self,
        name: str,
        opened: OpenEngine,
        execution: Execution,
        slot: LaneSlot,
        *,
        held: ExitStack,
        memory: EngineMemory,
        graph: Graph | None,
        why: str,
        proven: bool,
        enter: Callable[[], None],
    ) -> None:
        self.inputs, self.outputs, self.memory = opened.inputs, opened.outputs, memory
        self._name, self._subject = name, f"run {name}"
        self._opened, self._execution, self._held = opened, execution, held
        self._slot: LaneSlot | None = slot
        self._views = {buffer.spec.name: buffer.array for buffer in slot.outputs}
        self._graph, self._proven, self._enter = graph, proven, enter
        self.launched_by = GRAPH
        if graph is None:
            self._fall_back(why)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name: the inputs copied in, one launch, and a wait for its end.

        Raises:
            InferenceError: A feed does not fit, or CUDA or TensorRT failed.
            ValueError: The session is closed.
        """
        slot = self._slot
        if slot is None:
            raise ValueError(f"{self._name} is closed")
        check_feeds(feeds, self.inputs, subject=self._subject)
        self._enter()
        for buffer in slot.inputs:
            np.copyto(buffer.array, feeds[buffer.spec.name])
        try:
            self._launch(slot)
        except InferenceError:
            raise
        except BackendError as error:
            raise InferenceError(
                self._subject, expected=error.expected, got=error.got, advice=error.advice
            ) from error
        return dict(self._views)

    def close(self) -> None:
        """Give back the graph, the context, the engine and the lane's memory, in this order."""
        if self._slot is None:
            return
        self._enter()
        self._slot, self._views = None, {}
        if self._graph is not None:
            self._graph.close()
            self._graph = None
        self._execution.close()
        self._opened.close()
        self._held.close()

    def _launch(self, slot: LaneSlot) -> None:
        if self._graph is None:
            self._execution.run_plainly(slot)
        elif self._proven:
            self._graph.launch(slot.stream)
            slot.stream.synchronize()
        else:
            self._prove(self._graph, slot)

    def _prove(self, graph: Graph, slot: LaneSlot) -> None:
        """The first run of a graph that was captured beside running sessions: once each way."""
        self._execution.run_plainly(slot)
        why = self._execution.difference(graph, slot)
        self._proven = True
        if why:
            graph.close()
            self._graph = None
            self._fall_back(why)
            self._execution.run_plainly(slot)  # the outputs hold what the graph made of them

    def _fall_back(self, why: str) -> None:
        self.launched_by = f"enqueue: {why}"
        _log.warning("%s is enqueued anew for each run, without a graph: %s", self._name, why)


def open_session(
    vendor: Any,
    logger: Any,
    opened: OpenEngine,
    lane: Lane,
    cuda: Cuda,
    *,
    name: str,
    beside: bool,
    enter: Callable[[], None],
) -> TensorRtSession:
    """Make a deserialised engine ready on the lane, and run it twice.

    Beside running sessions it runs on a lane of its own, which lasts no longer than this. Then its
    context is bound to the addresses of the shared lane and captured from the other lane's stream,
    which executes nothing. That graph is proven by the session's first run.

    Args:
        vendor: The module tensorrt.
        logger: From `vendor.open_logger`.
        opened: The engine; the session closes it.
        lane: What all sessions share.
        cuda: The device.
        name: What errors call the engine.
        beside: Other sessions run meanwhile, in another thread.
        enter: Makes the device a thread's own; called by each run.

    Raises:
        BackendError: There is too little memory, or TensorRT fails; nothing is left open.
    """
    subject = f"load {name}"
    with ExitStack() as undo:
        undo.callback(opened.close)
        held = undo.enter_context(ExitStack())
        slot = held.enter_context(
            lane.slot(opened.inputs, opened.outputs, opened.scratch_bytes, subject=subject)
        )
        free_bytes = cuda.free_bytes()
        execution = Execution(
            _context(vendor, logger, opened, cuda, subject), logger, subject=f"run {name}"
        )
        undo.callback(execution.close)
        if beside:
            graph, why = _ready_beside(execution, opened, slot, cuda, subject)
        else:
            graph, why = _ready(execution, slot)
        if graph is not None:
            undo.callback(graph.close)
        memory = EngineMemory(
            weights_bytes=opened.weights_bytes,
            persistent_bytes=max(free_bytes - cuda.free_bytes(), 0),
            scratch_bytes=opened.scratch_bytes,
            io_bytes=sum(buffer.spec.size_bytes for buffer in slot.buffers),
        )
        undo.pop_all()
    return TensorRtSession(
        name,
        opened,
        execution,
        slot,
        held=held,
        memory=memory,
        graph=graph,
        why=why,
        proven=not beside,
        enter=enter,
    )


def _context(vendor: Any, logger: Any, opened: OpenEngine, cuda: Cuda, subject: str) -> Any:
    with logger.listening() as said:
        context = opened.engine.create_execution_context(
            vendor.ExecutionContextAllocationStrategy.USER_MANAGED
        )
        if context is None:
            raise refusal(said, cuda, None, subject=subject)
        return context


def _ready(execution: Execution, slot: LaneSlot) -> tuple[Graph | None, str]:
    """Bound, run once plainly, captured, and launched once; the graph, or why there is none."""
    execution.bind(slot)
    fill_inputs(slot.inputs)
    execution.run_plainly(slot)  # what TensorRT does in a first run can't be captured
    graph, why = execution.capture(slot, slot.stream)
    if graph is not None and (why := execution.difference(graph, slot)):
        graph.close()
        graph = None
    return graph, why


def _ready_beside(
    execution: Execution, opened: OpenEngine, slot: LaneSlot, cuda: Cuda, subject: str
) -> tuple[Graph | None, str]:
    trial = Lane(cuda).slot(opened.inputs, opened.outputs, opened.scratch_bytes, subject=subject)
    with trial as alone:
        tried, why = _ready(execution, alone)
        if tried is not None:
            tried.close()
        execution.bind(slot)
        return (None, why) if tried is None else execution.capture(slot, alone.stream)
