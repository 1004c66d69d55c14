"""Several live streams through one set of engines, for months: one thread owns the engines.

A turn is a frame, or a picture that somebody sent in. Before it come commands: other limits,
engines or figures, the request to stop. Streams take turns; who has nothing is passed over, so
that none waits for more than one frame of each other. Without anything to do the thread sleeps.
"""

import logging
import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgert.clock import Clock
from edgert.records import PICTURE, FrameLog, RunHeader, Wanted
from edgert.runtime.decision_log import DecisionLog
from edgert.runtime.ending import end_streams
from edgert.runtime.failure import FRAME_ERRORS, as_told
from edgert.runtime.figures import LoopFigures, ServedFrame
from edgert.runtime.loop_state import LoopState
from edgert.runtime.pace import choose_pace
from edgert.runtime.pictures import PictureRun, picture_result
from edgert.runtime.requests import Figures, Requests, Swap
from edgert.runtime.serving import Served, Serving
from edgert.runtime.shadow_offers import ShadowOffers
from edgert.runtime.sharing import limits_of_a_turn
from edgert.runtime.stages import Shadow
from edgert.runtime.stream import Stream
from edgert.runtime.turns import Turns
from edgert.video.frame import Frame

logger = logging.getLogger(__name__)

IDLE_S = 1.0  # so often telemetry is read while nothing comes
REVIEW_S = 0.25  # so often streams are asked how they are
FRESH_S = 1.0  # a picture runs what a decision of so lately says, and else has one of its own
MOST_FAILURES = 5  # frames that engines fail on in a row before the loop gives up


class StreamLoop(Requests):
    """Serves streams until it is asked to stop. All but `run` may be called from any thread.

    What it can be asked is in `Requests`: other limits, other engines, a picture, the end.

    With N streams that run, the controller has to hold the limits of one turn: see
    `sharing.limits_of_a_turn`. A frame is late by the deadline that was asked for, on its latency;
    what it waited for its turn is told apart.

    While paused, frames of live streams are taken and dropped; files wait. Pictures are run all
    the same.

    The loop closes its streams, and the log. Serving and shadow stay the caller's.

    Args:
        serving: Engines, controller, telemetry.
        streams: All of them, also those that are not connected yet.
        clock: The run's time, the same as the telemetry's and the frames'.
        listener: Called with each frame, in the loop's thread.
        shadow: Runs the full configuration now and then where there is time.
        shadow_decides: What they show takes the place of the profile's accuracies.
        log: Where decisions are written.
        wanted: What is asked for at first; None: the serving's limits and pin.
    """

    def __init__(
        self,
        serving: Serving,
        streams: Sequence[Stream],
        *,
        clock: Clock,
        listener: Callable[[ServedFrame], None],
        shadow: Shadow | None = None,
        shadow_decides: bool = False,
        log: DecisionLog | None = None,
        wanted: Wanted | None = None,
    ) -> None:
        super().__init__(clock)
        self._serving, self._streams = serving, tuple(streams)
        self._listener, self._log = listener, log
        self._held = wanted or Wanted(limits=serving.limits, pinned=serving.pinned)
        self._used = False
        self._state = LoopState(serving, clock.now_s())
        self._turn_limits = serving.limits
        self._turns = Turns(self._streams)
        self._offers = ShadowOffers(shadow, self._turns, decides=shadow_decides)
        self._picture_last = False
        self._begin_s = 0.0
        self._reviewed_s = self._read_s = -math.inf
        self._unseen = False  # news since the last review
        self._failures = 0
        self.busy = False  # a frame is being served; read by any thread
        self._pace = choose_pace(
            clock, period_s=None, fps=30.0, live=True, paced=False, latency_scale=1.0
        )

    @property
    def alive_s(self) -> float:
        """When the thread last did something, on the clock; for a watchdog."""
        return self._state.alive_s

    def figures(self) -> LoopFigures:
        """Everything at this moment."""
        return self._state.figures(
            self._streams,
            now_s=self._clock.now_s(),
            wanted=self._wanted or self._held,
            shadow=self._offers.shadow,
            log_problem="" if self._log is None else self._log.problem,
        )

    def header(self) -> RunHeader:
        """What a log that begins now begins with; only for the log, in the loop's thread."""
        return self._serving.header_now()

    # ------------------------------------------------------------ the thread

    def run(self) -> None:
        """Serve until asked to stop. Whatever ends it, streams and log are finished.

        Raises:
            EdgertError: Engines failed on five frames in a row: nothing can be served.
            ValueError: Called a second time.
        """
        if self._used:
            raise ValueError("a StreamLoop runs once")
        self._used = True
        try:
            self._begin()
            while not self._stop:
                if not self._turn():
                    self._rest()
        finally:
            self._end()

    def _begin(self) -> None:
        for stream in self._streams:
            stream.source.on_news(self.wake)
        self._hold(self._held)
        self._begin_s = self._clock.now_s()
        self._review(self._begin_s)
        self._begin_log()

    def _turn(self) -> bool:
        """Do one thing; False where there was nothing to do."""
        if (wanted := self._take_wanted()) is not None:
            self._hold(wanted)
        while (swap := self._take_swap()) is not None:
            self._take_serving(swap) if isinstance(swap, Swap) else self._take_figures(swap)
        now_s = self._clock.now_s()
        self._state.alive_s = now_s
        if now_s - self._reviewed_s >= REVIEW_S:
            self._review(now_s)
        if self._pictures_wait and not self._picture_last:
            return self._serve_picture(now_s)
        found = self._turns.next(now_s, paused=self._held.paused)
        self._picture_last = False
        if found is not None:
            self.busy = True
            self._serve_frame(*found)
            self.busy = False
            return True
        return self._pictures_wait and self._serve_picture(now_s)

    def _rest(self) -> None:
        now_s = self._clock.now_s()
        if now_s - self._read_s >= IDLE_S:
            self._read_s = now_s
            self._serving.read_telemetry()
            self._review(now_s)
        wake_s = min(self._read_s + IDLE_S, self._turns.wake_s(now_s))
        if self._unseen:  # there was news, and no frame: another state, perhaps
            wake_s = min(wake_s, self._reviewed_s + REVIEW_S)
        self._unseen |= self._wait(wake_s - now_s)

    def _end(self) -> None:
        self.busy = False
        self._refuse_all("it is being ended")
        now_s = self._clock.now_s()
        end_streams(self._streams)
        self._serving.read_telemetry()  # closes the books on the last frame
        self._state.alive_s = now_s
        if self._log is not None:
            self._log.close()

    def _take_serving(self, swap: Swap) -> None:
        """Other engines serve from here on; those that did are handed back."""
        before, serving = self._serving, swap.serving
        self._serving, self._offers.shadow = serving, swap.shadow
        serving.tally = before.tally
        self._state.take_serving(serving, self._clock.now_s())
        self._hold(self._held)
        serving.take_limits(self._turn_limits)
        for stream in self._streams:
            stream.forget()
        self._begin_log()
        swap.future.set_result(before)

    def _take_figures(self, figures: Figures) -> None:
        """The same engines by another profile: nothing that is served stops for it."""
        self._serving.take_figures(figures.controller, figures.header)
        self._offers.take_figures(figures.shadow, self._serving)
        self._hold(self._held)
        self._begin_log()
        figures.future.set_result(None)

    def _hold(self, wanted: Wanted) -> None:
        if dropped := self._serving.repin(wanted.pinned):
            self._state.note = f"the pin is dropped: {dropped}"
            logger.warning("%s", self._state.note)
        self._held = msgspec.structs.replace(wanted, pinned=self._serving.pinned)
        self._share()

    def _share(self) -> None:
        turn_limits = limits_of_a_turn(self._held.limits, self._state.running)
        self._turn_limits = self._state.limits = turn_limits

    def _review(self, now_s: float) -> None:
        """See how streams, engines and heat are, for those that ask."""
        self._reviewed_s, self._unseen = now_s, False
        running = sum(stream.state == "running" for stream in self._streams)
        self._state.review(self._serving, now_s)
        if running != self._state.running:
            self._state.running = running
            self._share()

    # ------------------------------------------------------------ a frame

    def _serve_frame(self, stream: Stream, frame: Frame) -> None:
        start_s = self._clock.now_s()
        if self._state.running == 0:  # it has only just connected
            self._review(start_s)
        limits = self._held.limits
        served = self._attempt(stream, frame, start_s)
        if served is None:
            stream.rest(start_s, limits.period_s, skipped=True)
            return
        line = served.line
        wait_s = stream.waited_s(frame, start_s)
        end_s = self._clock.now_s()
        told = stream.take(frame, served, wait_s, end_s=end_s, serving=self._serving)
        self._state.count(line, wait_s, end_s)
        stream.show(frame, served, limits, self._serving)
        stream.rest(start_s, limits.period_s, skipped=line.skip)
        self._pace.finish(start_s, line.latency_s)
        self._offers.saw_frame(frame.arrived_s)
        line = self._offer_to_shadow(served)
        self._keep(line)
        self._tell(told._replace(line=line))

    def _attempt(self, stream: Stream, frame: Frame, start_s: float) -> Served | None:
        """Serve a frame; None where it is lost.

        Raises:
            EdgertError: Too many were lost in a row.
        """
        try:
            served = self._decide(frame.image, start_s, index=frame.index, stream=stream)
        except FRAME_ERRORS as error:
            told = as_told(self._serving.stage, error)
            self._state.lost_frames += 1
            stream.fail_frame(str(told))
            logger.warning("a frame of %s is lost: %s", stream.name, told)
            if self._serving.stage != "preprocess a frame":  # which is the frame's own fault
                self._failures += 1
            if self._failures >= MOST_FAILURES:
                raise told from error
            return None
        self._failures = 0
        return served

    def _decide(
        self, image: NDArray[np.uint8], now_s: float, *, index: int, stream: Stream | None
    ) -> Served:
        """Decide on a stream's frame, or a picture, and run it."""
        self._read_s = now_s
        try:
            return self._serving.serve(
                image,
                index=index,
                now_s=now_s,
                begin_s=self._begin_s,
                limits=self._turn_limits,
                may_skip=stream is not None and stream.has_result,
                deadline_s=self._held.limits.deadline_s,
                stream=PICTURE if stream is None else stream.name,
            )
        finally:
            lost = self._serving.take_lost()
            if lost is not None:  # the controller has decided on it all the same
                self._keep(lost)

    def _offer_to_shadow(self, served: Served) -> FrameLog:
        """Run the full configuration too, where there is time; the frame's line with what came."""
        if self._interrupted:
            return served.line
        now_s = self._clock.now_s()
        run = self._offers.offer(served, self._serving, limits=self._turn_limits, now_s=now_s)
        if run is None:
            return served.line
        self._pace.finish(self._clock.now_s(), run.outcome.latency_s)
        return msgspec.structs.replace(served.line, shadow=run.outcome)

    # ------------------------------------------------------------ a picture

    def _serve_picture(self, now_s: float) -> bool:
        self._picture_last = True
        if (request := self._take_picture()) is None:
            return True
        try:
            run = self._run_picture(request.image, now_s)
            self._pace.finish(now_s, run.latency_s)
            wait_s = max(now_s - request.since_s, 0.0)
            family = self._serving.family
            result = picture_result(run, request, family=family, wait_s=wait_s)
        except FRAME_ERRORS as error:
            request.future.set_exception(as_told(self._serving.stage, error))
            return True
        self._state.pictures += 1
        request.future.set_result(result)
        return True

    def _run_picture(self, image: NDArray[np.uint8], now_s: float) -> PictureRun:
        """As the last decision says, if it is fresh; else it is decided on as a frame is."""
        serving, last = self._serving, self._serving.last
        if last is not None and now_s - (last.now_s or 0.0) < FRESH_S:
            logits, latency_s = serving.run_active(image)
            return PictureRun(logits, serving.pool.active, last.reason, latency_s)
        served = self._decide(image, now_s, index=self._state.pictures, stream=None)
        line = served.line
        if served.logits is None or line.latency_s is None:
            raise RuntimeError("a picture was left out")
        self._state.ran[line.configuration] += 1
        self._keep(line)
        return PictureRun(served.logits, line.configuration, line.reason, line.latency_s)

    def _begin_log(self) -> None:
        if self._log is not None:
            self._log.begin()

    def _keep(self, line: FrameLog) -> None:
        if self._log is not None:
            self._log.write(line)

    def _tell(self, told: ServedFrame) -> None:
        try:
            self._listener(told)
        except Exception:  # what others make of it must not stop the frames
            logger.exception("the listener failed on a frame of %s", told.stream)
