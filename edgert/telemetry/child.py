"""A child process that writes lines: started in a group of its own, read without waiting, killed.

Knows nothing of what the lines mean.
"""

import contextlib
import math
import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Sequence

# A line longer than this is no line of ours; what came before its end is thrown away.
_LONGEST_LINE = 1 << 20
_LOOK_S = 0.01


class LineChild:
    """One run of a program whose standard output is lines of text.

    Its standard input is a pipe that this process holds, so that it can tell when its parent is
    gone. It leads a process group: what it starts dies with it.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if self._process.stdout is None or self._process.stdin is None:
            raise RuntimeError("pipes were asked for")
        self._output, self._input = self._process.stdout, self._process.stdin
        os.set_blocking(self._output.fileno(), False)
        self._rest = b""
        self.ended = False

    @property
    def pid(self) -> int:
        """The process, and its group."""
        return self._process.pid

    def lines(self, timeout_s: float, *, wake: int) -> list[bytes]:
        """Lines that are complete, waiting for output as long as `timeout_s`.

        Args:
            timeout_s: Longest wait; without output the list is empty.
            wake: A file descriptor that ends the wait when it can be read.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            ready = {key.fileobj for key, _ in selector.select(timeout_s)}
        if self._output not in ready:
            return []
        content = os.read(self._output.fileno(), 1 << 16)
        if not content:
            self.ended = True
            return []
        *lines, self._rest = (self._rest + content).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b""
        return lines

    def stop(self, grace_s: float = 0.5) -> None:
        """End the process and its group, by force where it doesn't follow at once."""
        self._input.close()
        self._wait_for_end(grace_s)
        # Before its leader is reaped, so that the number can't have become another group's. What
        # it started may live on although it ended.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._output.close()

    def _wait_for_end(self, grace_s: float) -> None:
        """Wait until the process ended, without reaping it, or the grace is over."""
        pause = threading.Event()
        for _ in range(math.ceil(grace_s / _LOOK_S)):
            if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
                return
            pause.wait(_LOOK_S)
