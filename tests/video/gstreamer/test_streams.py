"""A real RTSP server on this machine that stalls, dies, comes back, changes; and real HTTP."""

import base64
import contextlib
import functools
import http.server
import logging
import secrets
import socket
import threading
import time
from fractions import Fraction

import av
import pytest

from edgert.errors import VideoError
from tests.video.gstreamer.machines import needs_gstreamer
from tests.video.gstreamer.opened import SECRET, all_of, opened, plain_clip
from tests.video.gstreamer.rtsp_server import RtspServer, needs_rtsp_server
from tests.video.waiting import in_time

pytestmark = pytest.mark.system
SOON_S = 1.5


@pytest.fixture(autouse=True, scope="module")
def _gstreamer():
    needs_gstreamer()
    needs_rtsp_server()


@pytest.fixture
def server():
    with RtspServer(fps=25) as running:
        yield running


def take(pictures, count):
    return [next(pictures) for _ in range(count)]


def the_end(pictures):
    """What ends the pictures: an error's text, or the number that still came."""
    try:
        return str(sum(1 for _ in pictures))
    except VideoError as error:
        return str(error)


# ------------------------------------------------------------- RTSP


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_stream_is_decoded(codec):
    with RtspServer(codec=codec) as server, opened(server.uri) as decoder:
        pictures = in_time(lambda: take(decoder.pictures(), 10))
        assert decoder.live
        assert decoder.name in (f"gstreamer avdec_{codec}", "gstreamer libde265dec")
    assert {p.image.shape for p in pictures} == {(240, 320, 3)}
    times_s = [p.time_s for p in pictures]
    assert times_s == sorted(times_s)
    # The test picture is a white ball on black.
    assert pictures[-1].image.max() > 200
    assert pictures[-1].image.min() < 50


def test_a_clip_is_served_to_its_end(tmp_path):
    clip = plain_clip(tmp_path / "clip.mp4", 30)
    with RtspServer(clip=clip) as server, opened(server.uri) as decoder:
        count = in_time(lambda: len(list(decoder.pictures())))
    assert 25 <= count <= 30  # the leaky queue may drop one where this machine is busy


def test_a_server_that_says_goodbye_ends_it(server):
    with opened(server.uri) as decoder:
        pictures = decoder.pictures()
        in_time(lambda: take(pictures, 5))
        server.tell("end")
        assert in_time(lambda: the_end(pictures)).isdigit()


def test_a_new_resolution_is_followed_in_the_same_connection(server):
    with opened(server.uri) as decoder:
        pictures = decoder.pictures()
        in_time(lambda: take(pictures, 3))
        server.tell("size 640x480")
        shapes = in_time(lambda: _until(pictures, (480, 640, 3)))
        server.tell("size 162x122")  # with rows that GStreamer pads
        shapes += in_time(lambda: _until(pictures, (122, 162, 3)))
    assert set(shapes) == {(240, 320, 3), (480, 640, 3), (122, 162, 3)}


def _until(pictures, shape):
    shapes = []
    for picture in pictures:
        shapes.append(picture.image.shape)
        if picture.image.shape == shape:
            return shapes
    raise AssertionError(f"ended before {shape}")


@pytest.mark.parametrize("how", ["stall", "freeze"])
def test_a_stream_that_goes_silent_is_given_up(server, how):
    with opened(server.uri, silence_s=SOON_S) as decoder:
        pictures = decoder.pictures()
        in_time(lambda: take(pictures, 3))
        server.freeze() if how == "freeze" else server.tell("stall")
        begin_s = time.perf_counter()
        assert "went silent for" in in_time(lambda: the_end(pictures))
        assert SOON_S < time.perf_counter() - begin_s < SOON_S + 2
        decoder.close()


def test_a_short_stall_is_waited_for(server):
    with opened(server.uri, silence_s=10.0) as decoder:
        pictures = decoder.pictures()
        in_time(lambda: take(pictures, 3))
        server.tell("stall")
        threading.Timer(1.0, server.tell, ["go"]).start()
        begin_s = time.perf_counter()
        in_time(lambda: take(pictures, 30))
        assert time.perf_counter() - begin_s > 0.8


@pytest.mark.parametrize("how", ["kill", "drop"])
def test_a_connection_that_breaks_off_is_an_error_at_once(server, how):
    with opened(server.uri) as decoder:
        pictures = decoder.pictures()
        in_time(lambda: take(pictures, 3))
        server.kill() if how == "kill" else server.tell("drop")
        begin_s = time.perf_counter()
        told = in_time(lambda: the_end(pictures))
        assert told.startswith(f"read video {server.uri}: expected frames, got ")
        assert "closed" in told
        assert time.perf_counter() - begin_s < 5


def test_a_server_that_comes_back_can_be_opened_again(server):
    with opened(server.uri) as decoder:
        in_time(lambda: take(decoder.pictures(), 2))
        server.kill()
    with pytest.raises(VideoError, match="expected an answer, got Could not open") as caught:
        in_time(lambda: all_of(server.uri))
    assert "Check the address, the camera" in str(caught.value)
    with RtspServer(port=server.port), opened(server.uri) as decoder:
        assert len(in_time(lambda: take(decoder.pictures(), 2))) == 2


def test_stop_ends_a_wait_for_a_silent_camera(server):
    with opened(server.uri) as decoder:
        pictures = decoder.pictures()
        in_time(lambda: take(pictures, 2))
        server.tell("stall")
        threading.Timer(0.3, decoder.stop).start()
        begin_s = time.perf_counter()
        assert in_time(lambda: the_end(pictures)).isdigit()
        assert time.perf_counter() - begin_s < 2


def test_a_slow_reader_gets_the_newest_picture(server):
    """Two seconds later the next picture is two seconds younger, not the one that came next."""
    with opened(server.uri) as decoder:
        pictures = decoder.pictures()
        first = in_time(lambda: take(pictures, 5))[-1]
        threading.Event().wait(2.0)
        late = in_time(lambda: take(pictures, 6))  # at most a few were waiting
        assert late[-1].time_s - first.time_s > 1.6


@pytest.mark.parametrize("user", ["", f"bob:wrong{SECRET}"])
def test_a_wrong_password_is_named_and_not_shown(user, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    with RtspServer(user=f"bob:{SECRET}") as server:
        uri = server.uri_with(user) if user else server.uri
        with pytest.raises(VideoError) as caught:
            in_time(lambda: all_of(uri))
    assert "Check user and password in the address" in str(caught.value)
    seen = capfd.readouterr()
    for text in (str(caught.value), repr(caught.value), caplog.text, seen.out, seen.err):
        assert SECRET not in text


@pytest.mark.parametrize("password", [SECRET, "p@ssw:rd", "p/ssw:rd", "100%"])
def test_the_right_password_opens_it(password):
    with (
        RtspServer(user=f"bob:{password}") as server,
        opened(server.uri_with(f"bob:{password}")) as decoder,
    ):
        assert len(in_time(lambda: take(decoder.pictures(), 2))) == 2


@contextlib.contextmanager
def answering(answer):
    """A TCP server that sends `answer` to whoever says something, then listens on."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with contextlib.suppress(OSError), client:
                    client.recv(4096)
                    client.sendall(answer)
                    client.recv(4096)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"rtsp://bob:{SECRET}@127.0.0.1:{listener.getsockname()[1]}/x"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@pytest.mark.parametrize(
    "answer",
    [
        secrets.token_bytes(3000),
        b"HTTP/1.1 200 OK\r\n\r\n<html>a web server</html>",
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\n",
        b"RTSP/1.0 500 Internal Server Error\r\nCSeq: 1\r\n\r\n",
        b"",
    ],
    ids=["noise", "http", "endless", "500", "nothing"],
)
def test_garbage_in_place_of_a_stream_is_an_error_in_time(answer):
    with answering(answer) as uri, pytest.raises(VideoError) as caught:
        in_time(lambda: all_of(uri, opening_s=SOON_S))
    assert SECRET not in str(caught.value)
    assert str(caught.value).startswith("open video rtsp://***@127.0.0.1")
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------- HTTP


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        known = "Basic " + base64.b64encode(f"bob:{SECRET}".encode()).decode()
        if self.path.startswith("/private") and self.headers.get("Authorization") != known:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        if self.path == "/mjpeg":
            return self.send_pictures()
        self.path = self.path.removeprefix("/private")
        return super().do_GET()

    def send_pictures(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        self.close_connection = True
        jpeg = self.server.jpeg
        head = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
        with contextlib.suppress(OSError):
            for _ in range(20):
                self.wfile.write(head + jpeg + b"\r\n")


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    plain_clip(folder / "clip.mp4", 30)
    handler = functools.partial(_Handler, directory=str(folder))
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    frame = av.VideoFrame(64, 48, "yuvj420p")
    frame.pts = 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.jpeg = bytes(encoder.encode(frame)[0])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_a_file_over_http_gives_every_frame(web):
    pictures, decoder = in_time(lambda: all_of(f"http://{web}/clip.mp4"))
    assert len(pictures) == 30
    assert not decoder.live
    assert decoder.damage is None


def test_a_cameras_jpegs_over_http_are_live(web):
    with opened(f"http://{web}/mjpeg") as decoder:
        assert decoder.live
        assert in_time(lambda: next(decoder.pictures())).image.shape == (48, 64, 3)


def test_a_web_servers_refusals_are_told(web):
    with pytest.raises(VideoError, match=r"404.*Check the address"):
        in_time(lambda: all_of(f"http://{web}/nothing.mp4"))
    with pytest.raises(VideoError, match="Check user and password") as caught:
        in_time(lambda: all_of(f"http://bob:wrong{SECRET}@{web}/private/clip.mp4"))
    assert SECRET not in str(caught.value)


def test_a_web_server_that_knows_the_password(web):
    pictures, _ = in_time(lambda: all_of(f"http://bob:{SECRET}@{web}/private/clip.mp4"))
    assert len(pictures) == 30
