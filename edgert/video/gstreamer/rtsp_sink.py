"""Pictures served over RTSP as H.264, to as many clients as come.

Nothing is encoded while nobody watches. A client that is slow, or gone without a word, holds up
neither `write` nor the other clients: its pictures are dropped by the server.
"""

import contextlib
import math
import threading
from collections.abc import Iterator
from ctypes import POINTER, byref
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import numpy as np
from numpy.typing import NDArray

from edgert.closing import Closing
from edgert.errors import VideoError
from edgert.video.gstreamer.elements import Elements, InstalledElements, find_encoder
from edgert.video.gstreamer.functions import CONFIGURE, FILTER, UNPREPARED, Error
from edgert.video.gstreamer.library import Gst, load_server
from edgert.video.gstreamer.pipelines import ENCODED_FROM, rtsp_pipeline
from edgert.video.serving_place import ADVICE, is_address
from edgert.video.uri import redact

PORT = 8554
BITS_PER_PIXEL = 0.1  # H.264 at about the quality that cameras send
LEAST_BITRATE = 1_000_000.0  # small pictures have more detail in each pixel
_REMOVE_CLIENT = 0  # GST_RTSP_FILTER_REMOVE
_PUSHED = 0  # GST_FLOW_OK


class RtspSink(Closing):
    """An RTSP server with one stream; implements `edgert.video.sink.Sink`.

    Args:
        uri: rtsp://HOST:PORT/PATH. The port is 8554 where none is written, and a free one for 0;
            the path is /live where none is written. Whoever reaches the host may watch.
        fps: Rate of the pictures.
        width: Of the pictures. An odd width or height is padded by its last column or row.
        height: Of the pictures.
        elements: Stands in for those of this machine.

    Attributes:
        size: Height and width of the pictures that are written.
        uri: Where it serves.
        encoder: The element that encodes.
        reason: Why it is none in hardware, in words; "" where it is.
        written: Pictures handed to the encoder; none is while nobody watches.

    Raises:
        MissingDependencyError: GStreamer or its RTSP server is not here.
        VideoError: The address can not be served, or nothing here encodes H.264.
        ValueError: No positive size or no positive rate.
    """

    def __init__(
        self,
        uri: str,
        *,
        fps: float,
        width: int,
        height: int,
        elements: Elements | None = None,
    ) -> None:
        if width < 1 or height < 1 or not 0 < fps < math.inf:
            raise ValueError(f"no video of {width} x {height} at {fps} frames per second")
        parts, port = _checked(uri)
        self._gst = load_server()
        self.encoder, self.reason = find_encoder(elements or InstalledElements(self._gst))
        if not self.encoder:
            advice = "Run: apt-get install gstreamer1.0-plugins-ugly"
            raise _refusal(uri, "an encoder for H.264", self.reason, advice)
        self.size = (height, width)
        even_height, even_width = height + height % 2, width + width % 2
        # GStreamer takes rows of RGB to begin at multiples of four bytes.
        self._rows = np.zeros((even_height, -(-even_width * 3 // 4) * 4), np.uint8)
        self._pixels = self._rows[:, : even_width * 3].reshape(even_height, even_width, 3)
        self.written = 0
        bitrate = round(max(LEAST_BITRATE, BITS_PER_PIXEL * even_width * even_height * fps))
        launch = rtsp_pipeline(
            self.encoder, width=even_width, height=even_height, fps=fps, bitrate=bitrate
        )
        host = parts.hostname or "127.0.0.1"
        path = parts.path if parts.path not in ("", "/") else "/live"
        self._server = _Server(self._gst, uri, _Place(host, port, path), launch)
        shown_host = f"[{host}]" if ":" in host else host
        self.uri = f"rtsp://{shown_host}:{self._server.port}{path}"

    def write(self, image: NDArray[np.uint8]) -> None:
        """Hand one picture to whoever watches; returns at once, also when the encoder is behind.

        Args:
            image: (H, W, 3) uint8 RGB of the sink's size. Copied; free to be reused.

        Raises:
            ValueError: Another shape or dtype, or the sink is closed.
        """
        if image.shape != (*self.size, 3) or image.dtype != np.uint8:
            raise ValueError(f"needs {(*self.size, 3)} uint8, got {image.shape} {image.dtype}")
        if self._server.closed:
            raise ValueError("write to a closed sink")
        with self._server.watched() as appsrc:
            if appsrc is None:
                return
            height, width = self.size
            self._pixels[:height, :width] = image
            self._pixels[height:, :width] = image[-1:]
            self._pixels[:, width:] = self._pixels[:, width - 1 : width]
            buffer = self._gst.gst_buffer_new_allocate(None, self._rows.nbytes, None)
            self._gst.gst_buffer_fill(buffer, 0, self._rows.ctypes.data, self._rows.nbytes)
            # The buffer is the appsrc's now, whatever it answers.
            self.written += self._gst.gst_app_src_push_buffer(appsrc, buffer) == _PUSHED

    def close(self) -> None:
        """Throw the clients out and free the port. A second call does nothing."""
        self._server.close()


class _Place(NamedTuple):
    host: str
    port: int
    path: str


class _Server:
    """GStreamer's RTSP server and the thread that its main loop runs in."""

    def __init__(self, gst: Gst, uri: str, place: _Place, launch: str) -> None:
        self._gst = gst
        self._place = place
        self._guard = threading.Lock()
        self._media: int | None = None  # only to be compared
        self._appsrc: int | None = None
        self.closed = False
        # Held as long as the server may call them: ctypes does not, and C would call into nowhere.
        self._on_configure = CONFIGURE(self._configure)
        self._on_unprepared = UNPREPARED(self._forget)
        self._on_client = FILTER(lambda *_: _REMOVE_CLIENT)
        self._context = gst.g_main_context_new()
        self._server = gst.gst_rtsp_server_new()
        gst.gst_rtsp_server_set_address(self._server, place.host.encode())
        gst.gst_rtsp_server_set_service(self._server, str(place.port).encode())
        pool = gst.gst_rtsp_server_get_thread_pool(self._server)
        gst.gst_rtsp_thread_pool_set_max_threads(pool, 0)  # clients are served by our thread too
        gst.g_object_unref(pool)
        self._mount(launch)
        self._source = self._listen(uri)
        self.port = gst.gst_rtsp_server_get_bound_port(self._server)
        self._thread = threading.Thread(target=self._run, name="rtsp-server", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def watched(self) -> Iterator[int | None]:
        """The appsrc of the pipeline that runs, or None while nobody watches."""
        with self._guard:
            yield self._appsrc

    def close(self) -> None:
        """End the thread, which lets go of everything."""
        if self.closed:
            return
        self.closed = True
        self._gst.g_main_context_wakeup(self._context)
        self._thread.join()
        self._gst.g_main_context_unref(self._context)

    def _mount(self, launch: str) -> None:
        gst = self._gst
        factory = gst.gst_rtsp_media_factory_new()
        gst.gst_rtsp_media_factory_set_launch(factory, launch.encode())
        gst.gst_rtsp_media_factory_set_shared(factory, 1)  # one encoder for all clients
        gst.g_signal_connect_data(factory, b"media-configure", self._on_configure, None, None, 0)
        mounts = gst.gst_rtsp_server_get_mount_points(self._server)
        gst.gst_rtsp_mount_points_add_factory(mounts, self._place.path.encode(), factory)
        gst.g_object_unref(mounts)

    def _listen(self, uri: str) -> int:
        """Bind the port."""
        gst, error = self._gst, POINTER(Error)()
        source: int | None = gst.gst_rtsp_server_create_source(self._server, None, byref(error))
        failure = gst.take_failure(error)
        if not source:
            gst.g_object_unref(self._server)
            gst.g_main_context_unref(self._context)
            raise _refusal(uri, "a free port of this machine", failure.text, ADVICE)
        gst.g_source_attach(source, self._context)
        return source

    def _configure(self, _factory: int, media: int, _data: int) -> None:
        """Called by C when the first client comes, in our thread. Must not raise."""
        with contextlib.suppress(Exception):
            gst = self._gst
            pipeline = gst.gst_rtsp_media_get_element(media)
            appsrc = gst.gst_bin_get_by_name(pipeline, ENCODED_FROM.encode())
            gst.gst_object_unref(pipeline)
            gst.g_signal_connect_data(media, b"unprepared", self._on_unprepared, None, None, 0)
            self._take(media, appsrc)

    def _forget(self, media: int, _data: int) -> None:
        """Called by C when the last client left, in whichever thread. Must not raise."""
        with contextlib.suppress(Exception):
            if media == self._media:  # the next one may have come already
                self._take(None, None)

    def _take(self, media: int | None, appsrc: int | None) -> None:
        """Feed this one from now on."""
        with self._guard:
            self._media = media
            before, self._appsrc = self._appsrc, appsrc
        if before:
            self._gst.gst_object_unref(before)

    def _run(self) -> None:
        gst = self._gst
        gst.g_main_context_push_thread_default(self._context)
        while not self.closed:
            gst.g_main_context_iteration(self._context, 1)
        gst.gst_rtsp_server_client_filter(self._server, self._on_client, None)
        mounts = gst.gst_rtsp_server_get_mount_points(self._server)
        gst.gst_rtsp_mount_points_remove_factory(mounts, self._place.path.encode())
        gst.g_object_unref(mounts)
        gst.g_source_destroy(self._source)
        gst.g_source_unref(self._source)
        while gst.g_main_context_iteration(self._context, 0):  # what closing clients left to do
            pass
        self._take(None, None)
        gst.g_object_unref(self._server)
        gst.g_main_context_pop_thread_default(self._context)


def _checked(uri: str) -> tuple[SplitResult, int]:
    """The address taken apart, and its port.

    Raises:
        VideoError: It is no address to serve at.
    """
    got = ""
    try:
        parts = urlsplit(uri)
        port = PORT if parts.port is None else parts.port
    except ValueError as error:
        raise _refusal(uri, "rtsp://HOST:PORT/PATH", str(error), "Write such an address") from None
    if parts.scheme != "rtsp":
        got = f"{parts.scheme}://"
    elif parts.username or parts.password:
        got = "a user or password, which it can not demand"
    elif parts.query or parts.fragment:
        got = "something behind the path"
    elif parts.hostname and not is_address(parts.hostname):
        got = f"the name {parts.hostname}, where an address of this machine is needed"
    if got:
        raise _refusal(uri, "rtsp://HOST:PORT/PATH", got, "Write such an address")
    return parts, port


def _refusal(uri: str, expected: str, got: str, advice: str) -> VideoError:
    return VideoError(
        f"serve video {redact(uri)}", expected=expected, got=redact(got), advice=advice
    )
