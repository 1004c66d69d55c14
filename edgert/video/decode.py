"""Video files, network streams and cameras, decoded by PyAV (FFmpeg) in software.

A file that is damaged gives the frames it still holds, and `damage` says what is wrong with it.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.clock import MonotonicClock
from edgert.errors import VideoError
from edgert.optional import needs
from edgert.video.container import (
    READ_TIMEOUT_S,
    is_live,
    open_refusal,
    options_from_address,
    target_from_address,
)
from edgert.video.damage import Damage, is_cut_off
from edgert.video.decoder import Picture
from edgert.video.uri import Address, redact

_BT_709 = 1  # AVColorSpace, what HD video is tagged with

OpenContainer = Callable[..., Any]  # as av.open


class PyavDecoder:
    """One opened video; implements `edgert.video.decoder.Decoder`.

    `stop` ends `pictures` at the next packet. What waits for the network can't be interrupted from
    outside; it ends by itself when the time limit of opening or reading is over.

    Args:
        address: What to open.
        reason: Why it is not decoded in hardware, in words.
        open_container: Stands in for av.open.

    Raises:
        VideoError: It can not be opened, or not a single frame can be decoded.
        MissingDependencyError: PyAV is not installed.
    """

    name = "pyav"

    def __init__(
        self, address: Address, *, reason: str = "", open_container: OpenContainer | None = None
    ) -> None:
        self._av = needs("av", "video", "to read video")
        reformatter = needs("av.video.reformatter", "video", "to read video")
        self._reformat = reformatter.VideoReformatter().reformat
        self.reason = reason
        self._address = address
        self._open_container = open_container or self._av.open
        self._clock = MonotonicClock()  # the network's time is the wall's, whatever the run's is
        self._stop = threading.Event()
        self._damage = Damage()
        self._ended = False
        self._lost = ""  # why a live stream broke off
        self._container, self._stream = self._open()
        self.live = is_live(address, self._container)
        # Read now: `damage` may be asked for by another thread after the container is closed.
        self._declared_end_s = None if self.live else self._end_by_header_s()
        self._stream.thread_type = "SLICE" if self.live else "AUTO"
        self._decoded = self._decode()
        self._first = next(self._decoded, None)
        if self._first is None:
            self.close()
            raise open_refusal(
                address, "frames that can be decoded", self._lost or self.damage or "none"
            )
        self._quarter_turns = round(getattr(self._first, "rotation", 0) / 90) % 4
        size = (self._first.width, self._first.height)
        self.width, self.height = size[:: -1 if self._quarter_turns % 2 else 1]
        self.fps = float(self._stream.average_rate or self._stream.guessed_rate or 30)

    @property
    def damage(self) -> str | None:
        """What was wrong with the video so far, in one line; from any thread."""
        return self._damage.text(self._declared_end_s if self._ended else None) or None

    @property
    def damaged(self) -> int:
        """Places that could not be decoded, or only in part."""
        return self._damage.places

    def pictures(self) -> Iterator[Picture]:
        """Every picture, in order, ending with the video. Can be used once.

        Raises:
            VideoError: A live stream broke off, or went silent for too long.
        """
        first, self._first = self._first, None
        if first is not None:
            yield Picture(self._time_of(first), self._image(first))
        for picture in self._decoded:
            yield Picture(self._time_of(picture), self._image(picture))
        if self._lost and not self._stop.is_set():
            raise VideoError(
                f"read video {self._address.uri}",
                expected="frames",
                got=self._lost,
                advice="Check the camera, its power and the network",
            )

    def stop(self) -> None:
        """End `pictures` at the next packet; from any thread."""
        self._stop.set()

    def close(self) -> None:
        """Close the container; from the thread that ran `pictures`, or before it runs."""
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

    def _decode(self) -> Iterator[Any]:
        """Decode what can be decoded; note in `_damage` what could not."""
        for packet in self._packets():
            for picture in self._pictures_from(packet):
                if picture.is_corrupt:
                    self._damage.add()
                self._damage.see_frame(self._time_of(picture))
                yield picture
            if self._stop.is_set():
                return
        if not self._damage.found and self._is_cut_off():
            self._damage.add("the file is cut off")
        self._ended = True

    def _packets(self) -> Iterator[Any]:
        """The packets. The last one is empty, or None: it fetches what the decoder still holds.

        Of a live stream that went silent nothing more is fetched: it would come late, as if new.
        """
        now_s = self._clock.now_s
        since_s = now_s()
        try:
            for packet in self._container.demux(self._stream):
                # FFmpeg answers the end of its patience with what its parser still holds, and is
                # then as patient once more.
                if self.live and now_s() - since_s >= READ_TIMEOUT_S:
                    self._lost = "no answer in time"
                    return
                yield packet
                since_s = now_s()
        except self._av.FFmpegError as error:
            if self.live:
                self._lost = self._reason(error)
                return
            self._damage.add(self._reason(error))
            yield None

    def _pictures_from(self, packet: Any) -> list[Any]:
        self._damage.see_packet()
        if packet is not None and packet.is_corrupt:
            self._damage.add()
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
            self._damage.add(self._reason(error))
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

    def _end_by_header_s(self) -> float | None:
        """When the video should end. A container's sound may outlast its picture."""
        start = self._stream.start_time or 0
        if self._stream.duration:
            return float((start + self._stream.duration) * self._stream.time_base)
        if self._container.duration and len(self._container.streams) == 1:
            return float(self._container.duration / self._av.time_base)
        return None

    def _image(self, picture: Any) -> NDArray[np.uint8]:
        rgb = self._reformat(
            picture,
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
        # FFmpeg's name of an error number is a fixed text; what it logs may quote the address.
        text = (error.strerror or type(error).__name__).replace(
            self._address.target, self._address.uri
        )
        known = " ".join(redact(text).split())
        log = getattr(error, "log", None)
        return self._address.told(f"{known} ({log[2].strip()})", instead=known) if log else known
