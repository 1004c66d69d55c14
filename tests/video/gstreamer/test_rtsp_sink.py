"""Pictures served over RTSP and watched by real clients."""

import contextlib
import socket
import threading
import time

import av
import numpy as np
import pytest

from edgert.errors import VideoError
from edgert.video.gstreamer import RtspSink
from tests.video.clips import images
from tests.video.gstreamer.machines import BARE, ORIN_NANO, FakeElements, needs_gstreamer
from tests.video.waiting import in_time

SIZE = {"width": 321, "height": 241}
COLOURS = [(200, 40, 40), (60, 200, 30), (40, 40, 200)]


@contextlib.contextmanager
def serving(pictures, uri="rtsp://127.0.0.1:0/live", **options):
    """A sink that is fed with `pictures`, one after the other, until the end of the block."""
    height, width = pictures[0].shape[:2]
    ended = threading.Event()

    def feed():
        index = 0
        while not ended.wait(0.04):
            sink.write(pictures[index % len(pictures)])
            index += 1

    with RtspSink(uri, fps=25, width=width, height=height, **options) as sink:
        thread = threading.Thread(target=feed)
        thread.start()
        try:
            yield sink
        finally:
            ended.set()
            thread.join()


def watch(uri, count):
    """The first pictures that another decoder makes of the stream."""
    options = {"rtsp_transport": "tcp", "analyzeduration": "200000"}
    with av.open(uri, options=options, timeout=(10, 10)) as container:
        frames = container.decode(video=0)
        return [next(frames).to_ndarray(format="rgb24") for _ in range(count)]


def port_of(uri):
    return int(uri.split("/")[2].rpartition(":")[2])


# ------------------------------------------------------------- without GStreamer


@pytest.mark.parametrize(
    ("uri", "got"),
    [
        ("http://127.0.0.1:0/", "http://"),
        ("live.mp4", "://"),
        ("rtsp://bob:hunter2@127.0.0.1/", "a user or password"),
        ("rtsp://127.0.0.1:999999/", "out of range"),
        ("rtsp://127.0.0.1/a?token=hunter2", "something behind the path"),
        ("rtsp://camera.invalid/a", "the name camera.invalid"),
    ],
)
def test_an_address_that_can_not_be_served_is_refused(uri, got):
    with pytest.raises(VideoError, match="expected rtsp://HOST:PORT/PATH") as caught:
        RtspSink(uri, fps=25, **SIZE)
    assert got in caught.value.got
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"width": 0}, {"height": -1}, {"fps": 0.0}, {"fps": float("inf")}]
)
def test_no_size_and_no_rate_are_misuse(wrong):
    with pytest.raises(ValueError, match="no video of"):
        RtspSink("rtsp://127.0.0.1:0/", **{"fps": 25.0, **SIZE, **wrong})


# ------------------------------------------------------------- with it


@pytest.mark.system
class TestServed:
    @pytest.fixture(autouse=True)
    def _gstreamer(self):
        needs_gstreamer(serving=True)

    def test_a_client_sees_what_is_written(self):
        shown = np.zeros((241, 321, 3), np.uint8)
        for band, colour in zip(np.split(shown[:240], 3), COLOURS, strict=True):
            band[:] = colour
        shown[240] = COLOURS[2]
        with serving([shown]) as sink:
            seen = in_time(lambda: watch(sink.uri, 20))
            assert sink.encoder == "x264enc"
            assert "nvv4l2h264enc" in sink.reason
        assert {image.shape for image in seen} == {(242, 322, 3)}  # padded to even numbers
        for band, colour in zip(np.split(seen[-1][:240], 3), COLOURS, strict=True):
            middle = band[10:-10].astype(int)  # with the padded column
            assert np.abs(middle - colour).mean() < 8
            assert np.abs(middle - COLOURS[0][::-1]).mean() > 8 or colour == COLOURS[2]
        assert np.abs(seen[-1][241].astype(int) - COLOURS[2]).mean() < 12  # the padded row

    def test_rows_are_not_skewed(self):
        """A picture whose rows are no multiple of four bytes long."""
        image = images(1, width=322, height=242)[0]
        with serving([image]) as sink:
            seen = in_time(lambda: watch(sink.uri, 30))[-1].astype(int)
        assert np.abs(seen - image).mean() < 10
        assert np.abs(seen - np.roll(image, 8, axis=1)).mean() > 1.2 * np.abs(seen - image).mean()

    def test_several_clients_watch_at_once_and_come_again(self):
        with serving(images(8)) as sink:
            results = []
            for _ in range(2):
                clients = [
                    threading.Thread(target=lambda: results.append(len(watch(sink.uri, 5))))
                    for _ in range(3)
                ]
                for client in clients:
                    client.start()
                for client in clients:
                    client.join(20)
            assert results == [5] * 6

    def test_nothing_is_encoded_while_nobody_watches(self):
        with serving(images(4)) as sink:
            threading.Event().wait(0.3)
            assert sink.written == 0
            in_time(lambda: watch(sink.uri, 2))
            assert sink.written > 0
            deadline_s = time.perf_counter() + 10
            before = -1
            while before != sink.written and time.perf_counter() < deadline_s:
                before = sink.written
                threading.Event().wait(0.3)  # of 0.04 s each, seven would have been written
            assert before == sink.written

    def test_a_client_that_stops_reading_holds_nobody_up(self):
        big = images(3, width=640, height=360)
        with serving(big) as sink, socket.create_connection(("127.0.0.1", port_of(sink.uri))) as s:
            s.settimeout(10)
            session = ""
            for number, (method, more) in enumerate(
                [
                    ("DESCRIBE", "Accept: application/sdp"),
                    ("SETUP", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"),
                    ("PLAY", "Session: {session}"),
                ]
            ):
                target = sink.uri + ("/stream=0" if method == "SETUP" else "")
                words = more.format(session=session)
                s.sendall(
                    f"{method} {target} RTSP/1.0\r\nCSeq: {number}\r\n{words}\r\n\r\n".encode()
                )
                answer = s.recv(8192).decode(errors="replace")
                assert "200 OK" in answer
                for line in answer.splitlines():
                    if line.startswith("Session:"):
                        session = line.split(":")[1].split(";")[0].strip()
            longest_s = 0.0
            for index in range(60):
                begin_s = time.perf_counter()
                sink.write(big[index % 3])
                longest_s = max(longest_s, time.perf_counter() - begin_s)
            assert longest_s < 0.5
            assert len(in_time(lambda: watch(sink.uri, 3))) == 3

    def test_noise_at_the_port_harms_nobody(self):
        with serving(images(4)) as sink:
            for noise in (b"\0" * 5000, b"GET / HTTP/1.1\r\n\r\n", b"$\0\xff\xff", b""):
                with socket.create_connection(("127.0.0.1", port_of(sink.uri))) as s:
                    s.sendall(noise)
            assert len(in_time(lambda: watch(sink.uri, 2))) == 2

    def test_close_frees_the_port_while_a_client_watches(self):
        with (
            serving(images(4)) as sink,
            av.open(sink.uri, options={"rtsp_transport": "tcp"}, timeout=(10, 5)) as client,
        ):
            next(client.decode(video=0))
            port = port_of(sink.uri)
        in_time(sink.close)  # a second time
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 2)
        with serving(images(4), f"rtsp://127.0.0.1:{port}/again") as sink:
            assert sink.uri == f"rtsp://127.0.0.1:{port}/again"
            assert len(in_time(lambda: watch(sink.uri, 2))) == 2

    def test_a_port_that_is_taken_is_told(self):
        with serving(images(1)) as sink, pytest.raises(VideoError, match="in use"):
            RtspSink(sink.uri, fps=25, **SIZE)

    def test_misuse_of_write(self):
        sink = RtspSink("rtsp://127.0.0.1:0", fps=25, **SIZE)
        assert sink.uri.endswith("/live")
        with pytest.raises(ValueError, match="needs"):
            sink.write(np.zeros((10, 10, 3), np.uint8))
        with pytest.raises(ValueError, match="needs"):
            sink.write(np.zeros((241, 321, 3), np.float32))
        sink.close()
        with pytest.raises(ValueError, match="closed"):
            sink.write(np.zeros((241, 321, 3), np.uint8))

    def test_the_orin_nanos_reason_is_told(self):
        with RtspSink("rtsp://127.0.0.1:0", fps=25, **SIZE, elements=ORIN_NANO) as sink:
            assert (sink.encoder, "no encoder in this board" in sink.reason) == ("x264enc", True)

    @pytest.mark.parametrize("machine", [BARE, FakeElements({"videoconvert": ()})])
    def test_a_machine_without_an_encoder(self, machine):
        with pytest.raises(VideoError, match="plugins-ugly"):
            RtspSink("rtsp://127.0.0.1:0", fps=25, **SIZE, elements=machine)
