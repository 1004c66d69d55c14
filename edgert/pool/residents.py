"""The sessions that are loaded now, and the way from one set of them to the next.

Belongs to the thread that runs frames. `settle` is called between two frames: it takes in what the
loader has done, lets sessions go and asks for others, and never waits. What is loaded, loading or
not yet closed fits the plan's memory at any moment: the loader works its jobs off in order, and
only one engine is asked for at a time.

An engine goes only when its room is needed: those furthest from the wanted one first, the one that
the next frame would run last, the cheapest never. If a load fails, the last set that was whole is
restored, and stays until another configuration is asked for or the failed engine's time to wait
is over.
"""

import logging
from collections.abc import Mapping

from edgert.backends.base import Session
from edgert.clock import Clock
from edgert.pool.failures import Failures
from edgert.pool.loader import Failed, Loaded, Loader, Report
from edgert.pool.residency import ResidencyPlan

logger = logging.getLogger(__name__)


class Residents:
    """Loaded sessions by configuration, in motion.

    Args:
        plan: What may be loaded around each configuration.
        sessions: What is loaded now: the plan's `resident`.
        loader: What loads and closes.
        clock: What measures how long a failed engine is left alone.
    """

    def __init__(
        self,
        plan: ResidencyPlan,
        sessions: Mapping[str, Session],
        loader: Loader,
        clock: Clock,
    ) -> None:
        self.sessions = dict(sessions)
        self.failures = Failures(clock)
        self._plan, self._loader = plan, loader
        self._target = self._whole = tuple(sessions)  # what is wanted; the last that was reached
        self._aim = (plan.active, frozenset[str]())  # what the target follows from
        self._loading = ""
        self._jobs = 0  # given to the loader and not reported yet

    @property
    def at_rest(self) -> bool:
        """Whether the loader has done all that it was asked for, and every report was taken in."""
        return not self._jobs

    def settle(self, asked: str) -> None:
        """Take in what was done, and move on towards what is wanted around `asked`."""
        while (report := self._loader.take()) is not None:
            self._accept(report)
        aim = (asked, self.failures.excluded())
        if aim != self._aim:
            self._aim = aim
            self._target = self._plan.wanted(asked, without=aim[1])
        self._move_on()

    def wait(self, timeout_s: float) -> bool:
        """Wait for one report and take it in; False if none is due or none came in time."""
        report = self._loader.wait(timeout_s) if self._jobs else None
        if report is None:
            return False
        self._accept(report)
        return True

    def nearest(self, asked: str) -> str:
        """What to run for `asked`: itself if it is loaded, else the next cheaper, or dearer."""
        names = self._plan.names
        place = names.index(asked)
        nearest_first = (*names[place:], *reversed(names[:place]))
        return next(name for name in nearest_first if name in self.sessions)

    def absence(self, name: str) -> str:
        """Why a configuration is not loaded, in words."""
        if name in self._plan.never:
            return "too large for the memory budget"
        if times := self.failures.row(name):
            return f"failed to load {times} time{'s' * (times > 1)}"
        return "not loaded yet"

    def _accept(self, report: Report) -> None:
        self._jobs -= 1
        if isinstance(report, Loaded):
            self._loading = ""
            self.sessions[report.name] = report.session
            self.failures.forget(report.name)
            logger.info("loaded %s", report.name)
        elif isinstance(report, Failed):
            self._loading = ""
            self.failures.add(report.name, report.error)
            excluded = self.failures.excluded()
            self._aim = (self._aim[0], excluded)
            self._target = tuple(name for name in self._whole if name not in excluded)

    def _move_on(self) -> None:
        if self._loading:
            return
        missing = next((name for name in self._target if name not in self.sessions), None)
        if missing is None:
            self._whole = self._target
            return
        for name in self._to_evict(missing):
            self._loader.close(name, self.sessions.pop(name))
            self._jobs += 1
            logger.info("unloading %s, to make room for %s", name, missing)
        self._loader.load(missing)
        self._jobs += 1
        self._loading = missing

    def _to_evict(self, missing: str) -> list[str]:
        """The fewest that have to go, least wanted first."""
        asked = self._aim[0]
        order, running = self._plan.order(asked), self.nearest(asked)
        spare = [n for n in reversed(order) if n in self.sessions and n not in self._target]
        spare.sort(key=lambda name: name == running)
        going: list[str] = []
        while self._plan.own_bytes({*self.sessions, missing} - set(going)) > self._plan.room_bytes:
            going.append(spare[len(going)])
        return going
