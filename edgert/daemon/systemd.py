"""What a service manager is told: ready, what is going on, and that work goes on.

One datagram of lines to the socket that systemd names (sd_notify(3)); without one nothing is sent.
A datagram that can't be sent is no reason to stop, so it is left at that.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable

from edgert.closing import Closing
from edgert.settings import SystemdVariables


class ServiceManager:
    """The manager that started this process.

    Args:
        address: Of its socket; "@name" is an abstract one. "": there is none.
        watchdog_s: It wants to hear of this process that often; None: it does not care.
    """

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_s = watchdog_s

    @classmethod
    def from_variables(cls, variables: SystemdVariables) -> "ServiceManager":
        """As the variables have it that the manager sets; a watchdog of another process is not."""
        mine = variables.watchdog_pid in (None, os.getpid())
        watchdog_s = variables.watchdog_usec * 1e-6 if mine and variables.watchdog_usec else None
        return cls(variables.notify_socket, watchdog_s)

    def ready(self, status: str) -> None:
        """Work begins, or goes on after a reload."""
        self._send("READY=1", f"STATUS={status}")

    def status(self, text: str) -> None:
        """What is going on, in one line."""
        self._send(f"STATUS={text}")

    def reloading(self) -> None:
        """Settings are read again; `ready` ends it."""
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now_us}")

    def stopping(self, status: str) -> None:
        """The end has begun."""
        self._send("STOPPING=1", f"STATUS={status}")

    def extend(self, duration_s: float) -> None:
        """Starting or ending may take this much longer from now on."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(duration_s * 1e6)}")

    def alive(self) -> None:
        """The watchdog is fed."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        content = "\n".join(line.replace("\n", " ") for line in lines)
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            out.settimeout(1.0)
            out.sendto(content.encode(), self._address)


class Heartbeat(Closing):
    """A thread that feeds the watchdog twice in its time, as long as the work is alive.

    Where the manager has no watchdog there is no thread.

    Args:
        manager: Who wants to hear.
        alive: Whether the work goes on, asked before each feeding.
    """

    def __init__(self, manager: ServiceManager, alive: Callable[[], bool]) -> None:
        self._manager, self._alive = manager, alive
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if manager.watchdog_s is not None:
            self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        every_s = (self._manager.watchdog_s or 1.0) / 2
        while True:
            if self._alive():
                self._manager.alive()
            if self._stop.wait(every_s):
                return


class Patience(Closing):
    """A thread that asks the manager for more time again and again, while engines load.

    Args:
        manager: Who waits.
        step_s: How much more is asked for each time; it is asked three times as often.
    """

    def __init__(self, manager: ServiceManager, step_s: float = 30.0) -> None:
        self._manager, self._step_s = manager, step_s
        self._stop = threading.Event()
        manager.extend(step_s)
        self._thread = threading.Thread(target=self._run, name="patience", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; the manager's own limit counts again from what was asked for last."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._step_s / 3):
            self._manager.extend(self._step_s)
