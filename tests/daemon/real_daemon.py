"""A real daemon: the command line in a process of its own, spoken to over its socket."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.daemon.sets import Workplace

WAIT_S = 30.0


def wait_for(condition: Callable[[], Any], what: str, within_s: float = WAIT_S) -> Any:
    """Wait until something is true, and return it."""
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come within {within_s} s")


class Daemon:
    """`edgert serve`, its notify socket, and a client.

    Args:
        place: The family and its profile.
        settings: Besides those that the emulated board and the tiny family take.
    """

    def __init__(self, place: Workplace, **settings: Any) -> None:
        self.place = place
        self.settings: dict[str, Any] = {
            "family": "tiny",
            "board": str(BOARD),
            "threads": 1,
            "daemon": {"state_dir": "state", "socket": "d.sock"},
            **settings,
        }
        self.file = place.folder / "edgert.yaml"
        self.words: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self._notify: socket.socket | None = None
        self.log = place.folder / "daemon.log"

    # ------------------------------------------------------------ the process

    def write_settings(self, **changes: Any) -> None:
        self.settings = {**self.settings, **changes}
        self.file.write_text(yaml.safe_dump(self.settings))

    def start(
        self,
        *words: str,
        environment: dict[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> "Daemon":
        """Start it, with a command `before` that runs it; returns at once."""
        self.write_settings()
        path = self.place.folder / "notify"
        path.unlink(missing_ok=True)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(path))
        self._notify.settimeout(WAIT_S)
        self.words = []
        variables = {"NOTIFY_SOCKET": str(path), "PYTHONFAULTHANDLER": "1"}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*before, sys.executable, "-m", "edgert", "serve", str(self.file), *words],
                env={**os.environ, **variables, **(environment or {})},
                stdout=log, stderr=log, text=True,
            )  # fmt: skip
        return self

    def ready(self) -> "Daemon":
        """Wait for READY=1."""
        self.hear("READY=1")
        return self

    def hear(self, word: str) -> None:
        """Wait until the service manager hears a line that begins so."""
        assert self._notify is not None
        end_s = time.monotonic() + WAIT_S
        self._notify.settimeout(0.2)
        while time.monotonic() < end_s:
            try:
                lines = self._notify.recv(4096).decode().split("\n")
            except TimeoutError:
                assert self.process is not None
                assert self.process.poll() is None, self.log.read_text()
                continue
            self.words += lines
            if any(line.startswith(word) for line in lines):
                return
        raise AssertionError(f"{word} was not heard; {self.words}; {self.log.read_text()}")

    def send(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and wait for that."""
        assert self.process is not None
        self.send(number)
        try:
            status = self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGABRT)  # with the stacks of all threads, see PYTHONFAULTHANDLER
            self.process.wait()
            raise AssertionError(f"it did not end: {self.log.read_text()}") from None
        self._let_go()
        return status

    def kill(self) -> None:
        """As a power cut does it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self._let_go()

    def _let_go(self) -> None:
        if self._notify is not None:
            self._notify.close()
            self._notify = None

    def __enter__(self) -> "Daemon":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._let_go()

    # ------------------------------------------------------------ its door

    @property
    def socket_path(self) -> Path:
        return self.place.folder / "d.sock"

    def client(self) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=str(self.socket_path))
        return httpx.Client(transport=transport, base_url="http://localhost", timeout=WAIT_S)

    def get(self, path: str) -> Any:
        with self.client() as client:
            answer = client.get(path)
        return answer.json()

    def code(self, path: str) -> int:
        with self.client() as client:
            return client.get(path).status_code

    def patch(self, **limits: Any) -> httpx.Response:
        with self.client() as client:
            return client.patch("/v1/limits", json=limits)

    def status(self) -> dict[str, Any]:
        return self.get("/v1/status")

    def events(self, *, until: str, kind: str = "") -> dict[str, Any]:
        """Read events from the first on until one has that text."""
        with (
            self.client() as client,
            client.stream("GET", "/v1/events", headers={"last-event-id": "0"}) as answer,
        ):
            for line in answer.iter_lines():
                if not line.startswith("data:"):
                    continue
                event = json.loads(line.removeprefix("data:"))
                if until in event["text"] and kind in ("", event["kind"]):
                    return event
        raise AssertionError("the stream of events ended")


BOARD = Path(__file__).resolve().parents[2] / "profiles" / "boards" / "emulated-orin-nano.yaml"
