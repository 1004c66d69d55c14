"""What the baselines read of a profile, of limits and of a sample, with its gaps filled in."""

import math
from collections.abc import Sequence

from edgert.records import Limits, Profile, ProfileEntry, TelemetrySample

STALE_S = 2.0  # a sample older than this does not count
FUTURE_S = 0.5  # nor one that claims to be so much newer than now


def rungs_from_profile(profile: Profile) -> tuple[ProfileEntry, ...]:
    """The profile's entries, dearest first: by latency, then power, then as they stand."""
    return tuple(
        sorted(profile.entries, key=lambda entry: (-entry.latency_s, -(entry.power_w or 0.0)))
    )


def qualities(entries: Sequence[ProfileEntry]) -> tuple[float, ...]:
    """How good each entry's results are, 0 to 1: its accuracy where all entries state one.

    Otherwise the dearer is taken for the better: latency over the greatest latency.
    """
    stated = [entry.accuracy for entry in entries if entry.accuracy is not None]
    if len(stated) == len(entries):
        return tuple(stated)
    longest_s = max(entry.latency_s for entry in entries)
    return tuple(entry.latency_s / longest_s for entry in entries)


def powers(entries: Sequence[ProfileEntry]) -> tuple[float | None, ...]:
    """Watts of each entry; one that states none counts as the greatest that is stated.

    All None where no entry states its power.
    """
    greatest_w = max((e.power_w for e in entries if e.power_w is not None), default=None)
    return tuple(greatest_w if entry.power_w is None else entry.power_w for entry in entries)


def budget_w(limits: Limits) -> float | None:
    """The mean power that power budget and mission leave; None: any.

    Energy for the mission is spent evenly over its time; without `mission_s` nothing says how
    fast it may go, and it does not count.
    """
    budgets = [] if limits.power_w is None else [limits.power_w]
    if limits.energy_j is not None and limits.mission_s is not None:
        budgets.append(limits.energy_j / limits.mission_s)
    return min(budgets, default=None)


def mean_power_w(
    power_w: float | None, idle_w: float | None, *, busy_s: float, period_s: float | None
) -> float | None:
    """Mean power of an engine that runs `busy_s` of every `period_s`, idle in between.

    Args:
        power_w: While it runs; None where nobody states it.
        idle_w: With nothing to do. None: not known, and counted as much as running.
        busy_s: How long it runs.
        period_s: From one frame to the next; None: back to back.
    """
    if power_w is None or idle_w is None or period_s is None or busy_s >= period_s:
        return power_w
    return idle_w + (power_w - idle_w) * busy_s / period_s


def finite_or_none(value: float | None) -> float | None:
    """The value, where there is one and it is a number."""
    return value if value is not None and math.isfinite(value) else None


def fresh(now_s: float, telemetry: TelemetrySample | None) -> TelemetrySample | None:
    """The sample, unless it is old or claims to come from the future."""
    if telemetry is None or not -FUTURE_S <= now_s - telemetry.time_s <= STALE_S:
        return None
    return telemetry


class Timer:
    """How long ago something happened, on a clock that may stand still or go back."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def start(self, now_s: float) -> None:
        """It happens now."""
        self._since_s = now_s

    def elapsed_s(self, now_s: float) -> float:
        """Seconds since `start`; infinite before the first. Counts anew when time went back."""
        if self._since_s is None:
            return math.inf
        self._since_s = min(self._since_s, now_s)
        return now_s - self._since_s
