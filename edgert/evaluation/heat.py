"""The emulator's thermal physics as one exact linear map per tick, for speed.

Each step of TwoNodeThermal is linear in die, sink, ambient temperature and power, so four steps
from unit states give the map of any step of the same length.
"""

from typing import NamedTuple

from edgert.evaluation.board import WorldBoard


class HeatMap(NamedTuple):
    """New temperatures after a tick: die = dd·die + ds·sink + dp·P + da·T_ambient, and so on."""

    die_die: float
    die_sink: float
    die_power: float
    die_air: float
    sink_die: float
    sink_sink: float
    sink_power: float
    sink_air: float


def heat_map(board: WorldBoard, tick_s: float, *, fan_running: bool) -> HeatMap:
    """The map of one tick with the fan running or not."""
    columns = []
    for die_c, sink_c, power_w, air_c in ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)):
        physics = board.physics(0.0)
        physics.fan_running = fan_running
        physics.die_c, physics.sink_c, physics.ambient_c = float(die_c), float(sink_c), air_c
        physics.step(tick_s, float(power_w))
        columns.append((physics.die_c, physics.sink_c))
    die = [column[0] for column in columns]
    sink = [column[1] for column in columns]
    return HeatMap(*die, *sink)
