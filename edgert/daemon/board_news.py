"""What happens to the board, as events: it throttles, draws too much, or can't be read."""

import contextlib

from edgert.clock import Clock
from edgert.daemon.base import Events
from edgert.errors import EdgertError
from edgert.records import TelemetrySample
from edgert.telemetry.base import TelemetrySource

LOST_S = 2.0  # without a fresh sample for so long telemetry is lost


class HeardTelemetry:
    """A source of power and heat, with what came of its last read for whoever wants to know.

    Read by one thread; `newest` may be asked from any.

    Args:
        source: Who reads.
    """

    def __init__(self, source: TelemetrySource) -> None:
        self.name = source.name
        self.newest: TelemetrySample | None = None  # the last one that there was
        self.problem = ""  # why the last read gave none, in words
        self._source = source

    def read(self) -> TelemetrySample | None:
        """As the source does; see TelemetrySource."""
        try:
            sample = self._source.read()
        except EdgertError as error:
            self.problem = str(error)
            raise
        self.problem = "" if sample is not None else "no sample so far"
        if sample is not None:
            self.newest = sample
        return sample

    def try_read(self) -> None:
        """Read, and keep what came of it to oneself."""
        with contextlib.suppress(EdgertError):
            self.read()

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class BoardNews:
    """Turns samples into events where something changed. Use it from one thread.

    Args:
        events: Where they go.
        clock: The one that samples are stamped with.
    """

    def __init__(self, events: Events, clock: Clock) -> None:
        self._events, self._clock = events, clock
        self._start_s = clock.now_s()
        self._lost_s: float | None = None  # when the last sample was taken that there was
        self._throttled = False
        self._counts: dict[str, int] | None = None
        self._gaps: dict[str, str] = {}
        self.lost = ""  # why there is no telemetry, in words; "" while there is

    def look(self, sample: TelemetrySample | None, problem: str) -> None:
        """See the newest sample, and why there is no newer one."""
        self._see_age(sample, problem)
        if sample is None:
            return
        self._see_throttling(sample)
        self._see_over_current(sample)
        self._see_gaps(sample)

    def _see_age(self, sample: TelemetrySample | None, problem: str) -> None:
        now_s = self._clock.now_s()
        seen_s = self._start_s if sample is None else sample.time_s
        if now_s - seen_s > LOST_S:
            if self._lost_s is None:
                self._lost_s = seen_s
                self.lost = problem or "the sensors do not answer"
                self._events.add("telemetry", f"lost: {self.lost}")
            return
        if self._lost_s is not None:
            without_s = seen_s - self._lost_s
            self._events.add(
                "telemetry", f"back after {without_s:.0f} s", without_s=round(without_s, 3)
            )
            self._lost_s, self.lost = None, ""

    def _see_throttling(self, sample: TelemetrySample) -> None:
        throttled = bool(sample.throttled)
        if throttled == self._throttled:
            return
        self._throttled = throttled
        ratio = "" if sample.clock_ratio is None else f", clock at {sample.clock_ratio:.0%}"
        why = sample.throttle_reason or "no reason given"
        self._events.add(
            "throttle",
            f"the board throttles: {why}{ratio}" if throttled else "the board runs freely again",
            throttled=throttled,
            clock_ratio=sample.clock_ratio,
            temp_c=sample.temp_c,
        )

    def _see_over_current(self, sample: TelemetrySample) -> None:
        counts = sample.over_current_events
        before = counts if self._counts is None else self._counts  # those since boot are old
        risen = {name: n for name, n in counts.items() if n > before.get(name, 0)}
        self._counts = {**before, **counts}
        if risen:
            words = ", ".join(f"{name} {before.get(name, 0)} → {n}" for name, n in risen.items())
            self._events.add("over-current", f"the board drew too much: {words}", counts=risen)

    def _see_gaps(self, sample: TelemetrySample) -> None:
        for what, why in sample.gaps.items():
            if what not in self._gaps:
                self._events.add("telemetry", f"{what} can't be read: {why}", what=what)
        for what in self._gaps.keys() - sample.gaps.keys():
            self._events.add("telemetry", f"{what} can be read again", what=what)
        self._gaps = dict(sample.gaps)
