"""A daemon's HTTP side on a Unix socket and on loopback, with a stand-in behind it."""

import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from edgert.clock import MonotonicClock
from edgert.daemon.http import HttpServer, make_app
from edgert.daemon.metrics import Metrics
from tests.daemon.fake_service import FakeService

TOKEN = "correct horse battery staple"


class Served:
    """A running server with what belongs to it.

    Attributes:
        client: Over TCP on loopback. local: over the Unix socket.
    """

    def __init__(self, folder: Path, **given: Any) -> None:
        self.service: FakeService = given.pop("service", None) or FakeService()
        self.metrics = Metrics()
        self.path = folder / "edgert.sock"
        server = {
            key: given.pop(key)
            for key in ("headers_s", "write_s", "most_connections")
            if key in given
        }
        given = {"token": "", "upload_bytes": 200_000, "dashboard": None, **given}
        self.app = make_app(self.service, self.metrics, **given)
        self.server = HttpServer(self.app, socket=self.path, tcp=("127.0.0.1", 0), **server)
        self.server.start()
        address = self.server.address
        assert address is not None
        self.host, self.port = address
        self.url = f"http://{self.host}:{self.port}"
        token = given["token"]
        headers = {"authorization": f"Bearer {token}"} if token else {}
        # No TLS here; not to read all authorities' certificates saves half of each test's time.
        self.client = httpx.Client(base_url=self.url, headers=headers, timeout=20, verify=False)
        transport = httpx.HTTPTransport(uds=str(self.path), verify=False)
        self.local = httpx.Client(
            base_url="http://edgert",
            transport=transport,
            headers=headers,
            timeout=20,
            verify=False,
        )

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=20)

    def close(self) -> None:
        self.client.close()
        self.local.close()
        self.server.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: that of a Unix socket has 107 letters at most."""
    made = Path(tempfile.mkdtemp(prefix="edgert-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., Served]]:
    """Makes servers, and closes them."""
    made: list[Served] = []

    def make(**given: Any) -> Served:
        place = folder / str(len(made))
        made.append(Served(place, **given))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def _shared() -> Iterator[Served]:
    place = Path(tempfile.mkdtemp(prefix="edgert-"))
    shared = Served(place)
    yield shared
    shared.close()
    shutil.rmtree(place)


@pytest.fixture
def served(_shared: Served) -> Served:
    """One without a token, as if new; to be closed by nobody."""
    service, events = _shared.service, _shared.service.events
    service.__init__()  # type: ignore[misc]
    events.__init__(MonotonicClock())  # type: ignore[misc]
    events.add("service", "started")
    service.events = events
    return _shared


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    content = b""
    try:
        while part := connection.recv(65536):
            content += part
    except ConnectionResetError:
        pass
    return content


def wait_until(condition: Callable[[], Any], timeout_s: float = 10.0) -> None:
    """Wait for a condition, and fail where it does not come."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come"
        time.sleep(0.005)
