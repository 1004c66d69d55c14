"""Ways to explain a step test: which constants there are, and what temperatures they predict."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from edgert.profiling.thermal.least_squares import Solution, solve
from edgert.profiling.thermal.response import (
    Floats,
    HeatGrid,
    NodeConstants,
    die_response_c,
    drift_response_c,
    node_response_c,
)

# Fitted as logarithms, so that they stay above 0 and their errors are relative.
TWO = ("die_to_sink_k_per_w", "die_j_per_k", "sink_to_ambient_k_per_w", "sink_j_per_k")
ONE = ("sink_to_ambient_k_per_w", "sink_j_per_k")
EXTRAS = ("late_s", "drift_k")
_FIRST_S = 2.0  # of the test: what the board drew before it


class Shape(NamedTuple):
    """One explanation: its parameters by name, and what they predict where the grid has samples.

    The constants come first, as logarithms; then the ambient, in °C.
    """

    names: tuple[str, ...]
    grid: HeatGrid
    predict: Callable[[Floats], Floats]

    def solve(self, start: Floats) -> Solution:
        """The parameters that explain the grid best, from a start."""
        weights = np.sqrt(self.grid.seen_count)
        return solve(self.predict, self.grid.seen_c, weights, start)

    def errors(self, found: Solution) -> dict[str, float]:
        """Standard errors by name, relative where the parameter is a logarithm."""
        return dict(zip(self.names, found.errors.tolist(), strict=True))


def two_nodes(grid: HeatGrid, *, rests: bool = False, extras: tuple[str, ...] = ()) -> Shape:
    """Die and sink.

    The die is taken to stand where the first power holds it above the sink: it is quick.

    Args:
        grid: The test.
        rests: The sink had settled at the first power; else its start is a parameter.
        extras: What else may have been, of `EXTRAS`: the air warmed evenly by "drift_k" over the
            test, from "ambient_c" on; temperatures were seen "late_s" after they were.
    """
    power_w = first_w(grid)
    names = (*TWO, "ambient_c", *(() if rests else ("sink_start_c",)), *extras)

    def predict(parameters: Floats) -> Floats:
        nodes = NodeConstants(*np.exp(parameters[:4]).tolist())
        told = dict(zip(names[4:], parameters[4:].tolist(), strict=True))
        ambient_c = told["ambient_c"]
        rest_c = ambient_c + power_w * nodes.sink_to_ambient_k_per_w
        sink_k = told.get("sink_start_c", rest_c) - ambient_c
        die_k = sink_k + power_w * nodes.die_to_sink_k_per_w
        die_c = ambient_c + die_response_c(nodes, grid, die_k=die_k, sink_k=sink_k)
        if "drift_k" in told:
            die_c += told["drift_k"] * drift_response_c(nodes, grid)
        return at_seen(grid, die_c, late_s=told.get("late_s", 0.0))

    return Shape(names, grid, predict)


def one_node(grid: HeatGrid) -> Shape:
    """All heat in one place, whose start is a parameter."""

    def predict(parameters: Floats) -> Floats:
        k_per_w, j_per_k = np.exp(parameters[:2]).tolist()
        ambient_c = float(parameters[2])
        start_k = float(parameters[3]) - ambient_c
        return at_seen(grid, ambient_c + node_response_c(k_per_w, j_per_k, grid, start_k=start_k))

    return Shape((*ONE, "ambient_c", "sink_start_c"), grid, predict)


def at_seen(grid: HeatGrid, at_edges_c: Floats, *, late_s: float = 0.0) -> Floats:
    """(M,) where there are samples, from values at the cells' edges."""
    return np.interp(grid.seen_s - late_s, grid.edges_s, at_edges_c)


def first_w(grid: HeatGrid) -> float:
    """Power at the beginning of a test."""
    return float(np.mean(grid.power_w[: max(1, round(_FIRST_S / grid.cell_s))]))
