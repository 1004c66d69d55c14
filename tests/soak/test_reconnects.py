"""Cameras that break off a hundred times within one run of a daemon.

Twenty of them, as pauses grow for a camera that does not hold: each comes back five times.
"""

import http.server
import os
import threading

import pytest

from edgert.video.mjpeg import LivePicture
from tests.daemon.real_daemon import Daemon, wait_for
from tests.soak.conftest import YARD, served
from tests.video.clips import images

RECONNECTS = 100
CAMERAS = 20
PICTURES = 4  # that come before the camera breaks off


class Breaking(http.server.ThreadingHTTPServer):
    """Motion JPEG that ends after a few pictures, in the middle of one every other time."""

    daemon_threads = True

    def __init__(self) -> None:
        live = LivePicture()
        threading.Timer(0.1, live.show, [images(1)[0]]).start()
        found = live.newest(timeout_s=10.0)
        assert found is not None
        self.jpeg, self.connections = found[1], 0
        super().__init__(("127.0.0.1", 0), Pictures)

    def handle_error(self, request, client_address) -> None:
        """The daemon may go first."""


class Pictures(http.server.BaseHTTPRequestHandler):
    server: Breaking

    def do_GET(self) -> None:
        self.server.connections += 1
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=b")
        self.end_headers()
        jpeg = self.server.jpeg
        head = f"--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
        for _ in range(PICTURES):
            self.wfile.write(head + jpeg + b"\r\n")
        if self.server.connections % 2:
            self.wfile.write(head + jpeg[: len(jpeg) // 2])

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def camera():
    server = Breaking()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.slow
def test_a_hundred_reconnections_leave_nothing_behind_and_stop_no_other_stream(
    place, camera: Breaking, note
):
    address = f"http://127.0.0.1:{camera.server_address[1]}/"
    gates = [{"name": f"gate{number}", "source": address} for number in range(CAMERAS)]
    with Daemon(place, streams=[YARD, *gates]) as daemon:
        daemon.start().ready()
        early = weigh(daemon, reconnected(daemon, 20))
        late = weigh(daemon, reconnected(daemon, RECONNECTS))
        after = served(daemon, 20)
        [yard, *others] = after["streams"]
        decoded = sum(stream["source"]["decoded"] for stream in others)
        note(reconnects=count_of(after), decoded=decoded, at_20=early, at_100=late,
             yard_fps=round(yard["served_fps"], 1))  # fmt: skip
        assert decoded >= RECONNECTS * (PICTURES - 1)
        assert late["threads"] <= early["threads"] + 2
        assert late["files"] <= early["files"] + 4
        assert late["rss_mib"] < early["rss_mib"] + 10
        assert yard["served_fps"] > 15.0
        events = [e["text"] for e in daemon.get("/v1/events?format=json")]
        assert sum("gate" in text for text in events) >= CAMERAS  # some are between two looks
        assert daemon.stop() == 0


def reconnected(daemon: Daemon, count: int) -> dict:
    def enough():
        status = daemon.status()
        return status if count_of(status) >= count else None

    return wait_for(enough, f"{count} reconnections", within_s=90.0)


def count_of(status: dict) -> int:
    return sum(stream["source"]["reconnects"] for stream in status["streams"])


def weigh(daemon: Daemon, status: dict) -> dict:
    pid = daemon.process.pid
    with open(f"/proc/{pid}/status") as file:
        rss = next(line for line in file if line.startswith("VmRSS"))
    return {
        "uptime_s": round(status["uptime_s"], 1),
        "rss_mib": round(int(rss.split()[1]) / 1024, 1),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "files": len(os.listdir(f"/proc/{pid}/fd")),
    }
