"""The board's own sensors, read straight from the kernel's files: the source on a Jetson.

Owns the order and the rates of reading and puts a sample together; what each file means is left
to ina, thermal, clocks, over_current and machine_load. Power is read last, so that it is the
youngest part of a sample and `time_s` is its moment.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import msgspec

from edgert.boards import Board, Total, find_board, read_machine, read_power_mode
from edgert.clock import Clock, MonotonicClock
from edgert.errors import SensorReadError, SourceUnavailableError
from edgert.records import Provenance, TelemetrySample
from edgert.telemetry.clocks import Clocks
from edgert.telemetry.ina import PowerSensor, RailReading, RailSensor, find_rails
from edgert.telemetry.kernel_file import GapError, text_of
from edgert.telemetry.machine_load import MachineLoad, MachineReading
from edgert.telemetry.over_current import OverCurrentCounters, OverCurrentReading
from edgert.telemetry.rails import FrozenWatch, power_of, say_once, total_of, why_no_total
from edgert.telemetry.thermal import CoolingDevices, CoolingReading, ThermalZones, ZoneReading
from edgert.telemetry.throttling import explain_throttling

# How often at most each part is read, in Hz; between, the last values are handed out. On a real
# board a rail takes two waits for its chip (up to 13 ms each), and a zone a call of firmware, so
# only what makes up the power is read every time.
RATES_HZ: dict[str, float] = {
    "power": math.inf,  # the rails of the total
    "rails": 10.0,  # the others
    "heat": 10.0,  # zones, cooling devices
    "clocks": 10.0,  # clocks, GPU load
    "machine": 1.0,  # memory, processors, fan, over-current counters, power mode, clock caps
    "trip points": 0.1,
}
_VANISHED = "vanished"
_LOOK_AGAIN_S = 1.0  # after a sensor vanished: it may be back under another number
_EMULATOR = "edgert"  # what an emulated board's tree says where a machine names its maker

Part = TypeVar("Part")


class SysfsSource:
    """Power, heat and clocks of a Jetson, from /sys and /proc.

    One sensor that fails is a gap with its reason; only when nothing at all can be read a read
    fails. Use from one thread. A read waits for the power sensors: see `background` for a loop
    that can't.

    Args:
        root: Where /sys, /proc and /etc lie.
        clock: The clock that samples are stamped with.
        board: Whose table of rails is used; None: that of the module's part number.
        rates_hz: Other rates than RATES_HZ, by the same names.
        frozen_s: See rails.FrozenWatch.

    Raises:
        SourceUnavailableError: No power sensor and no thermal zone under `root`.
        SettingsError: A board file is damaged.
    """

    name = "sysfs"

    def __init__(
        self,
        *,
        root: Path = Path("/"),
        clock: Clock | None = None,
        board: Board | None = None,
        rates_hz: Mapping[str, float] | None = None,
        frozen_s: float = 10.0,
    ) -> None:
        self._root = root
        self._clock = clock or MonotonicClock()
        self.board = board if board is not None else find_board(read_machine(root))
        self.rates_hz = _rates(rates_hz or {})
        self.provenance = provenance_of(root)
        self._frozen = FrozenWatch(frozen_s)
        self._rails: list[RailSensor] = []
        self._of_total: list[RailSensor] = []
        self._others: list[RailSensor] = []
        self._total: Total | None = None
        self._known: set[str] = set()
        self._gone: set[str] = set()
        self._look_s = 0.0
        self._slow: _Slow | None = None
        self._zones = ThermalZones(root)
        self._find_rails()
        if not self._rails and not self._zones.names:
            raise _nothing_there(root)
        self._cooling = CoolingDevices(root)
        self._clocks = Clocks(root)
        self._counters = OverCurrentCounters(root)
        self._machine = MachineLoad(root)
        self._paced_rails = _Paced(self._read_other_rails, self.rates_hz["rails"])
        self._paced_heat = _Paced(self._read_heat, self.rates_hz["heat"])
        self._paced_clocks = _Paced(self._clocks.read, self.rates_hz["clocks"])
        self._paced_machine = _Paced(self._read_machine, self.rates_hz["machine"])
        self._paced_trips = _Paced(self._zones.trip_points, self.rates_hz["trip points"])
        say_once(self.board, self._known)

    @property
    def sensors(self) -> list[PowerSensor]:
        """The power sensors, with what the driver says of their averaging and shunts."""
        return [rail.sensor for rail in self._rails]

    @property
    def total(self) -> Total | None:
        """The rails that `power_w` is the sum of; None: there is no total."""
        return self._total

    def read(self) -> TelemetrySample:
        """Everything that is due, and the rails of the total in any case.

        Raises:
            SensorReadError: Nothing at all could be read.
        """
        now_s = self._clock.now_s()
        if now_s >= self._look_s > 0:
            self._look_s = 0.0
            self._find_rails()
        if self._slow is None or now_s >= self._slow.due_s:
            self._slow = self._read_slow(now_s)
        slow = self._slow
        readings, gaps = self._read_rails(self._of_total)
        gaps |= slow.gaps
        if self._gone:
            gaps |= dict.fromkeys((f"rail {name}" for name in self._gone), _VANISHED)
            self._look_soon()
        time_s, power_w = self._power(readings, gaps, slow.witnesses)
        rails_w = slow.rails_w | {name: reading.power_w for name, reading in readings.items()}
        if not rails_w and not slow.sample.zones_c and not slow.sample.clocks_hz:
            raise _nothing_read(gaps)
        return msgspec.structs.replace(
            slow.sample,
            time_s=time_s,
            age_s=max(0.0, self._clock.now_s() - time_s),
            power_w=power_w,
            rails_w=rails_w,
            gaps=gaps,
        )

    def close(self) -> None:
        """Let go of all files; a later read opens them again."""
        for part in (self._zones, self._cooling, self._clocks, self._counters, self._machine):
            part.close()
        for rail in self._rails:
            rail.close()

    # ------------------------------------------------------------ rails

    def _find_rails(self) -> None:
        for rail in self._rails:
            rail.close()
        self._rails = find_rails(self._root, self.board.rails if self.board else None)
        names = {rail.rail for rail in self._rails}
        self._known |= names
        # A total that was found stays: with a rail gone another one would be another quantity.
        self._total = self._total or total_of(self.board, names)
        members = self._total.rails if self._total else []
        self._of_total = [rail for rail in self._rails if rail.rail in members]
        self._others = [rail for rail in self._rails if rail.rail not in members]
        self._gone = self._known - names

    def _look_soon(self) -> None:
        if not self._look_s:
            self._look_s = self._clock.now_s() + _LOOK_AGAIN_S

    def _read_rails(
        self, rails: Sequence[RailSensor]
    ) -> tuple[dict[str, RailReading], dict[str, str]]:
        readings: dict[str, RailReading] = {}
        gaps: dict[str, str] = {}
        for rail in rails:
            try:
                readings[rail.rail] = rail.read(self._clock)
            except GapError as gap:
                gaps[f"rail {rail.rail}"] = str(gap)
                if str(gap) == _VANISHED:
                    self._look_soon()
        return readings, gaps

    def _read_other_rails(self) -> tuple[dict[str, RailReading], dict[str, str]]:
        return self._read_rails(self._others)

    def _power(
        self,
        readings: dict[str, RailReading],
        gaps: dict[str, str],
        witnesses: Mapping[str, float | None],
    ) -> tuple[float, float | None]:
        """Moment and power of the total; what is wrong goes into `gaps`, and out of `readings`."""
        if self._total is None:
            gaps["power"] = why_no_total(self.board, self._known)
            return self._clock.now_s(), None
        rails_w = {name: reading.power_w for name, reading in readings.items()}
        try:
            power_w = power_of(self._total, rails_w, gaps)
        except GapError as gap:
            gaps["power"] = str(gap)
            return self._clock.now_s(), None
        time_s, raw = 0.0, []
        for reading in readings.values():
            time_s += reading.time_s / len(readings)
            raw.append(reading.raw)
        if reason := self._frozen.frozen(time_s, raw, witnesses):
            gaps |= {"power": reason, **{f"rail {name}": reason for name in readings}}
            readings.clear()
            return time_s, None
        return time_s, power_w

    # ------------------------------------------------------------ the rest

    def _read_slow(self, now_s: float) -> "_Slow":
        """All that is not the power's rails: what is due is read, the rest is as it was.

        A sample is made of it once, so that a hundred reads a second make only what changed.
        """
        machine, counters, mode = self._paced_machine.get(now_s)
        clocks = self._paced_clocks.get(now_s)
        zones, cooling = self._paced_heat.get(now_s)
        trip_points = self._paced_trips.get(now_s)
        others, gaps = self._paced_rails.get(now_s)
        throttled, reason = explain_throttling(cooling, counters, zones.zones_c, trip_points)
        utilisation = {"gpu": clocks.load, "cpu": machine.cpu}
        sample = TelemetrySample(
            time_s=now_s,
            source=self.name,
            provenance=self.provenance,
            temp_c=max(zones.zones_c.values(), default=None),
            zones_c=zones.zones_c,
            trip_points_c=trip_points,
            clocks_hz=clocks.clocks_hz,
            clock_caps_hz=clocks.caps_hz,
            clock_ratio=clocks.ratio,
            utilisation={name: part for name, part in utilisation.items() if part is not None},
            power_mode=mode,
            over_current_events=counters.events,
            fan_ratio=machine.fan_ratio,
            memory_used_bytes=machine.memory_used_bytes,
            memory_total_bytes=machine.memory_total_bytes,
            throttled=throttled,
            throttle_reason=reason,
        )
        parts = (
            self._paced_machine,
            self._paced_clocks,
            self._paced_heat,
            self._paced_trips,
            self._paced_rails,
        )
        return _Slow(
            due_s=min(part.due_s for part in parts),
            sample=sample,
            rails_w={name: reading.power_w for name, reading in others.items()},
            gaps={**gaps, **zones.gaps, **cooling.gaps, **clocks.gaps, **counters.gaps,
                  **machine.gaps},
            witnesses={"load": clocks.load, "clock": clocks.ratio},
        )  # fmt: skip

    def _read_heat(self) -> tuple[ZoneReading, CoolingReading]:
        return self._zones.read(), self._cooling.read()

    def _read_machine(self) -> tuple[MachineReading, OverCurrentReading, str]:
        self._clocks.read_caps()
        return self._machine.read(), self._counters.read(), read_power_mode(self._root)


class _Slow(NamedTuple):
    """What stays the same from one read of the power to the next, until something is due."""

    due_s: float
    sample: TelemetrySample
    rails_w: dict[str, float]
    gaps: dict[str, str]
    witnesses: dict[str, float | None]


class _Paced(Generic[Part]):
    """Something that is read no more often than its rate; between, the last value stands."""

    def __init__(self, read: Callable[[], Part], rate_hz: float) -> None:
        self._read = read
        self._interval_s = 1 / rate_hz
        self.due_s = -math.inf
        self._value: Part

    def get(self, now_s: float) -> Part:
        """The value, read now if it is due."""
        if now_s >= self.due_s:
            self._value = self._read()
            self.due_s = now_s + self._interval_s
        return self._value


def provenance_of(root: Path) -> Provenance:
    """Whether the files under `root` are an emulated board's, which says so as the maker."""
    maker = text_of(root / "sys/devices/virtual/dmi/id/sys_vendor")
    return "emulated" if maker.startswith(_EMULATOR) else "measured"


def _rates(asked: Mapping[str, float]) -> dict[str, float]:
    unknown = set(asked) - set(RATES_HZ)
    if unknown or any(not rate > 0 for rate in asked.values()):
        raise ValueError(f"rates_hz: rates > 0 of {', '.join(RATES_HZ)}, not {dict(asked)}")
    return RATES_HZ | dict(asked)


def _nothing_there(root: Path) -> SourceUnavailableError:
    return SourceUnavailableError(
        f"open the sensors under {root}",
        expected="a power sensor (sys/class/hwmon, ina3221 or ina238) or a thermal zone "
        "(sys/class/thermal)",
        got="neither",
        advice="Run on a Jetson, in a container with /sys of the host, or name another source",
    )


def _nothing_read(gaps: Mapping[str, str]) -> SensorReadError:
    name, reason = next(iter(gaps.items()), ("sensors", "none left"))
    return SensorReadError(
        "read the board's sensors",
        expected="at least one value",
        got=f"{len(gaps)} gaps, the first: {name}: {reason}",
        advice="Check that the drivers are loaded and that /sys can be read",
    )
