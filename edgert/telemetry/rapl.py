"""Processor power of a PC, from the energy counters under /sys/class/powercap (RAPL).

The counters count microjoules and wrap around at a range of their own, after minutes to hours.
Power is the mean from one read to the next, so the first read has none.
"""

from pathlib import Path
from typing import NamedTuple

from edgert.boards import Board
from edgert.clock import Clock, MonotonicClock
from edgert.errors import SensorReadError, SourceUnavailableError
from edgert.records import TelemetrySample
from edgert.telemetry.kernel_file import (
    GapError,
    KernelFile,
    number_of,
    permission_advice,
    text_of,
)
from edgert.telemetry.machine_load import MachineLoad
from edgert.telemetry.thermal import ThermalZones

_MICRO = 1e-6
# No socket draws this: faster counting is a counter that was reset, or wrapped more than once.
_MOST_W = 2000.0
_SHORTEST_S = 1e-3  # the counters move once in a millisecond


class _Counter(NamedTuple):
    rail: str
    energy: KernelFile
    range_uj: int


class RaplSource:
    """Packages and memory of a PC.

    `power_w` is the sum of the packages and of the memory beside them; cores and graphics lie in
    a package, and "psys" around all of it, so these are rails only.

    Args:
        root: Where /sys and /proc lie.
        clock: The clock that samples are stamped with.
        board: Not used; every source takes it.

    Raises:
        SourceUnavailableError: No counter, or none that this user may read.
    """

    name = "rapl"

    def __init__(
        self,
        *,
        root: Path = Path("/"),
        clock: Clock | None = None,
        board: Board | None = None,
    ) -> None:
        self._clock = clock or MonotonicClock()
        self._counters = _find(root)
        if not self._counters:
            raise _unavailable(root, "none", "Use a machine with RAPL, or a kernel with powercap")
        self._zones = ThermalZones(root)
        self._machine = MachineLoad(root)
        self._before: dict[str, tuple[float, int]] = {}
        reasons = self._first_read()
        if len(reasons) == len(self._counters):
            counter = self._counters[0]
            advice = permission_advice(counter.energy.path)
            got = f"{len(reasons)} of them and none can be read: {reasons[counter.rail]}"
            raise _unavailable(root, got, advice[0].upper() + advice[1:])

    def read(self) -> TelemetrySample:
        """Mean power since the read before.

        Raises:
            SensorReadError: No counter and no zone could be read.
        """
        gaps: dict[str, str] = {}
        rails_w: dict[str, float] = {}
        answers = 0
        for counter in self._counters:
            try:
                now_uj = counter.energy.number()
                answers += 1
                rails_w[counter.rail] = self._power(counter, now_uj)
            except GapError as gap:
                gaps[f"rail {counter.rail}"] = str(gap)
        zones, machine = self._zones.read(), self._machine.read()
        gaps |= {**zones.gaps, **machine.gaps}
        if not answers and not zones.zones_c:
            raise SensorReadError(
                "read RAPL",
                expected="a counter of energy or a thermal zone",
                got=f"{len(gaps)} gaps, the first: {next(iter(gaps.values()))}",
                advice="Check that /sys/class/powercap can be read",
            )
        time_s = self._clock.now_s()
        return TelemetrySample(
            time_s=time_s,
            source=self.name,
            provenance="measured",
            power_w=self._total(rails_w, gaps),
            temp_c=max(zones.zones_c.values(), default=None),
            rails_w=rails_w,
            zones_c=zones.zones_c,
            utilisation={} if machine.cpu is None else {"cpu": machine.cpu},
            memory_used_bytes=machine.memory_used_bytes,
            memory_total_bytes=machine.memory_total_bytes,
            gaps=gaps,
        )

    def close(self) -> None:
        """Let go of the files."""
        self._zones.close()
        self._machine.close()
        for counter in self._counters:
            counter.energy.close()

    def _first_read(self) -> dict[str, str]:
        reasons = {}
        for counter in self._counters:
            try:
                self._before[counter.rail] = (self._clock.now_s(), counter.energy.number())
            except GapError as gap:
                reasons[counter.rail] = str(gap)
        return reasons

    def _power(self, counter: _Counter, now_uj: int) -> float:
        now_s = self._clock.now_s()
        if counter.rail not in self._before:
            self._before[counter.rail] = (now_s, now_uj)
            raise GapError("first read: power is the difference of two")
        then_s, then_uj = self._before[counter.rail]
        elapsed_s = now_s - then_s
        if elapsed_s < _SHORTEST_S:
            raise GapError("read too soon after the read before")
        self._before[counter.rail] = (now_s, now_uj)
        drawn_uj = energy_between(then_uj, now_uj, counter.range_uj)
        if elapsed_s > counter.range_uj * _MICRO / _MOST_W:
            raise GapError(f"{elapsed_s:.0f} s since the last read: the counter may have wrapped")
        power_w = drawn_uj * _MICRO / elapsed_s
        if not 0 <= power_w <= _MOST_W:
            raise GapError(f"impossible: {power_w:.0f} W, the counter was reset")
        return power_w

    def _total(self, rails_w: dict[str, float], gaps: dict[str, str]) -> float | None:
        members = [c.rail for c in self._counters if c.rail.startswith(("package", "dram"))]
        missing = [rail for rail in members if rail not in rails_w]
        if not members or missing:
            gaps["power"] = f"rail {missing[0]}" if missing else "no counter of a package"
            return None
        return sum(rails_w[rail] for rail in members)


def energy_between(then_uj: int, now_uj: int, range_uj: int) -> int:
    """Microjoules from one reading of a counter to the next, which may have wrapped once."""
    if now_uj >= then_uj:
        return now_uj - then_uj
    return now_uj + range_uj - then_uj + 1


def _find(root: Path) -> list[_Counter]:
    """All counters; "dram" of the second package is "dram-1", as the packages are numbered."""
    found: list[_Counter] = []
    # The same package stands there again as intel-rapl-mmio.
    for folder in sorted((root / "sys" / "class" / "powercap").glob("intel-rapl:*")):
        name, range_uj = text_of(folder / "name"), number_of(folder / "max_energy_range_uj")
        if not name or not range_uj:
            continue
        _, package, *below = folder.name.split(":")
        rail = f"{name}-{package}" if below else name
        found.append(_Counter(rail, KernelFile(folder / "energy_uj"), range_uj))
    return found


def _unavailable(root: Path, got: str, advice: str) -> SourceUnavailableError:
    return SourceUnavailableError(
        f"open RAPL under {root}",
        expected="energy counters (sys/class/powercap/intel-rapl:*)",
        got=got,
        advice=advice,
    )
