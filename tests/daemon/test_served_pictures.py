"""Sinks of a daemon's streams that serve pictures: where they can't, the status says so."""

import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from edgert.daemon.service import EdgeService
from edgert.settings import Settings, StreamSettings
from edgert.video.source import open_source
from tests.daemon.real_daemon import BOARD, Daemon, wait_for
from tests.daemon.sets import Workplace
from tests.video.clips import read_all
from tests.video.gstreamer.rtsp_server import needs_rtsp_server
from tests.video.waiting import in_time

SOURCE = "test://?width=64&height=48&fps=25&frames=100000"
ADVICE = "Choose a port from 1024 on that nothing listens at, at an address of this machine."
RTSP = pytest.param("rtsp", "/live", marks=pytest.mark.system, id="rtsp")
BOTH = pytest.mark.parametrize(("scheme", "path"), [pytest.param("http", "/", id="http"), RTSP])


@pytest.fixture(autouse=True)
def server(request):
    if "rtsp" in request.node.name:
        needs_rtsp_server()


@pytest.fixture
def place(profiled_once: Path, tmp_path: Path) -> Workplace:
    return Workplace(profiled_once, tmp_path / "w")


@pytest.fixture
def serve(place: Workplace, tmp_path: Path):
    """Starts a service with a stream for each sink."""
    opened = []

    def start(*sinks: str) -> EdgeService:
        streams = tuple(
            StreamSettings(name=f"s{number}", source=SOURCE, policy="latest", sinks=(sink,))
            for number, sink in enumerate(sinks)
        )
        settings = Settings(
            family=str(place.family_path), board=str(BOARD), threads=1, streams=streams
        )
        state = tmp_path / "state"
        state.mkdir(mode=0o700)
        service = EdgeService(settings, reread=lambda: settings, state=state, root=place.folder)
        opened.append(service)
        service.start()
        return service

    yield start
    for service in opened:
        service.close()


def problem(service: EdgeService, number: int = 0) -> str:
    return service.status().streams[number].sink_problem


def heard(service: EdgeService, words: str) -> bool:
    return any(words in event.text for event in service.events.since(0))


def a_port() -> tuple[socket.socket, int]:
    taken = socket.create_server(("127.0.0.1", 0))
    return taken, taken.getsockname()[1]


@BOTH
def test_a_port_that_is_taken_is_told_and_taken_when_it_is_free(serve, monkeypatch, scheme, path):
    monkeypatch.setattr("edgert.runtime.retries.FIRST_RETRY_S", 0.2)
    taken, port = a_port()
    uri = f"{scheme}://127.0.0.1:{port}{path}"
    service = serve(uri, "none")
    told = wait_for(lambda: problem(service), "the problem")
    assert told.startswith(f"serve video {'at ' if scheme == 'http' else ''}{uri}: ")
    assert "expected a free port of this machine, got " in told
    assert "address already in use" in told.lower()
    assert told.endswith(ADVICE)
    assert "\n" not in told
    wait_for(lambda: heard(service, "pictures are not written: serve video"), "the news")
    before = service.status().streams
    assert problem(service, 1) == ""  # the other stream's sinks are well
    taken.close()
    wait_for(lambda: not problem(service), "the port")
    after = service.status().streams
    assert all(b.served > a.served for a, b in zip(before, after, strict=True))
    if scheme == "http":
        with urllib.request.urlopen(f"{uri}picture.jpg", timeout=20) as answer:
            assert answer.read(2) == b"\xff\xd8"
    else:
        with open_source(uri, decoder="pyav", max_frames=3) as video:
            assert in_time(lambda: read_all(video))  # the newest of three
    wait_for(lambda: heard(service, "pictures are written again"), "the good news")


@BOTH
@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("192.0.2.1", "cannot assign requested address"),
        ("camera.invalid", "camera.invalid"),
    ],
)
def test_another_host_is_told(serve, scheme, path, host, words):
    service = serve(f"{scheme}://{host}:8551{path}")
    told = wait_for(lambda: problem(service), "the problem")
    assert words in told.lower()
    assert "address" in told
    assert "this machine" in told
    assert "\n" not in told
    served = service.status().frames
    wait_for(lambda: service.status().frames > served + 5, "frames all the same")


def without_right_to_low_ports() -> list[str]:
    """A command that runs another without the right to ports below 1024."""
    if shutil.which("setpriv") is None:
        pytest.skip("NOT TESTED WITHOUT THE RIGHT TO A PORT: there is no setpriv")
    words = ["setpriv", "--bounding-set", "-net_bind_service", "--inh-caps", "-net_bind_service"]
    bind = "import socket; socket.create_server(('127.0.0.1', 81))"
    tried = subprocess.run(
        [*words, sys.executable, "-c", bind], capture_output=True, text=True, check=False
    )
    if "PermissionError" not in tried.stderr:
        pytest.skip(f"NOT TESTED WITHOUT THE RIGHT TO A PORT: {tried.stderr.strip()[-100:]}")
    return words


@BOTH
def test_a_port_without_the_right_to_it_is_told(place, scheme, path):
    before = without_right_to_low_ports()
    uri = f"{scheme}://127.0.0.1:81{path}"
    yard = {"name": "yard", "source": SOURCE, "policy": "latest", "sinks": [uri]}
    with Daemon(place, streams=[yard]) as daemon:
        daemon.start(before=before).ready()
        told = wait_for(lambda: daemon.status()["streams"][0]["sink_problem"], "the problem")
        assert "permission denied" in told.lower()
        assert told.endswith(ADVICE)
        assert "\n" not in told
        assert daemon.code("/readyz") == 200
        assert daemon.stop() == 0
