"""The thread that loads and closes engines while frames run.

One thread, one job at a time, in the order in which they were given: an engine that has to go
before another fits is closed before the other is loaded. Nobody waits for it. Whoever gave the
jobs takes their reports when it suits, which for a pool is between two frames.

Closing belongs here too: on a GPU, to give memory back may wait for all work on the device, the
frame that is running included. That wait is this thread's, then, and no frame is held up by it
unless the driver itself makes launches queue behind it. A session is only handed in after it left
the pool's table, between two frames, so nothing of its own is running any more.

The thread is a daemon: a load that never ends does not keep the process alive.
"""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from edgert.backends.base import Session

logger = logging.getLogger(__name__)

JOIN_S = 5.0  # how long `stop` waits for a load that is going on


@dataclass(frozen=True)
class Loaded:
    """An engine is ready to run; it now belongs to whoever takes the report."""

    name: str
    session: Session


@dataclass(frozen=True)
class Failed:
    """An engine could not be loaded; nothing of it is left."""

    name: str
    error: Exception


@dataclass(frozen=True)
class Closed:
    """A session was closed; `error` says if its runtime complained."""

    name: str
    error: Exception | None = None


Report = Loaded | Failed | Closed


@dataclass(frozen=True)
class _Load:
    name: str


@dataclass(frozen=True)
class _Close:
    name: str
    session: Session


class Loader:
    """Loads and closes engines in a thread of its own, which ends with `stop`.

    Its methods are called by one other thread. None but `wait` and `stop` ever blocks.

    Args:
        load: Makes the engine of a configuration ready to run, or fails and leaves nothing;
            called in the loader's thread while sessions run in another.
        join_s: How long `stop` waits for the job that is going on.
    """

    def __init__(self, load: Callable[[str], Session], *, join_s: float = JOIN_S) -> None:
        self._load_engine, self._join_s = load, join_s
        self._jobs: queue.SimpleQueue[_Load | _Close | None] = queue.SimpleQueue()
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._handover = threading.Lock()  # between a session that is ready and `stop`
        self._stopped = False
        self._current = ""  # what is being loaded, for the log
        self._thread = threading.Thread(target=self._work, name="edgert-loader", daemon=True)
        self._thread.start()

    def load(self, name: str) -> None:
        """Ask for the engine of a configuration; a `Loaded` or `Failed` will be reported."""
        self._jobs.put(_Load(name))

    def close(self, name: str, session: Session) -> None:
        """Give up a session that nothing runs any more; a `Closed` will be reported."""
        self._jobs.put(_Close(name, session))

    def take(self) -> Report | None:
        """The oldest report that was not taken yet; None if there is none now."""
        try:
            return self._reports.get_nowait()
        except queue.Empty:
            return None

    def wait(self, timeout_s: float) -> Report | None:
        """As `take`, but waits for a report; None if there was none in time."""
        try:
            return self._reports.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def stop(self) -> bool:
        """End the thread and close every session that it still holds.

        A load that is going on is waited for, but not for ever: after `join_s` it is left behind,
        with a line in the log, and closes what it loaded by itself if it ever ends.

        Returns:
            Whether the thread has ended.
        """
        with self._handover:
            self._stopped = True
        self._close_waiting()
        self._jobs.put(None)
        self._thread.join(self._join_s)
        while (report := self.take()) is not None:
            if isinstance(report, Loaded):
                self._closed(report.name, report.session)
        if self._thread.is_alive():
            logger.warning(
                "close the pool: loading %s still goes on after %.1f s; it is left to itself",
                self._current or "an engine",
                self._join_s,
            )
            return False
        return True

    def _close_waiting(self) -> None:
        """Take the jobs that were not begun away from the thread; it may never get to them."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if isinstance(job, _Close):
                self._closed(job.name, job.session)

    # ------------------------------------------------------------ in the loader's thread

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if isinstance(job, _Load):
                self._load(job.name)
                continue
            report = self._closed(job.name, job.session)
            del job  # the closed session is not to be kept until the next job comes
            self._reports.put(report)

    def _load(self, name: str) -> None:
        self._current = name
        try:
            session = self._load_engine(name)
        except Exception as error:  # noqa: BLE001  a thread's edge: what it doesn't report is lost
            self._reports.put(Failed(name, error))
            return
        with self._handover:
            if not self._stopped:
                self._reports.put(Loaded(name, session))
                return
        self._closed(name, session)

    def _closed(self, name: str, session: Session) -> Closed:
        try:
            session.close()
        except Exception as error:  # noqa: BLE001  as above; the others are to be closed still
            logger.warning("close the engine of %s: %s", name, error)
            return Closed(name, error)
        return Closed(name)
