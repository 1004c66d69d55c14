"""The oracle's linear program: time shares within each second, heat, power and energy between.

Variables are the share of each group of frames that each configuration serves, and for each
second the mean power above idle without leakage A, and the temperatures of die D and sink S at its
end. Leakage multiplies A by a factor that goes with D; the product is linear around a `Course`.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from edgert.evaluation.board import WorldBoard
from edgert.evaluation.day import Day
from edgert.evaluation.heat import HeatMap, heat_map
from edgert.evaluation.oracle_frames import Columns, Floats, Ints
from edgert.optional import needs

_SLACK = 1e-9  # what doing nothing must leave, for the solver's own tolerance


class Course(NamedTuple):
    """A day in seconds (B,): power above idle without leakage, mean power, temperatures.

    `die_c` and `sink_c` are (B + 1,): they begin with the start of the day. `hottest_c` is the
    die's at any end of a step.
    """

    above_idle_w: Floats
    power_w: Floats
    die_c: Floats
    sink_c: Floats
    hottest_c: Floats

    @property
    def mean_die_c(self) -> Floats:
        """Mean temperature of the die in each second."""
        means: Floats = (self.die_c[1:] + self.die_c[:-1]) / 2
        return means


class Solution(NamedTuple):
    """An optimal plan: its value, the share of each column, its course, and prices.

    `joule_price` (B,) is what one joule above idle in a second costs in accuracy, `second_price`
    what the time costs where there is too little for all frames.
    """

    value: float
    shares: Floats
    course: Course
    joule_price: Floats
    second_price: Floats


def course_of(day: Day, above_idle_w: Floats, *, steps: int = 1) -> Course:
    """The course that a power above idle takes, with leakage as it is.

    Args:
        day: The day.
        above_idle_w: For each second, without leakage.
        steps: Into so many steps a second is cut; leakage is that of each step's start.
    """
    board, physics = day.board, day.board.physics(day.ambient_c[0])
    maps = {fan: heat_map(board, 1 / steps, fan_running=fan) for fan in (True, False)}
    die, sink = physics.die_c, physics.sink_c
    dies, sinks, powers, hottest = [die], [sink], [], []
    for watts, air, fan in zip(above_idle_w.tolist(), day.ambient_c, day.fan_running, strict=True):
        heat, total, most = maps[fan], 0.0, -math.inf
        for _ in range(steps):
            power = board.idle_w + watts * board.leakage(die)
            die, sink = _next(heat, die, sink, power, air)
            total += power
            most = max(most, die)
        dies.append(die)
        sinks.append(sink)
        powers.append(total / steps)
        hottest.append(most)
    return Course(above_idle_w, *map(np.array, (powers, dies, sinks, hottest)))


def _next(heat: HeatMap, die: float, sink: float, power: float, air: float) -> tuple[float, float]:
    return (
        heat.die_die * die + heat.die_sink * sink + heat.die_power * power + heat.die_air * air,
        heat.sink_die * die
        + heat.sink_sink * sink
        + heat.sink_power * power
        + heat.sink_air * air,
    )


def solve(day: Day, columns: Columns, around: Course, *, hurried: bool = False) -> Solution:
    """The best plan, with leakage linear around a course.

    A limit that doing nothing would pass is raised to what doing nothing takes.

    Args:
        day: The day, with its limits and the true board.
        columns: What a plan may do.
        around: Around which course leakage is linear.
        hurried: Whether there may be too little time for all frames.

    Raises:
        MissingDependencyError: scipy is not installed.
    """
    program = _Program(day, columns, around, hurried=hurried)
    optimize = _scipy("optimize")
    result = optimize.linprog(
        program.objective,
        A_ub=program.at_most[0],
        b_ub=program.at_most[1],
        A_eq=program.equal[0],
        b_eq=program.equal[1],
        bounds=program.bounds,
        method="highs-ipm",  # several times as fast here as the simplex, and as exact
    )
    if result.x is None:
        raise ArithmeticError(f"the oracle's program has no solution: {result.message}")
    return program.solution(result)


class _Program:
    """The matrices. Columns: shares (M), A (B), D (B), S (B)."""

    def __init__(self, day: Day, columns: Columns, around: Course, *, hurried: bool) -> None:
        self._sparse = _scipy("sparse")
        self._day, self._columns, self._around = day, columns, around
        self._hurried = hurried
        self._blocks = day.duration_s
        self._count = len(columns.value)
        self._slope, self._level = _leakage(day.board, around)
        self._nothing = course_of(day, np.zeros(self._blocks))
        self.objective = np.concatenate([-columns.value, np.zeros(3 * self._blocks)])
        self.equal = self._equal()
        self.at_most = self._at_most()
        self.bounds = self._bounds()

    def solution(self, result: Any) -> Solution:
        """What the solver's answer says."""
        shares, above, die, sink = np.split(result.x, self._count + self._blocks * np.arange(3))
        start = self._around
        die, sink = np.append(start.die_c[0], die), np.append(start.sink_c[0], sink)
        power = self._day.board.idle_w + self._level * above
        power = power + self._slope * ((die[1:] + die[:-1]) / 2 - start.mean_die_c)
        course = Course(above, power, die, sink, die[1:])
        joule_price = np.maximum(result.eqlin.marginals[: self._blocks], 0.0)
        second_price = np.zeros(self._blocks)
        if self._hurried:
            each = np.maximum(-result.ineqlin.marginals[-self._blocks - 1 :], 0.0)
            second_price = each[:-1] + each[-1]
        return Solution(-float(result.fun), shares, course, joule_price, second_price)

    # ------------------------------------------------------------ rows

    def _equal(self) -> tuple[Any, Floats]:
        """What the shares draw, and how heat moves."""
        columns, blocks, around = self._columns, self._blocks, self._around
        drawn = self._shares(columns.block, -columns.draw_j, blocks)
        draws = self._wide(drawn, self._diagonal(np.ones(blocks)), None, None)
        with_fan, without = (
            np.array(heat_map(self._day.board, 1.0, fan_running=fan)) for fan in (True, False)
        )
        heat = np.where(np.array(self._day.fan_running)[:, None], with_fan, without).T
        air = np.array(self._day.ambient_c)
        power = self._day.board.idle_w - self._slope * around.mean_die_c
        rows, sides = [draws], [np.zeros(blocks)]
        for own, (to_die, to_sink, to_power, to_air) in enumerate((heat[:4], heat[4:])):
            from_power = self._power_rows(to_power)
            before = self._diagonal(to_die, -1), self._diagonal(to_sink, -1)
            is_die, is_sink = (self._diagonal(np.full(blocks, float(own == k))) for k in (0, 1))
            row = self._wide(None, None, is_die - before[0], is_sink - before[1]) - from_power
            side = to_power * power + to_air * air
            side[0] += to_die[0] * around.die_c[0] + to_sink[0] * around.sink_c[0]
            side[0] += to_power[0] * self._slope[0] * around.die_c[0] / 2
            rows.append(row)
            sides.append(side)
        return self._sparse.vstack(rows, format="csr"), np.concatenate(sides)

    def _at_most(self) -> tuple[Any, Floats]:
        """Each group is served once; power budgets; the energy of the day; the time there is."""
        columns, day, nothing_w = self._columns, self._day, self._nothing.power_w
        groups = len(columns.frames)
        served = self._wide(self._shares(columns.group, np.ones(self._count), groups))
        rows, sides = [served], [np.ones(groups)]
        power = self._power_rows(np.ones(self._blocks))
        fixed = day.board.idle_w - self._slope * self._around.mean_die_c
        fixed[0] += self._slope[0] * self._around.die_c[0] / 2
        budgets = np.array([np.inf if w is None else w for w in day.power_limit_w])
        held = np.flatnonzero(np.isfinite(budgets))
        if held.size:
            rows.append(power[held])
            sides.append((np.maximum(budgets, nothing_w + _SLACK) - fixed)[held])
        if day.energy_j is not None:
            rows.append(self._sparse.csr_matrix(power.sum(axis=0)))
            least_j = nothing_w.sum() + _SLACK
            sides.append(np.array([max(day.energy_j, least_j) - fixed.sum()]))
        if self._hurried:
            # Of each second and of the day: the last frame of either may end behind it.
            longest_s = (columns.busy_s / columns.frames[columns.group]).max(initial=0.0)
            busy = self._wide(self._shares(columns.block, columns.busy_s, self._blocks))
            rows += [busy, self._sparse.csr_matrix(busy.sum(axis=0))]
            sides += [np.full(self._blocks, 1.0 + longest_s), np.array([self._blocks + longest_s])]
        return self._sparse.vstack(rows, format="csr"), np.concatenate(sides)

    def _bounds(self) -> Floats:
        """Shares from 0; the die up to its limit."""
        low = np.full(len(self.objective), -np.inf)
        low[: self._count + self._blocks] = 0.0
        high = np.full(len(self.objective), np.inf)
        limits = [np.inf if lim.temp_c is None else lim.temp_c for lim in self._day.limits]
        die = slice(self._count + self._blocks, self._count + 2 * self._blocks)
        high[die] = np.maximum(limits, self._nothing.die_c[1:] + _SLACK)
        return np.stack([low, high], axis=1)

    # ------------------------------------------------------------ pieces of rows

    def _power_rows(self, factor: Floats) -> Any:
        """Each second's power, less what is fixed, times a factor."""
        half = factor * self._slope / 2
        die = self._diagonal(half) + self._diagonal(half, -1)
        return self._wide(None, self._diagonal(factor * self._level), die, None)

    def _shares(self, row: Ints, value: Floats, rows: int) -> Any:
        """Rows of the shares alone: each column's value in its row."""
        place = (row, np.arange(self._count))
        return self._sparse.csr_matrix((value, place), shape=(rows, self._count))

    def _diagonal(self, values: Floats, offset: int = 0) -> Any:
        """Of (B, B); with offset -1 row b has its value in column b - 1, and row 0 none."""
        row = np.arange(-offset, self._blocks)
        shape = (self._blocks, self._blocks)
        return self._sparse.csr_matrix((values[row], (row, row + offset)), shape=shape)

    def _wide(self, shares: Any, above: Any = None, die: Any = None, sink: Any = None) -> Any:
        """Rows of all variables from parts; what is None is zero."""
        parts = (shares, above, die, sink)
        height = next(part.shape[0] for part in parts if part is not None)
        filled = [
            self._sparse.csr_matrix((height, width)) if part is None else part
            for part, width in zip(parts, (self._count, *[self._blocks] * 3), strict=True)
        ]
        return self._sparse.hstack(filled, format="csr")


def _scipy(name: str) -> Any:
    return needs(f"scipy.{name}", "evaluate", "to ask the oracle")


def _leakage(board: WorldBoard, around: Course) -> tuple[Floats, Floats]:
    """How power goes with temperature (W/K), and with power above idle, around a course."""
    mean_c = around.mean_die_c
    level = np.array([board.leakage(temp_c) for temp_c in mean_c.tolist()])
    linear = 1 + board.leakage_per_k * (mean_c - board.leakage_reference_c)
    slope = np.where(level > linear, 0.0, board.leakage_per_k * around.above_idle_w)
    return slope, level
