"""Counters of the over-current guard (hwmon soctherm_oc), which the chip itself keeps.

They count since boot: what says something is how far they rise. The third sees spikes of
microseconds that no power sensor does, and climbs under full load on healthy boards.
"""

import re
from pathlib import Path
from typing import NamedTuple

from edgert.telemetry.kernel_file import GapError, KernelFile, text_of

_CAUSES = {
    "oc1": "under_voltage",
    "oc2": "average_over_current",
    "oc3": "instantaneous_over_current",
}
_COUNTER = re.compile(r"^(oc\d+)_event_cnt$")
# Causes that say: the supply can't carry the board. A spike is none of them.
SUPPLY_CAUSES = ("under_voltage", "average_over_current")


class OverCurrentReading(NamedTuple):
    """Events since boot by cause, how many came since the reading before, and gaps."""

    events: dict[str, int]
    new_events: dict[str, int]
    gaps: dict[str, str]


class OverCurrentCounters:
    """The counters of a board; none on boards without the guard."""

    def __init__(self, root: Path) -> None:
        self._files: dict[str, KernelFile] = {}
        self._before: dict[str, int] = {}
        for folder in sorted((root / "sys" / "class" / "hwmon").glob("hwmon*")):
            if text_of(folder / "name") != "soctherm_oc":
                continue
            for path in sorted(folder.glob("oc*_event_cnt")):
                if found := _COUNTER.match(path.name):
                    self._files[_CAUSES.get(found[1], found[1])] = KernelFile(path)

    def read(self) -> OverCurrentReading:
        """All counters. One that fell was reset with the board's driver: nothing new then."""
        events: dict[str, int] = {}
        gaps: dict[str, str] = {}
        for cause, file in self._files.items():
            try:
                events[cause] = _count(file)
            except GapError as gap:
                gaps[f"over-current {cause}"] = str(gap)
        new = {
            cause: max(0, count - self._before.get(cause, count))
            for cause, count in events.items()
        }
        self._before.update(events)
        return OverCurrentReading(events, new, gaps)

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files.values():
            file.close()


def _count(file: KernelFile) -> int:
    count = file.number()
    if count < 0:
        raise GapError(f"impossible: {count} events")
    return count
