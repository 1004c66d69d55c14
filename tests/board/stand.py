"""A test stand: an emulated board, the jetson-stats service on it, and its clients."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import NamedTuple

from edgert.clock import MonotonicClock
from edgert.emulator import namespace
from edgert.emulator.faults import descendants
from tests.emulator.trees import make_tree

JETSON_STATS = "7.2.2"
CLIENT = Path(__file__).with_name("plain_client.py")
REFRESH_HZ = 50


class Tools(NamedTuple):
    python: Path
    base: Path
    shim: Path | None


def until(condition, *, seconds=15.0, what="that"):
    """Wait for a condition; its first true value."""
    end_s = time.monotonic() + seconds
    pause = threading.Event()
    while time.monotonic() < end_s:
        if value := condition():
            return value
        pause.wait(0.01)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def rest(seconds):
    """Let real time pass: what is tested here is a service that runs by the clock."""
    threading.Event().wait(seconds)


class Client:
    """The plain client in a process of its own; its lines as they come, with the time of each."""

    def __init__(self, command):
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        self.lines = queue.Queue()
        self._thread = threading.Thread(target=self._collect)
        self._thread.start()

    def _collect(self):
        for line in self._process.stdout:
            self.lines.put((time.monotonic(), json.loads(line)))

    def next(self, seconds=15.0):
        return self.lines.get(timeout=seconds)

    def newest(self):
        """The last of the lines that have come; waits for one."""
        found = self.next()
        with contextlib.suppress(queue.Empty):
            while True:
                found = self.lines.get_nowait()
        return found

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._thread.join()
        self._process.stdout.close()


class Stand:
    """Board, service and clients; everything ends with it."""

    def __init__(self, folder, name, release, tools, *, cores):
        self.tools = tools
        self.clock = MonotonicClock()
        self.tree, _ = make_tree(folder, name, release=release, clock=self.clock, cores=cores)
        self._running = contextlib.ExitStack()
        self._service = None

    def __enter__(self):
        self._running.enter_context(self.tree)
        self._running.enter_context(self.tree.run(REFRESH_HZ))
        return self

    def __exit__(self, *error):
        self.tree.faults.end_all()
        if self._service is not None:
            self.kill_service(signal.SIGKILL)
        self._running.close()

    @property
    def socket(self):
        return self.tree.folder / "run/jtop.sock"

    @property
    def service_pid(self):
        return self._service.pid

    def inside(self, command, **options):
        """The command line of a program that sees the board as its machine."""
        return namespace.command_inside(
            self.tree.folder,
            [str(part) for part in command],
            python_base=self.tools.base,
            shim=self.tools.shim,
            **options,
        )

    def start_service(self, **options):
        """Start the unmodified service and wait for its socket."""
        self.socket.unlink(missing_ok=True)
        jtop = self.tools.python.with_name("jtop")
        with (self.tree.folder / "service.log").open("ab") as log:
            self._service = subprocess.Popen(
                self.inside(["env", "JTOP_SERVICE=True", jtop, "--force"], **options),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self.socket.exists, what="the socket of the service")

    def kill_service(self, number=signal.SIGKILL):
        """End every process of the service."""
        if number == signal.SIGKILL:
            for pid in descendants(self._service.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._service.pid, number)
        self._service.wait()
        self._service = None

    def client(self, interval_s=0.1, *, prefix=(), **options):
        """A plain client, which starts at once."""
        command = [*prefix, self.tools.python, CLIENT, str(interval_s)]
        return contextlib.closing(Client(self.inside(command, **options)))

    def log(self):
        return (self.tree.folder / "service.log").read_text(errors="replace")
