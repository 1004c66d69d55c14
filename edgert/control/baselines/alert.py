"""ALERT, and ALERT with constants that suit a quiet board; both with a step down on temperature.

ALERT picks, frame by frame, the configuration of the highest expected accuracy whose energy is
within its goal. It has no notion of heat, so that near the temperature limit a plain cap takes the
dearest rungs away (`step_down`): that is the only thing added to what was published. When even
the cheapest is too hot it runs on; it has no means to skip frames.
"""

import math
from typing import Literal, NamedTuple

from edgert.control.baselines.alert_filters import (
    IdleRatioFilter,
    SlowdownConstants,
    SlowdownFilter,
)
from edgert.control.baselines.figures import (
    FUTURE_S,
    budget_w,
    finite_or_none,
    fresh,
    powers,
    qualities,
    rungs_from_profile,
)
from edgert.control.baselines.step_down import DEFAULT_STEP_DOWN, StepDown, StepDownTuning
from edgert.records import (
    Decision,
    FrameOutcome,
    Limits,
    NotNegative,
    Positive,
    Profile,
    Ratio,
    Record,
    TelemetrySample,
    ThermalConstants,
)

LIKELY = 0.5  # below it a frame is expected to be late


class AlertTuning(Record, frozen=True, kw_only=True):
    """ALERT's constants and what surrounds its equations.

    slowdown: Of the filter.
    step_down: Of the temperature cap.
    late_accuracy: What a late frame's result is worth (q_fail).
    gives_up: What yields when no configuration is within the energy goal. Published is the
        priority latency, accuracy, power: the goal yields. "accuracy": the least energy runs.
    start_idle_ratio: Idle over running power before it is known.
    greatest_busy_ratio: Above it, too little idle time is left to tell idle power by.
    settled_s: A power reading counts for a configuration that has run this long before it.
    greatest_ratio: One frame counts at most as so many times its profiled time.
    preprocess_weight: Weight of the newest frame in the time that frames take before the engine.
    """

    slowdown: SlowdownConstants = SlowdownConstants()
    step_down: StepDownTuning = DEFAULT_STEP_DOWN
    late_accuracy: Ratio = 0.0
    gives_up: Literal["power", "accuracy"] = "power"
    start_idle_ratio: Ratio = 0.3
    greatest_busy_ratio: Ratio = 0.9
    settled_s: NotNegative = 0.5
    greatest_ratio: Positive = 1000.0
    preprocess_weight: Ratio = 0.2


PUBLISHED = AlertTuning()
QUIET = AlertTuning(
    slowdown=SlowdownConstants(least_process_noise=2e-4, measurement_noise=3e-3),
    gives_up="accuracy",
)


class _Option(NamedTuple):
    """What ALERT expects of one configuration."""

    rung: int
    in_time: float  # probability
    accuracy: float
    energy_j: float | None
    goal_j: float | None

    @property
    def affordable(self) -> bool:
        return self.energy_j is None or self.goal_j is None or self.energy_j <= self.goal_j


class Alert:
    """The most accurate configuration in expectation, within the energy of a frame.

        Pr_i   = Phi((T / t_i - mu) / sigma)
        E[q_i] = q_i Pr_i + q_fail (1 - Pr_i)
        e_i    = p_i mu t_i + phi p_i (T - mu t_i)

    Of equals the one of least energy runs. The energy goal is the power budget, or what a
    mission's energy leaves each second if that is less, times T.

    Source:
        Wan, Santriaji, Rogers, Hoffmann, Maire, Lu: ALERT: Accurate Learning for Energy and
        Timeliness, USENIX ATC 2020, section 3. Differs: the cap on temperature; T is the deadline
        less the time before the engine in Pr_i, and the frame's period (else the deadline, else
        mu t_i) in e_i and its goal; a frame longer than that has no idle part; idle power is told
        from the mean that sensors give, since they do not sample the pauses alone.

    Args:
        profile: At least one entry. Without accuracies the dearer counts as better; an entry
            without power counts as the greatest stated, and without any, no energy is held.
        limits: What must hold.
        thermal: Its idle power is where the idle ratio starts, if stated.
        tuning: The constants.
    """

    def __init__(
        self,
        profile: Profile,
        limits: Limits,
        thermal: ThermalConstants | None = None,
        *,
        tuning: AlertTuning = PUBLISHED,
    ) -> None:
        self.limits = limits
        self.tuning = tuning
        self._rungs = rungs_from_profile(profile)
        self._place = {entry.name: index for index, entry in enumerate(self._rungs)}
        self._qualities, self._powers_w = qualities(self._rungs), powers(self._rungs)
        self.slowdown = SlowdownFilter(tuning.slowdown)
        self.idle = IdleRatioFilter(self._start_idle_ratio(thermal))
        self._step_down = StepDown(len(self._rungs), tuning.step_down)
        self._preprocess_s = 0.0
        self._running = 0  # the rung of the last frame
        self._since_s = math.inf  # since when that rung runs
        self._power_s = -math.inf  # the last reading that was taken in

    def decide(self, now_s: float, telemetry: TelemetrySample | None) -> Decision:
        """See Policy.decide. The reason names the figures that decided."""
        self._learn_idle(now_s, telemetry)
        heat = self._step_down.update(now_s, telemetry, self.limits.temp_c, running=self._running)
        options = [self._option(rung) for rung in range(self._step_down.cap, len(self._rungs))]
        chosen, why = self._choose(options)
        if chosen.rung != self._running:
            self._running = chosen.rung
            self._since_s = now_s
        name = self._rungs[chosen.rung].name
        parts = [f"{name}: {why}", self._words(chosen), heat]
        reason = "; ".join(part for part in parts if part)
        return Decision(configuration=name, reason=reason, numbers=self._numbers(chosen))

    def observe(self, outcome: FrameOutcome) -> None:
        """See Policy.observe. A latency that is no number teaches nothing."""
        rung = self._place.get(outcome.configuration)
        engine_s = outcome.latency_s - outcome.preprocess_s
        if rung is None or not math.isfinite(engine_s) or engine_s <= 0:
            return
        ratio = engine_s / self._rungs[rung].latency_s
        self.slowdown.update(min(ratio, self.tuning.greatest_ratio))
        weight = self.tuning.preprocess_weight
        self._preprocess_s += weight * (outcome.preprocess_s - self._preprocess_s)

    # ------------------------------------------------------------ what is expected

    def _option(self, rung: int) -> _Option:
        latency_s, quality = self._rungs[rung].latency_s, self._qualities[rung]
        in_time = 1.0
        if self.limits.deadline_s is not None:
            left_s = self.limits.deadline_s - self._preprocess_s
            in_time = self.slowdown.chance_within(left_s / latency_s)
        accuracy = quality * in_time + self.tuning.late_accuracy * (1 - in_time)
        busy_s = self.slowdown.mean * latency_s
        horizon_s = self._horizon_s(busy_s)
        power_w, budget = self._powers_w[rung], budget_w(self.limits)
        energy_j = None
        if power_w is not None:
            energy_j = power_w * (busy_s + self.idle.ratio * (horizon_s - busy_s))
        goal_j = None if budget is None else budget * horizon_s
        return _Option(rung, in_time, accuracy, energy_j, goal_j)

    def _horizon_s(self, busy_s: float) -> float:
        """From one frame to the next, at least as long as the frame takes."""
        return max(self.limits.period_s or self.limits.deadline_s or 0.0, busy_s)

    def _start_idle_ratio(self, thermal: ThermalConstants | None) -> float:
        dearest_w = self._powers_w[0]
        if thermal is None or thermal.idle_w is None or dearest_w is None:
            return self.tuning.start_idle_ratio
        return min(thermal.idle_w / dearest_w, 1.0)

    def _learn_idle(self, now_s: float, telemetry: TelemetrySample | None) -> None:
        """Idle power from a mean over pauses and runs, where that can be told apart."""
        self._since_s = min(self._since_s, now_s)  # at first, and should time go back
        self._power_s = min(self._power_s, now_s + FUTURE_S)
        sample = fresh(now_s, telemetry)
        power_w = self._powers_w[self._running]
        observed_w = finite_or_none(None if sample is None else sample.power_w)
        if sample is None or power_w is None or observed_w is None:
            return
        busy_s = self.slowdown.mean * self._rungs[self._running].latency_s
        busy = busy_s / self._horizon_s(busy_s)
        settled = sample.time_s - self._since_s >= self.tuning.settled_s
        pauses = busy <= self.tuning.greatest_busy_ratio
        if sample.time_s <= self._power_s or not (settled and pauses):
            return
        self._power_s = sample.time_s
        idle_w = (observed_w - power_w * busy) / (1 - busy)
        self.idle.update(min(max(idle_w / power_w, 0.0), 1.0))

    # ------------------------------------------------------------ the choice

    def _choose(self, options: list[_Option]) -> tuple[_Option, str]:
        """The best option and the words for it: latency first, then accuracy, then power."""
        if max(option.in_time for option in options) < LIKELY:
            likeliest = max(options, key=lambda option: (option.in_time, option.rung))
            return likeliest, "no configuration is likely to be in time, the likeliest"
        affordable = [option for option in options if option.affordable]
        if affordable:
            return max(affordable, key=_worth), "the most accurate expected within the goals"
        if self.tuning.gives_up == "power":
            return max(options, key=_worth), "no configuration within the energy goal, it yields"
        least = min(options, key=lambda option: option.energy_j or 0.0)
        return least, "no configuration within the energy goal, the least energy"

    def _words(self, option: _Option) -> str:
        words = f"accuracy {option.accuracy:.3f} expected"
        if self.limits.deadline_s is not None:
            words += f", {option.in_time:.1%} in time"
        if option.goal_j is not None and option.energy_j is not None:
            words += f", {option.energy_j:.3f} J of {option.goal_j:.3f} J"
        elif option.goal_j is not None:
            words += ", the profile states no power to hold the budget by"
        return words

    def _numbers(self, option: _Option) -> dict[str, float]:
        numbers = {
            "slowdown": self.slowdown.mean,
            "slowdown_deviation": math.sqrt(self.slowdown.variance),
            "idle_ratio": self.idle.ratio,
            "in_time": option.in_time,
            "expected_accuracy": option.accuracy,
            "cap": float(self._step_down.cap),
        }
        if option.energy_j is not None:
            numbers["expected_energy_j"] = option.energy_j
        return numbers


class AlertTuned(Alert):
    """ALERT with Q(0) = 2e-4 and R = 3e-3, which fit a board whose frames differ by a percent.

    The published constants keep sigma above 0.3, so that a board that is quiet gets needlessly
    small models. Where no configuration is within the energy goal the least energy runs.
    """

    def __init__(
        self,
        profile: Profile,
        limits: Limits,
        thermal: ThermalConstants | None = None,
        *,
        tuning: AlertTuning = QUIET,
    ) -> None:
        super().__init__(profile, limits, thermal, tuning=tuning)


def _worth(option: _Option) -> tuple[float, float, int]:
    """What is maximised: expected accuracy, then less energy, then the cheaper."""
    return option.accuracy, -(option.energy_j or 0.0), option.rung
