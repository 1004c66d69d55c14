"""The frame loop: read, decide, run, account, show, log; once for each frame, in one thread.

Decoding and encoding may have threads of their own inside the source and the sink.
"""

import functools
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from numpy.typing import NDArray

from edgert.clock import Clock
from edgert.control.base import Policy
from edgert.records import FrameLog, Limits, RunHeader, TelemetrySample
from edgert.runtime.circumstances import Circumstances
from edgert.runtime.failure import close_all, stage_error
from edgert.runtime.pace import choose_pace
from edgert.runtime.run_log import RunLog
from edgert.runtime.serving import Preprocess, Served, Serving
from edgert.runtime.shadow import ShadowRuns
from edgert.runtime.shadow_cost import room_for_shadow
from edgert.runtime.stages import Board, Engines, Painter
from edgert.runtime.summary import RunSummary, Tally
from edgert.telemetry.base import TelemetrySource
from edgert.video.frame import Frame
from edgert.video.overlay import StripText
from edgert.video.sink import Sink
from edgert.video.source import Source


class FrameLoop:
    """Runs one video through a pool of engines under a controller's decisions.

    What a frame goes through is `serving.Serving`. Its latency is preprocessing plus inference, on
    the board; waiting for the source, drawing and encoding are not part of it.

    On a real clock time passes by itself, and where an emulated board is slower the difference
    is really waited for. On a VirtualClock each frame takes the longer of `limits.period_s` and
    its latency, which is still measured on this machine and may be scaled.

    The loop closes the source and the sink, as both ends of the video belong to the run. Pool,
    telemetry and board stay the caller's.

    Args:
        source: Where frames come from.
        pool: Loaded engines. Where one that was decided on is not loaded, what runs in its place
            is logged, with the reason, and is what the controller is told of.
        controller: Decides before every frame.
        preprocess: (H, W, 3) uint8 RGB to (1, 3, H, W) float32.
        sink: Where pictures go; None: nowhere.
        overlay: Draws the result and the strip; None: the raw image goes to the sink.
        telemetry: Read before every frame. A failed read counts as missing telemetry. None: the
            board, if there is one.
        board: An emulated board that the engines' work is booked on.
        clock: The run's time, the same that `telemetry` stamps its samples with.
        limits: What the run is judged by, and the period; see `change_limits`.
        log: Path of decisions.jsonl; None: no log.
        header: The log's first line.
        on_frame: Called with each frame's log line.
        on_result: Called with each frame, its line and the model's output, None where the frame
            was skipped; the output is valid until it returns. Before any shadow run.
        paced: Keep the period on a real clock, as a camera would; for files.
        latency_scale: Seconds on the board per second here, on a VirtualClock only.
        circumstances: What a trace says of the board's surroundings and the limits.
        max_s: End after so many seconds of the run's clock.
        after_frame: Called with the time after each frame's result, before the wait for the next.
        shadow: Runs the full configuration now and then, after a frame's picture and before its
            line is logged; made for the same clock. None: never.
        shadow_decides: The controller takes their agreement in place of the stored accuracies;
            the header needs the profile.
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
        on_result: Callable[[Frame, FrameLog, NDArray[Any] | None], None] | None = None,
        paced: bool = False,
        latency_scale: float = 1.0,
        circumstances: Circumstances | None = None,
        max_s: float = math.inf,
        after_frame: Callable[[float], None] | None = None,
        shadow: ShadowRuns | None = None,
        shadow_decides: bool = False,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._source, self._sink, self._overlay = source, sink, overlay
        self._clock, self._wanted = clock, limits
        self._circumstances, self._max_s, self._after_frame = circumstances, max_s, after_frame
        self._log_path, self._header = log, header
        self._on_frame, self._on_result = on_frame, on_result
        self._choose_pace = functools.partial(
            choose_pace,
            clock,
            fps=source.fps,
            live=source.live,
            paced=paced,
            latency_scale=latency_scale,
        )
        self._pace = self._choose_pace(period_s=limits.period_s)
        self._tally = Tally(limits)
        self._serving = Serving(
            pool,
            controller,
            preprocess=preprocess,
            clock=clock,
            limits=limits,
            telemetry=telemetry,
            board=board,
            lengthen=self._pace.lengthen,
            tally=self._tally,
            header=header,
            stopwatch=stopwatch,
        )
        self._log: RunLog | None = None
        self._stage = ""
        self._stop = self._used = False
        self._logits: NDArray[Any] | None = None  # of the last run; the pool keeps it until then
        self._latency_s: float | None = None
        self._begin_s = 0.0
        self._shadow, self._shadow_decides = shadow, shadow_decides
        self._due_s = math.inf  # when the next frame is expected

    def request_stop(self) -> None:
        """End after the frame in progress. Safe from any thread and from a signal handler."""
        self._stop = True

    def change_limits(self, limits: Limits) -> None:
        """Ask for other limits from the next frame on. Safe from any thread; the last call counts.

        What a trace has stated of the limits stays as the trace has it.
        """
        self._wanted = limits

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
        board = self._serving.board
        energy_before_j = board.energy_j if board is not None else 0.0
        try:
            self._stage = "write the run's log"
            if self._log_path is not None:
                self._log = RunLog(self._log_path, self._header)
            self._repeat()
        except (OSError, RuntimeError, ValueError) as error:  # anything else is a bug: let it out
            raise stage_error(self._stage or self._serving.stage, error) from error
        self._serving.read_telemetry()  # closes the books on the last frame
        board_energy_j = None
        if board is not None:
            board_energy_j = board.energy_j - energy_before_j
        summary = self._tally.summary(
            duration_s=self._clock.now_s() - self._begin_s if self._tally.frames else 0.0,
            dropped=self._source.dropped,
            damage=self._source.damage,
            stopped=self._stop,
            board_energy_j=board_energy_j,
        )
        if self._shadow is None:
            return summary
        told = {"shadow": self._shadow.status(), "agreements": self._shadow.agreements()}
        return msgspec.structs.replace(summary, **told)

    def _repeat(self) -> None:
        while not self._stop:
            self._stage = "read the source"
            frame = self._source.read()
            if frame is None:
                return
            start_s = self._clock.now_s()
            if not self._tally.frames:
                self._begin_s = start_s
            if start_s - self._begin_s >= self._max_s:
                return
            self._process(frame, start_s)

    def _process(self, frame: Frame, start_s: float) -> None:
        wanted = self._wanted
        if self._circumstances is not None:
            wanted = self._circumstances.advance(start_s - self._begin_s, wanted)
        if wanted.period_s != self._serving.limits.period_s:
            self._pace = self._choose_pace(period_s=wanted.period_s)
        self._stage = ""
        if self._shadow is not None:
            self._shadow.saw_frame(frame.arrived_s if self._source.live else self._due_s)
        served = self._serving.serve(
            frame.image,
            index=frame.index,
            now_s=start_s,
            begin_s=self._begin_s,
            limits=wanted,
            # Before the first result there is nothing to show instead of one.
            may_skip=self._logits is not None,
        )
        line = served.line
        if served.logits is not None:
            self._logits, self._latency_s = served.logits, line.latency_s
        self._show(frame, line, served.sample)
        if self._on_result is not None:
            self._stage = "write results"
            self._on_result(frame, line, served.logits)
        if self._shadow is not None:
            line = self._offer_to_shadow(self._shadow, frame, served, line)
        self._stage = "write the run's log"
        if self._log is not None:
            self._log.write(line)
        if self._on_frame is not None:
            self._on_frame(line)
        if self._after_frame is not None:
            self._after_frame(start_s)
        busy_s = line.latency_s
        if busy_s is not None and line.shadow is not None:
            busy_s += line.shadow.latency_s
        self._pace.finish(start_s, busy_s)

    def _offer_to_shadow(
        self, shadow: ShadowRuns, frame: Frame, served: Served, line: FrameLog
    ) -> FrameLog:
        """Let the full configuration look at the frame, where there is room; the line with it."""
        start_s, limits = line.now_s or 0.0, self._serving.limits
        self._due_s = self._pace.due_s(start_s)
        if served.tensor is None or served.logits is None:
            return line
        due_s = self._due_s
        if self._source.live:  # a camera does not wait, whatever the pace
            due_s = (frame.arrived_s or start_s) + (limits.period_s or 1 / self._source.fps)
        self._stage = "run another engine on the frame"
        begin_s = max(self._clock.now_s(), start_s + (line.latency_s or 0.0))
        run = shadow.after_frame(
            self._serving.pool,
            served.tensor,
            served.logits,
            line,
            free_s=due_s - begin_s,
            room=room_for_shadow(line, limits, shadow.cost),
            book=self._serving.book,
        )
        if run is None:
            return line
        self._logits = run.logits  # what the pool returned before is overwritten
        if self._shadow_decides:
            self._serving.believe_agreement(shadow)
        return msgspec.structs.replace(line, shadow=run.outcome)

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
                temp_limit_c=self._serving.limits.temp_c,
                power_w=line.power_w,
                power_limit_w=self._serving.limits.power_w,
                latency_s=self._latency_s,
                deadline_s=self._serving.limits.deadline_s,
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
