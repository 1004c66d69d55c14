"""Which sensors a figure comes from: board, rails, and what they may be off by."""

from pathlib import Path

import msgspec

from edgert.clock import Clock
from edgert.profiling.energy.sensor_bound import SensorBound, ina3221_bound
from edgert.records import Record
from edgert.telemetry.background import BackgroundSource
from edgert.telemetry.base import TelemetrySource
from edgert.telemetry.ina import find_rails
from edgert.telemetry.kernel_file import GapError
from edgert.telemetry.sysfs import SysfsSource

# What the module's input carries where the board does not say.
_USUAL_V = 5.0


class Sensing(Record, frozen=True, kw_only=True):
    """What belongs beside every figure of one board."""

    board: str
    rails: list[str] = msgspec.field(default_factory=list)
    bound: SensorBound = SensorBound()


def sensing_of(source: TelemetrySource, clock: Clock, *, root: Path = Path("/")) -> Sensing:
    """What is known of a source's sensors.

    Rails of a sysfs source carry the bound of their chips, where these are INA3221 whose shunts
    the driver knows. Of any other source no bound is known.

    Args:
        source: Not read.
        clock: For one read of each rail's voltage.
        root: Where the source's /sys lies.
    """
    if isinstance(source, BackgroundSource):
        source = source.source
    if not isinstance(source, SysfsSource):
        return Sensing(board=source.name)
    board = source.board.name if source.board else "unknown board"
    rails = source.total.rails if source.total else []
    found = []
    update_s = []
    for rail in find_rails(root, source.board.rails if source.board else None):
        if rail.rail not in rails:
            continue
        sensor = rail.sensor
        if sensor.chip != "ina3221" or not sensor.shunt_ohm:
            return Sensing(board=board, rails=rails)
        try:
            supply_v = rail.read(clock).voltage_v or _USUAL_V
        except GapError:
            supply_v = _USUAL_V
        rail.close()
        found.append((sensor.shunt_ohm, supply_v))
        update_s.append(sensor.update_interval_s or 0.0)
    if not found:
        return Sensing(board=board, rails=rails)
    # The driver rounds its interval to milliseconds.
    return Sensing(board=board, rails=rails, bound=ina3221_bound(found, update_s=max(update_s)))
