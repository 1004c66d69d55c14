"""The newest picture as JPEG for whoever looks: nothing is copied or encoded while nobody does.

`show` runs where the frames run and never waits for anybody. Encoding is done in the thread of
the first one who wants the picture; all others get the same bytes.
"""

import io
import threading
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from edgert.clock import Clock, MonotonicClock
from edgert.closing import Closing
from edgert.optional import needs

MOST_FPS = 10.0
WIDEST_PX = 960
QUALITY = 80


class LivePicture(Closing):
    """The pictures of one stream, for people; the shape of `edgert.daemon.base.Pictures`.

    Args:
        most_fps: Pictures taken in a second, at most.
        widest_px: Wider ones are scaled down to this.
        clock: Of those who look, whatever the run's own is.
    """

    def __init__(
        self,
        *,
        most_fps: float = MOST_FPS,
        widest_px: int = WIDEST_PX,
        clock: Clock | None = None,
    ) -> None:
        self._pillow = needs("PIL.Image", "video", "to encode pictures")
        self._least_s = 1 / most_fps
        self._widest_px = widest_px
        self._clock = clock or MonotonicClock()
        self._changed = threading.Condition()
        self._waiting = 0
        self._closed = False
        self._number = 0
        self._taken_s: float | None = None
        self._image: NDArray[np.uint8] | None = None
        self._encoding = threading.Lock()
        self._encoded = (0, b"")  # number, JPEG

    @property
    def watched(self) -> bool:
        """Whether somebody waits for a picture right now."""
        return self._waiting > 0

    @property
    def closed(self) -> bool:
        """Whether no picture will come any more."""
        return self._closed

    def show(self, image: NDArray[np.uint8]) -> None:
        """Offer one (H, W, 3) uint8 RGB picture; the caller may reuse it at once.

        It is copied if somebody waits and the last one is old enough; else nothing is done.
        """
        if not self._waiting or self._closed:
            return
        now_s = self._clock.now_s()
        if self._taken_s is not None and now_s - self._taken_s < self._least_s:
            return
        # Every second pixel of a large one is enough to scale down from, and quicker to copy.
        step = max(1, image.shape[1] // (2 * self._widest_px))
        copy = np.ascontiguousarray(image[::step, ::step]) if step > 1 else image.copy()
        with self._changed:
            self._image, self._taken_s = copy, now_s
            self._number += 1
            self._changed.notify_all()

    def newest(self, *, after: int = 0, timeout_s: float = 5.0) -> tuple[int, bytes] | None:
        """A picture with a number larger than `after`, and its number.

        A picture that was taken for somebody else, and is not older than the pace of pictures
        makes it, counts.

        Returns:
            None if none came in time, or the stream was closed.
        """
        with self._changed:
            if not self._is_new(after):
                after = max(after, self._number)
                self._waiting += 1
                try:
                    self._changed.wait_for(
                        lambda: self._closed or self._number > after, max(0.0, timeout_s)
                    )
                finally:
                    self._waiting -= 1
                if self._closed or self._number <= after:
                    return None
            number, image = self._number, self._image
        return None if image is None else (number, self._jpeg(number, image))

    def watch(self) -> Iterator[bytes]:
        """Pictures as they come, the newest each time, until the stream is closed."""
        number = 0
        while not self._closed:
            found = self.newest(after=number)
            if found is not None:
                number, jpeg = found
                yield jpeg

    def close(self) -> None:
        """Let everybody who waits go."""
        with self._changed:
            self._closed = True
            self._image = None
            self._changed.notify_all()

    def _is_new(self, after: int) -> bool:
        if self._closed or self._taken_s is None or self._number <= after:
            return False
        return self._clock.now_s() - self._taken_s < self._least_s

    def _jpeg(self, number: int, image: NDArray[np.uint8]) -> bytes:
        with self._encoding:
            if self._encoded[0] < number:
                self._encoded = (number, self._encode(image))
            return self._encoded[1]

    def _encode(self, image: NDArray[np.uint8]) -> bytes:
        picture = self._pillow.fromarray(image)
        if picture.width > self._widest_px:
            height = max(1, round(picture.height * self._widest_px / picture.width))
            scaling: Callable[..., object] = self._pillow.Resampling.BILINEAR
            picture = picture.resize((self._widest_px, height), scaling)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=QUALITY)
        return file.getvalue()
