"""Heat of a module as two nodes, die and heat sink.

Owns temperatures only; what power flows in and when a clock is lowered is decided elsewhere.
"""

from typing import Annotated

import msgspec

from edgert.records import Positive, Record
from edgert.two_nodes import TwoNodes

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

    Args:
        spec: The constants.
        idle_power_w: Power whose steady state is the start when `spec.start_c` is None.
    """

    def __init__(self, spec: ThermalSpec, *, idle_power_w: float) -> None:
        self._spec = spec
        self._cooled = self._nodes(spec.sink_to_ambient_k_per_w)
        self._fan_stopped = self._nodes(spec.fan_stopped_k_per_w)
        self.ambient_c = spec.ambient_c
        self.fan_running = True
        if spec.start_c is None:
            self.die_c, self.sink_c = self.steady_state(idle_power_w)
        else:
            self.die_c = self.sink_c = spec.start_c

    @property
    def nodes(self) -> TwoNodes:
        """The bodies as they are cooled now: with the fan, or without."""
        return self._cooled if self.fan_running else self._fan_stopped

    def steady_state(self, power_w: float) -> tuple[float, float]:
        """Die and sink temperature (°C) that `power_w` leads to if it stays for ever."""
        return self.nodes.steady_state(power_w, self.ambient_c)

    def step(self, duration_s: float, power_w: float) -> None:
        """Let `duration_s` seconds pass at `power_w`.

        Raises:
            ValueError: A negative duration.
        """
        if duration_s < 0:
            raise ValueError(f"time cannot run back: duration_s = {duration_s}")
        self.die_c, self.sink_c = self.nodes.after(
            duration_s, self.die_c, self.sink_c, power_w=power_w, ambient_c=self.ambient_c
        )

    def _nodes(self, sink_to_ambient_k_per_w: float) -> TwoNodes:
        spec = self._spec
        return TwoNodes(
            spec.die_j_per_k,
            spec.sink_j_per_k,
            spec.die_to_sink_k_per_w,
            sink_to_ambient_k_per_w,
        )
