"""One stream of a loop of several: where its frames come from, what becomes of them.

Whatever fails here stays here, as words in the stream's status.
"""

import functools
import logging
import math
import threading
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgert.errors import EdgertError
from edgert.records import Limits, SourceFigures, StreamState, StreamStatus
from edgert.runtime.figures import Account, ServedFrame, middle_and_p95
from edgert.runtime.retries import Retries
from edgert.runtime.rhythm import Rhythm
from edgert.runtime.serving import Served, Serving
from edgert.runtime.stages import LivePictures, Painter, ResultWriter, StreamSource
from edgert.runtime.stream_sinks import OpenSink, StreamSink
from edgert.runtime.video_parts import UNLIMITED, PartLimits
from edgert.video.frame import Frame
from edgert.video.overlay import StripText
from edgert.video.sink import Sink, open_sink
from edgert.video.uri import redact

logger = logging.getLogger(__name__)

FPS_OVER_S = 5.0  # frames per second are counted over so long
SILENT_S = 1.0  # a camera whose frame is late by so much is not waited for


class Stream:
    """A source, its sinks and its counts. `status` may be asked from any thread.

    Args:
        name: Of the stream, for status, log and metrics.
        source: Where frames come from; the loop that serves the stream closes it.
        sinks: Where pictures go: URIs, opened with the first picture, or open sinks.
        result_sinks: Where results go.
        live_picture: For whoever wants to look; drawn only while somebody does.
        overlay: Draw result and strip into the pictures.
        open_sink: Opens a sink's URI.
        parts: What bounds its video files.
    """

    def __init__(
        self,
        name: str,
        source: StreamSource,
        *,
        sinks: "Sequence[str | Sink]" = (),
        result_sinks: Sequence[ResultWriter] = (),
        live_picture: LivePictures | None = None,
        overlay: bool = True,
        open_sink: OpenSink = open_sink,
        parts: PartLimits = UNLIMITED,
    ) -> None:
        self.name, self.source = name, source
        self._rhythm = Rhythm()
        self._sink_names = [redact(sink) for sink in sinks if isinstance(sink, str)]
        self._sinks = [StreamSink(sink, open_sink, parts) for sink in sinks]
        self._results = [(writer, Retries()) for writer in result_sinks]
        self._live, self._overlay = live_picture, overlay
        self._lock = threading.Lock()
        self._account = Account()
        self._paused = 0  # frames taken and dropped
        self._failure = ""
        self._frame_problem = ""  # of the last frame
        self._drawing = Retries()
        self._painter: Painter | None = None
        self._painter_of: tuple[Serving, int, int] | None = None
        self._logits: NDArray[Any] | None = None  # of the last result, where it is drawn
        self._latency_s: float | None = None
        self._arrived_s, self._end_s = -math.inf, 0.0

    # ------------------------------------------------------------ any thread

    def status(self, now_s: float | None = None) -> StreamStatus:
        """Everything at this moment.

        Args:
            now_s: On the loop's clock; None: frames per second are as of the last frame.
        """
        with self._lock:
            account = self._account
            served, skipped, misses = account.served, account.skipped, account.misses
            latencies_s, waits_s = list(account.latencies_s), list(account.waits_s)
            ends_s = list(account.ends_s)
        latency_s, latency_p95_s = middle_and_p95(latencies_s)
        wait_s, wait_p95_s = middle_and_p95(waits_s)
        return StreamStatus(
            name=self.name,
            source=self.figures(),
            sinks=self._sink_names,
            sink_problem=self._problem(),
            served=served,
            skipped=skipped,
            misses=misses,
            served_fps=_fps(ends_s, now_s),
            latency_median_s=latency_s,
            latency_p95_s=latency_p95_s,
            wait_median_s=wait_s,
            wait_p95_s=wait_p95_s,
        )

    def figures(self) -> SourceFigures:
        """What the source tells, with what the loop knows of it besides."""
        figures = self.source.figures()
        if self._paused:
            dropped = {**figures.dropped, "paused": self._paused}
            figures = msgspec.structs.replace(figures, dropped=dropped)
        if self._failure:
            figures = msgspec.structs.replace(figures, state="failed", reason=self._failure)
        return figures

    @property
    def state(self) -> StreamState:
        """Whether it delivers frames."""
        return "failed" if self._failure else self.source.figures().state

    def _problem(self) -> str:
        problems = [
            self._frame_problem,
            self._drawing.problem,
            *(sink.problem for sink in self._sinks),
            *(retries.problem for _, retries in self._results),
        ]
        return "; ".join(filter(None, problems))

    # ------------------------------------------------------------ the loop's thread

    @property
    def has_result(self) -> bool:
        """Whether there is an earlier result that can stand for a frame that is left out."""
        return self._latency_s is not None

    def poll(self, now_s: float) -> Frame | None:
        """The next frame, where there is one and the stream need not rest."""
        if self._failure or now_s < self.rest_until_s:
            return None
        try:
            frame = self.source.poll()
        except Exception as error:  # noqa: BLE001 - one stream must not stop the others
            self._fail(error)
            return None
        if frame is not None:
            self._arrived_s = frame.arrived_s or now_s
        return frame

    def drop_paused(self) -> None:
        """Count a frame that was taken while the loop is paused."""
        self._paused += 1

    @property
    def rest_until_s(self) -> float:
        """The source isn't asked before."""
        return self._rhythm.rest_until_s

    def expected_s(self, now_s: float) -> float:
        """When the next frame is expected; infinite: there is no reason to expect one.

        That is a stream that is offline, one that has not brought a frame yet, and a camera that
        has been silent for a second longer than it announces. When they come after all, a frame
        may have to wait for what was begun meanwhile.
        """
        if self.state != "running":
            return math.inf
        if not self.source.in_own_time or self.rest_until_s > now_s:
            return self.rest_until_s
        expected_s = self._arrived_s + 1 / (self.source.fps or 30.0)
        return expected_s if now_s - expected_s < SILENT_S else math.inf

    def waited_s(self, frame: Frame, start_s: float) -> float:
        """From a frame's arrival to its turn; of a file, since it could have been taken."""
        since_s = frame.arrived_s
        if not self.source.in_own_time:
            since_s = max(since_s, self.rest_until_s, self._end_s)
        return max(start_s - since_s, 0.0) if frame.arrived_s else 0.0

    def rest(self, start_s: float, period_s: float | None, *, skipped: bool) -> None:
        """After a frame: let its period pass, or where a file's was left out its length."""
        frame_s = 1 / (self.source.fps or 30.0)
        if self.source.in_own_time:
            self._rhythm.rest(start_s, period_s or 0.0, early_s=frame_s / 2)
        else:
            self._rhythm.rest(start_s, period_s or (frame_s if skipped else 0.0))

    def take(
        self, frame: Frame, served: Served, wait_s: float, *, end_s: float, serving: Serving
    ) -> ServedFrame:
        """Count a frame that was served; keep of its result what is drawn later."""
        line, self._frame_problem, self._end_s = served.line, "", end_s
        with self._lock:
            self._account.count(line, wait_s, end_s)
        if served.logits is not None:
            self._latency_s = line.latency_s
            if self._overlay and serving.family and (self._sinks or self._live):
                self._keep(served.logits)
        return ServedFrame(self.name, line, served.sample, wait_s)

    def show(self, frame: Frame, served: Served, limits: Limits, serving: Serving) -> None:
        """Write the results, and the picture to whoever wants it."""
        now_s = served.line.now_s or 0.0
        for writer, retries in self._results:
            if not retries.rests(now_s):
                write = functools.partial(writer.write, frame, served.line, served.logits)
                retries.attempt("write results", write, now_s)
        sinks = [sink for sink in self._sinks if sink.wants(now_s)]
        watched = self._live is not None and self._live.watched
        if not sinks and not watched:
            return
        image = self._picture(frame, served, limits, serving)
        for sink in sinks:
            sink.write(
                image, fps=self.source.fps, now_s=now_s, may_wait=not self.source.in_own_time
            )
        if watched and self._live is not None:
            self._drawing.attempt(
                "show the live picture", functools.partial(self._live.show, image), now_s
            )

    def forget(self) -> None:
        """Other engines have taken over: the last result is none of theirs."""
        self._logits = self._latency_s = None
        self._painter = self._painter_of = None

    def stop(self) -> None:
        """Ask the source to end; waits for nothing."""
        Retries().finish(f"end stream {self.name}", self.source.stop)

    def close_sinks(self) -> None:
        """Finish what was written."""
        for sink in self._sinks:
            sink.close()
        for writer, retries in self._results:
            retries.finish("close results", writer.close)
        if self._live is not None:
            Retries().finish("close the live picture", self._live.close)

    def close(self, within_s: float) -> None:
        """Wait until the source has ended, but no longer than that."""
        close = functools.partial(self.source.close, within_s)
        Retries().finish(f"close stream {self.name}", close)

    # ------------------------------------------------------------ pieces

    def fail_frame(self, words: str) -> None:
        """A frame could not be made an input of the model: the stream's own fault."""
        self._frame_problem = words

    def _fail(self, error: Exception) -> None:
        name = type(error).__name__
        words = str(error) if isinstance(error, EdgertError) else f"{name}: {error}"
        self._failure = redact(" ".join(words.split()))
        logger.warning("stream %s failed: %s", self.name, self._failure)

    def _keep(self, logits: NDArray[Any]) -> None:
        kept = self._logits
        if kept is None or kept.shape != logits.shape or kept.dtype != logits.dtype:
            self._logits = np.array(logits)
        else:
            np.copyto(kept, logits)

    def _picture(
        self, frame: Frame, served: Served, limits: Limits, serving: Serving
    ) -> NDArray[np.uint8]:
        if not self._overlay or self._logits is None:
            return frame.image
        drawn = [frame.image]

        def draw() -> None:
            drawn[0] = self._draw(frame, served, limits, serving)

        self._drawing.attempt("draw the overlay", draw, served.line.now_s or 0.0)
        return drawn[0]

    def _draw(
        self, frame: Frame, served: Served, limits: Limits, serving: Serving
    ) -> NDArray[np.uint8]:
        height, width = frame.image.shape[:2]
        if self._painter is None or self._painter_of != (serving, width, height):
            self._painter = serving.painter(width, height)
            self._painter_of = (serving, width, height)
        line = served.line
        strip = StripText(
            configuration=line.configuration,
            temp_c=line.temp_c,
            temp_limit_c=limits.temp_c,
            power_w=line.power_w,
            power_limit_w=limits.power_w,
            latency_s=self._latency_s,
            deadline_s=limits.deadline_s,
            provenance=None if served.sample is None else served.sample.provenance,
        )
        return self._painter.draw(frame.image, self._logits, strip)  # type: ignore[arg-type]


def _fps(ends_s: list[float], now_s: float | None) -> float:
    if not ends_s:
        return 0.0
    now_s = ends_s[-1] if now_s is None else now_s
    newest = [end_s for end_s in ends_s if end_s > now_s - FPS_OVER_S]
    if len(newest) < len(ends_s):
        return len(newest) / FPS_OVER_S
    lasted_s = now_s - ends_s[0]  # a young stream, or one so fast that older frames are forgotten
    return (len(ends_s) - 1) / lasted_s if lasted_s > 0 else 0.0
