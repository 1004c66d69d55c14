"""What a board was like during a window, and what of it makes the window unfit."""

import threading
from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from edgert.records import Provenance, Record, TelemetrySample
from edgert.telemetry.base import TelemetrySource
from edgert.telemetry.over_current import SUPPLY_CAUSES

Floats = npt.NDArray[np.float64]
Range = tuple[float, float]

_CLOCK_MOVED = 0.01  # of a clock that is held to be constant


class Conditions(Record, frozen=True, kw_only=True):
    """A board over a stretch of time. Ranges are (lowest, highest).

    over_current_events: how many came, by cause.
    throttled: why, in words; "" where it was not.
    gaps: reads without power, by reason.
    """

    source: str = ""
    provenance: Provenance = "measured"
    power_modes: list[str] = msgspec.field(default_factory=list)
    clocks_hz: dict[str, Range] = msgspec.field(default_factory=dict)
    clock_caps_hz: dict[str, Range] = msgspec.field(default_factory=dict)
    clock_ratio: Range | None = None
    temp_c: Range | None = None
    over_current_events: dict[str, int] = msgspec.field(default_factory=dict)
    throttled: str = ""
    gaps: dict[str, int] = msgspec.field(default_factory=dict)
    clock_went_back: bool = False


class Watch:
    """A source that remembers what its samples said besides power; may be asked from any thread.

    Args:
        source: Read by whoever reads this one.
    """

    def __init__(self, source: TelemetrySource) -> None:
        self.name = source.name
        self.source = source
        self._lock = threading.Lock()
        self._newest: TelemetrySample | None = None
        self._clear()

    def read(self) -> TelemetrySample | None:
        """The source's sample; errors as the source's."""
        sample = self.source.read()
        with self._lock:
            if sample is not None:
                self._take(sample)
        return sample

    def close(self) -> None:
        """Close the source."""
        self.source.close()

    def begin(self) -> None:
        """Forget what was, but for the newest values, which still hold."""
        with self._lock:
            newest = self._newest
            self._clear()
            if newest is not None:
                self._take(newest, count_gaps=False)

    def end(self) -> Conditions:
        """What was since `begin`."""
        with self._lock:
            return Conditions(
                source=self._newest.source if self._newest else self.name,
                provenance=self._newest.provenance if self._newest else "measured",
                power_modes=list(self._modes),
                clocks_hz=dict(self._clocks_hz),
                clock_caps_hz=dict(self._caps_hz),
                clock_ratio=self._ratio.get("clock"),
                temp_c=self._temp_c.get("hottest"),
                over_current_events=dict(self._events),
                throttled=self._throttled,
                gaps=dict(self._gaps),
                clock_went_back=self._went_back,
            )

    def _clear(self) -> None:
        self._modes: dict[str, None] = {}
        self._clocks_hz: dict[str, Range] = {}
        self._caps_hz: dict[str, Range] = {}
        self._ratio: dict[str, Range] = {}
        self._temp_c: dict[str, Range] = {}
        self._events: dict[str, int] = {}
        self._counters: dict[str, int] = {}
        self._gaps: dict[str, int] = {}
        self._throttled = ""
        self._went_back = False

    def _take(self, sample: TelemetrySample, *, count_gaps: bool = True) -> None:
        if self._newest is not None and sample.time_s < self._newest.time_s:
            self._went_back = True
        self._newest = sample
        if sample.power_mode:
            self._modes[sample.power_mode] = None
        _widen(self._clocks_hz, sample.clocks_hz)
        _widen(self._caps_hz, sample.clock_caps_hz)
        if sample.clock_ratio is not None:
            _widen(self._ratio, {"clock": sample.clock_ratio})
        if sample.temp_c is not None:
            _widen(self._temp_c, {"hottest": sample.temp_c})
        for cause, count in sample.over_current_events.items():
            # A counter that fell was reset with the board's driver: nothing new then.
            risen = max(0, count - self._counters.get(cause, count))
            self._events[cause] = self._events.get(cause, 0) + risen
            self._counters[cause] = count
        if sample.throttled:
            self._throttled = self._throttled or sample.throttle_reason or "no reason given"
        if sample.power_w is None and count_gaps:
            reason = sample.gaps.get("power") or "no power in the sample"
            self._gaps[reason] = self._gaps.get(reason, 0) + 1


def why_reject(seen: Conditions, before: Conditions | None, *, governed: bool) -> str:
    """Why a window of these conditions does not count; "" where it does.

    Args:
        seen: During the window.
        before: During the first window that counted, which the others must be like.
        governed: Clocks may follow the load, as they do where frames leave pauses; else a clock
            that moves is a reason.
    """
    modes = list(dict.fromkeys([*(before.power_modes if before else []), *seen.power_modes]))
    if len(modes) > 1:
        return f"power mode changed: {' to '.join(modes)}"
    if seen.clock_went_back:
        return "the clock of the samples went back"
    if seen.throttled:
        return f"throttled: {seen.throttled}"
    for cause in SUPPLY_CAUSES:
        if count := seen.over_current_events.get(cause, 0):
            return f"{count} times {cause.replace('_', ' ')}"
    held = [("cap of clock", seen.clock_caps_hz, before.clock_caps_hz if before else {})]
    if not governed:
        held.append(("clock", seen.clocks_hz, before.clocks_hz if before else {}))
    for what, now, then in held:
        for name, found in now.items():
            low_hz, high_hz = _joined(found, then.get(name, found))
            if high_hz - low_hz > _CLOCK_MOVED * high_hz:
                return f"{what} {name} moved from {low_hz / 1e6:.0f} to {high_hz / 1e6:.0f} MHz"
    return ""


def joined(conditions: list[Conditions]) -> Conditions:
    """All of them as one: widest ranges, all modes, all events.

    Args:
        conditions: At least one.
    """
    ranges: tuple[dict[str, Range], ...] = ({}, {}, {}, {})
    events: dict[str, int] = {}
    for seen in conditions:
        for into, new in zip(
            ranges,
            (
                seen.clocks_hz,
                seen.clock_caps_hz,
                {"ratio": seen.clock_ratio} if seen.clock_ratio else {},
                {"temp": seen.temp_c} if seen.temp_c else {},
            ),
            strict=True,
        ):
            for name, found in new.items():
                into[name] = _joined(into.get(name, found), found)
        for cause, count in seen.over_current_events.items():
            events[cause] = events.get(cause, 0) + count
    return Conditions(
        source=conditions[-1].source,
        provenance=conditions[-1].provenance,
        power_modes=list(dict.fromkeys(mode for c in conditions for mode in c.power_modes)),
        clocks_hz=ranges[0],
        clock_caps_hz=ranges[1],
        clock_ratio=ranges[2].get("ratio"),
        temp_c=ranges[3].get("temp"),
        over_current_events=events,
        throttled="; ".join(dict.fromkeys(c.throttled for c in conditions if c.throttled)),
    )


def _widen(ranges: dict[str, Range], values: Mapping[str, float]) -> None:
    for name, value in values.items():
        ranges[name] = _joined(ranges.get(name, (value, value)), (value, value))


def _joined(one: Range, other: Range) -> Range:
    return min(one[0], other[0]), max(one[1], other[1])
