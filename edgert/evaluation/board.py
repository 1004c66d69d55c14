"""The true constants of a made-up board, which no controller is told, drawn from a seed."""

import random

import msgspec

from edgert.emulator.power import LEAST_LEAKAGE_FACTOR
from edgert.emulator.thermal import ThermalSpec, TwoNodeThermal
from edgert.emulator.throttle import ThrottleSpec
from edgert.evaluation.family import IDLE_W
from edgert.records import NotNegative, Positive, ProfileEntry, Record, ThermalConstants

_POWER_SPREAD, _POWER_SPREAD_MOST = 0.03, 0.08
_FAN_STOPPED_RATIO = 1.4
_TRIP_ABOVE_K, _RELEASE_ABOVE_K, _TRIP_C = 8.0, 4.0, 95.0
# An operator's limit, as the power that can be held for ever below it in the hottest air.
_SUSTAINED_W = (6.4, 7.4)
HOTTEST_C, COOLEST_C = 45.0, 24.0


class WorldBoard(Record, frozen=True, kw_only=True):
    """A board as it is: heat, idle power, leakage, its own throttle.

    `thermal.idle_w` is the true idle power. `power_seed` fixes by how much each configuration's
    power is off its profile, whatever the profile is.
    """

    thermal: ThermalConstants
    fan_stopped_k_per_w: Positive
    throttle: ThrottleSpec
    clock_exponent: Positive = 2.2  # as profiles/boards/emulated-orin-nano.yaml has it
    leakage_per_k: NotNegative = 0.006
    leakage_reference_c: float = 50.0
    power_spread_ratio: NotNegative = _POWER_SPREAD
    power_seed: int = 0

    @property
    def idle_w(self) -> float:
        """True power with nothing to do."""
        return self.thermal.idle_w or IDLE_W

    def power_w(self, entry: ProfileEntry) -> float:
        """True power (W) of a configuration back to back, full clock, at the reference."""
        chance = random.Random(f"{self.power_seed}/power/{entry.name}")
        off = chance.gauss(0.0, self.power_spread_ratio)
        off = min(max(off, -_POWER_SPREAD_MOST), _POWER_SPREAD_MOST)
        return max((entry.power_w or self.idle_w) * (1 + off), self.idle_w)

    def leakage(self, temp_c: float) -> float:
        """What power above idle is multiplied by at this die temperature; see emulator.power."""
        factor = 1 + self.leakage_per_k * (temp_c - self.leakage_reference_c)
        return max(factor, LEAST_LEAKAGE_FACTOR)

    def sink_to_ambient_k_per_w(self, *, fan_running: bool) -> float:
        """The sink's resistance to the air, with the fan or without."""
        return self.thermal.sink_to_ambient_k_per_w if fan_running else self.fan_stopped_k_per_w

    def physics(self, ambient_c: float) -> TwoNodeThermal:
        """The emulator's thermal model of this board, settled at idle in this air."""
        thermal = self.thermal
        spec = ThermalSpec(
            ambient_c=ambient_c,
            die_j_per_k=thermal.die_j_per_k,
            sink_j_per_k=thermal.sink_j_per_k,
            die_to_sink_k_per_w=thermal.die_to_sink_k_per_w,
            sink_to_ambient_k_per_w=thermal.sink_to_ambient_k_per_w,
            fan_stopped_k_per_w=self.fan_stopped_k_per_w,
        )
        return TwoNodeThermal(spec, idle_power_w=self.idle_w)


def draw_board(seed: int, *, ambient_c: float) -> tuple[WorldBoard, float]:
    """A plausible Orin Nano with a heat sink in a tight enclosure, and a limit (°C) that binds.

    Time constants of the die 2 to 6 s, of the sink 60 to 150 s; resistances put the limit such
    that 6.4 to 7.4 W can be held below it for ever at 45 °C.
    """
    chance = random.Random(f"{seed}/board")
    die_k_per_w, sink_k_per_w = chance.uniform(0.35, 0.55), chance.uniform(1.6, 2.4)
    thermal = ThermalConstants(
        die_j_per_k=chance.uniform(2.0, 6.0) / die_k_per_w,
        sink_j_per_k=chance.uniform(60.0, 150.0) / sink_k_per_w,
        die_to_sink_k_per_w=die_k_per_w,
        sink_to_ambient_k_per_w=sink_k_per_w,
        idle_w=IDLE_W * chance.uniform(0.97, 1.03),
        ambient_c=ambient_c,
        board="made up",
        provenance="modelled",
        method=f"drawn from seed {seed}",
    )
    rise_k = chance.uniform(*_SUSTAINED_W) * (die_k_per_w + sink_k_per_w)
    limit_c = round(HOTTEST_C + rise_k, 1)
    board = WorldBoard(
        thermal=thermal,
        fan_stopped_k_per_w=_FAN_STOPPED_RATIO * sink_k_per_w,
        throttle=ThrottleSpec(trip_c=_TRIP_C, release_c=_TRIP_C - _RELEASE_ABOVE_K),
        power_seed=seed,
    )
    return board, limit_c


def with_trip_above(board: WorldBoard, limit_c: float) -> WorldBoard:
    """The board with its own protection a little above the operator's limit."""
    throttle = ThrottleSpec(
        trip_c=limit_c + _TRIP_ABOVE_K,
        release_c=limit_c + _RELEASE_ABOVE_K,
        clock_floor_ratio=0.5,
    )
    return msgspec.structs.replace(board, throttle=throttle)
