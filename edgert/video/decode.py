"""Video files, network streams and cameras, decoded by PyAV (FFmpeg).

A file that is damaged gives the frames it still holds, and `damage` says what is wrong with it.
A live stream that breaks off is opened again, with growing pauses, before it counts as ended.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.clock import Clock
from edgert.errors import VideoError
from edgert.optional import needs
from edgert.video.frame import Frame
from edgert.video.uri import Address, redact

OPEN_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 5.0
RECONNECT_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
_BT_709 = 1  # AVColorSpace, what HD video is tagged with
_PLAYLISTS = ("hls", "dash")
_NETWORK = ("rtsp", "rtsps", "http", "https")

OpenContainer = Callable[..., Any]  # as av.open


class Decoder:
    """One opened video.

    Args:
        address: What to open.
        loops: How often a file is played; a live source ignores it.
        clock: Gives live frames their time of arrival.
        open_container: Stands in for av.open.
        pauses_s: How long to wait before each attempt to open a broken live stream again.

    Attributes:
        width, height: Of every frame, after the rotation that the file asks for.
        fps: Nominal frames per second, 30 where the video does not say.
        live: Frames come when they come, and are lost when nobody takes them.
        damage: One line on what was wrong with the video, once `frames` came across it.
        reconnects: How often a live stream was opened again.

    Raises:
        VideoError: It can not be opened, or not a single frame can be decoded.
    """

    def __init__(
        self,
        address: Address,
        *,
        loops: int,
        clock: Clock,
        open_container: OpenContainer | None = None,
        pauses_s: tuple[float, ...] = RECONNECT_PAUSES_S,
    ) -> None:
        self._av = needs("av", "video", "to read video")
        reformatter = needs("av.video.reformatter", "video", "to read video")
        self._reformat = reformatter.VideoReformatter().reformat
        self._address = address
        self._loops = loops
        self._clock = clock
        self._open_container = open_container or self._av.open
        self._pauses_s = pauses_s
        self._stop = threading.Event()
        self.damage: str | None = None
        self.reconnects = 0
        self._container, self._stream = self._open()
        self.live = self._is_live()
        self._stream.thread_type = "SLICE" if self.live else "AUTO"
        self._decoded = self._decode()
        self._first = next(self._decoded, None)
        if self._first is None:
            self.close()
            raise self._refusal("frames that can be decoded", self.damage or "none")
        self._quarter_turns = round(getattr(self._first, "rotation", 0) / 90) % 4
        self._size = (self._first.width, self._first.height)
        self.width, self.height = self._size[:: -1 if self._quarter_turns % 2 else 1]
        self.fps = float(self._stream.average_rate or self._stream.guessed_rate or 30)

    def frames(self) -> Iterator[Frame]:
        """Yield every frame, over all loops and reconnections. Can be used once."""
        index, origin_s, start_s, passes = 0, 0.0, self._clock.now_s(), 0
        while True:
            last_s, zero_s, before = origin_s, None, index
            for picture in self._pictures():
                if self.live:
                    time_s = self._clock.now_s() - start_s if index else 0.0
                elif picture.time is None:
                    time_s = last_s + 1 / self.fps if zero_s is not None else origin_s
                else:
                    zero_s = picture.time if zero_s is None else zero_s
                    time_s = origin_s + picture.time - zero_s
                last_s = max(last_s, time_s)
                yield Frame(index, last_s, self._image(picture))
                index += 1
            passes += 1
            origin_s = last_s + 1 / self.fps
            if index == before or not self._again(passes):
                return

    def stop(self) -> None:
        """Cut short a pause before reconnecting; may be called from another thread."""
        self._stop.set()

    def close(self) -> None:
        """Close the container; by the thread that runs `frames`, or before it runs."""
        self._container.close()

    def _open(self) -> tuple[Any, Any]:
        reason, container = "", None
        try:
            container = self._open_container(self._target(), **self._open_options())
        except self._av.FFmpegError as error:
            reason = self._reason(error)
        if container is None:  # raised out here: the vendor's error holds the whole address
            raise self._refusal("a video that can be opened", reason)
        if not container.streams.video:
            container.close()
            raise self._refusal("a video stream", "a file without one")
        return container, container.streams.video[0]

    def _target(self) -> str:
        if self._address.scheme != "file":
            return self._address.target
        path = Path(self._address.target)
        if not path.is_file():
            got = "a folder" if path.is_dir() else "no such file"
            raise self._refusal("a video file", got)
        return str(path.absolute())  # begins with "/", so that no name is taken for a protocol

    def _is_live(self) -> bool:
        """Over HTTP: neither a duration nor a length in bytes is known. A playlist has a length."""
        if self._address.scheme not in ("http", "https"):
            return self._address.scheme != "file"
        playlist = self._container.format.name.split(",")[0] in _PLAYLISTS
        sized = not playlist and self._container.size > 0
        return self._container.duration is None and not sized

    def _open_options(self) -> dict[str, Any]:
        if self._address.scheme == "v4l2":
            asked = dict(self._address.options)
            if "width" in asked and "height" in asked:
                asked["video_size"] = f"{asked.pop('width')}x{asked.pop('height')}"
            if "fps" in asked:
                asked["framerate"] = asked.pop("fps")
            return {"format": "v4l2", "options": asked}
        if self._address.scheme in _NETWORK:
            rtsp = self._address.scheme.startswith("rtsp")
            options = {"rtsp_transport": "tcp"} if rtsp else {}
            return {"timeout": (OPEN_TIMEOUT_S, READ_TIMEOUT_S), "options": options}
        return {}

    def _pictures(self) -> Iterator[Any]:
        first, self._first = self._first, None
        if first is not None:
            yield first
        yield from self._decoded

    def _decode(self) -> Iterator[Any]:
        """Decode what can be decoded; note in `damage` what could not."""
        packets = self._container.demux(self._stream)
        decoded, damaged, first_damage, reason, end_s = 0, 0, 0, "", None
        while True:
            try:
                packet = next(packets)
                torn = bool(packet.is_corrupt)
                damaged, first_damage = damaged + torn, first_damage or torn * decoded
                # Where frames are decoded side by side, the error that half a packet at the end
                # of a file brings would take the whole frames before it along.
                pictures = packet.decode() if self.live or not torn else []
            except (StopIteration, self._av.error.EOFError):
                break
            except self._av.FFmpegError as error:  # the demuxer's own ends `packets` as well
                first_damage = first_damage or decoded
                damaged, reason, pictures = damaged + 1, self._reason(error), []
            for picture in pictures:
                decoded += 1
                if picture.is_corrupt:
                    damaged, first_damage = damaged + 1, first_damage or decoded
                if picture.time is not None:
                    end_s = max(end_s or 0.0, picture.time)
                yield picture
        self._note_damage(damaged, first_damage or decoded, reason, end_s)

    def _note_damage(self, damaged: int, near: int, reason: str, end_s: float | None) -> None:
        notes = []
        if damaged:
            places = "1 place" if damaged == 1 else f"{damaged} places"
            because = f" ({reason})" if reason else ""
            notes.append(f"damaged in {places}, the first near frame {near}{because}")
        declared_s = self._declared_end_s()
        if end_s is not None and declared_s is not None and end_s < declared_s - 0.5:
            notes.append(f"the last frame is at {end_s:.2f} s of the declared {declared_s:.2f} s")
        if self.damage is None and notes:
            self.damage = f"{self._address.uri}: {'; '.join(notes)}"

    def _declared_end_s(self) -> float | None:
        """When the video should end by its header. A container's sound may outlast its picture."""
        start = self._stream.start_time or 0
        if self._stream.duration:
            return float((start + self._stream.duration) * self._stream.time_base)
        if self._container.duration and len(self._container.streams) == 1:
            return float(self._container.duration / self._av.time_base)
        return None

    def _again(self, passes: int) -> bool:
        """Open the video once more where it is to be played or followed on."""
        if not self.live and passes >= self._loops:
            return False
        self.close()
        reason = ""
        for pause_s in self._pauses_s if self.live else (0.0,):
            if self._stop.wait(pause_s):
                return False
            try:
                self._container, self._stream = self._open()
            except VideoError as error:
                reason = str(error)
                continue
            self._stream.thread_type = "SLICE" if self.live else "AUTO"
            self._decoded = self._decode()
            self.reconnects += self.live
            return True
        self.damage = reason or self.damage
        return False

    def _image(self, picture: Any) -> NDArray[np.uint8]:
        width, height = self._size  # a stream that changes its size is brought back to this one
        rgb = self._reformat(
            picture,
            width=width,
            height=height,
            format="rgb24",
            interpolation="BILINEAR",
            # Up to 16, PyAV heeds a tag only where source and target are named and differ; the
            # target's is without meaning for RGB.
            src_colorspace="ITU709" if picture.colorspace == _BT_709 else None,
            dst_colorspace="ITU601" if picture.colorspace == _BT_709 else None,
        ).to_ndarray()
        turned = np.rot90(rgb, self._quarter_turns) if self._quarter_turns else rgb
        return np.ascontiguousarray(turned)

    def _reason(self, error: Any) -> str:
        log = getattr(error, "log", None)
        text = (error.strerror or str(error)) + (f" ({log[2].strip()})" if log else "")
        return redact(text.replace(self._address.target, self._address.uri)).replace("\n", " ")

    def _refusal(self, expected: str, got: str) -> VideoError:
        return VideoError(
            f"open video {self._address.uri}",
            expected=expected,
            got=got,
            advice="Check the address, and that the file or stream plays elsewhere",
        )
