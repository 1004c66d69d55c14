"""Video decoded by GStreamer: in hardware where a Jetson has it, else in software."""

import math
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from edgert.clock import Clock
from edgert.errors import VideoError
from edgert.video.container import READ_TIMEOUT_S, target_from_address
from edgert.video.damage import Damage, is_cut_off
from edgert.video.decoder import Picture
from edgert.video.gstreamer.bus import Notice, hide, refusal
from edgert.video.gstreamer.elements import Elements, Hardware, InstalledElements, find_hardware
from edgert.video.gstreamer.library import Gst, load_gst
from edgert.video.gstreamer.pipelines import (
    CSI_CAMERA,
    SOURCE,
    decode_pipeline,
    demuxer_of,
    split_login,
)
from edgert.video.gstreamer.running import RunningPipeline
from edgert.video.gstreamer.sample import SampleReader
from edgert.video.uri import Address

OPENS_S = 15.0  # a camera with rare key frames takes its time, until it has sent the first one
FILE_OPENS_S = 5.0  # GStreamer may lose the error of an element that it tries: see `demuxer_of`
FPS = 30.0  # of what announces none, as a live stream mostly does
_SLICE_S = 0.1  # how long `stop` may go unseen
_PLAYLISTS = (".m3u8", ".mpd")
_CAMERAS = {
    "csi": "pictures of a CSI camera need no decoder",
    "v4l2": "pictures of a USB camera come uncompressed or as JPEG",
}


class GStreamerDecoder:
    """One opened video; implements `edgert.video.decoder.Decoder`.

    Where hardware refuses the video itself, it is opened once more in software. `damaged` counts
    what GStreamer tells; FFmpeg's decoders in it pass over packets that make no sense in silence.

    Args:
        address: What to open; every scheme but test.
        clock: Tells how long a stream was silent.
        silence_s: After how long without a picture a live stream counts as broken off.
        opening_s: How long the first picture may take.
        elements: Stands in for those of this machine.

    Attributes:
        name, reason, width, height, fps, live, damage, damaged: See `Decoder`.

    Raises:
        MissingDependencyError: GStreamer is not here.
        VideoError: It can not be opened, or not a single picture can be decoded.
    """

    def __init__(
        self,
        address: Address,
        *,
        clock: Clock,
        silence_s: float = READ_TIMEOUT_S,
        opening_s: float = OPENS_S,
        elements: Elements | None = None,
    ) -> None:
        self._gst = load_gst()
        self._address = address
        if address.scheme == "file":
            self._address = Address("file", address.uri, {}, target_from_address(address))
        self._clock = clock
        self._silence_s, self._opening_s = silence_s, opening_s
        self._elements = elements or InstalledElements(self._gst)
        login = split_login(address.target)
        self._secrets = (login.user, login.password)
        self._stop = threading.Event()
        self._damage = Damage()
        self._lost = ""  # why a live stream broke off
        self._declared_end_s: float | None = None
        self.damaged = 0
        self.damage: str | None = None
        self._first = self._open()
        layout = self._reader.layout
        self.width, self.height = layout.width, layout.height
        self.fps = layout.fps or FPS

    def pictures(self) -> Iterator[Picture]:
        """Every picture, in order, ending with the video. Can be used once.

        A picture has the size that the stream has at that moment.

        Raises:
            VideoError: A live stream broke off, or went silent for too long.
        """
        picture = None if self._running.closed else self._first
        while picture is not None:
            yield picture
            picture = self._next()
        if not (self._stop.is_set() or self._running.closed):
            self._finish()

    def stop(self) -> None:
        """End `pictures` within a tenth of a second; from any thread."""
        self._stop.set()

    def close(self) -> None:
        """Let go of the pipeline. A second call does nothing."""
        self._running.close()
        self._reader.close()

    def _open(self) -> Picture:
        """Start a pipeline and wait for its first picture."""
        if self._address.scheme == "csi" and not self._elements.has(CSI_CAMERA):
            raise VideoError(
                f"open video {self._address.uri}",
                expected=f"the element {CSI_CAMERA} of GStreamer",
                got="none here",
                advice="Run it on a Jetson, with the package nvidia-l4t-gstreamer",
            )
        hardware, self.reason = find_hardware(self._elements)
        if self._address.scheme in _CAMERAS:
            hardware, self.reason = None, _CAMERAS[self._address.scheme]
        if hardware is not None:
            try:
                return self._start(hardware)
            except _RefusedError as refused:
                self.reason = f"{hardware.decoder} could not: {refused.told.got}"
                _without(self._gst, hardware.decoder)
        try:
            return self._start(None)
        except _RefusedError as refused:
            raise refused.told from None

    def _start(self, hardware: Hardware | None) -> Picture:
        upright = self._elements.has("videoflip")
        pipeline = decode_pipeline(
            self._address, hardware, demuxer=demuxer_of(self._head()), upright=upright
        )
        self.live = pipeline.live
        self._running = RunningPipeline(self._gst, pipeline, self._address.uri)
        self._reader = SampleReader(self._gst, self._address.uri)
        try:
            self._running.start()
            return self._first_of_all()
        except BaseException:
            self.close()
            raise

    def _first_of_all(self) -> Picture:
        first = self._next(opening=True)
        if first is None:
            raise self._nothing()
        self._learn()
        return first

    def _head(self) -> bytes:
        if self._address.scheme != "file":
            return b""
        try:
            with Path(self._address.target).open("rb") as file:
                return file.read(12)
        except OSError:  # GStreamer tells why
            return b""

    def _learn(self) -> None:
        """What shows once it runs: the decoder, whether a web address is live, its length."""
        self.name = f"gstreamer {self._running.decoder()}".strip()
        if self._address.scheme in ("http", "https"):
            self.live = self._running.duration_s() is None and self._is_endless()
            if self.live:
                self._running.keep_latest()
        if not self.live:
            self._declared_end_s = self._running.duration_s()

    def _is_endless(self) -> bool:
        path = urlsplit(self._address.target).path.lower()
        return path.endswith(_PLAYLISTS) or self._running.size_bytes() == 0

    def _next(self, *, opening: bool = False) -> Picture | None:
        """The next picture; None at the end, where it broke off, and after `stop`."""
        since_s = self._clock.now_s()
        while not (self._stop.is_set() or self._running.closed):
            sample = self._running.pull(_SLICE_S)
            fatal = self._heed_notices(opening=opening)
            if sample is not None:
                return self._see(sample)
            if fatal or self._running.ended():
                return None
            silent_s = self._clock.now_s() - since_s
            if silent_s >= self._patience_s(opening=opening):
                raise self._silent(silent_s, opening=opening)
        return None

    def _patience_s(self, *, opening: bool) -> float:
        if opening:
            is_file = self._address.scheme == "file"
            return min(FILE_OPENS_S, self._opening_s) if is_file else self._opening_s
        return self._silence_s if self.live else math.inf

    def _see(self, sample: int) -> Picture:
        picture, damaged = self._reader.read(sample)
        self._damage.see_frame(picture.time_s)
        if damaged:
            self._note("a picture came out damaged")
        return picture

    def _heed_notices(self, *, opening: bool) -> bool:
        """Take in what the pipeline says; True when it will give nothing more."""
        fatal = False
        while (notice := self._running.notice()) is not None:
            if notice.fatal and opening:
                raise self._refused(notice)
            fatal = fatal or notice.fatal
            reason = hide(notice.reason, self._secrets)
            if self.live and (notice.fatal or notice.source == SOURCE):
                self._lost = self._lost or reason
            else:
                self._note(reason)
        return fatal

    def _note(self, reason: str) -> None:
        self._damage.add(reason)
        self.damaged += 1
        self.damage = self._damage.text(None)

    def _finish(self) -> None:
        """Say what was wrong with the video that ended."""
        if self.live:
            if self._lost:
                raise VideoError(
                    f"read video {self._address.uri}",
                    expected="frames",
                    got=self._lost,
                    advice="Check the camera, its power and the network",
                )
            return
        if not self.damaged and self._is_cut_off():
            self._note("the file is cut off")
        self.damage = self._damage.text(self._declared_end_s) or None

    def _is_cut_off(self) -> bool:
        if self._address.scheme != "file":
            return False
        path = Path(self._address.target)
        try:
            return path.suffix.lower() in (".mp4", ".mov", ".m4v") and is_cut_off(path)
        except OSError:  # it may be gone or replaced by now
            return False

    def _refused(self, notice: Notice) -> Exception:
        told = refusal(self._address, notice, self._secrets)
        return told if notice.of_resource else _RefusedError(told)

    def _silent(self, silent_s: float, *, opening: bool) -> VideoError:
        got = f"a stream that went silent for {silent_s:.0f} s"
        if self._address.scheme == "file":
            got = f"no picture for {silent_s:.0f} s, and no reason from GStreamer"
        return VideoError(
            f"{'open' if opening else 'read'} video {self._address.uri}",
            expected="frames",
            got=got,
            advice="Check the camera, its power and the network",
        )

    def _nothing(self) -> VideoError:
        return VideoError(
            f"open video {self._address.uri}",
            expected="frames that can be decoded",
            got=self._lost or self.damage or "none",
            advice="Check the address, and that the file or stream plays elsewhere",
        )


class _RefusedError(Exception):
    """The video itself was refused, so that another decoder may be tried."""

    def __init__(self, told: VideoError) -> None:
        super().__init__(str(told))
        self.told = told


def _without(gst: Gst, decoder: str) -> None:
    """Keep decodebin from choosing what just failed; pipelines that name it still can."""
    if factory := gst.gst_element_factory_find(decoder.encode()):
        gst.gst_plugin_feature_set_rank(factory, 0)
        gst.gst_object_unref(factory)
