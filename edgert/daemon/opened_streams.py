"""A daemon's streams: sources that may be away, results that are never written over."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgert.clock import Clock
from edgert.records import Family, FrameLog
from edgert.runtime.stages import LivePictures
from edgert.runtime.stream import Stream
from edgert.runtime.video_parts import PartLimits
from edgert.settings import StreamSettings
from edgert.video.frame import Frame
from edgert.video.results import ResultSink
from edgert.video.source import open_source

_RESULTS = ".jsonl"


def open_stream(
    settings: StreamSettings,
    live: LivePictures,
    *,
    clock: Clock,
    family: Callable[[], Family],
) -> Stream:
    """Begin to open a source; where it is away it is tried again, for ever.

    Args:
        settings: Of the stream.
        live: For whoever wants to look.
        clock: Of frames.
        family: Whose labels results have, asked when the first comes.

    Raises:
        VideoError: The address is none.
    """
    source = open_source(
        settings.source,
        policy=settings.policy,
        loops=settings.loops,
        clock=clock,
        decoder=settings.decoder,
        patient=True,
    )
    results = [sink for sink in settings.sinks if sink.endswith(_RESULTS)]
    return Stream(
        settings.name,
        source,
        sinks=[sink for sink in settings.sinks if sink not in results and sink != "none"],
        result_sinks=[
            LateResults(
                Path(sink),
                family,
                max_bytes=settings.results_bytes,
                files=settings.results_files,
            )
            for sink in results
        ],
        live_picture=live,
        overlay=settings.overlay,
        parts=PartLimits(longest_s=settings.video_part_s, kept=settings.video_parts),
    )


class LateResults:
    """Files of results that begin with the first, bounded, and never written over.

    Args:
        path: FILE.jsonl; where it is there already, FILE.2.jsonl, and so on.
        family: Whose labels are written: that which is served at the time.
        max_bytes: Of a file, before the next begins.
        files: How many are kept, the newest included.
    """

    def __init__(
        self, path: Path, family: Callable[[], Family], *, max_bytes: int, files: int
    ) -> None:
        self._path, self._family = path, family
        self._max_bytes, self._files = max_bytes, files
        self._sink: ResultSink | None = None

    def write(self, frame: Frame, line: FrameLog, logits: NDArray[Any] | None) -> None:
        """See ResultSink."""
        if self._sink is None:
            family = self._family()
            self._sink = ResultSink(
                self._path,
                labels=family.labels,
                task=family.task,
                max_bytes=self._max_bytes,
                files=self._files,
            )
        self._sink.write(frame, line, logits)

    def close(self) -> None:
        """Finish what was written."""
        if self._sink is not None:
            self._sink.close()
