"""What a daemon's main thread is told to do: by signals, and by other threads."""

import contextlib
import select
import signal
import socket
from collections import deque
from types import FrameType
from typing import Literal

from edgert.closing import Closing

Order = Literal["stop", "reload", "failed"]
_SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


class Orders(Closing):
    """While it is open signals are orders; a second SIGINT raises KeyboardInterrupt.

    The kernel hands a signal to any thread, and Python runs its handler in the main one when that
    wakes up. So the main thread waits on a socket that Python's own handler writes to, whichever
    thread it interrupts; a lock or a queue it might not leave. Main thread only, but for `give`.
    """

    def __init__(self) -> None:
        self._given: deque[Order] = deque()
        self._interrupted = False
        self._ear, self._mouth = socket.socketpair()
        for end in (self._ear, self._mouth):
            end.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, self._handle) for number in _SIGNALS}

    def give(self, order: Order) -> None:
        """Tell the main thread to do something; from any thread."""
        self._given.append(order)
        with contextlib.suppress(OSError):  # full of bytes that wake it, or closed
            self._mouth.send(b"\0")

    def next(self) -> Order:
        """Wait for the next order."""
        while not self._given:
            select.select([self._ear], [], [])
            with contextlib.suppress(BlockingIOError):
                self._ear.recv(4096)
        return self._given.popleft()

    def close(self) -> None:
        """Put back the handlers that were found."""
        if self._ear.fileno() < 0:
            return
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._ear.close()
        self._mouth.close()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True
        self._given.append("reload" if number == signal.SIGHUP else "stop")
