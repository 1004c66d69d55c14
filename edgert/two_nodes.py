"""Heat in two bodies, die and heat sink, solved in closed form.

    C_die  dT_die/dt  = P - (T_die - T_sink) / R_ds
    C_sink dT_sink/dt = (T_die - T_sink) / R_ds - (T_sink - T_ambient) / R_sa

Power in watts, temperatures in °C, heat capacities in J/K, thermal resistances in K/W. The system
is linear with two real negative eigenvalues, so a step of any length at constant power is exact
and many short steps equal one long one.
"""

import math
from typing import NamedTuple


class Decay(NamedTuple):
    """What is left after some time of a deviation from the steady state: exp(A t), by rows."""

    die_of_die: float
    die_of_sink: float
    sink_of_die: float
    sink_of_sink: float


class TwoNodes:
    """The two bodies, without temperatures of their own.

    Args:
        die_j_per_k: Heat capacity of the die, above 0; the others likewise.
        sink_j_per_k: Of the heat sink.
        die_to_sink_k_per_w: Thermal resistance between them.
        sink_to_ambient_k_per_w: From the sink to the air.
    """

    __slots__ = ("_a", "_c", "_e", "_fast", "_slow", "die_to_sink_k_per_w", "sink_k_per_w")

    def __init__(
        self,
        die_j_per_k: float,
        sink_j_per_k: float,
        die_to_sink_k_per_w: float,
        sink_to_ambient_k_per_w: float,
    ) -> None:
        self.die_to_sink_k_per_w = die_to_sink_k_per_w
        self.sink_k_per_w = sink_to_ambient_k_per_w
        self._a = a = 1 / (die_j_per_k * die_to_sink_k_per_w)
        self._c = c = 1 / (sink_j_per_k * die_to_sink_k_per_w)
        self._e = e = 1 / (sink_j_per_k * sink_to_ambient_k_per_w)
        # Matrix [[-a, a], [c, -(c + e)]]: eigenvalues from trace and determinant.
        half_trace = -(a + c + e) / 2
        root = math.sqrt((a + c + e) ** 2 / 4 - a * e)
        self._fast = half_trace - root
        self._slow = a * e / self._fast

    @property
    def time_constants_s(self) -> tuple[float, float]:
        """How fast the two bodies settle: the short time constant and the long one."""
        return -1 / self._fast, -1 / self._slow

    def steady_state(self, power_w: float, ambient_c: float) -> tuple[float, float]:
        """Die and sink temperature that `power_w` leads to if it stays for ever."""
        sink_c = ambient_c + power_w * self.sink_k_per_w
        return sink_c + power_w * self.die_to_sink_k_per_w, sink_c

    def decay(self, duration_s: float) -> Decay:
        """What `duration_s` leaves of a deviation from the steady state."""
        # exp(At) = [e^(slow t) (A - fast) - e^(fast t) (A - slow)] / (slow - fast)
        fast, slow = self._fast, self._slow
        late, early = math.exp(slow * duration_s), math.exp(fast * duration_s)
        both = (late - early) / (slow - fast)
        own = (slow * early - fast * late) / (slow - fast)
        return Decay(
            own - both * self._a, both * self._a, both * self._c, own - both * (self._c + self._e)
        )

    def after(
        self, duration_s: float, die_c: float, sink_c: float, *, power_w: float, ambient_c: float
    ) -> tuple[float, float]:
        """Die and sink temperature after `duration_s` at a constant power."""
        end_die_c, end_sink_c = self.steady_state(power_w, ambient_c)
        die, sink = die_c - end_die_c, sink_c - end_sink_c
        left = self.decay(duration_s)
        return (
            end_die_c + left.die_of_die * die + left.die_of_sink * sink,
            end_sink_c + left.sink_of_die * die + left.sink_of_sink * sink,
        )
