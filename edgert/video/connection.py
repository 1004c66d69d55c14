"""What keeps a source going: live streams are connected again, files are played again.

A decoder is one connection; this makes one stream of frames out of all of them, in one thread,
and tells from any thread how it stands.
"""

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from edgert.clock import Clock
from edgert.errors import EdgertError, MissingDependencyError
from edgert.optional import needs
from edgert.records import SourceFigures, StreamState
from edgert.video.backoff import HELD_S, Backoff
from edgert.video.decoder import Decoder, Picture
from edgert.video.frame import Frame
from edgert.video.uri import Address

RECONNECT_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # of one that is not patient
_NOT_THERE_IS_FAILED = ("file", "test")  # what else can't be had is offline


class Connection:
    """The frames of one address, over all connections.

    Args:
        address: For what is told; `connect` opens it.
        connect: Opens it once.
        clock: Times arrivals.
        loops: How often what is not live is played.
        max_frames: End after so many.
        patient: Try for ever to connect, with growing pauses; else the first failure is raised
            here, and a live stream that stays away ends.
        pauses_s: Before each attempt, where not patient.
        backoff: The pauses of a patient one.
        on_news: Called in the thread that takes the frames, when the state changes.

    Raises:
        EdgertError: It can not be opened, and it is not patient.
    """

    def __init__(
        self,
        address: Address,
        connect: Callable[[], Decoder],
        *,
        clock: Clock,
        loops: int = 1,
        max_frames: int | None = None,
        patient: bool = False,
        pauses_s: Iterable[float] = RECONNECT_PAUSES_S,
        backoff: Backoff | None = None,
        on_news: Callable[[], None] = lambda: None,
    ) -> None:
        self.damage: str | None = None
        self.reconnects = 0
        self._address, self._connect, self._clock = address, connect, clock
        self._loops, self._max_frames, self._patient = loops, max_frames, patient
        self._pauses_s, self._backoff, self._on_news = pauses_s, backoff or Backoff(), on_news
        # A patient source outlives whatever a decoder may throw at it.
        self._failures = (Exception,) if patient else (EdgertError,)
        self._stop = threading.Event()
        self._decoder: Decoder | None = None
        self._state: tuple[StreamState, str] = ("connecting", "")
        self._kind = ("", "")  # the decoder's name and reason
        self._size: tuple[int, int] | None = None  # width, height of every frame
        self._seen_size = (0, 0)  # of the last picture, as it came
        self.fps = 0.0
        self._live: bool | None = None
        self._decoded = self._damaged = self._resized = 0
        self._begin_s: float | None = None  # arrival of the first frame, and of the last
        self._arrived_s: float | None = None
        self._last_s = 0.0  # time of the last frame, and of the first in this pass
        self._origin_s = 0.0
        if not patient:
            self._take(connect())

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of every frame; zeros before the first connection."""
        return self._size or (0, 0)

    @property
    def live(self) -> bool:
        """Whether frames come when they come; a guess before the first connection."""
        if self._live is None:
            return self._address.scheme in ("rtsp", "rtsps", "csi", "v4l2")
        return self._live

    @property
    def is_open(self) -> bool:
        """Whether there was a connection so far."""
        return self._live is not None

    def figures(self, dropped: dict[str, int]) -> SourceFigures:
        """How it stands; from any thread.

        Args:
            dropped: Frames that nobody got, by cause.
        """
        decoder, (state, reason), arrived_s = self._decoder, self._state, self._arrived_s
        age_s = None if arrived_s is None else max(0.0, self._clock.now_s() - arrived_s)
        width, height = self._size or (None, None)
        return SourceFigures(
            state=state,
            reason=reason,
            uri=self._address.uri,
            decoder=self._kind[0],
            decoder_reason=self._kind[1],
            live=self._live,
            width=width,
            height=height,
            fps=self.fps or None,
            decoded=self._decoded,
            dropped=dropped,
            reconnects=self.reconnects,
            damaged=self._damaged + (decoder.damaged if decoder else 0),
            resized=self._resized,
            last_frame_age_s=age_s,
        )

    def frames(self) -> Iterator[Frame]:
        """Every frame, over all loops and connections. Can be used once."""
        try:
            if self._decoder is None:
                self._open(itertools.chain((0.0,), self._pauses()))
            passes = 0
            while (decoder := self._decoder) is not None:
                before, reason = self._decoded, ""
                since_s = self._clock.now_s()
                try:
                    yield from self._play(decoder)
                except self._failures as error:
                    reason = self._reason(error)
                self._let_go()
                passes += 1
                if self._clock.now_s() - since_s >= HELD_S:
                    self._backoff.reset()
                self._again(passes, self._decoded > before, reason)
        except Exception as error:  # thread boundary: told here, raised by whoever reads
            self._set("failed", self._reason(error))
            raise

    def stop(self) -> None:
        """End `frames` soon, also within a pause; from any thread."""
        self._stop.set()
        if (decoder := self._decoder) is not None:
            decoder.stop()

    def close(self) -> None:
        """Let go of the decoder; by the thread that runs `frames`, or before it runs."""
        self._let_go()
        if self._state[0] != "failed":
            self._set("ended", self._state[1])

    def _play(self, decoder: Decoder) -> Iterator[Frame]:
        """The frames of one connection."""
        before, zero_s = self._decoded, None
        for picture in decoder.pictures():
            if self._stop.is_set() or self._is_enough():
                return
            now_s = self._clock.now_s()
            self._begin_s = now_s if self._begin_s is None else self._begin_s
            if self.live:
                time_s = now_s - self._begin_s
            elif picture.time_s is None:
                time_s = self._origin_s
                if self._decoded > before:
                    time_s = self._last_s + 1 / self.fps
            else:
                zero_s = picture.time_s if zero_s is None else zero_s
                time_s = self._origin_s + picture.time_s - zero_s
            self._last_s = max(self._last_s, time_s)
            frame = Frame(self._decoded, self._last_s, self._image(picture), now_s)
            self._decoded += 1
            self._arrived_s = now_s
            yield frame
            if self._is_enough():
                return

    def _again(self, passes: int, any_frames: bool, reason: str) -> None:
        """Connect once more where the video is to be played or followed on."""
        self._origin_s = self._last_s + 1 / self.fps
        if self._stop.is_set() or self._is_enough():
            return
        if self.live:
            self._set("offline", reason or "the stream ended")
            if any_frames or self._patient:
                self.reconnects += self._open(self._pauses())
            return
        if reason:
            self.damage = reason
        elif any_frames and passes < self._loops:
            self._open(itertools.chain((0.0,), self._pauses()) if self._patient else (0.0,))

    def _open(self, pauses_s: Iterable[float]) -> bool:
        """Connect, after one pause or another; whether that worked."""
        damage = self.damage
        for pause_s in pauses_s:
            if self._stop.wait(pause_s):
                return False
            try:
                decoder = self._connect()
            except self._failures as error:
                lasting = isinstance(error, MissingDependencyError)
                failed = lasting or self._address.scheme in _NOT_THERE_IS_FAILED
                self._set("failed" if failed else "offline", self._reason(error))
                damage = str(error) if isinstance(error, EdgertError) else self._reason(error)
            else:
                self._take(decoder)
                return True
        self.damage = damage
        return False

    def _pauses(self) -> Iterable[float]:
        return iter(self._backoff.next_s, None) if self._patient else self._pauses_s

    def _take(self, decoder: Decoder) -> None:
        self._decoder = decoder
        if self._size is None:
            self._size = self._seen_size = (decoder.width, decoder.height)
            self.fps = decoder.fps
        self._live = decoder.live
        self._kind = (decoder.name, decoder.reason)
        if self._stop.is_set():
            decoder.stop()
        self._set("running", "")

    def _let_go(self) -> None:
        """Close the decoder; what was wrong with the first damaged pass is kept."""
        if (decoder := self._decoder) is not None:
            self.damage = self.damage or decoder.damage
            self._damaged += decoder.damaged
            self._decoder = None
            decoder.close()

    def _image(self, picture: Picture) -> NDArray[np.uint8]:
        """The picture in the first size; a stream that changes its own is brought back to it."""
        size = (picture.image.shape[1], picture.image.shape[0])
        if size != self._seen_size:
            self._seen_size = size
            self._resized += 1
        if size == self._size:
            return picture.image
        pillow = needs("PIL.Image", "video", "to bring pictures to one size")
        resized = pillow.fromarray(picture.image).resize(self._size, pillow.Resampling.BILINEAR)
        return np.array(resized, np.uint8)

    def _is_enough(self) -> bool:
        return self._max_frames is not None and self._decoded >= self._max_frames

    def _set(self, state: StreamState, reason: str) -> None:
        if (state, reason) != self._state:
            self._state = (state, reason)
            self._on_news()

    def _reason(self, error: Exception) -> str:
        """An error in words, without credentials, in one line."""
        if isinstance(error, EdgertError):
            return f"{error.got} (expected {error.expected})"
        return f"{type(error).__name__}: {self._address.told(str(error))}"
