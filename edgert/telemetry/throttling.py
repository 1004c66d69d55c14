"""Whether the board is being slowed down, and why, in words.

Follows from what was read, and reads nothing itself.
"""

from collections.abc import Mapping

from edgert.telemetry.over_current import SUPPLY_CAUSES, OverCurrentReading
from edgert.telemetry.thermal import CoolingReading


def explain_throttling(
    cooling: CoolingReading,
    counters: OverCurrentReading,
    zones_c: Mapping[str, float],
    trip_points_c: Mapping[str, Mapping[str, float]],
) -> tuple[bool | None, str]:
    """Throttled or not, and the reason while it is.

    A cooling device at work says so, and so does a supply that sagged since the reading before.
    Spikes of current alone don't: they are counted on healthy boards. None where neither cooling
    devices nor counters can be read.
    """
    reasons = []
    if cooling.active:
        devices = ", ".join(f"{name} at {state}" for name, state in cooling.active.items())
        reasons.append(f"{devices}{_heat(zones_c, trip_points_c)}")
    for cause in SUPPLY_CAUSES:
        count = counters.new_events.get(cause, 0)
        if count:
            reasons.append(f"{count} times {cause.replace('_', ' ')}")
    if reasons:
        return True, "; ".join(reasons)
    return (None if cooling.active is None and not counters.events else False), ""


def _heat(zones_c: Mapping[str, float], trip_points_c: Mapping[str, Mapping[str, float]]) -> str:
    """The zone that is furthest over its passive trip point, as the end of a reason."""
    over = {
        name: temp_c - trip_points_c[name]["passive"]
        for name, temp_c in zones_c.items()
        if "passive" in trip_points_c.get(name, {})
    }
    name = max(over, key=over.__getitem__, default="")
    if not name or over[name] < 0:
        return ""
    trip_c = trip_points_c[name]["passive"]
    return f", {name} {zones_c[name]:.1f} °C over its trip point {trip_c:.1f} °C"
