"""Sources against a real RTSP server that is killed, falls silent, changes its size."""

import contextlib
import os
import socket
import threading

import pytest

from edgert.errors import VideoError
from edgert.video.backoff import Backoff
from edgert.video.connection import RECONNECT_PAUSES_S
from edgert.video.container import READ_TIMEOUT_S
from edgert.video.source import open_source
from tests.video.gstreamer.rtsp_server import RtspServer, needs_rtsp_server
from tests.video.standins import wait_until
from tests.video.waiting import in_time

pytestmark = pytest.mark.system
USER, PASSWORD = "me", "hunter2 @/?"


@pytest.fixture
def server():
    needs_rtsp_server()
    with RtspServer() as running:
        yield running


@pytest.fixture(params=["pyav", "gstreamer"])
def watch(request):
    """Opens a patient source; whatever decodes, sources behave alike."""

    def opened(uri):
        backoff = Backoff(shortest_s=0.05, longest_s=0.2)
        return open_source(uri, decoder=request.param, patient=True, backoff=backoff)

    opened.decoder = request.param
    return opened


def until(source, state, limit_s=30.0):
    return wait_until(lambda: source.figures().state == state and source.figures(), limit_s)


def open_files():
    return len(os.listdir("/proc/self/fd"))


def test_a_camera_gives_its_newest_frame_with_its_age(server, watch):
    with watch(server.uri) as source:
        until(source, "running")
        frame = in_time(source.read)
        figures = source.figures()
    assert (source.width, source.height, source.fps, source.live) == (320, 240, 15.0, True)
    assert frame.image.shape == (240, 320, 3)
    assert frame.image.std() > 5  # a picture, not one grey
    assert frame.arrived_s > 0
    assert figures.last_frame_age_s < 2.0
    assert figures.decoder.startswith(watch.decoder)
    assert figures.decoder_reason


def test_a_server_that_is_killed_and_comes_back_is_followed(server, watch):
    with watch(server.uri) as source:
        until(source, "running")
        port = server.port
        before = in_time(source.read).index
        server.kill()
        figures = until(source, "offline")
        assert figures.reason
        reasons = "refused", "Could not open"  # FFmpeg's word and GStreamer's
        wait_until(lambda: any(reason in source.figures().reason for reason in reasons))
        with RtspServer(port=port):
            figures = until(source, "running")
            wait_until(lambda: (frame := source.poll()) and frame.index > before)
        assert figures.reconnects == 1
        assert figures.reason == ""
    assert source.figures().state == "ended"


def test_a_stream_that_stalls_is_noticed_and_comes_back(server, watch):
    with watch(server.uri) as source:
        until(source, "running")
        server.tell("stall")
        figures = until(source, "offline", READ_TIMEOUT_S + 3.0)
        assert "no answer in time" in figures.reason or "went silent" in figures.reason
        assert -0.5 < figures.last_frame_age_s - READ_TIMEOUT_S < 2.0
        server.tell("go")
        until(source, "running")


def test_a_machine_that_hangs_is_noticed(server, watch):
    with watch(server.uri) as source:
        until(source, "running")
        server.freeze()
        figures = until(source, "offline", READ_TIMEOUT_S + 3.0)
        assert "no answer in time" in figures.reason or "went silent" in figures.reason


def test_close_during_a_stall_takes_no_longer_than_the_time_limit(server, watch):
    source = watch(server.uri)
    until(source, "running")
    server.tell("stall")
    age_s = source.figures().last_frame_age_s
    wait_until(lambda: source.figures().last_frame_age_s > age_s + 0.5)
    in_time(source.close, READ_TIMEOUT_S + 2.0)


def test_another_resolution_is_brought_to_the_first_and_counted(server, watch):
    with watch(server.uri) as source:
        until(source, "running")
        server.tell("size 640x480")
        wait_until(lambda: source.figures().resized == 1)
        assert in_time(source.read).image.shape == (240, 320, 3)
        assert source.figures().state == "running"
        assert source.figures().width == 320


def test_the_end_of_the_stream_is_not_the_end_of_a_patient_source(server, watch):
    with watch(server.uri) as source:
        until(source, "running")
        server.tell("end")
        wait_until(lambda: source.figures().reconnects == 1)
        until(source, "running")


def test_a_wrong_password_is_told_without_it_and_the_right_one_plays(watch, caplog, capfd):
    needs_rtsp_server()
    with RtspServer(user=f"{USER}:{PASSWORD}") as server:
        wrong = server.uri_with(f"{USER}:{PASSWORD}x")
        with watch(wrong) as source:
            figures = until(source, "offline")
            told = repr(figures) + source.uri + repr(vars(source))
        with pytest.raises(VideoError) as caught:
            open_source(wrong, decoder=watch.decoder)
        with watch(server.uri_with(f"{USER}:{PASSWORD}")) as source:
            until(source, "running")
            told += repr(source.figures())
    captured = capfd.readouterr()
    told += str(caught.value) + caplog.text + captured.out + captured.err
    assert "401" in figures.reason
    assert "401" in str(caught.value)
    for secret in (PASSWORD, "hunter2", f"{USER}:"):
        assert secret not in told


@contextlib.contextmanager
def rubbish():
    """Answers every RTSP request with bytes that mean nothing."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                with client:
                    client.settimeout(5.0)
                    client.recv(1000)
                    client.sendall(bytes(range(256)) * 100)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield f"rtsp://127.0.0.1:{listening.getsockname()[1]}/x"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10.0)


def test_rubbish_is_one_clear_line(watch):
    with rubbish() as uri:
        with pytest.raises(VideoError) as caught:
            in_time(lambda: open_source(uri, decoder=watch.decoder))
        with watch(uri) as source:
            figures = until(source, "offline")
    line = str(caught.value)
    assert line.startswith(f"open video {uri}: expected ")
    assert ", got " in line
    assert line.isprintable()
    assert figures.reason.isprintable()


@pytest.mark.slow
def test_a_source_without_patience_ends_when_its_pauses_are_used_up(server):
    with open_source(server.uri, decoder="pyav") as source:
        assert in_time(source.read) is not None
        server.kill()
        in_time(lambda: list(iter(source.read, None)), 2 * sum(RECONNECT_PAUSES_S))
        assert "refused" in source.damage
        assert source.figures().state == "ended"


@pytest.mark.slow
def test_a_hundred_reconnections_leave_no_thread_and_no_open_file(server, watch):
    """About two seconds each: FFmpeg looks at a stream so long before it gives pictures."""
    with watch(server.uri) as source:
        until(source, "running")
        counted = []
        for count in range(1, 101):
            server.tell("drop")
            wait_until(lambda count=count: source.figures().reconnects >= count)
            until(source, "running")
            counted.append((threading.active_count(), open_files()))
        assert source.figures().reconnects >= 100
    assert counted[-1] <= counted[4]
    print(f"threads and open files after each: {counted[:3]} … {counted[-3:]}")
