"""One engine for minutes: what heat does to its latency, its power and the board's clocks."""

import math
from collections.abc import Callable
from typing import Annotated

import msgspec
import numpy as np

from edgert.clock import Clock
from edgert.profiling.energy.conditions import Conditions
from edgert.profiling.energy.integrate import cut, energy_j, why_unfit
from edgert.profiling.energy.meter import PowerMeter
from edgert.records import NotNegativeInt, Positive, Provenance, Record, TelemetrySample
from edgert.telemetry.base import TelemetrySource
from edgert.telemetry.series import PowerSamples

# Seconds done, seconds to go, what is under way.
Progress = Callable[[float, float, str], None]
# Runs an engine and returns how many inferences that were, back to back.
Step = Callable[[], int]


class SustainedBin(Record, frozen=True, kw_only=True):
    """Some seconds of it. What could not be read is None.

    power_w: mean. temp_c: of the hottest zone, the highest. clock_ratio: the lowest clock over its
    cap. throttled: why, in words; "" where it was not. late: frames due before the one before
    them had ended.
    """

    from_s: float  # since the start
    to_s: float
    inferences: NotNegativeInt
    late: NotNegativeInt = 0
    latency_median_s: Positive
    latency_p95_s: Positive
    power_w: float | None = None
    temp_c: float | None = None
    clock_ratio: float | None = None
    throttled: str = ""


class SustainedRun(Record, frozen=True, kw_only=True):
    """An engine played for minutes on one board.

    provenance: of power, temperature and clocks. latency_from: of the latencies.
    first_throttle_s: since the start; None: it did not come to that.
    stopped: it was broken off before its time.
    """

    format: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    family: str
    engine: str
    board: str
    source: str
    provenance: Provenance
    latency_from: Provenance
    paced_hz: Positive | None = None
    bins: Annotated[list[SustainedBin], msgspec.Meta(min_length=1)]
    first_throttle_s: float | None = None
    first_throttle_reason: str = ""
    gaps: dict[str, int] = msgspec.field(default_factory=dict)  # reads without power, by reason
    stopped: bool = False

    @property
    def slowdown(self) -> float:
        """Median latency of the last bin over that of the first."""
        return self.bins[-1].latency_median_s / self.bins[0].latency_median_s


class ThrottleWatch:
    """A source that remembers the first sample that told of throttling.

    Args:
        source: Read by whoever reads this one.
    """

    def __init__(self, source: TelemetrySource) -> None:
        self.name = source.name
        self.source = source
        self.first: TelemetrySample | None = None

    def read(self) -> TelemetrySample | None:
        """The source's sample; errors as the source's."""
        sample = self.source.read()
        if self.first is None and sample is not None and sample.throttled:
            self.first = sample
        return sample

    def close(self) -> None:
        """Close the source."""
        self.source.close()


def play_sustained(
    step: Step,
    meter: PowerMeter,
    throttle: ThrottleWatch,
    *,
    family: str,
    engine: str,
    board: str,
    latency_from: Provenance = "measured",
    duration_s: float,
    paced_hz: float | None = None,
    bin_s: float = 10.0,
    progress: Progress | None = None,
) -> SustainedRun:
    """Play an engine and look at the board meanwhile. Ctrl-C ends it early and keeps what was.

    Args:
        step: Returns when its results are there.
        meter: Running, over `throttle`; time passes on `meter.clock`.
        throttle: What the meter reads.
        family: For the record.
        engine: For the record.
        board: For the record.
        latency_from: Whether engines run, or an emulated board is told that they do.
        duration_s: At least one bin is played.
        paced_hz: Frames a second; None: back to back.
        bin_s: Length of the stretches that are told apart.
        progress: Called at the start of each.

    Raises:
        ValueError: A duration or a length that is not above 0.
    """
    if not (duration_s > 0 and bin_s > 0):
        raise ValueError(f"play {duration_s} s in stretches of {bin_s} s: both must be > 0")
    player = _Player(step, meter, paced_hz)
    begun_s = meter.clock.now_s()
    end_s = begun_s + duration_s
    spans: list[_Span] = []
    stopped = False
    try:
        while (now_s := meter.clock.now_s()) < end_s - 1e-9:
            if progress is not None:
                progress(now_s - begun_s, end_s - now_s, engine)
            # On a grid, as a bin ends with a whole inference, and a little late.
            number = math.floor((now_s - begun_s) / bin_s + 1e-9) + 1
            spans.append(player.play(min(begun_s + number * bin_s, end_s)))
    except KeyboardInterrupt:
        if not spans:
            raise
        stopped = True
    meter.clock.sleep(2 * meter.interval_s)  # the sample behind the last bin's end
    first, seen = throttle.first, [span.conditions for span in spans]
    samples = meter.samples
    gaps: dict[str, int] = {}
    for conditions in seen:
        for reason, count in conditions.gaps.items():
            gaps[reason] = gaps.get(reason, 0) + count
    return SustainedRun(
        family=family,
        engine=engine,
        board=board,
        source=seen[-1].source,
        provenance=seen[-1].provenance,
        latency_from=latency_from,
        paced_hz=paced_hz,
        bins=[_bin(span, samples, begun_s) for span in spans],
        first_throttle_s=None if first is None else max(0.0, first.time_s - begun_s),
        first_throttle_reason="" if first is None else first.throttle_reason,
        gaps=gaps,
        stopped=stopped,
    )


class _Span(Record, frozen=True, kw_only=True):
    from_s: float
    to_s: float
    inferences: int
    late: int
    latency_median_s: float
    latency_p95_s: float
    conditions: Conditions


class _Player:
    """Runs steps; frames keep their pace from one bin to the next."""

    def __init__(self, step: Step, meter: PowerMeter, paced_hz: float | None) -> None:
        self._step = step
        self._meter = meter
        self._clock: Clock = meter.clock
        self._period_s = None if paced_hz is None else 1 / paced_hz
        self._due_s = self._clock.now_s()

    def play(self, until_s: float) -> _Span:
        """Steps up to a time; one at least."""
        clock, watch = self._clock, self._meter.watch
        watch.begin()
        from_s = now_s = clock.now_s()
        latencies_s: list[float] = []
        inferences = late = 0
        while not latencies_s or now_s < until_s - 1e-9:
            before_s = now_s
            count = self._step()
            now_s = clock.now_s()
            inferences += count
            latencies_s.append((now_s - before_s) / count)
            if self._period_s is not None:
                self._due_s += self._period_s
                late += now_s > self._due_s
                clock.sleep(self._due_s - now_s)
                now_s = clock.now_s()
        median_s, p95_s = np.percentile(latencies_s, [50, 95])
        return _Span(
            from_s=from_s,
            to_s=now_s,
            inferences=inferences,
            late=late,
            latency_median_s=float(median_s),
            latency_p95_s=float(p95_s),
            conditions=watch.end(),
        )


def _bin(span: _Span, samples: PowerSamples, begun_s: float) -> SustainedBin:
    time_s, power_w = cut(samples.time_s, samples.power_w, span.from_s, span.to_s)
    unfit = why_unfit(time_s, power_w, span.from_s, span.to_s)
    duration_s = span.to_s - span.from_s
    seen = span.conditions
    return SustainedBin(
        from_s=span.from_s - begun_s,
        to_s=span.to_s - begun_s,
        inferences=span.inferences,
        late=span.late,
        latency_median_s=span.latency_median_s,
        latency_p95_s=span.latency_p95_s,
        power_w=None if unfit else energy_j(time_s, power_w, span.from_s, span.to_s) / duration_s,
        temp_c=None if seen.temp_c is None else seen.temp_c[1],
        clock_ratio=None if seen.clock_ratio is None else seen.clock_ratio[0],
        throttled=seen.throttled,
    )
