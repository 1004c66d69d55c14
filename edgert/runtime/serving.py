"""What one frame goes through: telemetry, decision, engine, account, line.

`FrameLoop` feeds it one source to its end, `StreamLoop` several for months. Between two frames
another Serving may take its place, with other engines and another controller.
"""

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgert.clock import Clock
from edgert.control.base import Policy
from edgert.errors import TelemetryError
from edgert.records import (
    Decision,
    Family,
    FrameLog,
    FrameOutcome,
    Limits,
    RunHeader,
    TelemetrySample,
)
from edgert.runtime.failure import FRAME_ERRORS, as_told
from edgert.runtime.frame_line import finite, line_from_frame
from edgert.runtime.stages import Board, Engines, Painter
from edgert.runtime.steered import Steered
from edgert.runtime.summary import Tally
from edgert.telemetry.base import TelemetrySource
from edgert.video.overlay import Overlay

logger = logging.getLogger(__name__)

KEPT_LIVE = 300  # frames whose latency is kept: ten seconds at 30 fps, and soon sorted

Preprocess = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class Served(NamedTuple):
    """What came of one frame; tensor and logits are valid until the next one is served."""

    line: FrameLog
    sample: TelemetrySample | None
    tensor: NDArray[np.float32] | None = None  # None: the frame was skipped
    logits: NDArray[Any] | None = None
    preprocess_s: float = 0.0


class Serving(Steered):
    """Engines, their controller, and what both are fed with. Use it from one thread.

    A frame's latency is preprocessing plus inference, on the board: as measured here, times the
    emulated board's slowdown.

    Args:
        pool: Loaded engines. Where one that was decided on is not loaded, what runs in its place
            is logged, with the reason, and is what the controller is told of.
        controller: Decides before every frame.
        preprocess: (H, W, 3) uint8 RGB to (1, 3, H, W) float32.
        clock: The time that `telemetry` stamps its samples with.
        limits: What the controller holds, and frames are judged by; see `serve`.
        telemetry: Read before every frame. A failed read counts as missing telemetry. None: the
            board, if there is one.
        board: An emulated board that the engines' work is booked on.
        family: Whose engines these are: labels and task, for overlays and results.
        header: What a decision log of it begins with; see `header_now`.
        lengthen: Turns measured seconds and a board's slowdown into the board's seconds; None:
            what a slower board takes longer is waited for on `clock`.
        tally: Counts; None begins a new one of bounded size.
        stopwatch: Measures the work, in seconds.
    """

    def __init__(
        self,
        pool: Engines,
        controller: Policy,
        *,
        preprocess: Preprocess,
        clock: Clock,
        limits: Limits,
        telemetry: TelemetrySource | None = None,
        board: Board | None = None,
        family: Family | None = None,
        header: RunHeader | None = None,
        lengthen: Callable[[float, float], float] | None = None,
        tally: Tally | None = None,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(controller, limits, header)
        self.pool, self.family, self.board = pool, family, board
        self.telemetry = board if telemetry is None else telemetry
        self.tally = Tally(limits, kept=KEPT_LIVE) if tally is None else tally
        self.stage = ""  # what is being done, for whoever tells of its failure
        self.last: FrameLog | None = None
        self.sample: TelemetrySample | None = None  # of the last read that gave one
        self._preprocess, self._clock = preprocess, clock
        # No method of its own here: what refers to itself is let go of only when the interpreter
        # looks for such, maybe hours after another Serving took its place.
        self._lengthen = lengthen
        self._stopwatch = stopwatch
        self._previous = ""  # configuration of the last frame that ran
        self._lost: FrameLog | None = None

    # ------------------------------------------------------------ between two frames

    def read_telemetry(self) -> TelemetrySample | None:
        """Read the sensors, and account for the time since the last read."""
        if self.telemetry is None:
            return None
        sample: TelemetrySample | None = None
        try:
            sample = self.telemetry.read()
        except TelemetryError as error:
            logger.debug("telemetry gap: %s", error)
        if sample is not None:
            sample = self.sample = finite(sample)
        self.tally.see(sample)
        return sample

    def take_limits(self, limits: Limits) -> bool:
        """Hold other limits from now on, and judge frames by them; whether they are others."""
        self.tally.limits = limits
        return super().take_limits(limits)

    def painter(self, width: int, height: int) -> Painter:
        """What draws these engines' results into pictures of one size.

        Raises:
            ValueError: Nobody said which family's engines these are.
        """
        if self.family is None:
            raise ValueError("only a Serving with a family can draw")
        return Overlay(self.family.labels, width, height, task=self.family.task)

    # ------------------------------------------------------------ a frame

    def serve(
        self,
        image: NDArray[np.uint8],
        *,
        index: int,
        now_s: float,
        begin_s: float,
        limits: Limits,
        may_skip: bool,
        deadline_s: float | None = None,
        stream: str = "",
    ) -> Served:
        """Decide on a frame and run it.

        Args:
            image: (H, W, 3) uint8 RGB.
            index: The frame's number in its source.
            now_s: When its turn came.
            begin_s: When the run began.
            limits: Those to hold from this frame on.
            may_skip: There is an earlier result that can stand for this frame's.
            deadline_s: What the frame is late by, where it isn't the limits' own deadline.
            stream: Whose frame it is.

        Raises:
            EdgertError: The engine failed; `stage` says what was being done.
        """
        sample = self.read_telemetry()  # and with it, what was over the limits until now
        changed = self.take_limits(limits)
        self.stage, self._lost = "decide", None
        decision = self.controller.decide(now_s, sample)
        self._decided = True
        line_of = functools.partial(
            line_from_frame,
            index,
            now_s=now_s,
            begin_s=begin_s,
            asked=decision.configuration,
            previous=self._previous,
            sample=sample,
            limits=self.limits,
            changed=changed,
            deadline_s=deadline_s,
            stream=stream,
        )
        if decision.skip and may_skip:
            return self._booked(Served(self._with_told(line_of(decision=decision)), sample))
        switch_s: float | None = None
        try:
            decision, switch_s = self._activate(decision)
            tensor, logits, outcome = self._infer(image, decision.configuration, sample)
        except FRAME_ERRORS as error:
            lost = str(as_told(self.stage, error))
            self._lost = self._with_told(line_of(decision=decision, switch_s=switch_s, lost=lost))
            raise
        self.stage = "decide"
        self.controller.observe(outcome)
        line = self._with_told(line_of(decision=decision, switch_s=switch_s, outcome=outcome))
        self._previous = outcome.configuration
        return self._booked(Served(line, sample, tensor, logits, outcome.preprocess_s))

    def take_lost(self) -> FrameLog | None:
        """The line of the last frame, where it was decided on and lost; once."""
        lost, self._lost = self._lost, None
        return lost

    def run_active(self, image: NDArray[np.uint8]) -> tuple[NDArray[Any], float]:
        """Run what is active on a picture that no decision is about.

        Returns:
            The logits, valid until the next run, and the seconds it took on the board.
        """
        _, logits, outcome = self._infer(image, self.pool.active, self.sample)
        return logits, outcome.latency_s

    def book(self, name: str, measured_s: float) -> float:
        """Let the board spend work that no frame is about; what it takes there, in seconds."""
        busy_s = self._on_board(measured_s)
        if self.board is not None:
            self.board.run_engine(name, busy_s)
        return busy_s

    def _booked(self, served: Served) -> Served:
        self.tally.count(served.line, served.preprocess_s)
        self.last = served.line
        return served

    def _activate(self, decision: Decision) -> tuple[Decision, float | None]:
        """Make the decided configuration active, or what the pool has in its place.

        Returns:
            The decision as it is carried out, and the seconds that a switch took; None without.
        """
        self.stage = "activate a configuration"
        asked, before = decision.configuration, self.pool.active
        before_s = self._stopwatch()
        name = self.pool.activate(asked)
        switch_s = self._stopwatch() - before_s
        if name != before:
            self.tally.count_switch(switch_s)
        if name != asked:
            self.tally.count_substitute()
            reason = f"{decision.reason}; asked for {asked}, {self.pool.absence(asked)}"
            decision = msgspec.structs.replace(decision, configuration=name, reason=reason)
        return decision, switch_s if name != before else None

    def _infer(
        self, image: NDArray[np.uint8], name: str, sample: TelemetrySample | None
    ) -> tuple[NDArray[np.float32], NDArray[Any], FrameOutcome]:
        self.stage = "preprocess a frame"
        before_s = self._stopwatch()
        tensor = self._preprocess(image)
        ready_s = self._stopwatch()
        self.stage = "run an engine"
        logits = self.pool.run(tensor)
        measured_s = self._stopwatch() - before_s
        latency_s = self._on_board(measured_s)
        preprocess_s = (ready_s - before_s) * (latency_s / measured_s if measured_s else 1.0)
        if self.board is not None:
            self.board.run_engine(name, latency_s - preprocess_s)
        deadline_s = self.limits.deadline_s
        outcome = FrameOutcome(
            configuration=name,
            latency_s=latency_s,
            met_deadline=deadline_s is None or latency_s <= deadline_s,
            power_w=None if sample is None else sample.power_w,
            preprocess_s=preprocess_s,
        )
        return tensor, logits, outcome

    def _on_board(self, measured_s: float) -> float:
        lengthen = self._lengthen or self._wait_longer
        return lengthen(measured_s, 1.0 if self.board is None else self.board.slowdown)

    def _wait_longer(self, measured_s: float, slowdown: float) -> float:
        self._clock.sleep(measured_s * (slowdown - 1))
        return measured_s * slowdown
