"""How a controller gets to see the board: how often, how late, how exactly."""

import math
import random
from collections import deque

from edgert.evaluation.day import Day
from edgert.records import NotNegative, Positive, PositiveInt, Record, TelemetrySample

TICK_S = 0.05


class Sensing(Record, frozen=True, kw_only=True):
    """A telemetry source. `every_ticks` of 0.05 s lie between two reads.

    averaging_s: Time constant of the power sensor's own mean.
    delay_s: From the read until a controller can have the sample.
    """

    every_ticks: PositiveInt = 2
    delay_s: NotNegative = 0.08
    averaging_s: Positive = 0.35
    power_noise_ratio: NotNegative = 0.01
    power_step_w: Positive = 0.04  # INA3221: 40 uV on 5 mOhm at 5 V
    temp_noise_c: NotNegative = 0.1
    temp_step_c: Positive = 0.25


JTOP = Sensing()
JTOP_ONE_HERTZ = Sensing(every_ticks=20)
LATE = Sensing(delay_s=0.7)
EXACT = Sensing(
    delay_s=0.0, power_noise_ratio=0.0, temp_noise_c=0.0, power_step_w=1e-6, temp_step_c=1e-6
)


class Sensors:
    """One source's reads of one day. The noise is the day's: no controller changes it."""

    def __init__(self, day: Day, sensing: Sensing, *, power_w: float) -> None:
        self.newest: TelemetrySample | None = None
        self.power_w = power_w  # as the sensor's own mean has it
        self._sensing = sensing
        self._weight = 1 - math.exp(-TICK_S / sensing.averaging_s)
        self._gauss = random.Random(f"{day.seed}/sensors").gauss
        self._gaps = deque(sorted(day.gaps))
        self._events = deque(sorted(day.over_current))
        self._counters: dict[str, int] = {}
        self._pending: deque[tuple[float, TelemetrySample]] = deque()
        self._ticks = 0

    def tick(self, time_s: float, power_w: float, die_c: float, clock_ratio: float) -> None:
        """Take in a tick that ended at `time_s`; read where it is time to."""
        self.power_w += self._weight * (power_w - self.power_w)
        self._ticks += 1
        if self._ticks % self._sensing.every_ticks == 0:
            self._read(time_s, die_c, clock_ratio)

    def at(self, now_s: float) -> TelemetrySample | None:
        """The newest sample that has been delivered by `now_s`."""
        pending = self._pending
        while pending and pending[0][0] <= now_s:
            self.newest = pending.popleft()[1]
        return self.newest

    def _read(self, time_s: float, die_c: float, clock_ratio: float) -> None:
        sensing = self._sensing
        power_off, temp_off = self._gauss(0.0, 1.0), self._gauss(0.0, 1.0)  # in gaps as well
        if self._in_gap(time_s):
            return
        power_w = self.power_w * (1 + sensing.power_noise_ratio * power_off)
        temp_c = die_c + sensing.temp_noise_c * temp_off
        sample = TelemetrySample(
            time_s=time_s,
            source="simulated",
            provenance="emulated",
            age_s=sensing.delay_s,
            power_w=round(power_w / sensing.power_step_w) * sensing.power_step_w,
            temp_c=round(temp_c / sensing.temp_step_c) * sensing.temp_step_c,
            clock_ratio=clock_ratio,
            throttled=clock_ratio < 1,
            over_current_events=self._counted(time_s),
        )
        self._pending.append((time_s + sensing.delay_s, sample))

    def _in_gap(self, time_s: float) -> bool:
        gaps = self._gaps
        while gaps and gaps[0][1] <= time_s:
            gaps.popleft()
        return bool(gaps) and gaps[0][0] <= time_s

    def _counted(self, time_s: float) -> dict[str, int]:
        events = self._events
        while events and events[0][0] <= time_s:
            cause = events.popleft()[1]
            self._counters = {**self._counters, cause: self._counters.get(cause, 0) + 1}
        return self._counters
