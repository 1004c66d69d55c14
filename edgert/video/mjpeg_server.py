"""A sink that others look at with a browser: motion JPEG over HTTP, for `edgert run`.

GET / gives the pictures as multipart/x-mixed-replace, which browsers, VLC and FFmpeg play;
GET /picture.jpg the next one alone. Whoever is slow gets fewer pictures; the run waits for nobody.
Without a password: anything but loopback shows the pictures to the whole network.
"""

import contextlib
import http.server
import select
import socket
import socketserver
import threading
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from edgert.closing import Closing
from edgert.errors import VideoError
from edgert.video.mjpeg import LivePicture
from edgert.video.serving_place import ADVICE, is_address
from edgert.video.uri import redact

MOST_CLIENTS = 8
CLIENT_TIMEOUT_S = 10.0  # of a request that does not come, and of pictures that are not taken
_BOUNDARY = "edgert-picture"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class MjpegSink(Closing):
    """Serves the pictures that are written.

    Args:
        uri: http://HOST:PORT/; HOST is an address of this machine or localhost; 127.0.0.1
            where none is written. Port 0 takes a free one.

    Attributes:
        uri: Where it serves, with the port that it got.

    Raises:
        VideoError: The address makes no sense, is taken or is not this machine's.
    """

    def __init__(self, uri: str) -> None:
        host, port = _place(uri)
        self._live = LivePicture()
        try:
            self._server = _Server((host, port), self._live)
        except OSError as error:
            raise VideoError(
                f"serve video at {redact(uri)}",
                expected="a free port of this machine",
                got=(error.strerror or str(error)).lower(),
                advice=ADVICE,
            ) from error
        shown = f"[{host}]" if ":" in host else host
        self.uri = f"http://{shown}:{self._server.server_address[1]}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="mjpeg-server", daemon=True
        )
        self._thread.start()

    def write(self, image: NDArray[np.uint8]) -> None:
        """Show one (H, W, 3) uint8 RGB picture to whoever looks; the caller may reuse it."""
        self._live.show(image)

    def close(self) -> None:
        """Send everybody away and free the port."""
        self._live.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that takes nothing is waited for by its own thread alone
    request_queue_size = 16

    def __init__(self, place: tuple[str, int], live: LivePicture) -> None:
        self.live = live
        self.places = threading.BoundedSemaphore(MOST_CLIENTS)
        self.address_family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        self.only_loopback = place[0] in _LOOPBACK
        super().__init__(place, _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's, which asks the network for this machine's name, maybe for seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a thread for a client, unless there are too many."""
        if self.places.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        with contextlib.suppress(OSError):
            request.settimeout(1.0)
            request.sendall(b"HTTP/1.0 503 Too many clients\r\nContent-Length: 0\r\n\r\n")
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that went away is no event."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = CLIENT_TIMEOUT_S

    def do_GET(self) -> None:
        """The pictures, or one."""
        if not self._is_for_us():
            self.send_error(403, "Another name than this machine's")
            return
        path = self.path.partition("?")[0]
        if path == "/":
            self._stream()
        elif path == "/picture.jpg":
            self._picture()
        else:
            self.send_error(404)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - as the base has it
        """Write nothing to stderr."""

    def version_string(self) -> str:
        """What the header Server says."""
        return "edgert"

    def _is_for_us(self) -> bool:
        """A page from elsewhere may make its own name point here; it must not see pictures."""
        named = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        return not self.server.only_loopback or named in (None, *_LOOPBACK)

    def _stream(self) -> None:
        kind = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
        self._begin(kind)
        live, number = self.server.live, 0
        while not live.closed:
            found = live.newest(after=number, timeout_s=1.0)
            if found is not None:
                number, jpeg = found
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                self.wfile.write(head.encode() + b"\r\n\r\n" + jpeg + b"\r\n")
            elif self._is_gone():  # else those who leave while no pictures come keep their places
                return
        self.wfile.write(f"--{_BOUNDARY}--\r\n".encode())

    def _is_gone(self) -> bool:
        # Not select.select, which takes no file number above 1023.
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        return bool(poll.poll(0)) and not self.connection.recv(1, socket.MSG_PEEK)

    def _picture(self) -> None:
        found = self.server.live.newest()
        if found is None:
            self.send_error(503, "No picture came")
            return
        self._begin("image/jpeg", len(found[1]))
        self.wfile.write(found[1])

    def _begin(self, kind: str, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Connection", "close")
        self.end_headers()


def _place(uri: str) -> tuple[str, int]:
    """Host and port of http://HOST:PORT/."""
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if port is None or parts.path not in ("", "/") or parts.query or parts.username:
        raise VideoError(
            f"serve video at {redact(uri)}",
            expected="http://HOST:PORT/",
            got="something else",
            advice="Write http://127.0.0.1:8080/",
        )
    if not is_address(host):
        raise VideoError(
            f"serve video at {redact(uri)}",
            expected="an address of this machine, or localhost",
            got=f"the name {host}",
            advice="Write http://127.0.0.1:8080/",
        )
    return host, port
