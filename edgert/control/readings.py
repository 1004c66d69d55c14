"""Telemetry as a controller may believe it: new or not, how old, and what is wrong with it."""

import math
from typing import NamedTuple

from edgert.control.tuning import Tuning
from edgert.records import TelemetrySample

# Beyond these a sensor is broken: no module works there. A zone that is off reads -256 °C.
COLDEST_C, HOTTEST_C = -60.0, 150.0
LEAST_W, MOST_W = 0.0, 1000.0


class Reading(NamedTuple):
    """What a sample gives. None: absent, or nothing that a board can have."""

    time_s: float
    power_w: float | None
    temp_c: float | None
    sample: TelemetrySample


class SteadyTime:
    """A time that never goes back: where the caller's does, it stands still and goes on."""

    __slots__ = ("_last_s", "_offset_s", "stepped_back_s")

    def __init__(self) -> None:
        self._last_s = -math.inf
        self._offset_s = 0.0
        self.stepped_back_s = 0.0  # how far the clock went back at the last call

    def at(self, time_s: float) -> float:
        """The steady time for a time that was just read; one that is no number stands still."""
        self.stepped_back_s = 0.0
        if not math.isfinite(time_s):
            self._last_s = self._last_s if math.isfinite(self._last_s) else 0.0
            return self._last_s
        steady_s = time_s + self._offset_s
        if steady_s < self._last_s:
            self.stepped_back_s = self._last_s - steady_s
            self._offset_s += self.stepped_back_s
            steady_s = self._last_s
        self._last_s = steady_s
        return steady_s

    def shifted(self, time_s: float) -> float:
        """Another time on the same clock."""
        return time_s + self._offset_s


class Readings:
    """Sorts out samples and remembers when the last good one was taken.

    Attributes:
        power_s, temp_s: When power and temperature were last read; minus infinity: never.
        words: What is wrong with telemetry, in words; empty when all is well.
    """

    __slots__ = ("_last_w", "_newest_s", "_sampled_s", "_tuning", "power_s", "temp_s", "words")

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._newest_s = -math.inf
        self._sampled_s = -math.inf  # when telemetry last had a power
        self._last_w: float | None = None
        self.power_s = self.temp_s = -math.inf
        self.words = ""

    def take(
        self, now_s: float, sample: TelemetrySample | None, time: SteadyTime
    ) -> Reading | None:
        """The sample, where it is new and can be believed."""
        self.words = ""
        if sample is None:
            self.words = "no telemetry"
            return None
        time_s = time.shifted(sample.time_s)
        if not math.isfinite(time_s):
            self.words = "telemetry without a time"
            return None
        if time_s > now_s + self._tuning.future_s:
            self.words = f"telemetry from the future ({time_s - now_s:.1f} s ahead)"
            return None
        time_s = min(time_s, now_s)
        if now_s - time_s > self._tuning.stale_s:
            self.words = f"telemetry is {now_s - time_s:.1f} s old"
            return None
        if time_s <= self._newest_s:
            return None
        self._newest_s = time_s
        power_w = _plausible(sample.power_w, LEAST_W, MOST_W)
        temp_c = _plausible(sample.temp_c, COLDEST_C, HOTTEST_C)
        if power_w is not None:
            self.power_s = self._sampled_s = time_s
            self._last_w = power_w
        if temp_c is not None:
            self.temp_s = time_s
        return Reading(time_s, power_w, temp_c, sample)

    def take_frame_power(self, now_s: float, power_w: float | None) -> float | None:
        """A power that came with a frame, where telemetry gives none and it is a new one.

        The frame loop hands on telemetry's own power with a frame, also while sensors are silent:
        the same value again is none.
        """
        found_w = _plausible(power_w, LEAST_W, MOST_W)
        known = now_s - self._sampled_s <= self._tuning.stale_s
        if found_w is None or known or found_w == self._last_w:
            return None
        self.power_s, self._last_w = now_s, found_w
        return found_w


def _plausible(value: float | None, least: float, most: float) -> float | None:
    return value if value is not None and least <= value <= most else None
