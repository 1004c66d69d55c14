"""The thread that decodes ahead of whoever consumes the frames.

It owns the frames' origin and is the only one to release it. A failure on either side ends the
other: an error while decoding is raised by `read`, and `close` wakes a reader that waits for room.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal

from edgert.clock import Clock
from edgert.video.frame import Frame

ReadPolicy = Literal["all", "latest"]


class FrameReader:
    """Runs an iterator of frames in a thread.

    Args:
        frames: The frames, in order. Used by the thread only.
        policy: "all" hands over every frame and waits when `capacity` are pending; "latest" keeps
            only the newest frame and counts the ones it replaced in `dropped`.
        release: Called once, in the thread, after the last frame, an error or `close`.
        capacity: Frames decoded ahead under "all".
        pace: A clock to hand frames over no sooner than their `time_s`, as a camera would.
    """

    def __init__(
        self,
        frames: Iterator[Frame],
        *,
        policy: ReadPolicy,
        release: Callable[[], None] = lambda: None,
        capacity: int = 4,
        pace: Clock | None = None,
    ) -> None:
        self.dropped = 0
        self._frames = frames
        self._latest = policy == "latest"
        self._release = release
        self._capacity = capacity
        self._pace = pace
        self._pending: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._closed = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="video-reader", daemon=True)
        self._thread.start()

    def read(self) -> Frame | None:
        """The next frame, waiting for it; None at the end and after `close`.

        Raises:
            Exception: Whatever ended the thread, after the frames decoded before it were read.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._ended or self._closed)
            if self._closed:
                return None
            if self._pending:
                frame = self._pending.popleft()
                self._changed.notify_all()
                return frame
            if self._error is not None:
                raise self._error
            return None

    def close(self, timeout_s: float = 15.0) -> bool:
        """Stop the thread and wait for it; frames not yet read are gone.

        Args:
            timeout_s: How long to wait. A device that hangs inside a system call can not be
                interrupted; its thread is a daemon and releases what it holds when it returns.

        Returns:
            Whether the thread has ended.
        """
        with self._changed:
            self._closed = True
            self._pending.clear()
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            start_s = self._pace.now_s() if self._pace else 0.0
            for frame in self._frames:
                if not self._hand_over(frame, start_s):
                    break
        except Exception as error:  # noqa: BLE001 - thread boundary: read() raises it
            self._error = error
        finally:
            try:
                self._release()
            finally:
                with self._changed:
                    self._ended = True
                    self._changed.notify_all()

    def _hand_over(self, frame: Frame, start_s: float) -> bool:
        """Put one frame where `read` finds it; False when nobody will read any more."""
        with self._changed:
            self._wait_until_due(frame, start_s)
            if self._latest:
                self.dropped += len(self._pending)
                self._pending.clear()
            else:
                self._changed.wait_for(lambda: self._closed or len(self._pending) < self._capacity)
            if self._closed:
                return False
            self._pending.append(frame)
            self._changed.notify_all()
            return True

    def _wait_until_due(self, frame: Frame, start_s: float) -> None:
        while self._pace is not None and not self._closed:
            wait_s = start_s + frame.time_s - self._pace.now_s()
            if wait_s <= 0:
                return
            self._changed.wait(wait_s)
