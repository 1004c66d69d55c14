"""Sources of frames: a file, a network stream, a camera or a generated pattern."""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Literal, Protocol

from edgert.clock import Clock, MonotonicClock
from edgert.errors import EdgertError, VideoError
from edgert.video.decode import Decoder, OpenContainer
from edgert.video.frame import Frame
from edgert.video.pattern import parse_pattern, pattern_frames
from edgert.video.reader import FrameReader
from edgert.video.uri import parse_uri, redact

__all__ = ["Frame", "Source", "ThreadedSource", "open_source"]


class Source(Protocol):
    """What the frame loop reads from.

    Attributes:
        width, height: Of every frame, in pixels.
        fps: Nominal frames per second.
        live: Frames come in real time and are lost when nobody takes them.
        dropped: Frames decoded that `read` never returned because newer ones replaced them.
        uri: Where the frames come from, without credentials.
        damage: One line on what was wrong with the video, None as far as it is sound.
    """

    width: int
    height: int
    fps: float
    live: bool
    uri: str

    @property
    def dropped(self) -> int: ...  # noqa: D102 - told above

    @property
    def damage(self) -> str | None: ...  # noqa: D102 - told above

    def read(self) -> Frame | None:
        """The next frame, waiting for it; None once the video has ended."""
        ...

    def close(self) -> None:
        """End decoding; `read` returns None from then on."""
        ...


class ThreadedSource:
    """A source whose frames are made in a thread of their own, ahead of `read`."""

    def __init__(
        self,
        reader: FrameReader,
        *,
        size: tuple[int, int],
        fps: float,
        live: bool,
        uri: str,
        decoder: Decoder | None = None,
    ) -> None:
        self.width, self.height = size
        self.fps = fps
        self.live = live
        self.uri = uri
        self._reader = reader
        self._decoder = decoder

    @property
    def dropped(self) -> int:
        """Frames that newer ones replaced before they were read."""
        return self._reader.dropped

    @property
    def damage(self) -> str | None:
        """What was wrong with the video, in one line; complete once `read` returned None."""
        return self._decoder.damage if self._decoder else None

    @property
    def reconnects(self) -> int:
        """How often a live stream was opened again."""
        return self._decoder.reconnects if self._decoder else 0

    def read(self) -> Frame | None:
        """The next frame, waiting for it; None once the video has ended.

        Raises:
            VideoError: The thread that decodes failed.
        """
        try:
            return self._reader.read()
        except EdgertError:
            raise
        except Exception as error:  # noqa: BLE001 - thread boundary: it failed over there
            reason = f"{type(error).__name__}: {redact(str(error))}".replace("\n", " ")
        raise VideoError(
            f"read video {self.uri}",
            expected="frames",
            got=reason,
            advice="Check that the video plays elsewhere",
        )

    def close(self) -> None:
        """End decoding and wait for the thread, even where it waits for room."""
        if self._decoder:
            self._decoder.stop()
        self._reader.close()

    def __enter__(self) -> "ThreadedSource":
        """The source itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


def open_source(
    uri: str,
    *,
    policy: Literal["auto", "all", "latest"] = "auto",
    loops: int = 1,
    max_frames: int | None = None,
    clock: Clock | None = None,
    open_container: OpenContainer | None = None,
) -> ThreadedSource:
    """Open a video and start to decode it.

    Args:
        uri: A path, or file://, rtsp://, rtsps://, http://, https://; v4l2:///dev/video0 with
            ?width=&height=&fps=&input_format=; test:// with ?width=&height=&fps=&frames=&seed=.
        policy: "all" reads every frame; "latest" the newest one, and plays a file or pattern at
            its own speed, as a camera would; "auto" is "latest" for what is live, else "all".
        loops: How often a file or pattern is played; index and time go on increasing.
        max_frames: Decode no more than this many.
        clock: Times the arrival of live frames and the pace of "latest".
        open_container: Stands in for av.open.

    Raises:
        VideoError: It can not be opened, or holds no video that can be decoded.
        MissingDependencyError: PyAV is not installed, and this is no test:// pattern.
        ValueError: `loops` or `max_frames` is below 1.
    """
    if loops < 1 or (max_frames is not None and max_frames < 1):
        raise ValueError(f"loops and max_frames start at 1, got {loops} and {max_frames}")
    address = parse_uri(uri)
    clock = clock or MonotonicClock()
    decoder: Decoder | None = None
    release: Callable[[], None] = _nothing
    if address.scheme == "test":
        pattern = parse_pattern(address.options)
        frames = pattern_frames(pattern, loops=loops)
        size, fps, live = (pattern.width, pattern.height), pattern.fps, False
    else:
        decoder = Decoder(address, loops=loops, clock=clock, open_container=open_container)
        frames, release = decoder.frames(), decoder.close
        size, fps, live = (decoder.width, decoder.height), decoder.fps, decoder.live
    latest = live if policy == "auto" else policy == "latest"
    reader = FrameReader(
        _first(frames, max_frames),
        policy="latest" if latest else "all",
        release=release,
        pace=clock if latest and not live else None,
    )
    return ThreadedSource(reader, size=size, fps=fps, live=live, uri=address.uri, decoder=decoder)


def _nothing() -> None:
    """Release nothing."""


def _first(frames: Iterator[Frame], count: int | None) -> Iterator[Frame]:
    """The first `count` frames; stops at the last one instead of decoding one more."""
    for frame in frames:
        yield frame
        if count is not None and frame.index + 1 >= count:
            return
