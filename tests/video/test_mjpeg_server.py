"""Motion JPEG over real HTTP: players play it, slow and odd clients harm nobody."""

import contextlib
import http.client
import io
import os
import resource
import socket
import threading
import time

import av
import numpy as np
import pytest
from PIL import Image

from edgert.errors import VideoError
from edgert.video import mjpeg_server
from edgert.video.mjpeg_server import MOST_CLIENTS, MjpegSink
from edgert.video.sink import SeveralSinks, open_sink
from tests.video.standins import wait_until
from tests.video.waiting import in_time


class Writer:
    """A run that writes a picture every few milliseconds, and notes the slowest write."""

    def __init__(self, sink, width=64, height=48):
        self.sink, self.image = sink, np.full((height, width, 3), 100, np.uint8)
        self.end, self.slowest_s, self.count = threading.Event(), 0.0, 0
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.end.wait(0.004):
            begin_s = time.perf_counter()
            self.sink.write(self.image)
            self.slowest_s = max(self.slowest_s, time.perf_counter() - begin_s)
            self.count += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join(10.0)


@pytest.fixture
def sink():
    with MjpegSink("http://127.0.0.1:0/") as made:
        yield made


def port_of(sink):
    return int(sink.uri.rsplit(":", 1)[1].strip("/"))


def get(sink, path="/picture.jpg", **headers):
    link = http.client.HTTPConnection("127.0.0.1", port_of(sink), timeout=10)
    try:
        link.request("GET", path, headers=headers)
        answer = link.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        link.close()


def connect(sink, request=b"GET / HTTP/1.0\r\n\r\n"):
    client = socket.create_connection(("127.0.0.1", port_of(sink)), timeout=10)
    client.sendall(request)
    return client


def test_ffmpeg_plays_the_stream(sink):
    with Writer(sink), av.open(sink.uri, format="mpjpeg", timeout=10.0) as container:
        frames = [frame for frame, _ in zip(container.decode(video=0), range(3), strict=False)]
    assert [(frame.width, frame.height) for frame in frames] == [(64, 48)] * 3
    assert abs(frames[0].to_ndarray(format="rgb24").mean() - 100) < 3


def test_one_picture_alone_and_its_headers(sink):
    with Writer(sink):
        status, headers, body = get(sink)
    assert status == 200
    assert headers["Content-Type"] == "image/jpeg"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"].startswith("edgert")
    assert Image.open(io.BytesIO(body)).size == (64, 48)


def test_other_paths_methods_and_names_are_refused(sink):
    assert get(sink, "/etc/passwd")[0] == 404
    assert get(sink, "/../..")[0] == 404
    assert get(sink, Host="evil.example")[0] == 403
    for request in (b"POST / HTTP/1.0\r\n\r\n", b"\x00\x01\r\n\r\n", b"GET\r\n\r\n"):
        with connect(sink, request) as client:
            answer = client.recv(2000)
            assert b"501" in answer or b"400" in answer


def test_a_client_that_takes_nothing_does_not_slow_the_run(sink):
    with connect(sink) as sleepy, Writer(sink, 640, 480) as writer:
        assert sleepy.recv(100).startswith(b"HTTP/1.0 200")
        wait_until(lambda: writer.count > 150)
        assert get(sink)[0] == 200
    assert writer.slowest_s < 0.5


def test_too_many_clients_are_sent_away_and_places_become_free_again(sink):
    clients = [connect(sink) for _ in range(MOST_CLIENTS)]
    wait_until(lambda: sink._server.places._value == 0)
    with connect(sink) as one_more:
        assert one_more.recv(200).startswith(b"HTTP/1.0 503")
    for client in clients:
        client.close()
    # No picture comes meanwhile: those that left must be noticed all the same.
    wait_until(lambda: sink._server.places._value == MOST_CLIENTS)
    with Writer(sink):
        assert get(sink)[0] == 200


def test_half_open_clients_lose_their_places(sink, monkeypatch):
    monkeypatch.setattr(mjpeg_server._Handler, "timeout", 0.2)
    clients = [connect(sink, b"GET / HT") for _ in range(MOST_CLIENTS)]
    wait_until(lambda: sink._server.places._value == 0)
    wait_until(lambda: sink._server.places._value == MOST_CLIENTS)
    for client in clients:
        client.close()


def test_close_ends_the_stream_of_whoever_looks_and_frees_the_port(sink):
    before = threading.active_count()
    with connect(sink) as client:
        wait_until(lambda: sink._live.watched)
        in_time(sink.close, 5.0)
        rest = b""
        while piece := client.recv(10_000):
            rest += piece
    assert rest.endswith(b"--edgert-picture--\r\n")
    wait_until(lambda: threading.active_count() < before)
    with MjpegSink(sink.uri) as again:
        assert again.uri == sink.uri
    sink.close()


def test_a_taken_port_is_one_line(sink):
    with pytest.raises(VideoError) as caught:
        MjpegSink(sink.uri)
    assert "address already in use" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    ["http://127.0.0.1/", "http://127.0.0.1:80000/", "http://127.0.0.1:0/cam", "http://:x/",
     "http://me:pw@127.0.0.1:0/", "http://127.0.0.1:0/?x=1", "http://192.0.2.1:0/",
     "http://no.such.host.invalid:0/"],
)  # fmt: skip
def test_what_can_not_be_served_is_one_line(uri):
    with pytest.raises(VideoError) as caught:
        MjpegSink(uri)
    assert "\n" not in str(caught.value)
    assert "pw" not in str(caught.value)


def test_without_a_host_it_is_this_machine_alone():
    with open_sink("http://:0/", fps=10, width=8, height=8) as sink:
        assert sink.uri.startswith("http://127.0.0.1:")


def test_several_sinks_get_each_picture_and_all_are_closed():
    class Sink:
        def __init__(self, error=None):
            self.images, self.closed, self.error = [], 0, error

        def write(self, image):
            self.images.append(image)

        def close(self):
            self.closed += 1
            if self.error:
                raise self.error

    failure = VideoError("write video", expected="room", got="none", advice="Look")
    sinks = [Sink(failure), Sink()]
    several = SeveralSinks(sinks)
    image = np.zeros((2, 2, 3), np.uint8)
    several.write(image)
    with pytest.raises(VideoError, match="write video"):
        several.close()
    assert [sink.images for sink in sinks] == [[image], [image]]
    assert [sink.closed for sink in sinks] == [1, 1]


def test_a_process_with_many_open_files_says_goodbye_all_the_same(sink):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4000:
        pytest.skip(f"at most {hard} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4000, hard))
    with contextlib.ExitStack() as undo:
        undo.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(1100):
            undo.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        client = undo.enter_context(connect(sink))
        wait_until(lambda: sink._live.watched)
        in_time(sink.close, 5.0)
        rest = b""
        while piece := client.recv(10_000):
            rest += piece
    assert rest.endswith(b"--edgert-picture--\r\n")
