"""Thermal zones with their trip points, and cooling devices, from /sys/class/thermal.

Zones go by their type without its ending, as NVIDIA's own tools name them: "tj-thermal" is tj.
"""

import re
from pathlib import Path
from typing import NamedTuple

from edgert.telemetry.kernel_file import GapError, KernelFile, number_of, text_of

_ENDING = re.compile(r"[-_](thermal|therm)$", re.IGNORECASE)
# NVIDIA's firmware says -256 °C of a zone whose power domain is off.
_GATED_MC = -256_000
# Colder and hotter than any of these chips lives.
_LOWEST_C, _HIGHEST_C = -55.0, 200.0
# A fan at work, or an alert about a hot surface, takes no clock away. The kernel's idle injection
# says -1 at rest.
_NO_THROTTLE = re.compile(r"fan|alert(?<!throttle-alert)", re.IGNORECASE)


class ZoneReading(NamedTuple):
    """Temperatures in °C by zone; `gaps` by "zone <name>"."""

    zones_c: dict[str, float]
    gaps: dict[str, str]


class CoolingReading(NamedTuple):
    """The cooling devices that hold something back, with their state; None: none can be read."""

    active: dict[str, int] | None
    gaps: dict[str, str]


class ThermalZones:
    """All zones of a board."""

    def __init__(self, root: Path) -> None:
        self._folders = _by_type(root, "thermal_zone*", short=True)
        self._temps = {name: KernelFile(path / "temp") for name, path in self._folders.items()}

    @property
    def names(self) -> list[str]:
        """The zones that there are."""
        return list(self._folders)

    def read(self) -> ZoneReading:
        """All temperatures; a zone that is gated, gone or absurd is a gap."""
        zones_c: dict[str, float] = {}
        gaps: dict[str, str] = {}
        for name, file in self._temps.items():
            try:
                zones_c[name] = temp_from_raw(file.number())
            except GapError as gap:
                gaps[f"zone {name}"] = str(gap)
        return ZoneReading(zones_c, gaps)

    def trip_points(self) -> dict[str, dict[str, float]]:
        """Each zone's trip points in °C by kind; of several of a kind the lowest."""
        found: dict[str, dict[str, float]] = {}
        for name, folder in self._folders.items():
            for file in folder.glob("trip_point_*_temp"):
                raw_mc = number_of(file)
                kind = text_of(file.with_name(file.name.replace("_temp", "_type")))
                # Firmware fills unused places with 0 or with what no sensor can say.
                if raw_mc is None or not kind or not 0 < raw_mc / 1e3 <= _HIGHEST_C:
                    continue
                kinds = found.setdefault(name, {})
                kinds[kind] = min(raw_mc / 1e3, kinds.get(kind, _HIGHEST_C))
        return found

    def close(self) -> None:
        """Let go of the files."""
        for file in self._temps.values():
            file.close()


class CoolingDevices:
    """What the kernel and the firmware slow down to keep the board cool; fans left out."""

    def __init__(self, root: Path) -> None:
        folders = _by_type(root, "cooling_device*", short=False)
        self._states = {
            name: KernelFile(path / "cur_state")
            for name, path in folders.items()
            if not _NO_THROTTLE.search(name)
        }

    def read(self) -> CoolingReading:
        """The devices at work; `active` is None where not one could be read."""
        active: dict[str, int] = {}
        gaps: dict[str, str] = {}
        read = False
        for name, file in self._states.items():
            try:
                state = file.number()
            except GapError as gap:
                gaps[f"cooling {name}"] = str(gap)
                continue
            read = True
            if state > 0:
                active[name] = state
        return CoolingReading(active if read else None, gaps)

    def close(self) -> None:
        """Let go of the files."""
        for file in self._states.values():
            file.close()


def temp_from_raw(raw_mc: int) -> float:
    """Degrees from the kernel's thousandths.

    Raises:
        GapError: The zone is gated (-256 °C), or no chip is so cold or hot.
    """
    temp_c = raw_mc / 1e3
    if raw_mc <= _GATED_MC:
        raise GapError("gated: -256 °C")
    if not _LOWEST_C <= temp_c <= _HIGHEST_C:
        raise GapError(f"impossible: {temp_c:g} °C")
    return temp_c


def _by_type(root: Path, pattern: str, *, short: bool) -> dict[str, Path]:
    """Folders by what their `type` says; the second of a name gets its number behind it."""
    folders = (root / "sys" / "class" / "thermal").glob(pattern)
    found: dict[str, Path] = {}
    for folder in sorted(folders, key=lambda path: (len(path.name), path.name)):
        kind = text_of(folder / "type")
        name = _ENDING.sub("", kind).lower() if short else kind
        if name:
            found[f"{name} {folder.name}" if name in found else name] = folder
    return found
