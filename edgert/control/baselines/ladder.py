"""The ladder with hysteresis: down a rung at once, up a rung with care. The baseline controller.

It has no model of heat. It reacts to missed deadlines, to power over its budget and to
temperature near its limit, and climbs back when the rung above is expected to fit. The energy
budget of a mission (`limits.energy_j`) and `limits.miss_ratio` are left to other controllers.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from edgert.control.baselines.figures import rungs_from_profile
from edgert.control.baselines.forecast import Forecast
from edgert.control.baselines.ladder_tuning import DEFAULT_TUNING, LadderTuning
from edgert.records import (
    Decision,
    FrameOutcome,
    Limits,
    Profile,
    TelemetrySample,
    ThermalConstants,
)


class _Demand(NamedTuple):
    """A reason to go down: why, and the rung it asks for."""

    words: str
    rung: int
    skipping_helps: bool = True


class HysteresisLadder:
    """Rungs are the profile's entries by cost, dearest first.

    Without limits it stays at the dearest. When no entry's latency fits the deadline it runs the
    cheapest and says so in every decision: a video must go on. Telemetry that a limit needs
    (power or temperature) and that is missing or stale never leads up; without such a limit,
    telemetry is not needed.

    Args:
        profile: At least one entry.
        limits: What must hold.
        thermal: Not used; the ladder has no model of heat.
        tuning: The constants.
    """

    def __init__(
        self,
        profile: Profile,
        limits: Limits,
        thermal: ThermalConstants | None = None,
        *,
        tuning: LadderTuning = DEFAULT_TUNING,
    ) -> None:
        self.limits = limits
        self.tuning = tuning
        self._rungs = rungs_from_profile(profile)
        self._forecast = Forecast(self._rungs)
        self._late: deque[bool] = deque(maxlen=tuning.miss_window)
        self._wait_s = tuning.dwell_s
        self._changed_s: float | None = None  # last switch, or change of the skip ratio
        self._direction = ""  # of that change: "up", "down", or none yet
        self._temp_at_change_c = -math.inf
        self._seen_s, self._power_s = 0.0, -math.inf  # last usable sample, last power taken in
        self._power_w: float | None = None
        self._skip_ratio = self._skip_credit = 0.0
        self._rung = self._start()

    def decide(self, now_s: float, telemetry: TelemetrySample | None) -> Decision:
        """See Policy.decide. The reason names the figures that decided."""
        if self._changed_s is None:
            self._changed_s = self._seen_s = now_s
        self._forecast.begin(now_s)
        sample = self._usable(now_s, telemetry)
        demand = self._demand(now_s, sample)
        if demand is not None:
            reason = self._go_down(now_s, demand, sample)
        else:
            reason = self._climb(now_s, sample)
        return self._decision(reason, sample)

    def observe(self, outcome: FrameOutcome) -> None:
        """See Policy.observe."""
        self._forecast.observe(outcome)
        if outcome.configuration == self._rungs[self._rung].name:
            self._late.append(not outcome.met_deadline)

    # ------------------------------------------------------------ what is known

    @property
    def _needs_telemetry(self) -> bool:
        return self.limits.power_w is not None or self.limits.temp_c is not None

    def _start(self) -> int:
        """The dearest rung that the profile says fits; the cheapest when none does."""
        budget_w = self.limits.power_w
        for index, entry in enumerate(self._rungs):
            affordable = budget_w is None or entry.power_w is None or entry.power_w <= budget_w
            if affordable and self._fits_deadline(index):
                return index
        return len(self._rungs) - 1

    def _usable(self, now_s: float, telemetry: TelemetrySample | None) -> TelemetrySample | None:
        """The sample, when it is fresh and has what the limits need."""
        if telemetry is None or now_s - telemetry.time_s > self.tuning.stale_s:
            return None
        needed = (
            (self.limits.power_w, telemetry.power_w),
            (self.limits.temp_c, telemetry.temp_c),
        )
        for limit, value in needed:
            if limit is not None and (value is None or not math.isfinite(value)):
                return None
        self._seen_s = now_s
        if telemetry.power_w is not None and telemetry.time_s > self._power_s:
            self._smooth_power(telemetry.time_s, telemetry.power_w)
        return telemetry

    def _smooth_power(self, time_s: float, power_w: float) -> None:
        if self._power_w is None:
            self._power_w = power_w
        else:
            weight = 1 - math.exp((self._power_s - time_s) / self.tuning.power_smoothing_s)
            self._power_w += weight * (power_w - self._power_w)
        self._power_s = time_s

    def _fits_deadline(self, index: int) -> bool:
        deadline_s = self.limits.deadline_s
        if deadline_s is None:
            return True
        expected_s = self._forecast.latency_s(index)
        return expected_s * (1 + self.tuning.latency_margin_ratio) <= deadline_s

    # ------------------------------------------------------------ down

    def _demand(self, now_s: float, sample: TelemetrySample | None) -> _Demand | None:
        # At the cheapest rung nothing helps against misses, and heat must still be looked at.
        misses = self._misses()
        if misses and self._rung + 1 < len(self._rungs):
            return _Demand(misses, self._below(self._fits_deadline), skipping_helps=False)
        if sample is None:
            return self._blind_demand(now_s)
        return self._heat_demand(sample) or self._power_demand()

    def _misses(self) -> str:
        """The late frames in words, where they are too many; empty otherwise."""
        deadline_s, late = self.limits.deadline_s, sum(self._late)
        if deadline_s is None or late < self.tuning.misses:
            return ""
        return f"{late} of the last {len(self._late)} frames over {deadline_s * 1e3:.1f} ms"

    def _blind_demand(self, now_s: float) -> _Demand | None:
        blind_s = now_s - self._seen_s
        since_s = now_s - (self._changed_s or 0.0)
        if not self._needs_telemetry or min(blind_s, since_s) < self.tuning.blind_step_s:
            return None
        words = f"no telemetry for {blind_s:.1f} s with a power or temperature limit to hold"
        return _Demand(words, self._rung + 1, skipping_helps=False)

    def _heat_demand(self, sample: TelemetrySample) -> _Demand | None:
        temp_c, limit_c = sample.temp_c, self.limits.temp_c
        if sample.throttled and self._needs_telemetry:
            clock = "" if sample.clock_ratio is None else f" to {sample.clock_ratio:.0%}"
            return _Demand(f"the board lowered its clock{clock}", self._rung + 1)
        if temp_c is None or limit_c is None or temp_c <= limit_c - self.tuning.temp_guard_c:
            return None
        if temp_c > limit_c:
            words = f"temperature {temp_c:.1f} °C over the limit {limit_c:.1f} °C"
        elif temp_c < self._temp_at_change_c:
            return None  # near the limit, but the last step down is at work
        else:
            words = f"temperature {temp_c:.1f} °C within {self.tuning.temp_guard_c:.1f} °C "
            words += f"of the limit {limit_c:.1f} °C"
        return _Demand(words, self._rung + 1)

    def _power_demand(self) -> _Demand | None:
        budget_w = self.limits.power_w
        if budget_w is None or self._power_w is None or self._power_w <= budget_w:
            return None
        words = f"power {self._power_w:.2f} W over the budget {budget_w:.2f} W"
        return _Demand(words, self._below(lambda rung: self._fits_power(rung, margin_ratio=0.0)))

    def _below(self, fits: Callable[[int], bool]) -> int:
        """The dearest rung below that fits; the cheapest when none does."""
        lower = range(self._rung + 1, len(self._rungs))
        return next((rung for rung in lower if fits(rung)), len(self._rungs) - 1)

    def _fits_power(self, rung: int, *, margin_ratio: float) -> bool:
        """Whether a rung is expected within the budget; True when nothing is known of it."""
        expected_w = self._expected_w(rung)
        budget_w = self.limits.power_w
        if expected_w is None or budget_w is None:
            return True
        return expected_w * (1 + margin_ratio) <= budget_w

    def _expected_w(self, rung: int) -> float | None:
        if self._power_w is None:
            return self._rungs[rung].power_w
        return self._forecast.power_w(rung, current=self._rung, observed_w=self._power_w)

    def _go_down(self, now_s: float, demand: _Demand, sample: TelemetrySample | None) -> str:
        words, here = demand.words, self._rungs[self._rung].name
        since_s = now_s - (self._changed_s or 0.0)
        settling = self._direction == "down" and since_s < self.tuning.settle_s
        if settling and demand.skipping_helps:
            return f"{words}: {here} since {since_s:.1f} s, its effect is still to come"
        if self._rung + 1 < len(self._rungs):
            self._change(now_s, "down", sample, rung=demand.rung)
            return f"{words}: from {here} down to {self._rungs[demand.rung].name}"
        if not demand.skipping_helps:
            return f"{words}: {here} is the cheapest there is"
        most = self.tuning.skip_most_ratio
        if self._skip_ratio < most:
            more = min(self._skip_ratio + self.tuning.skip_step_ratio, most)
            self._change(now_s, "down", sample, skip_ratio=more)
            return f"{words}: {here} is the cheapest, more frames are skipped"
        return f"{words}: {here} is the cheapest and no more frames may be skipped"

    # ------------------------------------------------------------ up

    def _climb(self, now_s: float, sample: TelemetrySample | None) -> str:
        """One step up where nothing speaks against it; the reason either way."""
        here = self._rungs[self._rung].name
        if self._skip_ratio == 0:
            if self._rung + 1 == len(self._rungs) and not self._fits_deadline(self._rung):
                return f"no configuration fits the deadline: {here}, the cheapest, runs on"
            if misses := self._misses():
                return f"{misses}: {here} is the cheapest there is"
            if self._rung == 0:
                return f"{here} is the dearest and the limits hold"
            if not self._direction and now_s == self._changed_s:
                return f"start with {here}, the dearest that the profile says fits"
        obstacle = self._obstacle(now_s, sample)
        if obstacle:
            return f"hold {here}: {obstacle}"
        if self._skip_ratio > 0:
            less = max(self._skip_ratio - self.tuning.skip_step_ratio, 0.0)
            self._change(now_s, "up", sample, skip_ratio=less)
            return f"there is room: {here}, fewer frames are skipped"
        expected_s = self._forecast.latency_s(self._rung - 1)
        self._change(now_s, "up", sample, rung=self._rung - 1)
        there = self._rungs[self._rung].name
        return f"there is room, {expected_s * 1e3:.1f} ms expected: from {here} up to {there}"

    def _obstacle(self, now_s: float, sample: TelemetrySample | None) -> str:
        """What speaks against a step up now; empty when nothing does."""
        tuning, limits = self.tuning, self.limits
        since_s = now_s - (self._changed_s or 0.0)
        if since_s < self._wait_s:
            return f"{since_s:.1f} s of {self._wait_s:.1f} s since the last step"
        if self._needs_telemetry and sample is None:
            return f"no telemetry for {now_s - self._seen_s:.1f} s"
        if sample is not None and sample.temp_c is not None and limits.temp_c is not None:
            cool_c = limits.temp_c - tuning.temp_band_c
            if sample.temp_c > cool_c:
                return f"temperature {sample.temp_c:.1f} °C, the next step needs {cool_c:.1f} °C"
        if self._skip_ratio > 0:
            return ""
        above = self._rungs[self._rung - 1].name
        if limits.deadline_s is not None and not self._fits_deadline(self._rung - 1):
            expected_ms = self._forecast.latency_s(self._rung - 1) * 1e3
            return f"{above} would take {expected_ms:.1f} ms of {limits.deadline_s * 1e3:.1f} ms"
        if not self._fits_power(self._rung - 1, margin_ratio=tuning.power_margin_ratio):
            return f"{above} would draw {self._expected_w(self._rung - 1):.2f} W"
        return ""

    # ------------------------------------------------------------ the step itself

    def _change(
        self,
        now_s: float,
        direction: str,
        sample: TelemetrySample | None,
        *,
        rung: int | None = None,
        skip_ratio: float | None = None,
    ) -> None:
        """Move, and learn from how long the step before lasted when that was upwards."""
        held_s = now_s - (self._changed_s or 0.0)
        if self._direction == "up" and held_s >= self.tuning.undo_s:
            self._wait_s = self.tuning.dwell_s
        elif self._direction == "up" and direction == "down":
            self._wait_s = min(2 * self._wait_s, self.tuning.longest_wait_s)
        self._direction, self._changed_s = direction, now_s
        if sample is not None and sample.temp_c is not None:
            self._temp_at_change_c = sample.temp_c
        if skip_ratio is not None:
            self._skip_ratio = skip_ratio
        if rung is not None:
            self._rung = rung
            self._late.clear()

    def _decision(self, reason: str, sample: TelemetrySample | None) -> Decision:
        numbers = {
            "slowdown": self._forecast.slowdown,
            "expected_latency_s": self._forecast.latency_s(self._rung),
            "skip_ratio": self._skip_ratio,
        }
        if sample is not None and sample.temp_c is not None:
            numbers["temp_c"] = sample.temp_c
        if self._power_w is not None:
            numbers["power_mean_w"] = self._power_w
        self._skip_credit += self._skip_ratio
        skip = self._skip_credit >= 1
        if skip:
            self._skip_credit -= 1
        if self._skip_ratio:
            reason = f"{reason}; {self._skip_ratio:.0%} of frames are skipped"
        name = self._rungs[self._rung].name
        return Decision(configuration=name, reason=reason, skip=skip, numbers=numbers)
