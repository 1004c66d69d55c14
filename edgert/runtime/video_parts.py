"""A stream's video file as parts that follow each other: FILE.mp4, FILE.2.mp4 and so on.

A part that is over is finished, and the oldest are removed, in a thread of their own: the loop's
next frame does not wait for the encoder's last pictures, nor for a disk that removes a large file.
"""

import functools
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from edgert.artifacts.numbered_files import NumberedFiles
from edgert.runtime.retries import Retries
from edgert.video.sink import Sink

_PARTIAL = ".partial"  # what file_sink writes before the ending of what grows, or was killed


class PartLimits(NamedTuple):
    """What bounds the parts of a video file.

    Attributes:
        longest_s: Of a part, by the clock and in the video, whichever comes first.
        kept: Parts on the disk, the one that grows included; None: all.
    """

    longest_s: float = math.inf
    kept: int | None = None


UNLIMITED = PartLimits()


class VideoParts:
    """Names the parts, ends them and removes the oldest.

    Args:
        path: FILE.mp4, the first part; what is there already is never written over.
        limits: Of length and number.

    Attributes:
        problem: What went wrong behind the loop's back the last time, in words.
    """

    def __init__(self, path: Path, limits: PartLimits) -> None:
        self.problem = ""
        self._limits = limits
        self._numbered = NumberedFiles.behind(path, also=_PARTIAL)
        self._begun_s, self._pictures, self._fps = 0.0, 0, 1.0
        self._behind: threading.Thread | None = None

    def begin(self, open_sink: Callable[[str], Sink], *, fps: float, now_s: float) -> Sink:
        """Open the next part.

        Raises:
            VideoError: It can not be written.
            OSError: The folder can't be read.
        """
        sink = open_sink(str(self._numbered.next_path()))
        self._begun_s, self._pictures, self._fps = now_s, 0, fps
        if self._limits.kept is not None:
            prune = functools.partial(self._numbered.prune, keep=self._limits.kept)
            self._do_behind("remove an old part of a video", prune)
        return sink

    def count(self) -> None:
        """One picture was written."""
        self._pictures += 1

    def is_over(self, now_s: float) -> bool:
        """Whether the next picture belongs into another part."""
        longest_s = self._limits.longest_s
        return now_s - self._begun_s >= longest_s or self._pictures >= longest_s * self._fps

    def end(self, sink: Sink) -> None:
        """Finish a part that is over; returns at once."""
        self._do_behind("finish a part of a video", sink.close)

    def close(self) -> None:
        """Wait for what is not done yet."""
        if self._behind is not None:
            self._behind.join()

    def _do_behind(self, what: str, act: Callable[[], None]) -> None:
        """In a thread, behind what was begun before."""
        before = self._behind

        def run() -> None:
            if before is not None:
                before.join()
            retries = Retries()
            retries.finish(what, act)
            self.problem = retries.problem

        self._behind = threading.Thread(target=run, name="video-parts", daemon=True)
        self._behind.start()


def parts_of(uri: str, limits: PartLimits) -> VideoParts | None:
    """The parts of a sink; None where it is no video file.

    Args:
        uri: Of the sink.
        limits: Of its parts.
    """
    text = uri.removeprefix("file://")
    if "://" in text or not text.lower().endswith(".mp4"):
        return None
    return VideoParts(Path(text), limits)
