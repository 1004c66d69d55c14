"""How far a build is, told in hundredths, and the way to stop it.

TensorRT reports phases within phases, each of a number of steps, from threads of its own. An
exception may not leave these calls: it would end the process.
"""

import threading
from typing import Any

from edgert.backends.base import Progress

PARTS = 100


class _Phase:
    def __init__(self, name: str, parent: str | None, steps: int) -> None:
        self.name, self.parent, self.steps, self.done = name, parent, max(steps, 1), 0


class Phases:
    """Phases under way, and the share of the outermost that is done."""

    def __init__(self) -> None:
        self._open: dict[str, _Phase] = {}
        self._reached = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase begins, within another or, with parent None, on its own."""
        if parent not in self._open:
            parent = None
        if parent is None:
            self._reached = 0.0
        self._open[name] = _Phase(name, parent, steps)

    def step(self, name: str, step: int) -> None:
        """The step of that number, from 0, is done."""
        if name in self._open:
            self._open[name].done = max(self._open[name].done, step + 1)

    def finish(self, name: str) -> None:
        """The phase is over."""
        self._open.pop(name, None)

    def share(self, name: str) -> float:
        """Of the outermost phase around `name`, 0 to 1; it never goes back while that lasts."""
        share = 0.0
        phase, seen = self._open.get(name), {""}
        while phase is not None and phase.name not in seen:  # names may be used again
            seen.add(phase.name)
            share = min((phase.done + share) / phase.steps, 1.0)
            phase = self._open.get(phase.parent or "")
        self._reached = max(self._reached, share)
        return self._reached


class Reporter:
    """What a monitor of the vendor's hands on, and what it answers."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._phases = Phases()
        self._lock = threading.Lock()
        self._stopped = False
        self._failure: BaseException | None = None

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase begins."""
        with self._lock:
            self._phases.start(name, parent, steps)
            self._tell(name)

    def step(self, name: str, step: int) -> bool:
        """A step is done.

        Returns:
            Whether the build may go on.
        """
        with self._lock:
            self._phases.step(name, step)
            self._tell(name)
            return not self._stopped

    def finish(self, name: str) -> None:
        """A phase is over."""
        with self._lock:
            self._phases.finish(name)

    def stop(self) -> None:
        """End the build after the step under way."""
        self._stopped = True

    def raise_failure(self) -> None:
        """Raise what the progress callback raised, if it did."""
        if self._failure is not None:
            raise self._failure

    def _tell(self, name: str) -> None:
        if self._progress is None or self._stopped:
            return
        try:
            self._progress(round(PARTS * self._phases.share(name)), PARTS, name)
        except BaseException as error:  # noqa: BLE001  # raised anew where the build was asked for
            self._failure = error
            self._stopped = True


def open_monitor(vendor: Any, progress: Progress | None) -> Any:
    """An `IProgressMonitor` with the methods `stop` and `raise_failure` of a `Reporter`."""
    reporter = Reporter(progress)

    class Monitor(vendor.IProgressMonitor):  # type: ignore[misc]  # the base is known at run time
        def __init__(self) -> None:
            vendor.IProgressMonitor.__init__(self)
            self.stop = reporter.stop
            self.raise_failure = reporter.raise_failure

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            reporter.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return reporter.step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            reporter.finish(phase_name)

    return Monitor()
