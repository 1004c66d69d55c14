"""Sinks of frames: where pictures go, chosen by how it is written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgert.errors import EdgertError, VideoError
from edgert.video.file_sink import FileSink
from edgert.video.uri import redact

__all__ = ["FileSink", "NullSink", "SeveralSinks", "Sink", "open_sink"]


class Sink(Protocol):
    """What the frame loop writes to."""

    def write(self, image: NDArray[np.uint8]) -> None:
        """Take one (H, W, 3) uint8 RGB picture; the caller may reuse it at once."""
        ...

    def close(self) -> None:
        """Finish the video with what was written so far."""
        ...


class NullSink:
    """Takes frames and keeps nothing."""

    def write(self, image: NDArray[np.uint8]) -> None:
        """Forget the picture."""

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> "NullSink":
        """The sink itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""


class SeveralSinks:
    """Hands each picture to all of them."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = list(sinks)

    def write(self, image: NDArray[np.uint8]) -> None:
        """Write to each.

        Raises:
            VideoError: One of them failed.
        """
        for sink in self._sinks:
            sink.write(image)

    def close(self) -> None:
        """Close all, also where one fails.

        Raises:
            EdgertError: The first failure, once all are closed.
        """
        failures: list[EdgertError] = []
        for sink in self._sinks:
            try:
                sink.close()
            except EdgertError as error:
                failures.append(error)
        if failures:
            raise failures[0]


def open_sink(uri: str | Path, *, fps: float, width: int, height: int) -> Sink:
    """Open where frames are written to.

    Args:
        uri: A path ending in .mp4, file:// before it or not; http://HOST:PORT/ serves motion JPEG;
            rtsp://HOST:PORT/PATH serves H.264 by GStreamer; "none" or "none://" keeps nothing.
        fps: Constant frame rate of the video, above 0.
        width: Of the pictures that will be written.
        height: Of the pictures that will be written.

    Raises:
        VideoError: Something else is asked for, or it can not be written or served there.
        MissingDependencyError: PyAV or Pillow is not installed.
        ValueError: No positive size or no positive rate.
    """
    text = str(uri)
    scheme = text.partition("://")[0].lower() if "://" in text else "file"
    if text in ("none", "none://"):
        return NullSink()
    if scheme == "http":
        from edgert.video.mjpeg_server import MjpegSink

        return MjpegSink(text)
    if scheme == "rtsp":
        from edgert.video.gstreamer.rtsp_sink import RtspSink

        return RtspSink(text, fps=fps, width=width, height=height)
    path = Path(text.removeprefix("file://"))
    if scheme != "file" or path.suffix.lower() != ".mp4":
        raise VideoError(
            f"write video {redact(text)}",
            expected="a path ending in .mp4, http://HOST:PORT/, rtsp://HOST:PORT/PATH, or none://",
            got=(path.suffix if scheme == "file" else f"{scheme}://") or "no ending",
            advice="Write a path such as out.mp4",
        )
    shown = " ".join(redact(text).split())
    return FileSink(path, fps=fps, width=width, height=height, shown=shown)
