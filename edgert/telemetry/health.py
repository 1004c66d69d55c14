"""What is wrong with a board's power and heat, found by watching it, and what to do about it.

`findings` watches; `findings_from` judges two samples and reads nothing.
"""

from pathlib import Path
from typing import Literal, NamedTuple

from edgert.boards import Board, PowerMode
from edgert.clock import Clock, MonotonicClock
from edgert.errors import EdgertError
from edgert.records import TelemetrySample
from edgert.telemetry.sysfs import SysfsSource

# From here on a fan that stands still is no choice of its curve: NVIDIA's start at 50 °C or less.
_HOT_C = 65.0
_NEAR_TRIP_K = 5.0
_BUSY = 0.8
_CLOCK_SHARE = 0.9  # of the cap, that a busy GPU should reach
_CAP_TOLERANCE = 0.03  # clock tables round: 918 MHz stands in a table as 918.0 or 918.4
_FEW_HZ = 20.0  # an energy figure of a window of 5 s wants a hundred samples
_WATCH_HZ = 100.0


class Finding(NamedTuple):
    """One thing that was found; `str` of it is the line to show.

    level: "problem" is worth doing something about, "note" worth knowing.
    """

    level: Literal["problem", "note"]
    subject: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        end = f" {self.advice}." if self.advice else ""
        return f"{self.subject}: {self.text}.{end}"


def findings(
    root: Path = Path("/"), *, clock: Clock | None = None, watch_s: float = 1.0
) -> list[Finding]:
    """Watch the board's own sensors for a while and say what is wrong.

    Args:
        root: Where /sys, /proc and /etc lie.
        clock: Paces the watching.
        watch_s: How long; counters that rise in this time are told as rising.

    Returns:
        Problems first. On a machine without sensors one note that says so.
    """
    clock = clock or MonotonicClock()
    try:
        source = SysfsSource(root=root, clock=clock)
    except EdgertError as error:
        return [Finding("note", "sensors", f"none; looked for {error.expected}", error.advice)]
    try:
        first, last, rate_hz = _watch(source, clock, watch_s)
    except EdgertError as error:
        return [Finding("problem", "sensors", error.got, error.advice)]
    finally:
        source.close()
    found = [*findings_from(first, last, source.board), *_power_findings(source, rate_hz)]
    return sorted(found, key=lambda finding: finding.level != "problem")


def findings_from(
    first: TelemetrySample, last: TelemetrySample, board: Board | None
) -> list[Finding]:
    """What two samples of a board say, the first taken some time before the last."""
    return [
        *_board(board, last),
        *_gaps(last),
        *_supply(first, last),
        *_heat(last),
        *_caps(last, board),
        *_clocks(last),
    ]


def _watch(
    source: SysfsSource, clock: Clock, watch_s: float
) -> tuple[TelemetrySample, TelemetrySample, float]:
    """First and last sample, and how often power could be read in a second."""
    first = last = source.read()
    start_s, reads = clock.now_s(), 0
    while clock.now_s() - start_s < watch_s:
        clock.sleep(1 / _WATCH_HZ)
        last = source.read()
        reads += 1
    return first, last, reads / max(clock.now_s() - start_s, 1e-9)


def _board(board: Board | None, sample: TelemetrySample) -> list[Finding]:
    found = []
    if board is None:
        rails = ", ".join(sorted(sample.rails_w)) or "none"
        found.append(
            Finding(
                "note",
                "board",
                f"in no file under profiles/boards, so its rails keep their own names: {rails}",
                "Write a file for its part number",
            )
        )
    if not sample.power_mode:
        text = "not known: there is no /var/lib/nvpmodel/status"
        found.append(Finding("note", "power mode", text, "Run: sudo nvpmodel -q"))
    return found


def _gaps(sample: TelemetrySample) -> list[Finding]:
    """Sensors that don't answer; a zone whose part of the chip is off is as it should be."""
    found = []
    for name, reason in sample.gaps.items():
        what, _, advice = reason.partition(": run ")
        if advice:
            found.append(Finding("problem", name, what, f"Run {advice}"))
        elif not name.startswith("zone") or not any(w in reason for w in ("gated", "not ready")):
            level: Literal["problem", "note"] = (
                "problem" if name.startswith(("power", "rail")) else "note"
            )
            found.append(Finding(level, name, reason))
    return found


def _supply(first: TelemetrySample, last: TelemetrySample) -> list[Finding]:
    found = []
    advice = {
        "under_voltage": "Use the board's own supply, and a shorter or thicker cable",
        "average_over_current": "Choose a lower power mode, or a supply that carries the board",
    }
    for cause, count in last.over_current_events.items():
        rise = count - first.over_current_events.get(cause, count)
        text = f"{count} since boot" + (f", {rise} while watching" if rise > 0 else "")
        name = cause.replace("_", " ")
        if count and cause in advice:
            found.append(Finding("problem", name, text, advice[cause]))
        elif rise > 0:
            found.append(Finding("note", name, f"{text}; healthy boards count these under load"))
    return found


def _heat(sample: TelemetrySample) -> list[Finding]:
    found = []
    if sample.throttled:
        text = sample.throttle_reason
        found.append(Finding("problem", "throttling", text, "Cool the board, or ask less of it"))
    for zone, temp_c in sample.zones_c.items():
        trip_c = sample.trip_points_c.get(zone, {}).get("passive")
        if trip_c is not None and temp_c >= trip_c - _NEAR_TRIP_K:
            text = f"{temp_c:.1f} °C, its trip point is {trip_c:.1f} °C"
            found.append(Finding("problem", f"zone {zone}", text, "Check heat sink and fan"))
    hot = sample.temp_c is not None and sample.temp_c >= _HOT_C
    if hot and sample.fan_ratio == 0:
        text = f"stands still at {sample.temp_c:.0f} °C"
        found.append(
            Finding("problem", "fan", text, "Check its plug and the service nvfancontrol")
        )
    return found


def _caps(sample: TelemetrySample, board: Board | None) -> list[Finding]:
    """Clock caps against those that belong to the power mode."""
    modes = [m for m in board.power_modes if m.name == sample.power_mode] if board else []
    if not modes:
        return []
    cpu_hz = max((hz for n, hz in sample.clock_caps_hz.items() if n != "gpu"), default=None)
    found = []
    for name, cap_hz, wanted in (
        ("GPU", sample.clock_caps_hz.get("gpu"), _known(modes, "gpu_hz")),
        ("CPU", cpu_hz, _known(modes, "cpu_hz")),
    ):
        if cap_hz is None or not wanted:
            continue
        if not any(abs(cap_hz - hz) <= _CAP_TOLERANCE * hz for hz in wanted):
            usual = " or ".join(f"{hz / 1e6:.0f} MHz" for hz in wanted)
            text = f"capped at {cap_hz / 1e6:.0f} MHz; power mode {sample.power_mode} has {usual}"
            advice = (
                f"Set the mode again (sudo nvpmodel -m), and look for what else caps the {name}"
            )
            level: Literal["problem", "note"] = "problem" if cap_hz < min(wanted) else "note"
            found.append(Finding(level, f"{name} clock", text, advice))
    return found


def _known(modes: list[PowerMode], field: str) -> list[float]:
    return [hz for mode in modes if (hz := getattr(mode, field)) is not None]


def _clocks(sample: TelemetrySample) -> list[Finding]:
    """A GPU that has work and no full clock. One that rests may be as slow as it likes."""
    load, ratio = sample.utilisation.get("gpu"), sample.clock_ratio
    if load is None or ratio is None or load < _BUSY or ratio >= _CLOCK_SHARE:
        return []
    if "gpu" not in sample.clocks_hz:
        return []
    text = f"{load:.0%} busy at {ratio:.0%} of its clock cap"
    return [
        Finding("problem", "GPU clock", text, sample.throttle_reason or "Look at its governor")
    ]


def _power_findings(source: SysfsSource, rate_hz: float) -> list[Finding]:
    """What power is measured with, which belongs to every figure."""
    total = source.total
    if total is None:
        return []  # there is a gap that says so
    sensors = [sensor for sensor in source.sensors if sensor.rail in total.rails]
    means = sorted({sensor.samples for sensor in sensors if sensor.samples is not None})
    averaging = f", each a mean over {means[0]} conversions" if means else ""
    text = f"{' + '.join(total.rails)} ({total.covers}), {rate_hz:.0f} reads a second{averaging}"
    found = [Finding("note", "power", text)]
    if rate_hz < _FEW_HZ:
        slow = f"only {rate_hz:.0f} reads a second: energy of short windows will be coarse"
        found.append(
            Finding("problem", "power", slow, "Lower the sensor's samples, or measure longer")
        )
    return found
