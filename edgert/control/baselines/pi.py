"""PI control on temperature and on power: what a control engineer would try first."""

import math
from collections import deque
from typing import Annotated

import msgspec

from edgert.control.baselines.figures import (
    FUTURE_S,
    STALE_S,
    Timer,
    budget_w,
    finite_or_none,
    fresh,
    rungs_from_profile,
)
from edgert.control.baselines.pi_loop import PiGains, PiLoop
from edgert.records import (
    Decision,
    FrameOutcome,
    Limits,
    NotNegative,
    Profile,
    Ratio,
    Record,
    TelemetrySample,
    ThermalConstants,
)

GREATEST_ERROR_K = 50.0

Frames = Annotated[int, msgspec.Meta(ge=2)]
Rounding = Annotated[float, msgspec.Meta(ge=0, lt=0.5)]


class PiTuning(Record, frozen=True, kw_only=True):
    """The constants; gains, guard and margin were chosen on simulated days of the tuning seeds.

    heat, power: Gains; the error of heat is in °C, that of power a share of the budget.
    guard_c, power_margin_ratio: The set points lie so far below the limits.
    heat_deadband_k, power_deadband_ratio: So little room below a set point counts as none. Whole
        rungs seldom hit a set point, and an integral would go up and down between two for ever.
    rounding: A rung is left when the position is more than half a rung and this much away.
    dwell_s: Least time between two switches, but for the deadline's.
    recent_frames: So many latencies are looked back at; the longest is left out, as a hiccup.
    latency_margin_ratio: Room that a dearer rung must leave before the deadline.
    skip_most_ratio: Share of frames that are skipped when the output is at its lowest, -1.
    """

    heat: PiGains = PiGains(proportional=0.15, integral_s=40, tracking_s=40)
    power: PiGains = PiGains(proportional=0.6, integral_s=0.8, tracking_s=2)
    guard_c: NotNegative = 2.0
    power_margin_ratio: Ratio = 0.05
    heat_deadband_k: NotNegative = 1.0
    power_deadband_ratio: Ratio = 0.15
    rounding: Rounding = 0.2
    dwell_s: NotNegative = 1.0
    recent_frames: Frames = 30
    latency_margin_ratio: Ratio = 0.05
    skip_most_ratio: Ratio = 0.75


DEFAULT_PI = PiTuning()


class PiController:
    """Two loops ask for a rung position, the lower one gets it, whole rungs with hysteresis.

    The position runs from 1, the dearest, over 0, the cheapest, to -1, the cheapest with most
    frames skipped. The deadline is a plain check: no rung that recent frames say is too slow.
    A mission's energy counts as a power budget. Without fresh telemetry the position stays.

    Args:
        profile: At least one entry; only latencies are read.
        limits: What must hold.
        thermal: Not used; feedback alone.
        tuning: The constants.
    """

    def __init__(
        self,
        profile: Profile,
        limits: Limits,
        thermal: ThermalConstants | None = None,
        *,
        tuning: PiTuning = DEFAULT_PI,
    ) -> None:
        self.limits = limits
        self.tuning = tuning
        self._rungs = rungs_from_profile(profile)
        self._place = {entry.name: index for index, entry in enumerate(self._rungs)}
        self._heat = PiLoop(tuning.heat, start=1.0)
        self._power = PiLoop(tuning.power, start=1.0)
        self._position = 1.0
        self._seen_s: float | None = None
        self._recent: deque[float] = deque(maxlen=tuning.recent_frames)
        self._preprocess_s = 0.0
        self._rung = self._deadline_cap()
        self._switched = Timer()
        self._skip_credit = 0.0

    def decide(self, now_s: float, telemetry: TelemetrySample | None) -> Decision:
        """See Policy.decide. The reason names the loop that rules and its figures."""
        ruler = self._measure(now_s, telemetry)
        before, deadline = self._rung, self._move(now_s)
        name = self._rungs[self._rung].name
        moved = "hold" if self._rung == before else f"from {self._rungs[before].name} to"
        skip_ratio = self._skip_ratio()
        parts = [f"{moved} {name}: {ruler}", deadline]
        if skip_ratio:
            parts.append(f"{skip_ratio:.0%} of frames are skipped")
        return Decision(
            configuration=name,
            reason="; ".join(part for part in parts if part),
            skip=self._skips(skip_ratio),
            numbers={
                "position": self._position,
                "slowdown": self._slowdown(),
                "skip_ratio": skip_ratio,
            },
        )

    def observe(self, outcome: FrameOutcome) -> None:
        """See Policy.observe. A latency that is no number teaches nothing."""
        rung = self._place.get(outcome.configuration)
        engine_s = outcome.latency_s - outcome.preprocess_s
        if rung is not None and math.isfinite(engine_s) and engine_s > 0:
            self._recent.append(engine_s / self._rungs[rung].latency_s)
            self._preprocess_s = outcome.preprocess_s

    # ------------------------------------------------------------ the loops

    def _measure(self, now_s: float, telemetry: TelemetrySample | None) -> str:
        """Take in a new sample, and say what rules the position."""
        sample = fresh(now_s, telemetry)
        if self._seen_s is not None and self._seen_s > now_s + FUTURE_S:
            self._seen_s = now_s  # time went back
        if sample is not None and (self._seen_s is None or sample.time_s > self._seen_s):
            since_s = self._seen_s if self._seen_s is not None else sample.time_s
            elapsed_s = min(sample.time_s - since_s, STALE_S)
            self._seen_s = sample.time_s
            self._update(sample, elapsed_s)
        limits, budget = self.limits, budget_w(self.limits)
        if limits.temp_c is None and budget is None:
            return "no power or temperature limit"
        if sample is None:
            return "no fresh telemetry, the position stays"
        if limits.temp_c is not None and (
            budget is None or self._heat.output < self._power.output
        ):
            return f"{_text(sample.temp_c, '.1f')} °C of {limits.temp_c:.1f} °C"
        return f"{_text(sample.power_w, '.2f')} W of {budget:.2f} W"

    def _update(self, sample: TelemetrySample, elapsed_s: float) -> None:
        tuning, limits, budget = self.tuning, self.limits, budget_w(self.limits)
        temp_c, power_w = finite_or_none(sample.temp_c), finite_or_none(sample.power_w)
        applied = self._position
        if limits.temp_c is None:
            self._heat.rest(1.0)
        elif temp_c is not None:
            error = limits.temp_c - tuning.guard_c - temp_c
            error = _felt(error, tuning.heat_deadband_k, GREATEST_ERROR_K)
            self._heat.update(error, elapsed_s=elapsed_s, applied=applied)
        if budget is None:
            self._power.rest(1.0)
        elif power_w is not None:
            error = 1 - tuning.power_margin_ratio - power_w / budget
            error = _felt(error, tuning.power_deadband_ratio, 1.0)
            self._power.update(error, elapsed_s=elapsed_s, applied=applied)
        asked = min(self._heat.output, self._power.output)
        self._position = min(max(asked, -1.0), 1.0)

    # ------------------------------------------------------------ whole rungs

    def _move(self, now_s: float) -> str:
        """Round the position to a rung; what the deadline has to say, in words."""
        last = len(self._rungs) - 1
        wanted = min((1 - self._position) * last, float(last))
        cap, climb = self._deadline_cap(), self._deadline_cap(self.tuning.latency_margin_ratio)
        target = self._rung
        if abs(wanted - self._rung) > 0.5 + self.tuning.rounding:
            target = round(wanted)
        if target < self._rung:
            target = min(max(target, climb), self._rung)
        forced = cap > max(target, self._rung)
        target = max(target, cap)
        dwelt = self._switched.elapsed_s(now_s) >= self.tuning.dwell_s
        if target != self._rung and (forced or dwelt):
            self._rung = target
            self._switched.start(now_s)
        if climb and self._rung <= climb:
            return f"recent frames are {self._slowdown():.2f} times as long as profiled"
        return ""

    def _deadline_cap(self, margin_ratio: float = 0.0) -> int:
        """The dearest rung that recent frames say fits the deadline; the cheapest if none."""
        deadline_s = self.limits.deadline_s
        if deadline_s is None:
            return 0
        left_s, slowdown = deadline_s - self._preprocess_s, self._slowdown() * (1 + margin_ratio)
        fits = (i for i, e in enumerate(self._rungs) if e.latency_s * slowdown <= left_s)
        return next(fits, len(self._rungs) - 1)

    def _slowdown(self) -> float:
        """The second longest of the recent frames, as a multiple of its profiled time."""
        if len(self._recent) < 2:
            return self._recent[0] if self._recent else 1.0
        return sorted(self._recent)[-2]

    def _skip_ratio(self) -> float:
        """Share of frames to skip; only below the cheapest rung."""
        if self._rung + 1 < len(self._rungs):
            return 0.0
        return max(-self._position, 0.0) * self.tuning.skip_most_ratio

    def _skips(self, ratio: float) -> bool:
        self._skip_credit = self._skip_credit + ratio if ratio else 0.0
        if self._skip_credit < 1:
            return False
        self._skip_credit -= 1
        return True


def _felt(error: float, deadband: float, greatest: float) -> float:
    """The error that a loop acts on: no small room, and a wild reading by a bounded step."""
    if error > 0:
        error = max(error - deadband, 0.0)
    return min(max(error, -greatest), greatest)


def _text(value: float | None, form: str) -> str:
    return "unknown" if value is None else format(value, form)
