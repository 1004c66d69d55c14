"""One step test as it was seen, and what makes it unfit, or a board too hot, in words."""

from typing import NamedTuple

import numpy as np

from edgert.profiling.energy.conditions import Conditions
from edgert.profiling.energy.integrate import why_unfit
from edgert.profiling.thermal.response import Floats
from edgert.records import Positive, Record, TelemetrySample
from edgert.telemetry.series import PowerSamples

TRIP_MARGIN_K = 5.0  # below the trip point, where the step ends
NO_TRIP_C = 90.0  # stands for the trip point of a board that does not tell its own
LEAST_RISE_K = 3.0  # of the die, for its constants to be told from noise
LEAST_RISE_RATIO = 0.05  # of the power over idle
MOST_GAP_S = 5.0  # without a sample
_LEAST_SAMPLES = 12  # in each of the three stretches
_END_S = 3.0  # over which a stretch's last temperature is a mean
_COOLED = "active"  # a trip point that a fan answers to


class StepPlan(Record, frozen=True, kw_only=True):
    """A step test.

    idle_s: before and after. step_s: of load between.
    settled_s: how long the power sensor shows something of what was before.
    most_temp_c: ends the load; None: `TRIP_MARGIN_K` below the board's trip point does.
    trip_c: the board's, where its samples don't tell it.
    """

    idle_s: Positive = 120.0
    step_s: Positive = 300.0
    settled_s: Positive = 1.0
    most_temp_c: float | None = None
    trip_c: float | None = None


class StepTest(NamedTuple):
    """What was seen. `ended` is why the load ended before its time, "" where it did not."""

    samples: PowerSamples
    begun_s: float
    load_from_s: float
    load_to_s: float
    over_s: float
    ended: str
    seen: Conditions
    fan_ratios: tuple[float, ...]
    settled_s: float


def why_unfit_test(test: StepTest) -> str:
    """Why a step test tells nothing; "" where it may."""
    seen = test.seen
    if len(seen.power_modes) > 1:
        return f"a power mode that changed: {' to '.join(seen.power_modes)}"
    if seen.clock_went_back:
        return "samples whose clock went back"
    stretches = {
        "idle before the load": (test.begun_s, test.load_from_s),
        "the load": (test.load_from_s, test.load_to_s),
        "idle after it": (test.load_to_s, test.over_s),
    }
    for name, (from_s, to_s) in stretches.items():
        if why := _why_unfit_stretch(test.samples, from_s, to_s):
            gaps = f" ({'; '.join(seen.gaps)})" if seen.gaps else ""
            return f"{why}{gaps}, {name}"
    return _why_no_rise(test)


def _why_unfit_stretch(samples: PowerSamples, from_s: float, to_s: float) -> str:
    time_s, power_w, temp_c = samples
    known = np.isfinite(temp_c)
    if not known.any():
        return "no temperature at all"
    why = why_unfit(
        time_s, power_w, from_s, to_s, most_gap_s=MOST_GAP_S, least_samples=_LEAST_SAMPLES
    )
    if why:
        return why
    why = why_unfit(
        time_s[known], power_w[known], from_s, to_s,
        most_gap_s=MOST_GAP_S, least_samples=_LEAST_SAMPLES,
    )  # fmt: skip
    return why.replace("power", "temperature")


def _why_no_rise(test: StepTest) -> str:
    """Why heat can't have come of the load; "" where it did."""
    time_s, power_w, temp_c = test.samples
    load = (time_s >= test.load_from_s) & (time_s < test.load_to_s)
    before = (time_s >= test.begun_s) & (time_s < test.load_from_s)
    idle_w, load_w = float(power_w[before].mean()), float(power_w[load].mean())
    if load_w < idle_w * (1 + LEAST_RISE_RATIO):
        return (
            f"a power of {load_w:.2f} W under load and {idle_w:.2f} W idle: the source does not "
            "see the load, or the board was not idle before it"
        )
    rise_k = _last(time_s, temp_c, test.load_to_s) - _last(time_s, temp_c, test.load_from_s)
    if rise_k < LEAST_RISE_K:
        return (
            f"a temperature that rises by {rise_k:.1f} K under load, where {LEAST_RISE_K:g} K "
            "are needed"
        )
    return ""


def _last(time_s: Floats, temp_c: Floats, until_s: float) -> float:
    """Mean temperature just before a time."""
    known = np.isfinite(temp_c) & (time_s < until_s)
    near = known & (time_s >= until_s - _END_S)
    return float(temp_c[near].mean() if near.any() else temp_c[known][-1])


def why_too_hot(sample: TelemetrySample, plan: StepPlan) -> str:
    """Why a step must end at this temperature; "" where it may go on."""
    if plan.most_temp_c is not None:
        hot = sample.temp_c is not None and sample.temp_c >= plan.most_temp_c
        return f"{sample.temp_c:.1f} °C, {plan.most_temp_c:g} °C were allowed" if hot else ""
    trips = _trips_c(sample)
    known = [(zone, sample.zones_c[zone], trips[zone]) for zone in trips if zone in sample.zones_c]
    told = "its trip point"
    if not known and sample.temp_c is not None:
        told = told if plan.trip_c is not None else "an assumed trip point"
        trip_c = NO_TRIP_C if plan.trip_c is None else plan.trip_c
        known = [("the hottest zone", sample.temp_c, trip_c)]
    for zone, temp_c, trip_c in known:
        if temp_c >= trip_c - TRIP_MARGIN_K:
            return (
                f"{zone} at {temp_c:.1f} °C, within the margin of {TRIP_MARGIN_K:g} K of {told} "
                f"of {trip_c:g} °C"
            )
    return ""


def _trips_c(sample: TelemetrySample) -> dict[str, float]:
    """The lowest trip point of each zone at which something is slowed down or switched off."""
    kinds = {
        zone: [temp_c for kind, temp_c in trips.items() if kind != _COOLED]
        for zone, trips in sample.trip_points_c.items()
    }
    return {zone: min(temps_c) for zone, temps_c in kinds.items() if temps_c}
