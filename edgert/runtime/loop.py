"""The frame loop: read, decide, run, account, show, log; once for each frame, in one thread.

Decoding and encoding may have threads of their own inside the source and the sink.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.clock import Clock
from edgert.control.base import Policy
from edgert.errors import TelemetryError
from edgert.records import (
    Decision,
    FrameLog,
    FrameOutcome,
    Limits,
    RunHeader,
    TelemetrySample,
)
from edgert.runtime.failure import close_all, stage_error
from edgert.runtime.pace import choose_pace
from edgert.runtime.run_log import RunLog
from edgert.runtime.stages import Board, Engines, Painter
from edgert.runtime.summary import RunSummary, Tally
from edgert.telemetry.base import TelemetrySource
from edgert.video.frame import Frame
from edgert.video.overlay import StripText
from edgert.video.sink import Sink
from edgert.video.source import Source

logger = logging.getLogger(__name__)

Preprocess = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class FrameLoop:
    """Runs one video through a pool of engines under a controller's decisions.

    A frame's latency is preprocessing plus inference, on the board: as measured here, times the
    emulated board's slowdown. Waiting for the source, drawing and encoding are not part of it.

    On a real clock time passes by itself, and where an emulated board is slower the difference
    is really waited for. On a VirtualClock each frame takes the longer of `limits.period_s` and
    its latency, which is still measured on this machine and may be scaled.

    The loop closes the source and the sink, as both ends of the video belong to the run. Pool,
    telemetry and board stay the caller's.

    Args:
        source: Where frames come from.
        pool: Loaded engines.
        controller: Decides before every frame.
        preprocess: (H, W, 3) uint8 RGB to (1, 3, H, W) float32.
        sink: Where pictures go; None: nowhere.
        overlay: Draws the result and the strip; None: the raw image goes to the sink.
        telemetry: Read before every frame. A failed read counts as missing telemetry. None: the
            board, if there is one.
        board: An emulated board that the engines' work is booked on.
        clock: The run's time, the same that `telemetry` stamps its samples with.
        limits: What the deadline is judged by, and the period.
        log: Path of decisions.jsonl; None: no log.
        header: The log's first line.
        on_frame: Called with each frame's log line.
        paced: Keep the period on a real clock, as a camera would; for files.
        latency_scale: Seconds on the board per second here, on a VirtualClock only.
        stopwatch: Measures the work, in seconds.
    """

    def __init__(
        self,
        source: Source,
        pool: Engines,
        controller: Policy,
        *,
        preprocess: Preprocess,
        sink: Sink | None = None,
        overlay: Painter | None = None,
        telemetry: TelemetrySource | None = None,
        board: Board | None = None,
        clock: Clock,
        limits: Limits,
        log: Path | None = None,
        header: RunHeader,
        on_frame: Callable[[FrameLog], None] | None = None,
        paced: bool = False,
        latency_scale: float = 1.0,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._source, self._pool, self._controller = source, pool, controller
        self._preprocess, self._sink, self._overlay = preprocess, sink, overlay
        self._board = board
        self._telemetry = board if telemetry is None else telemetry
        self._clock, self._limits = clock, limits
        self._log_path, self._header, self._on_frame = log, header, on_frame
        self._stopwatch = stopwatch
        self._pace = choose_pace(
            clock,
            period_s=limits.period_s,
            fps=source.fps,
            live=source.live,
            paced=paced,
            latency_scale=latency_scale,
        )
        self._tally = Tally(limits)
        self._log: RunLog | None = None
        self._stage = ""
        self._stop = self._used = False
        self._logits: NDArray[Any] | None = None  # of the last run; the pool keeps it until then
        self._latency_s: float | None = None
        self._previous = ""  # configuration of the last frame that ran
        self._begin_s = 0.0

    def request_stop(self) -> None:
        """End after the frame in progress. Safe from any thread and from a signal handler."""
        self._stop = True

    def run(self) -> RunSummary:
        """Run to the end of the source or until asked to stop.

        Whatever ends the run, the sink is finished and the log holds every frame so far.

        Raises:
            EdgertError: A stage failed; its own error, or one line that names the stage.
            ValueError: Called a second time.
        """
        if self._used:
            raise ValueError("a FrameLoop runs once")
        self._used = True
        try:
            summary = self._run_frames()
        except BaseException:
            self._close(another_error=True)
            raise
        self._close(another_error=False)
        return summary

    def _run_frames(self) -> RunSummary:
        energy_before_j = self._board.energy_j if self._board is not None else 0.0
        try:
            self._stage = "write the run's log"
            if self._log_path is not None:
                self._log = RunLog(self._log_path, self._header)
            self._repeat()
        except (OSError, RuntimeError, ValueError) as error:  # anything else is a bug: let it out
            raise stage_error(self._stage, error) from error
        self._read_telemetry()  # closes the books on the last frame
        board_energy_j = None
        if self._board is not None:
            board_energy_j = self._board.energy_j - energy_before_j
        return self._tally.summary(
            duration_s=self._clock.now_s() - self._begin_s if self._tally.frames else 0.0,
            dropped=self._source.dropped,
            damage=self._source.damage,
            stopped=self._stop,
            board_energy_j=board_energy_j,
        )

    def _repeat(self) -> None:
        while not self._stop:
            self._stage = "read the source"
            frame = self._source.read()
            if frame is None:
                return
            start_s = self._clock.now_s()
            if not self._tally.frames:
                self._begin_s = start_s
            self._process(frame, start_s)

    def _process(self, frame: Frame, start_s: float) -> None:
        sample = self._read_telemetry()
        self._stage = "decide"
        decision = self._controller.decide(start_s, sample)
        # Before the first result there is nothing to show instead of one.
        skipped = decision.skip and self._logits is not None
        if skipped:
            line = self._line(frame, start_s, decision, sample, outcome=None, switch_s=None)
        else:
            switch_s = self._activate(decision.configuration)
            outcome = self._infer(frame, decision.configuration, sample)
            line = self._line(frame, start_s, decision, sample, outcome=outcome, switch_s=switch_s)
            self._stage = "decide"
            self._controller.observe(outcome)
            self._previous = decision.configuration
        self._show(frame, line, sample)
        self._stage = "write the run's log"
        if self._log is not None:
            self._log.write(line)
        if self._on_frame is not None:
            self._on_frame(line)
        self._pace.finish(start_s, line.latency_s)

    def _read_telemetry(self) -> TelemetrySample | None:
        if self._telemetry is None:
            return None
        sample: TelemetrySample | None = None
        try:
            sample = self._telemetry.read()
        except TelemetryError as error:
            logger.debug("telemetry gap: %s", error)
        self._tally.see(sample)
        return sample

    def _activate(self, name: str) -> float | None:
        """Seconds that it took to make `name` active; None when it was."""
        if name == self._pool.active:
            return None
        self._stage = "activate a configuration"
        before_s = self._stopwatch()
        self._pool.activate(name)
        switch_s = self._stopwatch() - before_s
        self._tally.count_switch(switch_s)
        return switch_s

    def _infer(self, frame: Frame, name: str, sample: TelemetrySample | None) -> FrameOutcome:
        self._stage = "preprocess a frame"
        before_s = self._stopwatch()
        tensor = self._preprocess(frame.image)
        ready_s = self._stopwatch()
        self._stage = "run an engine"
        self._logits = self._pool.run(tensor)
        measured_s = self._stopwatch() - before_s
        slowdown = 1.0 if self._board is None else self._board.slowdown
        latency_s = self._pace.lengthen(measured_s, slowdown)
        preprocess_s = (ready_s - before_s) * (latency_s / measured_s if measured_s else 1.0)
        if self._board is not None:
            self._board.run_engine(name, latency_s - preprocess_s)
        deadline_s = self._limits.deadline_s
        self._latency_s = latency_s
        return FrameOutcome(
            configuration=name,
            latency_s=latency_s,
            met_deadline=deadline_s is None or latency_s <= deadline_s,
            power_w=None if sample is None else sample.power_w,
            preprocess_s=preprocess_s,
        )

    def _line(
        self,
        frame: Frame,
        start_s: float,
        decision: Decision,
        sample: TelemetrySample | None,
        *,
        outcome: FrameOutcome | None,
        switch_s: float | None,
    ) -> FrameLog:
        name, numbers = decision.configuration, dict(decision.numbers)
        if outcome is not None:
            numbers["preprocess_s"] = outcome.preprocess_s
        if switch_s is not None:
            numbers["switch_s"] = switch_s
        judged = outcome is not None and self._limits.deadline_s is not None
        line = FrameLog(
            frame=frame.index,
            time_s=start_s - self._begin_s,
            configuration=name,
            reason=decision.reason,
            skip=outcome is None,
            # What the first frame runs is a choice, not a switch.
            switched=outcome is not None and self._previous not in ("", name),
            latency_s=None if outcome is None else outcome.latency_s,
            met_deadline=outcome.met_deadline if judged and outcome is not None else None,
            power_w=None if sample is None else sample.power_w,
            temp_c=None if sample is None else sample.temp_c,
            throttled=None if sample is None else sample.throttled,
            numbers=numbers,
        )
        self._tally.count(line, 0.0 if outcome is None else outcome.preprocess_s)
        return line

    def _show(self, frame: Frame, line: FrameLog, sample: TelemetrySample | None) -> None:
        """Draw and write one picture; a skipped frame shows the result before it."""
        if self._sink is None:
            return
        image = frame.image
        if self._overlay is not None and self._logits is not None:
            self._stage = "draw the overlay"
            strip = StripText(
                configuration=line.configuration,
                temp_c=line.temp_c,
                temp_limit_c=self._limits.temp_c,
                power_w=line.power_w,
                power_limit_w=self._limits.power_w,
                latency_s=self._latency_s,
                deadline_s=self._limits.deadline_s,
                provenance=None if sample is None else sample.provenance,
            )
            image = self._overlay.draw(image, self._logits, strip)
        self._stage = "write to the sink"
        self._sink.write(image)

    def _close(self, *, another_error: bool) -> None:
        """Finish what was written, then let the source go."""
        endings = [
            ("write to the sink", self._sink),
            ("write the run's log", self._log),
            ("read the source", self._source),
        ]
        close_all(endings, another_error=another_error)
