"""The thread that decodes ahead of whoever consumes the frames.

It owns the frames' origin and is the only one to release it. A failure on either side ends the
other: an error while decoding is raised by `read`, and `close` wakes a reader that waits for room.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

from edgert.clock import Clock
from edgert.video.frame import Frame

ReadPolicy = Literal["all", "latest"]


class FrameReader:
    """Runs an iterator of frames in a thread.

    Args:
        frames: The frames, in order. Used by the thread only.
        policy: "all" hands over every frame and waits when `capacity` are pending; "latest" keeps
            only the newest frame and counts the ones it replaced in `dropped`. A function is
            asked for each frame: what a source is may be known only once it is connected.
        release: Called once, in the thread, after the last frame, an error or `close`.
        capacity: Frames decoded ahead under "all".
        pace: A clock to hand frames over no sooner than their `time_s`, as a camera would; None:
            as they come. A function is asked at the first frame.
        on_frame: Called in the thread whenever a frame is ready to be read, or the end is.
    """

    def __init__(
        self,
        frames: Iterator[Frame],
        *,
        policy: ReadPolicy | Callable[[], ReadPolicy],
        release: Callable[[], None] = lambda: None,
        capacity: int = 4,
        pace: Clock | Callable[[], Clock | None] | None = None,
        on_frame: Callable[[], None] = lambda: None,
    ) -> None:
        self.dropped = 0
        self._frames = frames
        self._policy = policy if callable(policy) else lambda: policy
        self._release = release
        self._capacity = capacity
        self._choose_pace = pace if callable(pace) else lambda: pace
        self._on_frame = on_frame
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
            return self._take()

    def poll(self) -> Frame | None:
        """The next frame if there is one now; None otherwise.

        Raises:
            Exception: As `read` does.
        """
        with self._changed:
            return self._take()

    def stop(self) -> None:
        """End soon; frames not yet read are gone. Waits for nothing."""
        with self._changed:
            self._closed = True
            self._pending.clear()
            self._changed.notify_all()

    def close(self, timeout_s: float = 15.0) -> bool:
        """Stop the thread and wait for it; frames not yet read are gone.

        Args:
            timeout_s: How long to wait. A device that hangs inside a system call can not be
                interrupted; its thread is a daemon and releases what it holds when it returns.

        Returns:
            Whether the thread has ended.
        """
        self.stop()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _take(self) -> Frame | None:
        if self._closed:
            return None
        if self._pending:
            frame = self._pending.popleft()
            self._changed.notify_all()
            return frame
        if self._error is not None:
            raise self._error
        return None

    def _run(self) -> None:
        try:
            start_s = 0.0
            pace: Clock | None = None
            for place, frame in enumerate(self._frames):
                if not place:
                    pace = self._choose_pace()
                    start_s = pace.now_s() if pace else 0.0
                if not self._hand_over(frame, pace, start_s):
                    break
                self._on_frame()
        except Exception as error:  # noqa: BLE001 - thread boundary: read() raises it
            self._error = error
        finally:
            try:
                self._release()
            finally:
                with self._changed:
                    self._ended = True
                    self._changed.notify_all()
                self._on_frame()

    def _hand_over(self, frame: Frame, pace: Clock | None, start_s: float) -> bool:
        """Put one frame where `read` finds it; False when nobody will read any more."""
        with self._changed:
            self._wait_until_due(frame, pace, start_s)
            if pace is not None:  # a camera would have taken it now
                frame = replace(frame, arrived_s=pace.now_s())
            if self._policy() == "latest":
                self.dropped += len(self._pending)
                self._pending.clear()
            else:
                self._changed.wait_for(lambda: self._closed or len(self._pending) < self._capacity)
            if self._closed:
                return False
            self._pending.append(frame)
            self._changed.notify_all()
            return True

    def _wait_until_due(self, frame: Frame, pace: Clock | None, start_s: float) -> None:
        while pace is not None and not self._closed:
            wait_s = start_s + frame.time_s - pace.now_s()
            if wait_s <= 0:
                return
            self._changed.wait(wait_s)
