"""The real `edgert serve` in a process of its own, for soaks: started, asked, weighed, ended."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import msgspec
import yaml

from edgert.artifacts import load_built, load_profile
from edgert.errors import ArtifactError
from edgert.records import Profile

_START_S = 60.0
_ANSWER_S = 30.0
_MIB = 1 << 20
Json = dict[str, Any]


class Weight(NamedTuple):
    """What a process holds at one moment."""

    rss_mib: float
    pss_mib: float
    threads: int
    files: int


class Connection(http.client.HTTPConnection):
    """HTTP/1.1 over a Unix socket; kept open from request to request.

    Args:
        path: Of the socket.
        timeout_s: For the answer to begin, and between two of its parts.
    """

    def __init__(self, path: Path, *, timeout_s: float = _ANSWER_S) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = str(path)

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> tuple[int, bytes]:
        """One request; its status and its whole answer."""
        self.request(method, path, body or None, {"content-type": kind} if kind else {})
        answer = self.getresponse()
        return answer.status, answer.read()


class SoakDaemon:
    """A daemon whose settings, socket and state lie in one folder.

    Args:
        folder: For all that; exists.
        settings: Without the daemon's own.
        nice: Added to its priority's number.
        words: Put in front of the command, as ("unshare", "--mount").
        root: Where `edgert` is run, and `profiles` and `engines` are looked for.
    """

    def __init__(
        self,
        folder: Path,
        settings: Json,
        *,
        nice: int = 0,
        words: tuple[str, ...] = (),
        root: Path | None = None,
    ) -> None:
        self.folder, self.settings = folder, settings
        self.socket_path = folder / "d.sock"
        self._nice, self._words, self._root = nice, words, root
        self._process: subprocess.Popen[bytes] | None = None
        self._notify: socket.socket | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        if self._process is None:
            raise ValueError("the daemon was not started")
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait for READY.

        Raises:
            ArtifactError: It ended before, or took too long.
        """
        own = {"socket": "d.sock", "state_dir": "state"}
        settings = {**self.settings, "daemon": {**own, **self.settings.get("daemon", {})}}
        (self.folder / "edgert.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        path = self.folder / "notify"
        path.unlink(missing_ok=True)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(path))
        serve = (sys.executable, "-m", "edgert", "serve", str(self.folder / "edgert.yaml"))
        before = ("env", f"NOTIFY_SOCKET={path}", "nice", "-n", str(self._nice), *self._words)
        with (self.folder / "daemon.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*before, *serve], stdout=log, stderr=log, cwd=self._root
            )
        self._wait_ready()

    def close(self) -> int:
        """Drain it; its exit status."""
        status = 0
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                status = self._process.wait(_ANSWER_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                status = self._process.wait()
        if self._notify is not None:
            self._notify.close()
        if status:
            print(f"the daemon ended with {status}: {self.told()}", file=sys.stderr)
        return status

    def told(self, lines: int = 12) -> str:
        """The newest lines of its log."""
        text = (self.folder / "daemon.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def __enter__(self) -> "SoakDaemon":
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def connect(self, *, timeout_s: float = _ANSWER_S) -> Connection:
        """A connection of one's own."""
        return Connection(self.socket_path, timeout_s=timeout_s)

    def get(self, path: str) -> Any:
        """The JSON of one answer, on a connection of its own."""
        with contextlib.closing(self.connect()) as connection:
            status, body = connection.ask("GET", path)
        return _json(status, body, path)

    def send(self, method: str, path: str, body: Json) -> Any:
        """Send JSON, get JSON.

        Raises:
            ArtifactError: It was refused.
        """
        with contextlib.closing(self.connect()) as connection:
            status, told = connection.ask(
                method, path, json.dumps(body).encode(), "application/json"
            )
        return _json(status, told, path)

    def events(self) -> list[Json]:
        """All that are kept."""
        found: list[Json] = self.get("/v1/events?format=json")
        return found

    def weight(self) -> Weight:
        """What the process holds now."""
        return weight_of(self.pid)

    def _wait_ready(self) -> None:
        if self._notify is None or self._process is None:
            raise ValueError("the daemon was not started")
        self._notify.settimeout(0.1)
        end_s = time.perf_counter() + _START_S
        while time.perf_counter() < end_s:
            try:
                if b"READY=1" in self._notify.recv(4096).split(b"\n"):
                    return
            except TimeoutError:
                if self._process.poll() is not None:
                    break
        raise ArtifactError(
            "start a daemon",
            expected=f"READY within {_START_S:g} s",
            got=self.told(3).replace("\n", " / ") or "nothing",
            advice="Start `edgert serve` by hand, and see",
        )


def _json(status: int, body: bytes, path: str) -> Any:
    if status >= 400:
        raise ArtifactError(
            f"ask for {path}",
            expected="an answer",
            got=f"{status}: {body[:300].decode(errors='replace')}",
            advice="Look at the daemon's log",
        )
    return json.loads(body)


def weight_of(pid: int) -> Weight:
    """What a process holds now, as the kernel counts it."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
        name, value = line.split(":")
        sizes[name] = int(value.split()[0]) * 1024 / _MIB
    return Weight(
        sizes["Rss"],
        sizes["Pss"],
        len(os.listdir(f"/proc/{pid}/task")),
        len(os.listdir(f"/proc/{pid}/fd")),
    )


def cpu_s_of(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:13]) / os.sysconf("SC_CLK_TCK")


class FamilyCopy:
    """A copy of a built family with its profile, whose engine set may be exchanged and back.

    Args:
        family: The family's folder, built.
        profile: Its profile.
        folder: Where the copy goes.
    """

    def __init__(self, family: Path, profile: Path, folder: Path) -> None:
        self.path = folder / family.name
        shutil.copytree(family, self.path, ignore=shutil.ignore_patterns("search", ".*.lock"))
        self.profile_path = Path(shutil.copy(profile, folder / "profile.json"))
        [self.built_path] = (file.parent for file in self.path.glob("built/*/manifest.json"))
        first = load_built(self.built_path).manifest
        engine = msgspec.structs.replace(first.engines[0], build_s=first.engines[0].build_s + 1)
        other = msgspec.structs.replace(first, engines=[engine, *first.engines[1:]])
        self._texts = [msgspec.json.encode(first), msgspec.json.encode(other)]
        self._now = 0

    @property
    def profile(self) -> Profile:
        """What the engines were measured to take."""
        return load_profile(self.profile_path)

    def exchange(self) -> None:
        """Put the other set in the place of this one: the same engines, built once more."""
        self._now = 1 - self._now
        new = self.built_path / "manifest.new"
        new.write_bytes(self._texts[self._now])
        new.replace(self.built_path / "manifest.json")


def json_lines(path: Path) -> Iterator[Json]:
    """Every record of a file of JSON lines."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
