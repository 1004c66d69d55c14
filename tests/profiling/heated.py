"""Step tests of boards with known constants, as their sensors tell them.

The truth is the emulator's physics, written apart from what fits it.
"""

import math
from typing import NamedTuple

import numpy as np

from edgert.emulator.thermal import ThermalSpec, TwoNodeThermal
from edgert.profiling.thermal.response import NodeConstants, grid_from_samples, with_edge


class Board(NamedTuple):
    """Constants, air, and what the board draws."""

    nodes: NodeConstants
    ambient_c: float = 25.0
    idle_w: float = 3.5
    busy_w: float = 13.0
    leakage_per_k: float = 0.006


QUICK = Board(NodeConstants(0.8, 1.5, 3.2, 9.0), ambient_c=31.0)
NANO = Board(NodeConstants(0.3, 6.0, 0.95, 250.0))
AGX = Board(NodeConstants(0.15, 20.0, 0.6, 600.0), idle_w=9.0, busy_w=50.0)


class Sensing(NamedTuple):
    """How a test is seen: noise (standard deviations), steps, the power's own mean, rate."""

    interval_s: float = 0.1
    temp_noise_c: float = 0.0
    temp_step_c: float = 0.0
    power_noise_w: float = 0.0
    power_step_w: float = 0.0
    averaging_s: float = 0.0


QUIET = Sensing(temp_noise_c=0.05, power_noise_w=0.05, power_step_w=0.04, averaging_s=0.42)
COARSE = QUIET._replace(temp_noise_c=0.2, temp_step_c=0.5, power_noise_w=0.2)


def samples(
    board: Board,
    sensing: Sensing,
    *,
    idle_s: float = 120.0,
    step_s: float = 300.0,
    seed: int = 0,
    drift_k_per_s: float = 0.0,
    start_k: float = 0.0,
    fan_stop_s: float = math.inf,
):
    """Times, powers and temperatures that a reader gets; the load lasts from idle_s on."""
    nodes = board.nodes
    spec = ThermalSpec(
        ambient_c=board.ambient_c,
        die_j_per_k=nodes.die_j_per_k,
        sink_j_per_k=nodes.sink_j_per_k,
        die_to_sink_k_per_w=nodes.die_to_sink_k_per_w,
        sink_to_ambient_k_per_w=nodes.sink_to_ambient_k_per_w,
        fan_stopped_k_per_w=2 * nodes.sink_to_ambient_k_per_w,
    )
    thermal = TwoNodeThermal(spec, idle_power_w=board.idle_w)
    thermal.die_c, thermal.sink_c = thermal.die_c + start_k, thermal.sink_c + start_k
    tick_s = min(0.05, sensing.interval_s)
    every = round(sensing.interval_s / tick_s)
    seen_w, rows = board.idle_w, []
    for number in range(round((2 * idle_s + step_s) / tick_s)):
        time_s = number * tick_s
        power_w = board.idle_w
        if idle_s <= time_s < idle_s + step_s:
            power_w = board.busy_w * (1 + board.leakage_per_k * (thermal.die_c - 50))
        weight = 1 - math.exp(-tick_s / sensing.averaging_s) if sensing.averaging_s else 1.0
        seen_w += weight * (power_w - seen_w)
        if number % every == 0:
            rows.append((time_s, seen_w, thermal.die_c))
        thermal.ambient_c = board.ambient_c + drift_k_per_s * time_s
        thermal.fan_running = time_s < fan_stop_s
        thermal.step(tick_s, power_w)
    time_s, power_w, temp_c = np.array(rows).T
    random = np.random.default_rng(seed)
    power_w = power_w + random.normal(0, sensing.power_noise_w, len(power_w))
    temp_c = temp_c + random.normal(0, sensing.temp_noise_c, len(temp_c))
    return time_s, _in_steps(power_w, sensing.power_step_w), _in_steps(temp_c, sensing.temp_step_c)


def grid(
    board: Board, sensing: Sensing, *, idle_s=120.0, step_s=300.0, late_s=(0.0, 0.0), **options
):
    """The same on the fit's grid, with the load's edges where they were.

    `late_s`: by how much powers and temperatures are older than their stamps.
    """
    time_s, *columns = samples(board, sensing, idle_s=idle_s, step_s=step_s, **options)
    moved = [round(late / sensing.interval_s) for late in late_s]
    columns = [
        np.concatenate([np.full(by, column[0]), column[: len(column) - by]])
        for column, by in zip(columns, moved, strict=True)
    ]
    arrays = (time_s, *columns)
    settled_s = max(5 * sensing.averaging_s + late_s[0], 3 * sensing.interval_s)
    for edge_s in (idle_s, idle_s + step_s):
        arrays = with_edge(*arrays, edge_s, settled_s)
    return grid_from_samples(*arrays)


def one_node_samples(
    k_per_w: float, j_per_k: float, *, noise_c: float = 0.05, seed: int = 0, idle_s=120.0,
    step_s=300.0, interval_s=0.1,
):  # fmt: skip
    """Times, powers and temperatures of a board whose heat is all in one place."""
    random = np.random.default_rng(seed)
    time_s = np.arange(0, 2 * idle_s + step_s, interval_s)
    power_w = np.where((time_s >= idle_s) & (time_s < idle_s + step_s), 13.0, 3.5)
    keep = math.exp(-interval_s / (k_per_w * j_per_k))
    temps_c = [25 + 3.5 * k_per_w]
    for watts in power_w[:-1]:
        ends_c = 25 + k_per_w * watts
        temps_c.append(ends_c + (temps_c[-1] - ends_c) * keep)
    return time_s, power_w, np.array(temps_c) + random.normal(0, noise_c, len(time_s))


def _in_steps(values, step):
    return np.round(values / step) * step if step else values
