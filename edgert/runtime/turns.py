"""Whose turn it is: streams one after the other, those that have nothing are passed over."""

import math
from collections.abc import Sequence

from edgert.runtime.stream import Stream
from edgert.video.frame import Frame

FEW = 16  # frames of one stream that are dropped in one go while paused


class Turns:
    """Takes frames from streams in turn: none waits for more than one frame of each other.

    Args:
        streams: All of them.
    """

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = streams
        self._cursor = 0
        self._ahead: tuple[Stream, Frame] | None = None

    def next(self, now_s: float, *, paused: bool = False) -> tuple[Stream, Frame] | None:
        """The next stream that has a frame, with it; None while there is none.

        Args:
            now_s: The time.
            paused: Frames of live streams are taken and dropped; files wait.
        """
        found, self._ahead = self._ahead, None
        if paused:
            if found is not None:
                found[0].drop_paused()
            self._drop(now_s)
            return None
        return found or self._take(now_s)

    def waits(self, now_s: float) -> bool:
        """Whether a frame waits; it is taken then, and the next turn's."""
        if self._ahead is None:
            self._ahead = self._take(now_s)
        return self._ahead is not None

    def free_s(self, now_s: float) -> float:
        """Until the next frame of any stream is expected; infinite: none is."""
        next_s = min((stream.expected_s(now_s) for stream in self._streams), default=math.inf)
        return max(next_s - now_s, 0.0)

    def wake_s(self, now_s: float) -> float:
        """When the next stream has rested enough; infinite: none rests."""
        rests_s = [stream.rest_until_s for stream in self._streams]
        return min((rest_s for rest_s in rests_s if rest_s > now_s), default=math.inf)

    def _take(self, now_s: float) -> tuple[Stream, Frame] | None:
        count = len(self._streams)
        for place in range(self._cursor, self._cursor + count):
            stream = self._streams[place % count]
            frame = stream.poll(now_s)
            if frame is not None:
                self._cursor = (place + 1) % count
                return stream, frame
        return None

    def _drop(self, now_s: float) -> None:
        for stream in self._streams:
            if not stream.source.in_own_time:
                continue
            for _ in range(FEW):
                if stream.poll(now_s) is None:
                    break
                stream.drop_paused()
