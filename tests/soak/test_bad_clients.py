"""500 clients that are slow, silent or deaf, beside a stream: frames and the other door go on."""

import contextlib
import os
import socket
import time

import pytest

from tests.daemon.real_daemon import Daemon, wait_for
from tests.soak.conftest import YARD, served

CLIENTS = 500
KINDS = {
    "silent": b"",  # connects, and says nothing
    "half": b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX-",  # headers that do not end
    "deaf": b"GET /v1/streams/yard/video.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "body": b"POST /v1/infer HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
            b"Content-Length: 1000000\r\n\r\nabc",
    "gone": b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n",  # and closes at once
}  # fmt: skip


@pytest.fixture
def daemon(place):
    with Daemon(
        place,
        streams=[YARD],
        limits={"deadline_s": 0.2},
        daemon={"state_dir": "state", "socket": "d.sock", "tcp": f"127.0.0.1:{free_port()}"},
    ) as daemon:
        yield daemon


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.slow
def test_five_hundred_bad_clients_delay_no_frame_and_shut_no_other_door(daemon: Daemon, note):
    daemon.start().ready()
    before = served(daemon, 40)
    pid = daemon.process.pid
    files, threads = len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))
    host, port = daemon.settings["daemon"]["tcp"].split(":")
    sockets, refused = [], 0
    begin_s = time.monotonic()
    for number in range(CLIENTS):
        kind = [*KINDS][number % len(KINDS)]
        try:
            one = socket.create_connection((host, int(port)), timeout=5)
            one.sendall(KINDS[kind])
        except OSError:
            refused += 1
            continue
        if kind == "gone":
            one.close()
        else:
            sockets.append(one)
    opened_s = time.monotonic() - begin_s
    took_s = []
    while time.monotonic() - begin_s < 15:  # longer than headers are waited for
        for one in sockets[::10]:  # a byte now and then
            with contextlib.suppress(OSError):
                one.send(b"a")
        asked_s = time.monotonic()
        assert daemon.code("/v1/status") == 200  # over the Unix socket
        took_s.append(time.monotonic() - asked_s)
        time.sleep(0.1)
    during = daemon.status()
    lasted_s = during["uptime_s"] - before["uptime_s"]
    rate = (during["frames"] - before["frames"]) / lasted_s
    for one in sockets:
        one.close()
    wait_for(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= files + 2, "files closed again")
    after = served(daemon, 20)
    note(
        clients=CLIENTS, refused=refused, opened_s=round(opened_s, 2),
        frames_per_s=round(rate, 2), late=after["misses"] - before["misses"],
        status_s={"median": round(sorted(took_s)[len(took_s) // 2], 4),
                  "most": round(max(took_s), 4)},
        latency_p95_s=[before["latency_p95_s"], during["latency_p95_s"]],
        threads=[threads, len(os.listdir(f"/proc/{pid}/task"))],
        files=[files, len(os.listdir(f"/proc/{pid}/fd"))],
    )  # fmt: skip
    assert rate > 18.0  # of 20
    assert after["misses"] - before["misses"] <= 0.02 * (after["frames"] - before["frames"])
    assert max(took_s) < 2.0
    assert daemon.stop() == 0
