"""Where a stream's pictures go, for months: opened when their size is known, tried again.

A sink that fails is let go of with words, and opened anew after a while. What was written before
stays: a video file's next part gets a name of its own, see video_parts.
"""

import functools
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgert.runtime.retries import HELD_S, Retries
from edgert.runtime.video_parts import UNLIMITED, PartLimits, VideoParts, parts_of
from edgert.video.sink import Sink


class OpenSink(Protocol):
    """Opens where pictures go: video.sink.open_sink."""

    def __call__(self, uri: str, *, fps: float, width: int, height: int) -> Sink:
        """See video.sink.open_sink."""
        ...


class StreamSink:
    """One sink of one stream.

    Args:
        target: A URI, opened with the first picture and anew when the size changes; or a sink
            that is open and takes any size.
        open_sink: Opens a URI.
        limits: Of the parts of a video file.
    """

    def __init__(
        self, target: "str | Sink", open_sink: OpenSink, limits: PartLimits = UNLIMITED
    ) -> None:
        self._uri = target if isinstance(target, str) else ""
        self._sink: Sink | None = None if isinstance(target, str) else target
        self._open_sink = open_sink
        self._parts: VideoParts | None = parts_of(self._uri, limits)
        # A video's encoder fails behind what handed it a picture.
        self._retries = Retries(held_s=0.0 if self._parts is None else HELD_S)
        self._size: tuple[int, int] | None = None
        self.left_out = 0  # pictures that a busy sink was spared

    @property
    def problem(self) -> str:
        """Why nothing is written, in words; "" while all is well."""
        return self._retries.problem or ("" if self._parts is None else self._parts.problem)

    def wants(self, now_s: float) -> bool:
        """Whether a picture would be written now."""
        return not self._retries.rests(now_s)

    def write(self, image: NDArray[np.uint8], *, fps: float, now_s: float, may_wait: bool) -> None:
        """Write one picture; a failure is kept as the problem.

        Args:
            image: (H, W, 3) uint8 RGB of any size.
            fps: Of the stream.
            now_s: The time.
            may_wait: Else a sink that is `busy` is spared the picture.
        """

        def act() -> None:
            sink = self._opened(image, fps or 30.0, now_s)
            if not may_wait and getattr(sink, "busy", False):
                self.left_out += 1
                return
            sink.write(image)
            if self._parts is not None:
                self._parts.count()

        if not self._retries.attempt("write to a sink", act, now_s) and self._uri:
            self._let_go()

    def close(self) -> None:
        """Finish what was written."""
        if (sink := self._sink) is not None:
            self._sink = None
            self._retries.finish("close a sink", sink.close)
        if self._parts is not None:
            self._parts.close()

    def _opened(self, image: NDArray[np.uint8], fps: float, now_s: float) -> Sink:
        height, width = image.shape[:2]
        if self._uri and self._sink is not None and self._is_over((height, width), now_s):
            sink, self._sink = self._sink, None
            if self._parts is None:
                sink.close()  # before the next one is opened: it holds the port
            else:
                self._parts.end(sink)
        self._size = (height, width)
        if self._sink is None:
            open_sink = functools.partial(self._open_sink, fps=fps, width=width, height=height)
            if self._parts is None:
                self._sink = open_sink(self._uri)
            else:
                self._sink = self._parts.begin(open_sink, fps=fps, now_s=now_s)
        return self._sink

    def _is_over(self, size: tuple[int, int], now_s: float) -> bool:
        return size != self._size or (self._parts is not None and self._parts.is_over(now_s))

    def _let_go(self) -> None:
        """Close what failed; it is opened anew when it is tried again."""
        if (sink := self._sink) is not None:
            self._sink = None
            Retries().finish("close a sink", sink.close)
