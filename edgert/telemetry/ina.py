"""Power rails as the INA3221 and INA238 chips measure them, through the kernel's hwmon files.

Owns paths, units and what a reading of these chips can be; which rails make a total is left to
`rails`. Paths and units: Linux Documentation/hwmon/ina3221.rst and ina238.rst. Limits: the chips'
datasheets (TI SBOS576, SBOSA20).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from edgert.boards import Rail
from edgert.clock import Clock
from edgert.records import Record
from edgert.telemetry.kernel_file import GapError, KernelFile, number_of, text_of

# By driver: how many channels a chip has.
_CHANNELS = {"ina3221": 3, "ina238": 1}
_ADDRESS = re.compile(r"^\d+-[0-9a-f]{4}$")  # "1-0040": i2c bus 1, address 0x40
# The INA3221 may be off by this much at its shunt (largest offset): a rail that draws nothing
# then reads below zero. Thor's GPU rail has been seen at -0.39 W, one step of the chip.
_SHUNT_OFFSET_V = 80e-6
# More than any module or carrier board can take in (Thor's input limit is 168 W).
_MOST_W = 500.0
_MOST_V = 85.0  # what an INA238 can measure; an INA3221 ends at 26


class PowerSensor(Record, frozen=True, kw_only=True):
    """A channel of a chip, as it is set up; belongs beside every measurement that it makes.

    samples: how many conversions the chip averages over; None where the driver doesn't say.
    update_interval_s: the driver's conversion time.
    """

    rail: str
    chip: str
    address: str
    channel: int
    shunt_ohm: float | None = None
    samples: int | None = None
    update_interval_s: float | None = None


class RailReading(NamedTuple):
    """A rail at one moment; `raw` is what the driver said, before any arithmetic."""

    time_s: float
    power_w: float
    voltage_v: float | None
    raw: tuple[int, ...]


class RailSensor:
    """Reads one rail. Voltage and current lie in two files, so the moment is between the two."""

    def __init__(self, sensor: PowerSensor, folder: Path) -> None:
        self.sensor = sensor
        self.rail = sensor.rail
        number = sensor.channel
        self._voltage = KernelFile(folder / f"in{number}_input")
        self._current = KernelFile(folder / f"curr{number}_input")
        # The INA238 multiplies by itself, at full resolution.
        power = folder / f"power{number}_input"
        self._power = KernelFile(power) if power.exists() else None
        shunt = sensor.shunt_ohm
        self._offset_a = _SHUNT_OFFSET_V / shunt if shunt and sensor.chip == "ina3221" else 0.0

    def read(self, clock: Clock) -> RailReading:
        """The rail's power now, in W.

        Raises:
            GapError: No value, or one that can't be; the reason in words.
        """
        if self._power is not None:
            before_s = clock.now_s()
            raw_uw = self._power.number()
            power_w = raw_uw / 1e6
            if not 0 <= power_w <= _MOST_W:
                raise GapError(_why_not(power_w))
            return RailReading((before_s + clock.now_s()) / 2, power_w, None, (raw_uw,))
        raw_mv = self._voltage.number()
        time_s = clock.now_s()
        raw_ma = self._current.number()
        voltage_v, current_a = raw_mv / 1e3, raw_ma / 1e3
        if not 0 <= voltage_v <= _MOST_V:
            raise GapError(f"impossible: {voltage_v:g} V")
        if -self._offset_a <= current_a < 0:
            current_a = 0.0
        power_w = voltage_v * current_a
        if not 0 <= power_w <= _MOST_W:
            raise GapError(_why_not(power_w))
        return RailReading(time_s, power_w, voltage_v, (raw_mv, raw_ma))

    def close(self) -> None:
        """Let go of the files."""
        for file in (self._voltage, self._current, self._power):
            if file is not None:
                file.close()


def find_rails(root: Path, rails: Mapping[str, Rail] | None = None) -> list[RailSensor]:
    """Every power sensor under /sys/class/hwmon, by chip address and channel.

    Args:
        root: Where /sys lies.
        rails: The board's table, which names the rails of chips that give no label.
    """
    found = [
        sensor
        for folder, chip, address in _chips(root)
        for sensor in _channels(folder, chip, address, rails or {})
    ]
    found.sort(key=lambda sensor: (sensor.sensor.address, sensor.sensor.channel))
    return _with_own_names(found)


def _chips(root: Path) -> Iterator[tuple[Path, str, str]]:
    """Folder, driver and i2c address of every chip; hwmon numbers change from boot to boot."""
    for folder in (root / "sys" / "class" / "hwmon").glob("hwmon*"):
        chip = text_of(folder / "name")
        if chip in _CHANNELS:
            parts = folder.resolve().parts
            address = next((part for part in reversed(parts) if _ADDRESS.match(part)), "")
            yield folder, chip, address


def _channels(
    folder: Path, chip: str, address: str, rails: Mapping[str, Rail]
) -> Iterator[RailSensor]:
    interval_ms = number_of(folder / "update_interval")
    for channel in range(1, _CHANNELS[chip] + 1):
        label = text_of(folder / f"in{channel}_label") or text_of(folder / f"power{channel}_label")
        switched_off = number_of(folder / f"in{channel}_enable") == 0
        if label == "NC" or switched_off or not (folder / f"in{channel}_input").exists():
            continue  # NC: not connected
        shunt_uohm = number_of(folder / f"shunt{channel}_resistor") or number_of(
            folder / "shunt_resistor"
        )
        sensor = PowerSensor(
            rail=label or _name_by_chip(chip, rails) or f"{chip} {address} {channel}",
            chip=chip,
            address=address,
            channel=channel,
            shunt_ohm=shunt_uohm / 1e6 if shunt_uohm else None,
            samples=number_of(folder / "samples"),
            update_interval_s=None if interval_ms is None else interval_ms / 1e3,
        )
        yield RailSensor(sensor, folder)


def _name_by_chip(chip: str, rails: Mapping[str, Rail]) -> str:
    return next((name for name, rail in rails.items() if rail.chip == chip), "")


def _with_own_names(sensors: Sequence[RailSensor]) -> list[RailSensor]:
    """Two channels of one label are told apart by their chip's address."""
    labels = [sensor.rail for sensor in sensors]
    for sensor in sensors:
        if labels.count(sensor.sensor.rail) > 1:
            sensor.rail = f"{sensor.rail} {sensor.sensor.address} {sensor.sensor.channel}"
    return list(sensors)


def _why_not(power_w: float) -> str:
    return f"negative: {power_w:.3f} W" if power_w < 0 else f"impossible: {power_w:.0f} W"
