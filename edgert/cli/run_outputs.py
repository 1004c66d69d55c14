"""Where a run's pictures and results go: any number of `-o`."""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from edgert.records import Family, FrameLog


class Outputs(NamedTuple):
    """What the frame loop is given to have pictures drawn and results written."""

    sink: Any  # None: nothing is drawn
    overlay: Any
    on_result: Callable[[Any, FrameLog, Any], None] | None  # None: no results are written


def open_outputs(uris: Sequence[str], family: Family, source: Any, undo: ExitStack) -> Outputs:
    """Open all, and tell where they are served.

    Args:
        uris: As `-o` has them.
        family: Labels and task.
        source: Where frames come from: their size and rate.
        undo: Closes what is open if what comes after it fails, and results at the end.

    Raises:
        VideoError: One can't be written or served there.
    """
    from edgert.video.overlay import Overlay
    from edgert.video.results import is_result_uri, open_result_sink
    from edgert.video.sink import SeveralSinks, open_sink

    results = []
    for uri in filter(is_result_uri, uris):
        results.append(open_result_sink(uri, labels=family.labels, task=family.task))
        undo.callback(results[-1].close)
    pictured = [uri for uri in uris if not is_result_uri(uri) and uri not in ("none", "none://")]
    overlay, sinks = None, list[Any]()
    if pictured:
        overlay = Overlay(family.labels, source.width, source.height, task=family.task)
        for uri in pictured:
            sink = open_sink(uri, fps=source.fps, width=overlay.width, height=overlay.height)
            undo.callback(sink.close)
            sinks.append(sink)
            if served_at := getattr(sink, "uri", ""):
                print(f"pictures at {served_at}", file=sys.stderr)
    several = SeveralSinks(sinks) if sinks else None
    if not results:
        return Outputs(several, overlay, None)

    def write(frame: Any, line: FrameLog, logits: Any) -> None:
        for result in results:
            result.write(frame, line, logits)

    return Outputs(several, overlay, write)
