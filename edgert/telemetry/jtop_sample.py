"""A line of the jetson-stats process becomes a sample; what can't be a value becomes a gap."""

import math
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from edgert.boards import Board
from edgert.records import Provenance, TelemetrySample
from edgert.telemetry.kernel_file import GapError
from edgert.telemetry.rails import power_of, total_of, why_no_total

# What a value can be, and its unit.
_BOUNDS = {
    "rail": (0.0, 500.0, "W"),
    "zone": (-55.0, 200.0, "°C"),
    "clock": (1.0, 10e9, "Hz"),
    "clock cap": (1.0, 10e9, "Hz"),
    "utilisation": (0.0, 1.0, ""),
    "fan": (0.0, 1.0, ""),
}


class Reported(msgspec.Struct, frozen=True):
    """What the process says of one moment, in SI units; see jtop_child."""

    uptime_s: Annotated[float, msgspec.Meta(ge=0)]
    interval_s: Annotated[float, msgspec.Meta(gt=0)]
    rails_w: dict[str, float] = {}
    zones_c: dict[str, float | None] = {}
    clocks_hz: dict[str, float] = {}
    clock_caps_hz: dict[str, float] = {}
    utilisation: dict[str, float] = {}
    power_mode: str = ""
    fan_ratio: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None


class Line(msgspec.Struct, frozen=True):
    """A line: a sample, or an error with its kind."""

    sample: Reported | None = None
    error: str = ""
    kind: str = ""


_decoder = msgspec.json.Decoder(Line)


def line_from_bytes(content: bytes) -> Line | None:
    """The line; None where it is none of ours."""
    try:
        return _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def sample_from_reported(
    reported: Reported,
    *,
    time_s: float,
    age_s: float,
    board: Board | None,
    provenance: Provenance,
) -> TelemetrySample:
    """A sample of the values that can be; the others are gaps."""
    gaps: dict[str, str] = {}
    rails_w = _within(reported.rails_w, "rail", gaps)
    zones_c = _within(reported.zones_c, "zone", gaps)
    clocks_hz = _within(reported.clocks_hz, "clock", gaps)
    caps_hz = _within(reported.clock_caps_hz, "clock cap", gaps)
    utilisation = _within(reported.utilisation, "utilisation", gaps)
    fan = _within({"": reported.fan_ratio}, "fan", gaps)
    memory: dict[str, Any] = {
        "memory_used_bytes": reported.memory_used_bytes,
        "memory_total_bytes": reported.memory_total_bytes,
    }
    ratios = {n: min(1.0, hz / caps_hz[n]) for n, hz in clocks_hz.items() if n in caps_hz}
    return TelemetrySample(
        time_s=time_s,
        source="jtop",
        provenance=provenance,
        age_s=age_s,
        power_w=_power(board, rails_w, gaps),
        temp_c=max(zones_c.values(), default=None),
        rails_w=rails_w,
        zones_c=zones_c,
        clocks_hz=clocks_hz,
        clock_caps_hz=caps_hz,
        clock_ratio=ratios.get("gpu", max(ratios.values(), default=None)),
        utilisation=utilisation,
        power_mode=reported.power_mode,
        fan_ratio=fan.get(""),
        gaps=gaps,
        **memory,
    )


def _power(board: Board | None, rails_w: dict[str, float], gaps: dict[str, str]) -> float | None:
    known = set(rails_w) | {key.removeprefix("rail ") for key in gaps if key.startswith("rail ")}
    total = total_of(board, known)
    if total is None:
        gaps["power"] = why_no_total(board, known)
        return None
    try:
        return power_of(total, rails_w, gaps)
    except GapError as gap:
        gaps["power"] = str(gap)
        return None


def _within(
    values: Mapping[str, float | None], what: str, gaps: dict[str, str]
) -> dict[str, float]:
    """The values inside the bounds. A zone that is None is one that the service calls offline."""
    lowest, highest, unit = _BOUNDS[what]
    found: dict[str, float] = {}
    for name, value in values.items():
        key = f"{what} {name}".strip()
        if value is None:
            if what == "zone":
                gaps[key] = "offline"
        elif math.isfinite(value) and lowest <= value <= highest:
            found[name] = value
        else:
            kind = "negative" if what == "rail" and value < 0 else "impossible"
            gaps[key] = f"{kind}: {value:g} {unit}".rstrip()
    return found
