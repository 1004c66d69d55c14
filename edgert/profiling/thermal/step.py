"""One step test: idle, an engine back to back, idle; and what it says of the board.

Owns the order of things; `thermal.checks` knows what makes a test unfit, `thermal.fit` owns the
arithmetic.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from edgert.errors import TelemetryError
from edgert.profiling.energy.meter import PowerMeter
from edgert.profiling.thermal.checks import (
    MOST_GAP_S,
    StepPlan,
    StepTest,
    why_too_hot,
    why_unfit_test,
)
from edgert.profiling.thermal.fit import ThermalFit, fit_thermal
from edgert.profiling.thermal.response import grid_from_samples, with_edge

# Seconds done, seconds to go, what is under way.
Progress = Callable[[float, float, str], None]
# Runs the engine, back to back, and returns when its results are there.
Step = Callable[[], object]

_LOOK_S = 0.1  # how often the board is looked at while the engine runs
_TELL_S = 1.0
_FAN_MOVED = 0.1
_MUCH_LEFT_C = 1.0  # of a fit's residual


class Calibration(NamedTuple):
    """A fit with what belongs beside it: idle power, and what a reader should know, in words."""

    fit: ThermalFit
    idle_w: float
    notes: list[str]
    samples: int


def play_step_test(
    step: Step, meter: PowerMeter, plan: StepPlan, progress: Progress | None = None
) -> StepTest:
    """Let the board rest, load it, and let it rest again.

    The load ends before its time where the board throttles or comes near its trip point: what
    the clocks do then is not the load's doing, and heat at the trip point serves nothing.

    Args:
        step: One inference, or a few.
        meter: Running; time passes on `meter.clock`.
        plan: How long.
        progress: Called about once a second.

    Raises:
        TelemetryError: The board is too hot or throttled before any load.
    """
    player = _Player(step, meter, plan, progress or (lambda *_: None))
    begun_s = meter.clock.now_s()
    meter.watch.begin()
    player.rest("idle before")
    if hot := player.why_end():
        raise TelemetryError(
            "calibrate",
            expected="a board that is cool before the load",
            got=hot,
            advice="Let it cool down, see to its fan, and start again",
        )
    load_from_s = meter.clock.now_s()
    ended = player.load()
    load_to_s = meter.clock.now_s()
    player.rest("idle after")
    return StepTest(
        samples=meter.samples,
        begun_s=begun_s,
        load_from_s=load_from_s,
        load_to_s=load_to_s,
        over_s=meter.clock.now_s(),
        ended=ended,
        seen=meter.watch.end(),
        fan_ratios=tuple(player.fan_ratios),
        settled_s=plan.settled_s,
    )


def calibrate(test: StepTest) -> Calibration:
    """Thermal constants from a step test.

    Raises:
        TelemetryError: It can't be fitted; says why, and what to do.
    """
    if why := why_unfit_test(test):
        raise TelemetryError(
            "calibrate",
            expected="a step test that constants can be had of",
            got=why,
            advice="See to the cause and start again; edgert doctor says what is wrong with a "
            "board's sensors",
        )
    inside = (test.samples.time_s >= test.begun_s) & (test.samples.time_s <= test.over_s)
    arrays = tuple(column[inside] for column in test.samples)
    time_s, power_w = arrays[0], arrays[1]
    # A sensor that is read once a second shows a step a second late.
    settled_s = max(test.settled_s, 3 * float(np.median(np.diff(time_s))))
    settled_s = min(settled_s, (test.load_to_s - test.load_from_s) / 2)
    edged = with_edge(arrays[0], arrays[1], arrays[2], test.load_from_s, settled_s)
    fit = fit_thermal(grid_from_samples(*with_edge(*edged, test.load_to_s, settled_s)))
    return Calibration(
        fit=fit,
        idle_w=float(power_w[time_s < test.load_from_s].mean()),
        notes=[*_notes(test, fit), *fit.notes],
        samples=int(np.count_nonzero(np.isfinite(arrays[2]))),
    )


def _notes(test: StepTest, fit: ThermalFit) -> list[str]:
    notes = []
    if test.ended:
        took_s = test.load_to_s - test.load_from_s
        notes.append(f"the load was ended after {took_s:.0f} s: {test.ended}")
    if test.fan_ratios and max(test.fan_ratios) - min(test.fan_ratios) > _FAN_MOVED:
        low, high = min(test.fan_ratios), max(test.fan_ratios)
        notes.append(
            f"the fan went from {low:.0%} to {high:.0%}: constants are between those of both"
        )
    if fit.residual_c > _MUCH_LEFT_C:
        notes.append(
            f"{fit.residual_c:.1f} K are left unexplained: something else than the load moved"
        )
    return notes


class _Player:
    """Lets time pass, with and without load, and looks at the board meanwhile."""

    def __init__(self, step: Step, meter: PowerMeter, plan: StepPlan, progress: Progress) -> None:
        self.fan_ratios: list[float] = []
        self._step = step
        self._meter = meter
        self._clock = meter.clock
        self._plan = plan
        self._say = progress
        self._begun_s = self._told_s = self._looked_s = self._clock.now_s()
        self._to_go_s = 2 * plan.idle_s + plan.step_s
        self._say(0.0, self._to_go_s, "idle before")

    def rest(self, what: str) -> None:
        """A stretch without load."""
        end_s = self._clock.now_s() + self._plan.idle_s
        while (left_s := end_s - self._clock.now_s()) > 1e-9:
            self._clock.sleep(min(_TELL_S, left_s))
            self._tell(what, self._plan.idle_s, end_s)
            self.why_end()

    def load(self) -> str:
        """A stretch of load; returns why it ended early, or ""."""
        plan, clock = self._plan, self._clock
        end_s = clock.now_s() + plan.step_s
        while clock.now_s() < end_s - 1e-9:
            self._step()
            if clock.now_s() - self._looked_s < _LOOK_S:
                continue
            self._looked_s = clock.now_s()
            self._tell("load", plan.step_s, end_s)
            if why := self.why_end():
                return why
        return ""

    def why_end(self) -> str:
        """Why the board must not be heated now; "" where it may.

        Raises:
            TelemetryError: Nobody can say, as no sample has come for a while.
        """
        sample = self._meter.sampler.last
        seen_s = self._begun_s if sample is None else max(self._begun_s, sample.time_s)
        if self._clock.now_s() - seen_s > MOST_GAP_S:
            reasons = "; ".join(self._meter.sampler.report.reasons)
            raise TelemetryError(
                "calibrate",
                expected="power and temperature all the time",
                got=f"none for {MOST_GAP_S:g} s{f' ({reasons})' if reasons else ''}",
                advice="See to the sensors, edgert doctor says more, and start again",
            )
        if sample is None:
            return ""
        if sample.fan_ratio is not None:
            self.fan_ratios.append(sample.fan_ratio)
        if sample.throttled:
            return f"throttled: {sample.throttle_reason or 'no reason given'}"
        return why_too_hot(sample, self._plan)

    def _tell(self, what: str, length_s: float, end_s: float) -> None:
        now_s = self._clock.now_s()
        if now_s - self._told_s < _TELL_S:
            return
        self._told_s = now_s
        after_s = {"idle before": self._plan.step_s + self._plan.idle_s, "load": self._plan.idle_s}
        to_go_s = min(length_s, max(0.0, end_s - now_s)) + after_s.get(what, 0.0)
        self._say(now_s - self._begun_s, to_go_s, what)
