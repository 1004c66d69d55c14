"""Sources of frames: a file, a network stream, a camera or a generated pattern."""

import functools
import logging
from collections.abc import Callable
from typing import Literal, Protocol

from edgert.clock import Clock, MonotonicClock
from edgert.closing import Closing
from edgert.errors import EdgertError, VideoError
from edgert.records import SourceFigures
from edgert.video.backoff import Backoff
from edgert.video.connection import Connection
from edgert.video.decode import OpenContainer
from edgert.video.decoder import Decoder
from edgert.video.decoders import DecoderChoice, open_decoder
from edgert.video.frame import Frame
from edgert.video.pattern import parse_pattern
from edgert.video.reader import FrameReader
from edgert.video.uri import Address, parse_uri

__all__ = ["Frame", "Source", "SourcePolicy", "ThreadedSource", "open_source"]

logger = logging.getLogger(__name__)

SourcePolicy = Literal["auto", "all", "latest"]
CLOSE_S = 15.0  # more than opening may take


class Source(Protocol):
    """What the frame loop reads from.

    Attributes:
        width, height: Of every frame, in pixels; 0 before the first connection of a patient one.
        fps: Nominal frames per second; 0 as above.
        live: Frames come in real time and are lost when nobody takes them.
        dropped: Frames decoded that `read` never returned because newer ones replaced them.
        uri: Where the frames come from, without credentials.
        damage: One line on what was wrong with the video, None as far as it is sound.
    """

    @property
    def width(self) -> int: ...  # noqa: D102 - told above

    @property
    def height(self) -> int: ...  # noqa: D102 - told above

    @property
    def fps(self) -> float: ...  # noqa: D102 - told above

    @property
    def live(self) -> bool: ...  # noqa: D102 - told above

    @property
    def uri(self) -> str: ...  # noqa: D102 - told above

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


class ThreadedSource(Closing):
    """A source whose frames are made in a thread of their own, ahead of whoever reads them.

    Args:
        address: Where the frames come from.
        connect: Opens it once.
        clock: Times the arrival of frames and the pace of "latest".
        policy: As `open_source` has it.
        loops: How often what is not live is played.
        max_frames: Decode no more than this many.
        patient: Never fail for what can't be reached.
        backoff: The pauses of a patient one.
    """

    def __init__(
        self,
        address: Address,
        connect: Callable[[], Decoder],
        *,
        clock: Clock,
        policy: SourcePolicy = "auto",
        loops: int = 1,
        max_frames: int | None = None,
        patient: bool = False,
        backoff: Backoff | None = None,
    ) -> None:
        self.uri = address.uri
        self._address, self._clock, self._policy = address, clock, policy
        self._wake: Callable[[], None] = _nothing
        self._connection = Connection(
            address,
            connect,
            clock=clock,
            loops=loops,
            max_frames=max_frames,
            patient=patient,
            backoff=backoff,
            on_news=self._tell,
        )
        self._reader = FrameReader(
            self._connection.frames(),
            policy=lambda: "latest" if self._takes_newest else "all",
            release=self._connection.close,
            pace=self._pace,
            on_frame=self._tell,
        )

    @property
    def width(self) -> int:
        """Of every frame; 0 before the first connection."""
        return self._connection.size[0]

    @property
    def height(self) -> int:
        """Of every frame; 0 before the first connection."""
        return self._connection.size[1]

    @property
    def fps(self) -> float:
        """As the video announces it; 0 before the first connection."""
        return self._connection.fps

    @property
    def live(self) -> bool:
        """Frames come when they come; a guess before the first connection."""
        return self._connection.live

    @property
    def dropped(self) -> int:
        """Frames that newer ones replaced before they were read."""
        return self._reader.dropped

    @property
    def damage(self) -> str | None:
        """What was wrong with the video, in one line; complete once `read` returned None."""
        return self._connection.damage

    @property
    def reconnects(self) -> int:
        """How often a live stream was opened again."""
        return self._connection.reconnects

    def read(self) -> Frame | None:
        """The next frame, waiting for it; None once the video has ended.

        Raises:
            VideoError: The thread that decodes failed.
        """
        return self._from(self._reader.read)

    def poll(self) -> Frame | None:
        """The next frame, or the newest, if there is one now; None otherwise.

        Raises:
            VideoError: The thread that decodes failed.
        """
        return self._from(self._reader.poll)

    def figures(self) -> SourceFigures:
        """How the source stands at this moment; from any thread."""
        newer = self._reader.dropped
        return self._connection.figures({"newer frame": newer} if newer else {})

    def on_news(self, wake: Callable[[], None]) -> None:
        """Have `wake` called whenever a frame is ready or the state changes.

        It is called at once as well, since either may have happened before. It runs in the
        thread that decodes: it must neither take long nor raise.
        """
        self._wake = wake
        wake()

    def stop(self) -> None:
        """Ask decoding to end; waits for nothing. What waits for the network goes on for now."""
        self._connection.stop()
        self._reader.stop()

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """End decoding and wait for the thread, even where it waits for room.

        Args:
            timeout_s: How long to wait for it. A thread that the network holds ends by itself
                when the time limit of opening or reading is over.
        """
        self._connection.stop()
        if not self._reader.close(timeout_s):
            logger.info("%s is let go of while it waits for an answer", self.uri)

    @property
    def in_own_time(self) -> bool:
        """Frames come by themselves: they are live, or played at their own speed."""
        return self.live or self._takes_newest

    @property
    def _takes_newest(self) -> bool:
        return self.live if self._policy == "auto" else self._policy == "latest"

    def _pace(self) -> Clock | None:
        return self._clock if self._takes_newest and not self.live else None

    def _tell(self) -> None:
        self._wake()

    def _from(self, take: Callable[[], Frame | None]) -> Frame | None:
        try:
            return take()
        except EdgertError:
            raise
        except Exception as error:  # noqa: BLE001 - thread boundary: it failed over there
            reason = f"{type(error).__name__}: {self._address.told(str(error))}"
        raise VideoError(
            f"read video {self.uri}",
            expected="frames",
            got=reason,
            advice="Check that the video plays elsewhere",
        )


def open_source(
    uri: str,
    *,
    policy: SourcePolicy = "auto",
    loops: int = 1,
    max_frames: int | None = None,
    clock: Clock | None = None,
    decoder: DecoderChoice = "",
    patient: bool = False,
    backoff: Backoff | None = None,
    open_container: OpenContainer | None = None,
) -> ThreadedSource:
    """Open a video and start to decode it.

    Args:
        uri: A path, or file://, rtsp://, rtsps://, http://, https://; v4l2:///dev/video0 with
            ?width=&height=&fps=&input_format=; csi://0; test:// with
            ?width=&height=&fps=&frames=&seed=.
        policy: "all" reads every frame; "latest" the newest one, and plays a file or pattern at
            its own speed, as a camera would; "auto" is "latest" for what is live, else "all".
        loops: How often a file or pattern is played; index and time go on increasing.
        max_frames: Decode no more than this many.
        clock: Times the arrival of live frames and the pace of "latest".
        decoder: "pyav" or "gstreamer"; "": hardware where there is some, else PyAV.
        patient: What can't be reached is tried again for ever, and told in `figures`; else it is
            refused here, and a live stream that stays away ends.
        backoff: The pauses of a patient one; None: from 0.5 s to 30 s.
        open_container: Stands in for av.open.

    Raises:
        VideoError: It can not be opened, or holds no video that can be decoded.
        MissingDependencyError: PyAV is not installed, and this is no test:// pattern.
        ValueError: `loops` or `max_frames` is below 1.
    """
    if loops < 1 or (max_frames is not None and max_frames < 1):
        raise ValueError(f"loops and max_frames start at 1, got {loops} and {max_frames}")
    address = parse_uri(uri)
    if address.scheme == "test":
        parse_pattern(address.options)  # what is wrong with it will not come right by waiting
    clock = clock or MonotonicClock()
    connect = functools.partial(
        open_decoder, address, choice=decoder, clock=clock, open_container=open_container
    )
    return ThreadedSource(
        address,
        connect,
        clock=clock,
        policy=policy,
        loops=loops,
        max_frames=max_frames,
        patient=patient,
        backoff=backoff,
    )


def _nothing() -> None:
    """Tell nobody."""
