"""Which share of a board's draw each of its power rails carries.

The physics knows three causes: what is always drawn, computing, memory traffic. A rail is a mix
of them. A module's input rail carries all three in full, a rail below it a part.
"""

from edgert.emulator.power import PowerSpec
from edgert.records import NotNegative, Record


class RailShare(Record, frozen=True, kw_only=True):
    """What flows through one rail.

    `idle_w` is always there; the ratios are shares of what computing and memory traffic draw
    above it, 0 to 1, or above 1 for a rail that also feeds the losses of a converter.
    """

    idle_w: NotNegative = 0.0
    compute_ratio: NotNegative = 0.0
    memory_ratio: NotNegative = 0.0

    def power_w(self, compute_w: float, memory_w: float) -> float:
        """The rail's power while computing and memory draw so much above idle."""
        return self.idle_w + self.compute_ratio * compute_w + self.memory_ratio * memory_w


def whole_board(power: PowerSpec) -> RailShare:
    """Everything that the board draws."""
    return RailShare(idle_w=power.idle_w, compute_ratio=1.0, memory_ratio=1.0)


def rails_from_power(power: PowerSpec) -> dict[str, RailShare]:
    """The three rails that a board file names: module input, computing, memory."""
    idle = power.idle_rails_w
    return {
        power.input_rail: whole_board(power),
        power.compute_rail: RailShare(idle_w=idle.get(power.compute_rail, 0.0), compute_ratio=1.0),
        power.memory_rail: RailShare(idle_w=idle.get(power.memory_rail, 0.0), memory_ratio=1.0),
    }
