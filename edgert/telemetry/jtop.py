"""jetson-stats as a source: a process of its own, watched, ended and started again.

Owns ages, restarts and words for failures. What the process writes is jtop_child's business, what
its lines mean jtop_sample's. The service has the sensors read 1 to 10 times a second; what is
younger can't be had from it. It runs as root and takes pickled objects from every member of its
group: whoever is in group jtop is as good as root.
"""

import importlib.util
import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgert.boards import Board, find_board, read_machine
from edgert.clock import Clock, MonotonicClock
from edgert.errors import MissingDependencyError, SourceUnavailableError
from edgert.records import TelemetrySample
from edgert.telemetry.child import LineChild
from edgert.telemetry.jtop_sample import Line, Reported, line_from_bytes, sample_from_reported
from edgert.telemetry.kernel_file import GapError, KernelFile
from edgert.telemetry.rails import say_once
from edgert.telemetry.sysfs import provenance_of

logger = logging.getLogger(__name__)

CHILD = Path(__file__).with_name("jtop_child.py")
_START_S = 15.0  # for the first line: start() waits for ever on a service that hangs
_POLL_S = 0.05  # how often deadlines are looked at while nothing is written
_AHEAD_S = 1.0  # a stamp can't be later than now, but for rounding and a suspend between
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0
_WORDS = {
    "permission": "permission denied: run sudo usermod -aG jtop $USER and log in again, for group "
    "jtop of /run/jtop.sock",
    "missing": "jetson-stats can't be imported: run pip install 'edgert[jtop]'",
    "service": "the service does not answer: run sudo jtop --install-service",
    "version": "client and service differ in version: run sudo jtop --install-service",
    "lost": "the service was lost",
}


class JtopSource:
    """Power, heat and clocks as the jetson-stats service tells them.

    A sample older than three intervals of the service (and than 1 s) is not handed out: `read`
    then gives a sample with a gap that says why, until the next one comes. The process is ended
    and started again when it ends by itself and when it is silent for longer than six intervals
    (and 3 s), after waits that double from 0.5 to 30 s and end when the service is started anew.

    Args:
        interval_s: From one sample to the next. Of several clients of a service the one that came
            first decides; a sample says what came of it.
        root: Where /proc/uptime, /run and /etc lie.
        clock: The clock that samples are stamped with.
        board: Whose table of rails is used; None: that of the module's part number.
        command: What to start instead; tests name a program that writes the same lines.
        python: The interpreter that has jetson-stats; None: this one.

    Raises:
        SourceUnavailableError: There is no service.
        MissingDependencyError: This interpreter has no jetson-stats.
    """

    name = "jtop"

    def __init__(
        self,
        *,
        interval_s: float = 0.5,
        root: Path = Path("/"),
        clock: Clock | None = None,
        board: Board | None = None,
        command: Sequence[str] | None = None,
        python: Path | None = None,
    ) -> None:
        if not interval_s > 0:
            raise ValueError(f"interval_s must be > 0, not {interval_s}")
        if command is None:
            _check_there(root, python)
            command = [str(python or sys.executable), str(CHILD), str(interval_s)]
        self._command = list(command)
        self._interval_s = interval_s
        self._clock = clock or MonotonicClock()
        self.board = board if board is not None else find_board(read_machine(root))
        self._provenance = provenance_of(root)
        self._uptime = KernelFile(root / "proc" / "uptime")
        self._socket = _socket_of(root)
        self._newest: TelemetrySample | None = None
        self._problem = ""
        self._uptime_s = -1.0  # of the newest sample, on the system's own count
        self.starts = 0
        self._wait_s = _FIRST_WAIT_S
        self._lock = threading.Lock()
        self._closing = False
        self._woken, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, name="jtop telemetry", daemon=True)
        self._thread.start()

    def read(self) -> TelemetrySample | None:
        """The newest sample that is fresh, a sample with a gap where none is, None at first."""
        now_s = self._clock.now_s()
        with self._lock:
            newest, problem, interval_s = self._newest, self._problem, self._interval_s
        if newest is None:
            return self._gap(now_s, 0.0, problem) if problem else None
        age_s = max(0.0, now_s - newest.time_s)
        if age_s <= stale_after_s(interval_s):
            return msgspec.structs.replace(newest, age_s=age_s)
        return self._gap(newest.time_s, age_s, problem or f"no new sample for {age_s:.1f} s")

    def close(self) -> None:
        """End the process and the thread; a second call does nothing."""
        if self._closing:
            return
        self._closing = True
        os.write(self._wake, b"x")
        self._thread.join()
        os.close(self._wake)
        os.close(self._woken)
        self._uptime.close()

    def _gap(self, time_s: float, age_s: float, reason: str) -> TelemetrySample:
        return TelemetrySample(
            time_s=time_s,
            source=self.name,
            provenance=self._provenance,
            age_s=age_s,
            gaps={"jtop": reason},
        )

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        while not self._closing:
            socket = _identity(self._socket)
            try:
                child = LineChild(self._command)
            except OSError as error:
                self._tell(f"{self._command[0]} can't be started: {error.strerror}")
            else:
                self.starts += 1
                try:
                    self._follow(child)
                finally:
                    child.stop()
            self._pause(socket)

    def _follow(self, child: LineChild) -> None:
        """Take in lines until the process ends, hangs or is no longer wanted."""
        last_s, first = self._clock.now_s(), True
        while not self._closing and not child.ended:
            for content in child.lines(_POLL_S, wake=self._woken):
                line = line_from_bytes(content)
                if line is None:
                    logger.debug("no line of the jtop process: %r", content[:80])
                elif line.sample is not None:
                    if self._take(line.sample):
                        last_s, first = self._clock.now_s(), False
                else:
                    self._tell(_words(line))
            silent_s = self._clock.now_s() - last_s
            if silent_s > (_START_S if first else hung_after_s(self._interval_s)):
                self._tell(f"the service has been silent for {silent_s:.1f} s")
                return
        if child.ended and not self._problem:
            self._tell("the jtop process ended")

    def _take(self, reported: Reported) -> bool:
        """Keep a sample; false where it is no news: a service that hangs may repeat its last."""
        try:
            age_s = float(self._uptime.text().split()[0]) - reported.uptime_s
        except (GapError, ValueError, IndexError) as error:
            self._tell(f"/proc/uptime: {error}")
            return False
        if age_s < -_AHEAD_S:
            self._tell(f"the service's stamp is {-age_s:.1f} s ahead")
            return False
        age_s = max(0.0, age_s)
        with self._lock:
            self._interval_s = reported.interval_s
        if reported.uptime_s <= self._uptime_s or age_s > stale_after_s(reported.interval_s):
            return False
        sample = sample_from_reported(
            reported,
            time_s=self._clock.now_s() - age_s,
            age_s=age_s,
            board=self.board,
            provenance=self._provenance,
        )
        if self._uptime_s < 0:
            say_once(self.board, sample.rails_w)
        self._uptime_s, self._wait_s = reported.uptime_s, _FIRST_WAIT_S
        with self._lock:
            self._newest, self._problem = sample, ""
        return True

    def _tell(self, reason: str) -> None:
        logger.debug("jtop: %s", reason)
        with self._lock:
            self._problem = reason

    def _pause(self, socket: tuple[int, int] | None) -> None:
        """Wait before the next start: on the source's clock, no longer than until `close`.

        A service that was started anew makes a new socket, which is worth a try at once.
        """
        until_s = self._clock.now_s() + self._wait_s
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
        pause = threading.Event()
        while not self._closing and self._clock.now_s() < until_s:
            if _identity(self._socket) not in {None, socket}:
                self._wait_s = _FIRST_WAIT_S
                return
            pause.wait(_POLL_S)


def stale_after_s(interval_s: float) -> float:
    """The age from which a sample of a service with this interval says nothing any more."""
    return max(3 * interval_s, 1.0)


def hung_after_s(interval_s: float) -> float:
    """How long the process may be silent."""
    return max(6 * interval_s, 3.0)


def _words(line: Line) -> str:
    words = _WORDS.get(line.kind, "")
    return (
        f"{words} ({line.error})" if words and line.kind != "permission" else words or line.error
    )


def _socket_of(root: Path) -> Path:
    return root / "run" / "jtop.sock"


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is; None: none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns


def _check_there(root: Path, python: Path | None) -> None:
    socket = _socket_of(root)
    if not socket.exists():
        raise SourceUnavailableError(
            "open the jetson-stats service",
            expected=f"its socket {socket}",
            got="none",
            advice="Run: sudo jtop --install-service",
        )
    if python is None and importlib.util.find_spec("jtop") is None:
        raise MissingDependencyError(
            "read the jetson-stats service",
            expected="the package jetson-stats (jtop)",
            got="none installed",
            advice="Run: pip install 'edgert[jtop]'",
        )
