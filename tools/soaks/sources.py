"""Sources for soaks: motion pictures over HTTP that break off and come back, a video file."""

import contextlib
import socket
import threading
import time
from pathlib import Path

from edgert.closing import Closing
from edgert.errors import VideoError
from edgert.video.mjpeg_server import MjpegSink
from edgert.video.pattern import Pattern, pattern_frames
from edgert.video.sink import open_sink

_PICTURES = 20  # that follow each other round and round
_WIDTH, _HEIGHT = 320, 240


class MjpegCamera(Closing):
    """Serves a moving pattern on loopback until it is cut off, on the same port each time.

    Args:
        fps: Pictures a second.
        seed: Of the pattern.
    """

    def __init__(self, fps: float, *, seed: int = 0) -> None:
        pattern = Pattern(width=_WIDTH, height=_HEIGHT, frames=_PICTURES, seed=seed)
        self._images = [frame.image for frame in pattern_frames(pattern)]
        self._fps, self._stop = fps, threading.Event()
        self._lock = threading.Lock()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{port}/"
        self._sink: MjpegSink | None = None
        self.connect()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def connect(self) -> None:
        """Serve again."""
        end_s = time.monotonic() + 10
        with self._lock:
            while self._sink is None:
                try:
                    self._sink = MjpegSink(self.uri)
                except VideoError:  # the port is not quite free yet
                    if time.monotonic() > end_s:
                        raise
                    time.sleep(0.1)

    def cut(self) -> None:
        """Send all watchers away, and take no more."""
        with self._lock:
            if self._sink is not None:
                self._sink.close()
                self._sink = None

    def close(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()
        self.cut()

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(1 / self._fps):
            with self._lock:
                if self._sink is not None:
                    self._sink.write(self._images[number % len(self._images)])
            number += 1


def write_video(path: Path, *, frames: int, fps: float, seed: int = 0) -> Path:
    """A pattern as H.264."""
    pattern = Pattern(width=_WIDTH, height=_HEIGHT, frames=frames, seed=seed)
    with contextlib.closing(open_sink(path, fps=fps, width=_WIDTH, height=_HEIGHT)) as sink:
        for frame in pattern_frames(pattern):
            sink.write(frame.image)
    return path
