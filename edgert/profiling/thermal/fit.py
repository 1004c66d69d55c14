"""From one step test to a board's thermal constants: least squares on its simulated response.

Starts come from two lags in parallel, whose gains are a linear problem for any pair of time
constants; from the best of them Levenberg-Marquardt goes on over the logarithms of the constants.
A constant that the test does not tell (standard error above 50 %) is not given as if it did: the
board becomes one node, or is taken to have rested before the test, or the fit is refused.
"""

import itertools
import math

import numpy as np

from edgert.errors import TelemetryError
from edgert.profiling.thermal.least_squares import Solution
from edgert.profiling.thermal.response import (
    Floats,
    HeatGrid,
    Modes,
    NodeConstants,
    lagged,
    nodes_from_modes,
)
from edgert.profiling.thermal.shapes import (
    EXTRAS,
    ONE,
    TWO,
    Shape,
    at_seen,
    first_w,
    one_node,
    two_nodes,
)
from edgert.records import NotNegative, Record

MOST_ERROR_RATIO = 0.5  # a constant with a larger standard error is not known
_LAGS = 9  # time constants that starts are tried with
_STARTS = 3
_LEAST_APART = 2.5  # of two time constants
_LEAST_GAIN = 0.03  # by which two nodes must explain more than one, of the residual
# What else may have been, from what size on, and how it is told.
_LEAST = {"late_s": 0.1, "drift_k": 0.5}
_PLAIN_ERRORS = 4.0  # standard errors that it must be larger than
_WORDS = {
    "late_s": "temperatures came {value:.2f} ± {error:.2f} s late, which was fitted too",
    "drift_k": "the air, or the fan, moved by {value:+.1f} ± {error:.1f} K during the test, which "
    "was fitted too: better repeat it",
}
# A board of one node as two: so much of its resistance lies before the sink, and the die's own
# time constant is so long at most. It then behaves as the one node did.
_DIE_SHARE = 0.02
_DIE_S = 0.5
_REST_C_PER_S = 0.01  # a board that rests is no faster than that


class ThermalFit(Record, frozen=True, kw_only=True):
    """Constants with their standard errors.

    errors: relative, of the constants that were fitted, by the record's name; of "ambient_c" in K.
    residual_c: root mean square over the cells of the grid.
    nodes: 2, or 1 where the test shows no more than one.
    notes: what a reader should know, in words.
    """

    constants: NodeConstants
    ambient_c: float
    errors: dict[str, NotNegative]
    residual_c: NotNegative
    nodes: int
    notes: list[str]


def fit_thermal(grid: HeatGrid) -> ThermalFit:
    """Constants of a board from its power and temperature in one step test.

    Args:
        grid: The whole test, on it the powers that the board really drew.

    Raises:
        TelemetryError: The test does not tell them; what to do about it.
    """
    single = one_node(grid)
    one = min((single.solve(s) for s in _one_node_starts(grid)), key=lambda found: found.residual)
    starts = _starts(grid)
    for rests in (False, True) if _may_rest(grid) else (False,):
        found = _two_nodes_found(grid, starts, one, rests=rests)
        if isinstance(found, ThermalFit):
            return found
        errors = single.errors(one)
        if found and not rests and all(errors[name] <= MOST_ERROR_RATIO for name in ONE):
            nodes = nodes_of_one(*np.exp(one.parameters[:2]).tolist())
            return _fit(nodes, one, errors, nodes=1, notes=[f"one node: {found}"])
    raise TelemetryError(
        "fit the thermal constants",
        expected="a test that tells how the sink gives its heat away",
        got="one that ends before the sink has warmed up, or in which more moved than the load",
        advice="Play the load for longer with --step-s, and keep air and fan as they are",
    )


def nodes_of_one(k_per_w: float, j_per_k: float) -> NodeConstants:
    """Two nodes that behave as one: a small die, close to the sink."""
    die_to_sink = _DIE_SHARE * k_per_w
    die_j_per_k = min(0.1 * j_per_k, _DIE_S / die_to_sink)
    return NodeConstants(die_to_sink, die_j_per_k, k_per_w - die_to_sink, j_per_k - die_j_per_k)


def _two_nodes_found(
    grid: HeatGrid, starts: list[Floats], one: Solution, *, rests: bool
) -> ThermalFit | str:
    """Two nodes; or why one is enough; or "" where the test tells neither."""
    shape = two_nodes(grid, rests=rests)
    found = [shape.solve(start[: len(shape.names)]) for start in starts]
    two = min(found, key=lambda solution: solution.residual, default=None)
    if two is None or two.residual > (1 - _LEAST_GAIN) * one.residual:
        return "a second explains nothing more"
    notes = ["the board is taken to have rested before the test"] if rests else []
    shape, two = _with_extras(grid, shape, two, rests=rests, notes=notes)
    errors = shape.errors(two)
    unknown = [name for name in TWO if errors[name] > MOST_ERROR_RATIO]
    if not unknown:
        nodes = NodeConstants(*np.exp(two.parameters[:4]).tolist())
        return _fit(nodes, two, errors, nodes=2, notes=notes)
    if any(name in ONE for name in unknown):
        return ""  # one node would hide that the test is too short
    return "; ".join(f"{name} is not told ({_percent(errors[name])})" for name in unknown)


def _with_extras(
    grid: HeatGrid, shape: Shape, two: Solution, *, rests: bool, notes: list[str]
) -> tuple[Shape, Solution]:
    """The same with what else may have been, where it is plain that it was; says so in `notes`."""
    taken: tuple[str, ...] = ()
    for name in EXTRAS:
        wider = two_nodes(grid, rests=rests, extras=(*taken, name))
        found = wider.solve(np.append(two.parameters, 0.0))
        value, error = float(found.parameters[-1]), float(found.errors[-1])
        if abs(value) < max(_LEAST[name], _PLAIN_ERRORS * error) or (
            name == "late_s" and value < 0
        ):
            continue
        shape, two, taken = wider, found, (*taken, name)
        notes.append(_WORDS[name].format(value=value, error=error))
    return shape, two


def _fit(
    nodes_found: NodeConstants,
    found: Solution,
    errors: dict[str, float],
    *,
    nodes: int,
    notes: list[str],
) -> ThermalFit:
    return ThermalFit(
        constants=nodes_found,
        ambient_c=float(found.parameters[2 * nodes]),
        errors={name: error for name, error in errors.items() if math.isfinite(error)},
        residual_c=found.residual,
        nodes=nodes,
        notes=notes,
    )


# ---------------------------------------------------------------- starts


def _starts(grid: HeatGrid) -> list[Floats]:
    """The best pairs of time constants, each with the gains that fit it best."""
    lags_s = _lags_s(grid)
    passed_s = grid.seen_s - grid.edges_s[0]
    columns = {lag: at_seen(grid, lagged(grid.power_w, grid.cell_s, lag)) for lag in lags_s}
    found: list[tuple[float, Floats]] = []
    for fast_s, slow_s in itertools.combinations(lags_s, 2):
        if slow_s < _LEAST_APART * fast_s:
            continue
        decays = [np.exp(-passed_s / lag) for lag in (fast_s, slow_s)]
        matrix = np.stack([np.ones_like(passed_s), columns[fast_s], columns[slow_s], *decays], 1)
        gains = np.linalg.lstsq(matrix, grid.seen_c, rcond=None)[0]
        nodes = nodes_from_modes(Modes(fast_s, slow_s, float(gains[1]), float(gains[2])))
        if nodes is None:
            continue
        residual = float(np.mean((matrix @ gains - grid.seen_c) ** 2))
        sink_c = float(grid.seen_c[0]) - first_w(grid) * nodes.die_to_sink_k_per_w
        found.append((residual, np.array([*np.log(nodes), float(gains[0]), sink_c])))
    found.sort(key=lambda pair: pair[0])
    return [start for _, start in found[:_STARTS]]


def _one_node_starts(grid: HeatGrid) -> list[Floats]:
    low_c, high_c = float(grid.seen_c.min()), float(grid.seen_c.max())
    low_w, high_w = float(grid.power_w.min()), float(grid.power_w.max())
    k_per_w = max(high_c - low_c, 1e-3) / max(high_w - low_w, 1e-3)
    ambient_c, first_c = low_c - k_per_w * low_w, float(grid.seen_c[0])
    return [
        np.array([math.log(k_per_w), math.log(lag_s / k_per_w), ambient_c, first_c])
        for lag_s in _lags_s(grid)[::3]
    ]


def _lags_s(grid: HeatGrid) -> list[float]:
    length_s = float(grid.edges_s[-1] - grid.edges_s[0])
    lags_s: list[float] = np.geomspace(2 * grid.cell_s, 2 * length_s, _LAGS).tolist()
    return lags_s


def _may_rest(grid: HeatGrid) -> bool:
    """Whether temperature stood still while power was still what it was at first."""
    loaded = np.flatnonzero(grid.power_w > first_w(grid) + float(np.ptp(grid.power_w)) / 2)
    if not len(loaded):
        return False
    idle = grid.seen_s < grid.edges_s[loaded[0]]
    if np.count_nonzero(idle) < 8:
        return False
    slope, _ = np.polyfit(grid.seen_s[idle] - grid.seen_s[0], grid.seen_c[idle], 1)
    return abs(float(slope)) < _REST_C_PER_S


def _percent(ratio: float) -> str:
    return f"± {ratio:.0%}" if ratio < 10 else "not at all"
