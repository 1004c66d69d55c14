"""Watts of a board that runs a network back to back, where anybody published some.

Few did, and what they published differs less between networks than between boards: the mean of a
board's published rows is all that is taken from them. A model in which power depends on the graph
has nothing to be fitted on. Within a family, energies modelled so differ as the latencies do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgert.profiling.roofline.model import Roofline, RowError


@dataclass(frozen=True)
class PowerRow:
    """A published power, and what is said of it when its graph's rows are left out."""

    error: RowError
    published_w: float
    graph_left_out_w: float

    @property
    def power_error(self) -> float:
        """Modelled over published, minus one."""
        return self.graph_left_out_w / self.published_w - 1

    @property
    def energy_error(self) -> float:
        """Of an inference's energy: power and latency both modelled without the graph."""
        return (1 + self.power_error) * (1 + self.error.graph_error) - 1


@dataclass(frozen=True)
class BusyPower:
    """What a board draws while it runs a network back to back, and how far off that is."""

    power_w: float
    rows: tuple[PowerRow, ...]

    @property
    def method(self) -> str:
        """How the figure came about, as it is written beside it."""
        power = max(abs(row.power_error) for row in self.rows)
        energy = max(abs(row.energy_error) for row in self.rows)
        modes = sorted({row.error.case.row.power_mode for row in self.rows})
        return (
            f"power: mean of {len(self.rows)} published rows of this board "
            f"({' and '.join(modes)}), whatever the graph, leave-one-out error worst {power:.0%}; "
            f"energy worst {energy:.0%}"
        )


def busy_power(roofline: Roofline, board: str, power_mode: str) -> BusyPower | None:
    """The board's power in a power mode.

    Returns:
        None where nobody published a row with power in this power mode, or the board's rows are
        all of one graph, so that no error could be stated.
    """
    rows = [
        (error, error.case.row.power_w)
        for error in roofline.errors
        if error.case.row.board == board and error.case.row.power_w is not None
    ]
    modes = {error.case.row.power_mode for error, _ in rows}
    if power_mode not in modes or len({error.case.row.graph for error, _ in rows}) < 2:
        return None
    return BusyPower(
        power_w=float(np.mean([power_w for _, power_w in rows])),
        rows=tuple(
            PowerRow(error, power_w, _mean_without(rows, error.case.row.graph))
            for error, power_w in rows
        ),
    )


def _mean_without(rows: Sequence[tuple[RowError, float]], graph: str) -> float:
    return float(np.mean([power_w for error, power_w in rows if error.case.row.graph != graph]))
