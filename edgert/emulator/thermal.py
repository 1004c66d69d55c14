"""Heat of a module as two nodes, die and heat sink, solved in closed form.

Owns temperatures only; what power flows in and when a clock is lowered is decided elsewhere.
"""

import math
from typing import Annotated

import msgspec

from edgert.records import Positive, Record

Celsius = Annotated[float, msgspec.Meta(ge=-60, le=150)]


class ThermalSpec(Record, frozen=True, kw_only=True):
    """Heat capacities (J/K), thermal resistances (K/W) and the air around the board.

    `fan_stopped_k_per_w` replaces the sink's resistance while the fan stands still. Without
    `start_c` the board starts where it settles when idle.
    """

    ambient_c: Celsius
    die_j_per_k: Positive
    sink_j_per_k: Positive
    die_to_sink_k_per_w: Positive
    sink_to_ambient_k_per_w: Positive
    fan_stopped_k_per_w: Positive
    start_c: Celsius | None = None


class TwoNodeThermal:
    """Die and sink temperature under a power that is constant over each step.

        C_die  dT_die/dt  = P - (T_die - T_sink) / R_ds
        C_sink dT_sink/dt = (T_die - T_sink) / R_ds - (T_sink - T_ambient) / R_sa

    The system is linear with two real negative eigenvalues, so a step of any length is exact and
    many short steps equal one long one.

    Args:
        spec: The constants.
        idle_power_w: Power whose steady state is the start when `spec.start_c` is None.
    """

    def __init__(self, spec: ThermalSpec, *, idle_power_w: float) -> None:
        self._spec = spec
        self.ambient_c = spec.ambient_c
        self.fan_running = True
        if spec.start_c is None:
            self.die_c, self.sink_c = self.steady_state(idle_power_w)
        else:
            self.die_c = self.sink_c = spec.start_c

    @property
    def sink_to_ambient_k_per_w(self) -> float:
        """The sink's resistance to the air now: with the fan, or without."""
        if self.fan_running:
            return self._spec.sink_to_ambient_k_per_w
        return self._spec.fan_stopped_k_per_w

    def steady_state(self, power_w: float) -> tuple[float, float]:
        """Die and sink temperature (°C) that `power_w` leads to if it stays for ever."""
        sink_c = self.ambient_c + power_w * self.sink_to_ambient_k_per_w
        return sink_c + power_w * self._spec.die_to_sink_k_per_w, sink_c

    def step(self, duration_s: float, power_w: float) -> None:
        """Let `duration_s` seconds pass at `power_w`.

        Raises:
            ValueError: A negative duration.
        """
        if duration_s < 0:
            raise ValueError(f"time cannot run back: duration_s = {duration_s}")
        spec = self._spec
        a = 1 / (spec.die_j_per_k * spec.die_to_sink_k_per_w)
        c = 1 / (spec.sink_j_per_k * spec.die_to_sink_k_per_w)
        e = 1 / (spec.sink_j_per_k * self.sink_to_ambient_k_per_w)
        # Matrix [[-a, a], [c, -(c + e)]]: eigenvalues from trace and determinant.
        half_trace, root = -(a + c + e) / 2, math.sqrt((a + c + e) ** 2 / 4 - a * e)
        fast, slow = half_trace - root, a * e / (half_trace - root)
        end_die, end_sink = self.steady_state(power_w)
        die, sink = self.die_c - end_die, self.sink_c - end_sink
        # exp(At) = [e^(slow t) (A - fast) - e^(fast t) (A - slow)] / (slow - fast)
        late, early = math.exp(slow * duration_s), math.exp(fast * duration_s)
        both = (late - early) / (slow - fast)
        own = (slow * early - fast * late) / (slow - fast)
        self.die_c = end_die + own * die + both * a * (sink - die)
        self.sink_c = end_sink + own * sink + both * (c * (die - sink) - e * sink)
