"""A look-up table over the profile's frontier: nothing is learned, nothing is predicted."""

import math
from collections.abc import Sequence

from edgert.control.baselines.figures import (
    budget_w,
    finite_or_none,
    fresh,
    mean_power_w,
    powers,
    qualities,
    rungs_from_profile,
)
from edgert.records import (
    Decision,
    FrameOutcome,
    Limits,
    NotNegative,
    Positive,
    Profile,
    ProfileEntry,
    Record,
    TelemetrySample,
    ThermalConstants,
)


class LookupTuning(Record, frozen=True, kw_only=True):
    """The table's temperature rows, and its room before the deadline.

    latency_margin_ratio: What an entry must leave; as published none.
    guard_c: From so far below the limit on, the cheapest alone is allowed.
    span_c: The rows between "any" and "the cheapest" share so many degrees below that.
    hysteresis_c: A row is left for a cooler one only so far below its edge.
    """

    latency_margin_ratio: NotNegative = 0.0
    guard_c: NotNegative = 1.0
    span_c: Positive = 6.0
    hysteresis_c: NotNegative = 1.0


DEFAULT_LOOKUP = LookupTuning()


class LookupTable:
    """The most accurate entry of the frontier that the table has for these limits.

    An entry fits when its profiled latency is within the deadline, its profiled power at the
    frame rate is within the budget, and its temperature row allows it. When none fits the
    deadline or the budget, the fastest or the least hungry of those that heat allows runs.
    Without a fresh temperature the row stays.

    Source:
        Lou, Xun, Sabet, Yang, Hare, Merrett: Dynamic-OFA, CVPR Workshops 2021, section 3.2: a
        look-up table of the Pareto front, read at run time. Differs: the rows by temperature, and
        a power budget.

    Args:
        profile: At least one entry. Without accuracies the dearer counts as better; an entry
            without power counts as the greatest stated, and without any, no budget is held.
        limits: What must hold.
        thermal: Its idle power makes an entry's power at the frame rate, if stated; else the
            profile's idle power, else power counts as if frames came back to back.
        tuning: The temperature rows.
    """

    def __init__(
        self,
        profile: Profile,
        limits: Limits,
        thermal: ThermalConstants | None = None,
        *,
        tuning: LookupTuning = DEFAULT_LOOKUP,
    ) -> None:
        self.limits = limits
        self.tuning = tuning
        rungs = rungs_from_profile(profile)
        worth, watts = qualities(rungs), powers(rungs)
        kept = frontier(rungs, watts, worth)
        self.front = tuple(rungs[place] for place in kept)
        self._qualities = [worth[place] for place in kept]
        self._powers_w = [watts[place] for place in kept]
        idles_w = [entry.energy.idle_w for entry in self.front if entry.energy is not None]
        self._idle_w = min(idles_w, default=None)
        if thermal is not None and thermal.idle_w is not None:
            self._idle_w = thermal.idle_w
        self._band = 0

    def decide(self, now_s: float, telemetry: TelemetrySample | None) -> Decision:
        """See Policy.decide."""
        sample = fresh(now_s, telemetry)
        temp_c = finite_or_none(None if sample is None else sample.temp_c)
        heat = self._read_band(temp_c)
        rung, why = self._choose()
        entry = self.front[rung]
        reason = f"{entry.name}: {why}{'; ' if heat else ''}{heat}"
        numbers = {"band": float(self._band), "profiled_latency_s": entry.latency_s}
        power_w = self._power_w(rung)
        if power_w is not None:
            numbers["profiled_power_w"] = power_w
        if temp_c is not None:
            numbers["temp_c"] = temp_c
        return Decision(configuration=entry.name, reason=reason, numbers=numbers)

    def observe(self, outcome: FrameOutcome) -> None:
        """Nothing to learn."""

    def _read_band(self, temp_c: float | None) -> str:
        """Find the temperature's row; what it allows, in words."""
        limit_c = self.limits.temp_c
        if limit_c is None:
            self._band = 0
            return ""
        words = "no fresh temperature"
        if temp_c is not None:
            words = f"temperature {temp_c:.1f} °C of {limit_c:.1f} °C"
            cooler = self._row(temp_c + self.tuning.hysteresis_c, limit_c)
            self._band = max(min(self._band, cooler), self._row(temp_c, limit_c))
        if not self._band:
            return words if temp_c is None else ""
        return f"{words} allows {self.front[self._band].name} and cheaper"

    def _row(self, temp_c: float, limit_c: float) -> int:
        """The dearest rung allowed at a temperature: 0 is the dearest of all."""
        last = len(self.front) - 1
        into_c = temp_c - (limit_c - self.tuning.guard_c - self.tuning.span_c)
        share = min(max(into_c / self.tuning.span_c, 0.0), 1.0)
        return min(math.ceil(share * last), last)

    def _choose(self) -> tuple[int, str]:
        """The rung that the table has, and why."""
        allowed = range(self._band, len(self.front))
        deadline_s, budget = self.limits.deadline_s, budget_w(self.limits)
        room = 1 + self.tuning.latency_margin_ratio
        quick = [
            rung
            for rung in allowed
            if deadline_s is None or self.front[rung].latency_s * room <= deadline_s
        ]
        if not quick:
            rung = allowed[-1]
            return rung, "no entry that heat allows fits the deadline, the fastest"
        frugal = [rung for rung in quick if self._within(rung, budget)]
        if not frugal:
            rung = min(quick, key=lambda rung: self._power_w(rung) or 0.0)
            return rung, f"no entry fits the budget of {budget:.2f} W, the least hungry"
        rung = max(frugal, key=lambda rung: (self._qualities[rung], rung))
        words = "the most accurate entry that fits"
        if budget is not None and self._powers_w[rung] is None:
            words += ", the profile states no power to hold the budget by"
        return rung, words

    def _within(self, rung: int, budget: float | None) -> bool:
        power_w = self._power_w(rung)
        return budget is None or power_w is None or power_w <= budget

    def _power_w(self, rung: int) -> float | None:
        return mean_power_w(
            self._powers_w[rung],
            self._idle_w,
            busy_s=self.front[rung].latency_s,
            period_s=self.limits.period_s,
        )


def frontier(
    rungs: Sequence[ProfileEntry], watts: Sequence[float | None], worth: Sequence[float]
) -> list[int]:
    """Places of the entries that no other beats, in the order given.

    One entry beats another when it is as quick, draws as little, is as good, and differs in one
    of the three; of entries that are equal in all three, the first stays.

    Args:
        rungs: The entries.
        watts: Their powers; None counts as 0 W.
        worth: How good their results are.
    """
    costs = [
        (entry.latency_s, power_w or 0.0, -quality)
        for entry, power_w, quality in zip(rungs, watts, worth, strict=True)
    ]
    return [
        place
        for place, cost in enumerate(costs)
        if not any(
            all(a <= b for a, b in zip(other, cost, strict=True))
            and (other != cost or index < place)
            for index, other in enumerate(costs)
        )
    ]
