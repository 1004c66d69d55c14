"""A board's heat as a linear system on an even grid of time: what temperatures powers lead to.

Owns the exact response of two nodes (ThermalConstants has their equations) and of one; which
constants fit what was seen is `thermal.fit`'s business.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_MOST_CELLS = 2000
_LEAST_CELL_S = 0.05
_INSTANT_S = 1e-6
_NOTHING = 1e-20  # a share that no sum would show


class NodeConstants(NamedTuple):
    """Die and sink; resistances in K/W, capacities in J/K."""

    die_to_sink_k_per_w: float
    die_j_per_k: float
    sink_to_ambient_k_per_w: float
    sink_j_per_k: float


class Modes(NamedTuple):
    """The same heat as two lags in parallel: the form whose response is two sums.

    Z(s) = fast_k_per_w / (1 + s fast_s) + slow_k_per_w / (1 + s slow_s)
    """

    fast_s: float
    slow_s: float
    fast_k_per_w: float
    slow_k_per_w: float


class HeatGrid(NamedTuple):
    """Powers and temperatures on an even grid of N cells.

    edges_s: (N + 1,). power_w: (N,), mean of each cell. seen_s, seen_c, seen_count: (M,), mean
    time and temperature of the samples of each cell that has any, and how many.
    """

    edges_s: Floats
    power_w: Floats
    seen_s: Floats
    seen_c: Floats
    seen_count: Floats

    @property
    def cell_s(self) -> float:
        """Length of a cell."""
        return float(self.edges_s[1] - self.edges_s[0])


def grid_from_samples(time_s: Floats, power_w: Floats, temp_c: Floats) -> HeatGrid:
    """Samples at any instants on a grid that keeps their energy.

    Args:
        time_s: (S,), rising, two at least.
        power_w: (S,), finite; straight lines between.
        temp_c: (S,), NaN where unknown.
    """
    begin_s, end_s = float(time_s[0]), float(time_s[-1])
    cell_s = max(_LEAST_CELL_S, (end_s - begin_s) / _MOST_CELLS)
    count = max(1, math.ceil((end_s - begin_s) / cell_s - 1e-9))
    edges_s: Floats = begin_s + cell_s * np.arange(count + 1, dtype=np.float64)
    steps_j = np.diff(time_s) * (power_w[1:] + power_w[:-1]) / 2
    energy_j = np.interp(edges_s, time_s, np.append(0.0, np.cumsum(steps_j)))
    lengths_s = np.diff(np.minimum(edges_s, end_s))
    known = np.isfinite(temp_c)
    cell = np.minimum((time_s[known] - begin_s) / cell_s, count - 1).astype(np.int64)
    seen = np.bincount(cell, minlength=count).astype(np.float64)
    filled = seen > 0
    return HeatGrid(
        edges_s=edges_s,
        power_w=np.diff(energy_j) / lengths_s,
        seen_s=np.bincount(cell, time_s[known], count)[filled] / seen[filled],
        seen_c=np.bincount(cell, temp_c[known], count)[filled] / seen[filled],
        seen_count=seen[filled],
    )


def with_edge(
    time_s: Floats, power_w: Floats, temp_c: Floats, edge_s: float, settled_s: float
) -> tuple[Floats, Floats, Floats]:
    """The same samples with a step of power where it was, however late the sensor was to show it.

    A sensor that averages, or that is read once a second, makes a slope of a step, and the die
    would seem to answer before it is asked. Powers in the time until the sensor has settled give
    way to those just after it, and to those just before the edge; temperatures stay.

    Args:
        time_s: (S,), rising.
        power_w: (S,).
        temp_c: (S,).
        edge_s: When the load began or ended, on the samples' clock.
        settled_s: How long after it the power shows nothing of what was before.

    Returns:
        (S + 2,) each: one sample on either side of the edge is new.
    """
    place = int(np.searchsorted(time_s, edge_s))
    end = edge_s + settled_s
    settling = (time_s >= edge_s) & (time_s < end)
    after = power_w[(time_s >= end) & (time_s < end + settled_s)]
    before = power_w[(time_s < edge_s) & (time_s >= edge_s - settled_s)]
    first = min(int(np.searchsorted(time_s, end)), len(time_s) - 1)
    after_w = float(after.mean()) if len(after) else float(power_w[first])
    before_w = float(before.mean()) if len(before) else float(power_w[max(0, place - 1)])
    levels = np.where(settling, after_w, power_w)
    return (
        np.insert(time_s, place, [edge_s - _INSTANT_S, edge_s]),
        np.insert(levels, place, [before_w, after_w]),
        np.insert(temp_c, place, [math.nan, math.nan]),
    )


def modes_from_nodes(nodes: NodeConstants) -> Modes:
    """Two nodes as two lags in parallel; always possible, and the lags differ."""
    a, c, e = _rates(nodes)
    fast, slow = _poles(a, c, e)
    # Z(s) = (s + c + e) / C_die / ((s + fast) (s + slow)), in partial fractions.
    scale = nodes.die_j_per_k * (fast - slow)
    return Modes(
        fast_s=1 / fast,
        slow_s=1 / slow,
        fast_k_per_w=(fast - c - e) / scale / fast,
        slow_k_per_w=(c + e - slow) / scale / slow,
    )


def nodes_from_modes(modes: Modes) -> NodeConstants | None:
    """Two lags in parallel as two nodes; None where no two nodes are like that."""
    fast, slow = 1 / modes.fast_s, 1 / modes.slow_s
    rise_fast, rise_slow = modes.fast_k_per_w * fast, modes.slow_k_per_w * slow
    total = rise_fast + rise_slow
    if not (modes.fast_k_per_w > 0 and modes.slow_k_per_w > 0 and fast > slow):
        return None
    both = (rise_fast * slow + rise_slow * fast) / total
    a = fast + slow - both
    e = fast * slow / a
    c = both - e
    if not c > 0:
        return None
    die_to_sink = total / a
    sink_j_per_k = 1 / (c * die_to_sink)
    return NodeConstants(die_to_sink, 1 / total, 1 / (e * sink_j_per_k), sink_j_per_k)


def lagged(power_w: Floats, cell_s: float, lag_s: float) -> Floats:
    """(N + 1,) what a first-order lag of gain 1 makes of (N,) powers, from 0, at cells' edges.

    state[k] = keep state[k - 1] + (1 - keep) power[k], summed by doubling: a few passes over the
    array, where a loop would take hundreds of times as long.
    """
    keep = math.exp(-cell_s / lag_s)
    states = np.concatenate([[0.0], (1 - keep) * power_w])
    reach = 1
    while reach < len(states) and keep > _NOTHING:
        states[reach:] += keep * states[:-reach]
        keep *= keep
        reach *= 2
    return states


def die_response_c(nodes: NodeConstants, grid: HeatGrid, *, die_k: float, sink_k: float) -> Floats:
    """(N + 1,) die above ambient at the cells' edges; exact where power is even in each cell.

    Args:
        nodes: The constants.
        grid: Its powers.
        die_k: Die above ambient at the start.
        sink_k: Sink above ambient at the start.
    """
    a, c, e = _rates(nodes)
    fast, slow = _poles(a, c, e)
    modes = modes_from_nodes(nodes)
    forced = modes.fast_k_per_w * lagged(grid.power_w, grid.cell_s, modes.fast_s)
    forced += modes.slow_k_per_w * lagged(grid.power_w, grid.cell_s, modes.slow_s)
    passed_s = grid.edges_s - grid.edges_s[0]
    early, late = np.exp(-fast * passed_s), np.exp(-slow * passed_s)
    both = (late - early) / (fast - slow)
    own = (fast * late - slow * early) / (fast - slow)
    free: Floats = own * die_k + both * a * (sink_k - die_k)
    return forced + free


def drift_response_c(nodes: NodeConstants, grid: HeatGrid) -> Floats:
    """(N + 1,) what air that warms by 1 K over the whole grid does to the die."""
    fast, slow = _poles(*_rates(nodes))
    edges = np.linspace(0.0, 1.0, len(grid.edges_s))
    behind = lagged((edges[1:] + edges[:-1]) / 2, grid.cell_s, 1 / slow)
    return lagged((behind[1:] + behind[:-1]) / 2, grid.cell_s, 1 / fast)


def node_response_c(k_per_w: float, j_per_k: float, grid: HeatGrid, *, start_k: float) -> Floats:
    """(N + 1,) the same of a board that is one node."""
    lag_s = k_per_w * j_per_k
    passed_s = grid.edges_s - grid.edges_s[0]
    free: Floats = start_k * np.exp(-passed_s / lag_s)
    return k_per_w * lagged(grid.power_w, grid.cell_s, lag_s) + free


def _rates(nodes: NodeConstants) -> tuple[float, float, float]:
    """1/s: die to sink by the die's capacity, by the sink's, and sink to ambient by the sink's."""
    a = 1 / (nodes.die_j_per_k * nodes.die_to_sink_k_per_w)
    c = 1 / (nodes.sink_j_per_k * nodes.die_to_sink_k_per_w)
    return a, c, 1 / (nodes.sink_j_per_k * nodes.sink_to_ambient_k_per_w)


def _poles(a: float, c: float, e: float) -> tuple[float, float]:
    """Both rates (1/s) at which [[-a, a], [c, -(c + e)]] forgets, the fast one first."""
    half = (a + c + e) / 2
    fast = half + math.sqrt(half * half - a * e)
    return fast, a * e / fast
