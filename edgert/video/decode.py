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
from edgert.video.container import (
    is_live,
    open_refusal,
    options_from_address,
    target_from_address,
)
from edgert.video.damage import Damage, is_cut_off
from edgert.video.frame import Frame
from edgert.video.uri import Address, redact

RECONNECT_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
_BT_709 = 1  # AVColorSpace, what HD video is tagged with

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
        self.live = is_live(address, self._container)
        self._stream.thread_type = "SLICE" if self.live else "AUTO"
        self._decoded = self._decode()
        self._first = next(self._decoded, None)
        if self._first is None:
            self.close()
            raise open_refusal(self._address, "frames that can be decoded", self.damage or "none")
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
                elif (own_s := self._time_of(picture)) is None:
                    time_s = last_s + 1 / self.fps if index > before else origin_s
                else:
                    zero_s = own_s if zero_s is None else zero_s
                    time_s = origin_s + own_s - zero_s
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
        target = target_from_address(self._address)
        options = options_from_address(self._address)
        reason, container = "", None
        try:
            container = self._open_container(target, **options)
        except self._av.FFmpegError as error:
            reason = self._reason(error)
        if container is None:  # raised out here: the vendor's error holds the whole address
            raise open_refusal(self._address, "a video that can be opened", reason)
        if not container.streams.video:
            container.close()
            raise open_refusal(self._address, "a video stream", "a file without one")
        return container, container.streams.video[0]

    def _pictures(self) -> Iterator[Any]:
        first, self._first = self._first, None
        if first is not None:
            yield first
        yield from self._decoded

    def _decode(self) -> Iterator[Any]:
        """Decode what can be decoded; note in `damage` what could not."""
        damage = Damage()
        for packet in self._packets(damage):
            for picture in self._pictures_from(packet, damage):
                if picture.is_corrupt:
                    damage.add()
                damage.see_frame(self._time_of(picture))
                yield picture
        if not damage.found and self._is_cut_off():
            damage.add("the file is cut off")
        if self.damage is None:
            self.damage = damage.text(self._declared_end_s()) or None

    def _packets(self, damage: Damage) -> Iterator[Any]:
        """The packets. The last one is empty, or None: it fetches what the decoder still holds."""
        try:
            yield from self._container.demux(self._stream)
        except self._av.FFmpegError as error:
            damage.add(self._reason(error))
            yield None

    def _pictures_from(self, packet: Any, damage: Damage) -> list[Any]:
        damage.see_packet()
        if packet is not None and packet.is_corrupt:
            damage.add()
            if not self.live:
                # Half a packet at the end of a file: where frames are decoded side by side, the
                # error that it brings would take whole frames before it along.
                return []
        pictures: list[Any] = []
        try:
            pictures = self._stream.decode(packet)
        except self._av.error.EOFError:  # nothing is left in the decoder
            pass
        except self._av.FFmpegError as error:
            damage.add(self._reason(error))
        return pictures

    def _is_cut_off(self) -> bool:
        if self._address.scheme != "file" or "mp4" not in self._container.format.name:
            return False
        try:
            return is_cut_off(Path(self._address.target))
        except OSError:  # it may be gone or replaced by now
            return False

    def _time_of(self, picture: Any) -> float | None:
        """By the video's own clock. `picture.time` is NaN for what None fetched."""
        return None if picture.pts is None else float(picture.pts * self._stream.time_base)

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
        if isinstance(error, self._av.error.ExitError):  # how PyAV ends what takes too long
            return "no answer in time"
        log = getattr(error, "log", None)
        text = (error.strerror or str(error)) + (f" ({log[2].strip()})" if log else "")
        return redact(text.replace(self._address.target, self._address.uri)).replace("\n", " ")
