"""A server's life, and clients that are slow, half-open, too many or speak no HTTP."""

import logging
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from edgert.daemon.http import HttpServer, make_app
from edgert.daemon.http import bounds as bounds_module
from edgert.daemon.metrics import Metrics
from edgert.errors import SettingsError
from tests.daemon.fake_service import FakeService
from tests.daemon.http.conftest import Served, read_all, wait_until

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def app():
    return make_app(FakeService(), Metrics(), token="", upload_bytes=1000, dashboard=None)


def test_it_is_ready_soon_and_leaves_nothing_behind(folder) -> None:
    threads = {thread.name for thread in threading.enumerate()}
    before_s = time.monotonic()
    with HttpServer(app(), socket=folder / "a.sock", tcp=("127.0.0.1", 0)) as server:
        assert time.monotonic() - before_s < 1.0
        assert server.alive
        assert server.address is not None
        assert httpx.get(f"http://127.0.0.1:{server.address[1]}/healthz").status_code == 200
        port = server.address[1]
    assert not server.alive
    assert not (folder / "a.sock").exists()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port))
    wait_until(lambda: {thread.name for thread in threading.enumerate()} <= threads)
    server.close()  # once more does nothing


def test_nowhere_to_listen_and_a_path_in_use_are_told_and_hold_nothing(folder) -> None:
    with pytest.raises(SettingsError, match="got neither"):
        HttpServer(app(), socket=None, tcp=None)
    with HttpServer(app(), socket=folder / "a.sock", tcp=None) as server:
        assert server.address is None
        second = HttpServer(app(), socket=folder / "a.sock", tcp=None)
        with pytest.raises(SettingsError, match="no other daemon"):
            second.start()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            tcp = ("127.0.0.1", taken.getsockname()[1])
            third = HttpServer(app(), socket=folder / "b.sock", tcp=tcp)
            with pytest.raises(SettingsError, match="address already in use"):
                third.start()
        assert not (folder / "b.sock").exists()
        transport = httpx.HTTPTransport(uds=str(folder / "a.sock"))
        with httpx.Client(transport=transport) as client:
            assert client.get("http://edgert/healthz").status_code == 200


def test_it_can_not_be_opened_to_others_without_a_token(folder) -> None:
    with pytest.raises(SettingsError, match="expected a token of 16 letters"):
        HttpServer(app(), socket=folder / "a.sock", tcp=("0.0.0.0", 0)).start()
    assert not (folder / "a.sock").exists()


def test_what_is_under_way_is_finished_when_it_closes(serve, monkeypatch) -> None:
    served = serve()
    served.service.hold = True
    answers: list[httpx.Response] = []

    def ask() -> None:
        headers = {"content-type": "application/json"}
        answers.append(served.client.post("/v1/reload", headers=headers))

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: served.service.pending)
    closing = threading.Thread(target=served.server.close)
    closing.start()
    served.service.pending[0].set_result("done at the last moment")
    asking.join(5)
    closing.join(5)
    assert [a.json() for a in answers] == [{"done": "done at the last moment"}]
    assert not closing.is_alive()


def test_closing_does_not_wait_for_what_never_ends(serve) -> None:
    served = serve()
    served.service.hold = True
    half_open = [served.connect() for _ in range(5)]
    half_open[0].sendall(b"GET /healthz HT")
    half_open[1].sendall(REQUEST[:-2])
    half_open[2].sendall(
        b"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )
    wait_until(lambda: served.service.pending)
    before_s = time.monotonic()
    served.server.close()
    assert time.monotonic() - before_s < 5.5
    assert not served.server.alive
    for connection in half_open:
        read_all(connection)
        connection.close()


# ---------------------------------------------------------------- slow and half-open


def test_headers_have_their_time_however_they_trickle(serve) -> None:
    served = serve(headers_s=0.4)
    silent, half, slow = served.connect(), served.connect(), served.connect()
    half.sendall(b"GET /v1/status HTTP/1.1\r\nHost: loc")
    before_s = time.monotonic()
    try:
        for letter in b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 900:
            slow.sendall(bytes([letter]))
            threading.Event().wait(0.02)  # this is the attack: a byte now and then
            if time.monotonic() - before_s > 5:
                pytest.fail("it was listened to for ever")
    except OSError:
        pass
    assert time.monotonic() - before_s < 3
    for connection in (silent, half, slow):
        assert read_all(connection) == b""
        connection.close()
    assert served.client.get("/healthz").status_code == 200


def test_a_trickle_after_a_first_request_has_its_time_too(serve) -> None:
    served = serve(headers_s=0.3)
    with served.connect() as connection:
        connection.sendall(REQUEST)
        answer = b""
        while not answer.endswith(b"}"):
            answer += connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /")
        assert read_all(connection) == b""


def test_a_body_has_its_time(served: Served, monkeypatch) -> None:
    monkeypatch.setattr(bounds_module.read_body, "__kwdefaults__", {
        **bounds_module.read_body.__kwdefaults__, "body_s": 0.2,
    })  # fmt: skip
    with served.connect() as connection:
        connection.sendall(
            b"PATCH /v1/limits HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
            b'Content-Type: application/json\r\n\r\n{"power_w"'
        )
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"expected all of it within 0.2 s, got 10 bytes" in answer


def test_who_leaves_in_the_middle_is_no_fault(served: Served, caplog) -> None:
    caplog.set_level(logging.ERROR)
    for start in (
        b"",
        b"GET /",
        REQUEST,
        b"PATCH /v1/limits HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
        b"Content-Type: application/json\r\n\r\n{",
        b"GET /v1/events?since=0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        for half in (False, True):
            with served.connect() as connection:
                connection.sendall(start)
                if half:
                    connection.shutdown(socket.SHUT_WR)
                    read_all(connection)
    places = served.app._context.event_watchers
    wait_until(lambda: places.taken == 0)
    assert served.client.get("/healthz").status_code == 200
    assert caplog.text == ""


def test_a_client_that_does_not_read_is_dropped(serve) -> None:
    served = serve(write_s=0.3)
    with served.connect() as connection:
        connection.sendall(b"GET /v1/streams/yard/video.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        served.service.live["yard"].period_s = 0.0
        places = served.app._context.picture_watchers
        wait_until(lambda: places.taken == 1)
        wait_until(lambda: places.taken == 0, 30)


def test_more_connections_than_are_served_are_told_and_the_socket_stays_open(serve) -> None:
    served = serve(most_connections=4)
    idle = [served.connect() for _ in range(4)]
    wait_until(lambda: len(served.server._server.server_state.connections) == 4)
    with served.connect() as fifth:
        fifth.sendall(REQUEST)
        answer = read_all(fifth)
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 5" in answer
    more = [served.connect() for _ in range(6)]  # up to eight wait for their answer, no more
    gone = [c for c in more if _is_closed(c)]
    assert len(gone) == 2
    assert served.local.get("/healthz").status_code == 200  # the flood is at the other door
    for connection in idle + more:
        connection.close()
    wait_until(lambda: served.client.get("/healthz").status_code == 200)


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.3)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


# ---------------------------------------------------------------- no HTTP at all

MALFORMED = (
    b"\r\n\r\n",
    b"hello\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\n\r\n",  # no Host
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: \x00\r\n\r\n",
    b"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
    b"Content-Length: 2\r\n\r\n",
    b"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    b"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 10_000,
    b"GET /" + b"a" * 100_000,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 4,  # TLS
    bytes(range(256)) * 400,
)


@pytest.mark.parametrize("request_bytes", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_http_is_refused_and_closed(
    served: Served, request_bytes: bytes, caplog
) -> None:
    caplog.set_level(logging.ERROR)
    with served.connect() as connection:
        try:
            connection.sendall(request_bytes)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it was closed before all was sent
        answer = read_all(connection)
    assert answer == b"" or 400 <= int(answer.split()[1]) < 500
    assert served.client.get("/healthz").status_code == 200
    assert caplog.text == ""


def test_requests_in_one_go_are_answered_in_order(served: Served) -> None:
    with served.connect() as connection:
        last = b"GET /v1/nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        connection.sendall(REQUEST * 20 + last)
        answer = read_all(connection)
    assert answer.count(b"HTTP/1.1 200") == 20
    assert answer.count(b"HTTP/1.1 404") == 1


def test_an_answer_does_not_wait_for_an_acknowledgement(served: Served) -> None:
    """Headers and body go out in two writes: with Nagle's algorithm each answer takes 40 ms."""
    for client in (served.client, served.local):
        times_s = []
        for _ in range(30):
            before_s = time.perf_counter()
            client.get("/v1/limits")
            times_s.append(time.perf_counter() - before_s)
        assert sorted(times_s)[15] < 0.025


def test_a_websocket_is_not_spoken(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(
            b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\n"
            b"Upgrade: websocket\r\n\r\n"
        )
        assert read_all(connection).startswith(b"HTTP/1.1 200")


def test_without_the_extra_one_line_names_it_and_importing_costs_nothing() -> None:
    code = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("starlette", "uvicorn", "prometheus_client", "h11", "anyio"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
import edgert.daemon.metrics, edgert.daemon.events
from edgert.daemon import http
from edgert.errors import MissingDependencyError
for make in (edgert.daemon.metrics.Metrics,
             lambda: http.make_app(None, None, token="", upload_bytes=1, dashboard=None),
             lambda: http.HttpServer(None, socket=1, tcp=None)):
    try:
        make()
    except MissingDependencyError as error:
        assert "edgert[serve]" in str(error)
    else:
        sys.exit("nothing was missed")
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
