"""Where power, temperature and clocks come from; one module per kind of sensor.

base        what every source offers
sysfs       the board's own sensors; over ina, rails, thermal, clocks, over_current, machine_load,
            throttling and kernel_file
jtop        jetson-stats in a process of its own; over child, jtop_sample and, in that process,
            jtop_child
nvml, rapl  NVIDIA and Intel or AMD hardware on the bench
replay      what was recorded; recording is the format and the recorder
background  any source, read by a thread
sampler     power at dithered instants, for a day
health      what is wrong with a board's power and heat, and what to do

An emulated board (`edgert.emulator`) offers the same protocol.
"""

from importlib import import_module
from pathlib import Path
from typing import Any, cast

from edgert.boards import Board
from edgert.choice import chosen
from edgert.clock import Clock, MonotonicClock
from edgert.errors import EdgertError, SourceUnavailableError
from edgert.telemetry.base import TelemetrySource

SOURCES = {
    "sysfs": "edgert.telemetry.sysfs:SysfsSource",
    "jtop": "edgert.telemetry.jtop:JtopSource",
    "nvml": "edgert.telemetry.nvml:NvmlSource",
    "rapl": "edgert.telemetry.rapl:RaplSource",
    "replay": "edgert.telemetry.replay:ReplaySource",
}
# Tried one after the other where no source is named.
ORDER = ("sysfs", "jtop", "nvml", "rapl")
# They read their sensors at each `read`; the others have a pace of their own.
_READ_ON_DEMAND = {"sysfs", "nvml", "rapl"}


def open_source(
    name: str = "",
    *,
    root: Path = Path("/"),
    clock: Clock | None = None,
    board: Board | None = None,
    interval_s: float | None = None,
    **options: Any,
) -> TelemetrySource:
    """Open a source of power and heat.

    Args:
        name: A key of SOURCES; "": the first of ORDER that there is.
        root: Where /sys, /proc, /etc and /run lie.
        clock: The clock that samples are stamped with.
        board: Whose table of rails is used; None: that of the module's part number.
        interval_s: How often a thread reads the sensors; `read` then hands out the newest sample
            at once. None: at each `read`, which waits for slow sensors.
        options: Keyword arguments of the source's class, as `path=` of replay.

    Raises:
        SourceUnavailableError: No such source, or none here; the line says what was looked for.
        MissingDependencyError: A source that was named needs an extra.
        SettingsError: A board file is damaged.
    """
    common = {"root": root, "clock": clock or MonotonicClock(), "board": board}
    if name:
        return _open(name, {**common, **options}, interval_s)
    missing = []
    for candidate in ORDER:
        try:
            return _open(candidate, {**common, **options}, interval_s)
        except EdgertError as error:
            missing.append(f"{candidate}: {error.expected}")
    raise SourceUnavailableError(
        f"find a telemetry source under {root}",
        expected="one of " + "; ".join(missing),
        got="none of them",
        advice="Use an emulated board, or replay a recording",
    )


def _open(name: str, options: dict[str, Any], interval_s: float | None) -> TelemetrySource:
    place = chosen(
        SOURCES,
        name,
        "choose a telemetry source",
        SourceUnavailableError,
        advice="Name one of them, or none to have it found",
    )
    module, _, attribute = place.partition(":")
    if name == "jtop" and interval_s is not None:
        options["interval_s"] = interval_s
    source = cast("TelemetrySource", getattr(import_module(module), attribute)(**options))
    if name in _READ_ON_DEMAND and interval_s is not None:
        from edgert.telemetry.background import BackgroundSource

        return BackgroundSource(source, interval_s, clock=options["clock"])
    return source
