"""What a run came to: counts, latencies, energy and the time spent over its limits."""

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping

import msgspec

from edgert.records import (
    Agreement,
    FrameLog,
    Limits,
    Provenance,
    Record,
    ShadowStatus,
    TelemetrySample,
)

KEPT = 200_000  # frames whose latency is kept: an hour and a half at 30 fps, a few MB


class RunSummary(Record, frozen=True, kw_only=True):
    """A run in figures. Latencies are medians and quantiles over its last 200 000 frames.

    shares: Of the frames that ran, by configuration.
    preprocess_median_s: Part of the latency.
    energy_j: Over the whole run, of the whole board; where it comes from stands beside it. None
        without power readings.
    over_temp_s, over_power_s: Time with a reading above the limit; 0 without such a limit.
    telemetry_gaps: Frames for which no telemetry could be had, although there is a source.
    dropped: Frames of a live source that were never read.
    substitutes: Frames that ran another configuration than the one decided on, which was not
        loaded.
    switch_median_s, switch_max_s: What activating another configuration took.
    damage: What was wrong with the source, in one line.
    stopped: The run ended by request, not at the end of the source.
    shadow: What shadow runs took; None: they are switched off.
    agreements: What they showed, by configuration.
    """

    frames: int
    skipped: int
    misses: int
    switches: int
    dropped: int
    duration_s: float
    shares: dict[str, float]
    latency_median_s: float | None
    latency_p95_s: float | None
    preprocess_median_s: float | None
    temp_max_c: float | None
    energy_j: float | None
    energy_from: Provenance | None
    over_temp_s: float
    over_power_s: float
    throttled_s: float
    telemetry_gaps: int
    switch_median_s: float | None
    switch_max_s: float | None
    substitutes: int = 0
    damage: str | None = None
    stopped: bool = False
    shadow: ShadowStatus | None = None
    agreements: Mapping[str, Agreement] = msgspec.field(default_factory=dict)


class Tally:
    """Counts while the run goes on, in bounded memory.

    Args:
        limits: What readings are judged by; may be replaced, acts from then on.
        kept: Frames whose latency is kept.
    """

    def __init__(self, limits: Limits, *, kept: int = KEPT) -> None:
        self.limits = limits
        self.frames = self.skipped = self.misses = self.switches = self.telemetry_gaps = 0
        self.substitutes = 0
        self.over_temp_s = self.over_power_s = self.throttled_s = 0.0
        self.temp_max_c: float | None = None
        self.provenance: Provenance | None = None
        self.energy_j: float | None = None  # trapezoids between power readings
        self._runs: Counter[str] = Counter()
        self._latencies_s: deque[float] = deque(maxlen=kept)
        self._preprocess_s: deque[float] = deque(maxlen=kept)
        self._switches_s: deque[float] = deque(maxlen=kept)
        self._last: TelemetrySample | None = None

    def see(self, sample: TelemetrySample | None) -> None:
        """Take in the telemetry at a frame's start, or at the end of the run."""
        if sample is None:
            self.telemetry_gaps += 1
            return
        self.provenance = sample.provenance
        if sample.temp_c is not None:
            self.temp_max_c = max(sample.temp_c, self.temp_max_c or -math.inf)
        if self._last is not None:
            self._see_interval(self._last, sample)
        self._last = sample

    def _see_interval(self, last: TelemetrySample, sample: TelemetrySample) -> None:
        duration_s = sample.time_s - last.time_s
        if _over(sample.temp_c, self.limits.temp_c):
            self.over_temp_s += duration_s
        if _over(sample.power_w, self.limits.power_w):
            self.over_power_s += duration_s
        if sample.throttled:
            self.throttled_s += duration_s
        if sample.power_w is not None and last.power_w is not None:
            joules = (sample.power_w + last.power_w) / 2 * duration_s
            self.energy_j = (self.energy_j or 0.0) + joules

    def count_switch(self, duration_s: float) -> None:
        """Note what an activation took."""
        self._switches_s.append(duration_s)

    def count_substitute(self) -> None:
        """Note that a frame runs another configuration than the one decided on."""
        self.substitutes += 1

    def count(self, line: FrameLog, preprocess_s: float) -> None:
        """Count one frame as it was logged."""
        self.frames += 1
        self.switches += line.switched
        if line.latency_s is None:
            self.skipped += 1
            return
        self._runs[line.configuration] += 1
        self._latencies_s.append(line.latency_s)
        self._preprocess_s.append(preprocess_s)
        self.misses += line.met_deadline is False

    def summary(
        self,
        *,
        duration_s: float,
        dropped: int,
        damage: str | None,
        stopped: bool,
        board_energy_j: float | None,
    ) -> RunSummary:
        """The figures. A board that counts its own energy knows it better than the readings."""
        runs = max(sum(self._runs.values()), 1)
        energy_j = self.energy_j if board_energy_j is None else board_energy_j
        return RunSummary(
            frames=self.frames,
            skipped=self.skipped,
            misses=self.misses,
            switches=self.switches,
            dropped=dropped,
            duration_s=duration_s,
            shares={name: count / runs for name, count in self._runs.items()},
            latency_median_s=quantile(self._latencies_s, 0.5),
            latency_p95_s=quantile(self._latencies_s, 0.95),
            preprocess_median_s=quantile(self._preprocess_s, 0.5),
            temp_max_c=self.temp_max_c,
            energy_j=energy_j,
            energy_from=None if energy_j is None else self.provenance,
            over_temp_s=self.over_temp_s,
            over_power_s=self.over_power_s,
            throttled_s=self.throttled_s,
            telemetry_gaps=self.telemetry_gaps,
            switch_median_s=quantile(self._switches_s, 0.5),
            switch_max_s=max(self._switches_s, default=None),
            substitutes=self.substitutes,
            damage=damage,
            stopped=stopped,
        )


def quantile(values: Iterable[float], share: float) -> float | None:
    """The smallest value with at least `share` of all at or below it; None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def _over(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value > limit
