"""Power of a source at random instants, by a thread, for as long as a day.

The instants are t + h * U(0.5, 1.5): a sampler with a fixed step that keeps time with a camera
sees the same part of every frame, and is wrong by half at any length of window. What is done with
the samples is left to `profiling`.
"""

import logging
import math
import random
import re
import threading
from bisect import bisect_left, insort
from collections import Counter, deque

from edgert.clock import Clock, MonotonicClock
from edgert.errors import EdgertError
from edgert.records import Record, TelemetrySample
from edgert.telemetry.base import TelemetrySource
from edgert.telemetry.series import PowerSamples, PowerSeries

logger = logging.getLogger(__name__)

# 24 hours at 50 Hz; 104 MB when they are full, less before.
DAY_OF_SAMPLES = 4_320_000
_MEDIAN_OF = 101
_NUMBER = re.compile(r"\d+(\.\d+)?")  # "silent for 3.2 s" is one reason, however long
_REASONS = 64  # different reasons for gaps that are told apart
# A read that took this long is no worse than its stamp for any window of a second and more.
_NO_MATTER_S = 2e-3


class SamplingReport(Record, frozen=True, kw_only=True):
    """What became of every read: reads == kept + dropped + gaps + late + repeated.

    kept, dropped: samples; those dropped were the oldest, for want of room.
    energy_j, duration_s: trapezoid over all samples, the dropped ones too.
    late: left out, because the read took over three times the median, so its moment is not known.
    repeated: the source had nothing newer.
    gaps, reasons: without power, and why.
    """

    reads: int
    kept: int
    dropped: int
    late: int
    repeated: int
    gaps: int
    reasons: dict[str, int]
    energy_j: float
    duration_s: float
    longest_gap_s: float
    temp_low_c: float | None
    temp_high_c: float | None


class Sampler:
    """Reads a source into arrays.

    Args:
        source: Used by the sampler's thread alone until `stop`.
        interval_s: Mean time between reads.
        seed: Of the random instants.
        clock: The one that the source stamps its samples with.
        max_samples: How many are kept; of more the oldest are dropped, and counted.
    """

    def __init__(
        self,
        source: TelemetrySource,
        interval_s: float,
        *,
        seed: int = 0,
        clock: Clock | None = None,
        max_samples: int = DAY_OF_SAMPLES,
    ) -> None:
        if not interval_s > 0:
            raise ValueError(f"interval_s must be > 0, not {interval_s}")
        self.source = source
        self.interval_s = interval_s
        self.first: TelemetrySample | None = None
        self.last: TelemetrySample | None = None
        self._clock = clock or MonotonicClock()
        self._random = random.Random(seed)
        self._series = PowerSeries(max_samples)
        self._durations = _RunningMedian(_MEDIAN_OF)
        self._reasons: Counter[str] = Counter()
        self._reads = self._late = self._repeated = self._gaps = 0
        self._temps_c = (math.inf, -math.inf)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._due_s = self._clock.now_s()

    @property
    def samples(self) -> PowerSamples:
        """The samples that are kept; copies, at any time."""
        with self._lock:
            return self._series.arrays()

    @property
    def report(self) -> SamplingReport:
        """What became of the reads so far."""
        with self._lock:
            low_c, high_c = self._temps_c
            return SamplingReport(
                reads=self._reads,
                kept=self._series.kept,
                dropped=self._series.dropped,
                late=self._late,
                repeated=self._repeated,
                gaps=self._gaps,
                reasons=dict(self._reasons),
                energy_j=self._series.exact_energy_j,
                duration_s=self._series.duration_s,
                longest_gap_s=self._series.longest_gap_s,
                temp_low_c=low_c if math.isfinite(low_c) else None,
                temp_high_c=high_c if math.isfinite(high_c) else None,
            )

    def start(self) -> "Sampler":
        """Start the thread, once.

        Raises:
            ValueError: It was started already.
        """
        if self._thread is not None:
            raise ValueError("a sampler is started once")
        self._due_s = self._clock.now_s()
        self._thread = threading.Thread(target=self._run, name="power sampler", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> SamplingReport:
        """End the thread, log what was left out, and report; the source stays open."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        report = self.report
        if report.dropped or report.late or report.gaps:
            logger.info(
                "power samples: %d kept, %d oldest dropped, %d read too slowly, %d gaps (%s)",
                report.kept, report.dropped, report.late, report.gaps,
                "; ".join(report.reasons) or "none",
            )  # fmt: skip
        return report

    def run_for(self, duration_s: float) -> None:
        """Sample in the caller's thread, sleeping on the clock: for virtual time."""
        end_s = self._clock.now_s() + duration_s
        while self._due_s <= end_s:
            self._clock.sleep(self._due_s - self._clock.now_s())
            self.step()
        self._clock.sleep(end_s - self._clock.now_s())

    def step(self) -> None:
        """Read once, and choose the next instant."""
        before_s = self._clock.now_s()
        try:
            sample, reason = self.source.read(), ""
        except EdgertError as error:
            sample, reason = None, error.got
        after_s = self._clock.now_s()
        with self._lock:
            self._take(sample, reason, after_s - before_s)
        # From the last instant, not from now: the mean rate holds although reading takes time.
        self._due_s += self.interval_s * self._random.uniform(0.5, 1.5)
        self._due_s = max(self._due_s, after_s)

    def _run(self) -> None:
        while not self._stop.wait(max(0.0, self._due_s - self._clock.now_s())):
            self.step()

    def _take(self, sample: TelemetrySample | None, reason: str, took_s: float) -> None:
        self._reads += 1
        limit_s = max(3 * self._durations.median(), _NO_MATTER_S)
        self._durations.add(took_s)
        if sample is None or sample.power_w is None:
            self._gaps += 1
            self._count(reason or _why(sample))
            return
        if self.last is not None and sample.time_s <= self.last.time_s:
            self._repeated += 1
            return
        if took_s > limit_s and self._durations.count > 1:
            self._late += 1
            return
        self.first = self.first or sample
        self.last = sample
        temp_c = math.nan if sample.temp_c is None else sample.temp_c
        if sample.temp_c is not None:
            low_c, high_c = self._temps_c
            self._temps_c = (min(low_c, temp_c), max(high_c, temp_c))
        self._series.add(sample.time_s, sample.power_w, temp_c)

    def _count(self, reason: str) -> None:
        reason = _NUMBER.sub("…", reason) or "no reason given"
        known = reason in self._reasons or len(self._reasons) < _REASONS
        self._reasons[reason if known else "other reasons"] += 1


class _RunningMedian:
    """The median of the newest `size` values."""

    def __init__(self, size: int) -> None:
        self._newest: deque[float] = deque(maxlen=size)
        self._sorted: list[float] = []

    @property
    def count(self) -> int:
        return len(self._sorted)

    def median(self) -> float:
        return self._sorted[len(self._sorted) // 2] if self._sorted else 0.0

    def add(self, value: float) -> None:
        if len(self._newest) == self._newest.maxlen:
            del self._sorted[bisect_left(self._sorted, self._newest[0])]
        self._newest.append(value)
        insort(self._sorted, value)


def _why(sample: TelemetrySample | None) -> str:
    if sample is None:
        return "no sample yet"
    return next((sample.gaps[key] for key in ("power", sample.source) if key in sample.gaps), "")
