"""What a loop of several streams knows of itself, kept so that any thread may ask for it."""

import math
import threading
from collections.abc import Mapping, Sequence

from edgert.records import FrameLog, Wanted
from edgert.runtime.figures import Account, LoopFigures, middle_and_p95
from edgert.runtime.serving import Serving
from edgert.runtime.stages import Shadow
from edgert.runtime.stream import Stream

FORECAST_S = 30.0
DECIDED_S = 5.0  # a controller that was not asked for longer knows nothing of the heat now


class LoopState:
    """Written by the loop's thread, read by any.

    Args:
        serving: What serves at first.
        now_s: When the loop is made.
    """

    def __init__(self, serving: Serving, now_s: float) -> None:
        self.alive_s = now_s
        self.limits = serving.limits
        self.note = ""
        self.running = 0
        self.pictures = self.lost_frames = 0
        self._serving = serving
        self._lock = threading.Lock()
        self._account = Account()
        self.ran = self._account.ran
        self._last: FrameLog | None = None
        self._resident: tuple[str, ...] = ()
        self._absences: Mapping[str, str] = {}
        self._forecast_c: float | None = None
        # Of boards that are out of use, and what the present one had drawn before.
        self._energy_j, self._before_j = 0.0, _drawn_j(serving)
        self.review(serving, now_s)

    def take_serving(self, serving: Serving, now_s: float) -> None:
        """Others serve from now on; what was counted stays."""
        if serving.board is not self._serving.board:
            self._energy_j += _drawn_j(self._serving) - self._before_j
            self._before_j = _drawn_j(serving)
        self._serving = serving
        self.review(serving, now_s)

    def count(self, line: FrameLog, wait_s: float, end_s: float) -> None:
        """Count one frame of any stream."""
        with self._lock:
            self._account.count(line, wait_s, end_s)
            self._last = line

    def review(self, serving: Serving, now_s: float) -> None:
        """Look at what only the loop's thread may look at."""
        pool = serving.pool
        self._resident = pool.resident
        self._absences = {
            name: pool.absence(name) for name in pool.names if name not in self._resident
        }
        decided_s = -math.inf if serving.last is None else serving.last.now_s or 0.0
        old = now_s - decided_s > DECIDED_S
        self._forecast_c = None if old else serving.forecast_c(FORECAST_S)

    def figures(
        self,
        streams: Sequence[Stream],
        *,
        now_s: float,
        wanted: Wanted,
        shadow: Shadow | None,
        log_problem: str,
    ) -> LoopFigures:
        """Everything at one moment; from any thread."""
        with self._lock:
            account, last = self._account, self._last
            frames, skipped = account.served + account.skipped, account.skipped
            misses, ran = account.misses, dict(account.ran)
            latencies_s = list(account.latencies_s)
        latency_s, latency_p95_s = middle_and_p95(latencies_s)
        serving = self._serving
        return LoopFigures(
            alive_s=self.alive_s,
            wanted=wanted,
            limits=self.limits,
            note=self.note,
            running=self.running,
            names=serving.pool.names,
            resident=self._resident,
            absences=self._absences,
            active=serving.pool.active if last is not None or self.pictures else "",
            reason="" if serving.last is None else serving.last.reason,
            numbers={} if serving.last is None else serving.last.numbers,
            ran=ran,
            frames=frames,
            skipped=skipped,
            misses=misses,
            switches=serving.tally.switches,
            pictures=self.pictures,
            lost_frames=self.lost_frames,
            latency_s=latencies_s[-1] if latencies_s else None,
            latency_median_s=latency_s,
            latency_p95_s=latency_p95_s,
            energy_j=self._spent_j(),
            telemetry=serving.sample,
            telemetry_gaps=serving.tally.telemetry_gaps,
            forecast_c=self._forecast_c,
            forecast_s=FORECAST_S,
            streams=[stream.status(now_s) for stream in streams],
            shadow=None if shadow is None else shadow.status(),
            agreements={} if shadow is None else shadow.agreements(),
            log_problem=log_problem,
        )

    def _spent_j(self) -> float | None:
        if self._serving.board is None:
            return self._serving.tally.energy_j
        return self._energy_j + _drawn_j(self._serving) - self._before_j


def _drawn_j(serving: Serving) -> float:
    return 0.0 if serving.board is None else serving.board.energy_j
