"""The oracle: what a controller that knows the whole day could reach at most, and its plan.

A linear program over time shares in seconds: the slowdown of every frame, the air, the fan, every
limit and the board's true constants are known beforehand, switching is free, a frame may be
skipped. Whatever keeps the limits scores no more, but for the tolerances named at `score`.

Source:
    Wan et al.: ALERT, USENIX ATC 2020, section 5: an oracle with perfect knowledge of every
    input. Differs: heat couples the frames, so that a program decides on the whole day at once.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from edgert.evaluation.day import Day
from edgert.evaluation.oracle_frames import (
    Columns,
    Floats,
    Frames,
    columns_by_block,
    columns_by_frame,
    frames_from_day,
)
from edgert.evaluation.oracle_program import Course, Solution, course_of, solve
from edgert.records import Profile, Record

ROUNDS, SETTLED_K = 4, 0.1
STEPS = 20  # of a second, when a plan is replayed: the plant's ticks

Knowing = Literal["frames", "seconds"]


class OracleResult(Record, frozen=True, kw_only=True):
    """What the oracle reaches. Lists have one value a second.

    accuracy: Sum of the accuracies of frames in time over all frames: `Outcome.accuracy`'s bound.
    ceiling: No choice frame by frame scores more, at the prices that the program found.
    names: Of the configurations, as the profile has them.
    shares: Of each second's frames that run on each configuration; the rest is skipped.
    above_idle_w: The plan's power above idle, without leakage.
    power_w, temps_c: As the program has them: mean of the second, die at its end.
    rounds: How often the program was solved for its leakage.
    mismatch_k: Largest difference between the die's temperature in the program and in a replay
        with leakage as it is.
    """

    accuracy: float
    ceiling: float
    names: list[str]
    shares: list[list[float]]
    above_idle_w: list[float]
    power_w: list[float]
    temps_c: list[float]
    rounds: int
    mismatch_k: float


class PlanCheck(Record, frozen=True, kw_only=True):
    """By how much a plan passes the limits when it is replayed in ticks; 0 where it does not.

    `over_temp_k` counts at any tick, `over_power_w` in any whole second, `over_energy_j` in all.
    """

    over_temp_k: float
    over_power_w: float
    over_energy_j: float
    hottest_c: float
    energy_j: float


def score(day: Day, profile: Profile, *, knowing: Knowing = "frames") -> OracleResult:
    """Ask the oracle.

    A bound up to these: power is even within a second, and heat is held to the limit at the
    seconds' ends (0.1 K); frames that the same configurations serve in time count with the mean
    of their slowdowns (`ceiling` tells how much that can hide); leakage is that of the second's
    mean temperature. A limit that even doing nothing passes is raised to what that takes.
    Throttling and cold starts are left out, which can only raise the score.

    Args:
        day: The day.
        profile: Accuracies and latencies; powers are the day's true ones.
        knowing: "frames": a frame is only given to a configuration that serves it in time.
            "seconds": the frames of a second are served alike, and those late are lost: what a
            controller could do that knows the course of slowdown, but not the single frame.

    Raises:
        MissingDependencyError: scipy is not installed.
    """
    frames = frames_from_day(day, profile)
    columns = columns_by_frame(frames) if knowing == "frames" else columns_by_block(frames)
    around = course_of(day, np.zeros(day.duration_s))  # the least leakage there can be
    solution, rounds = solve(day, columns, around, hurried=frames.hurried), 1
    while rounds < ROUNDS and _moved_k(solution.course, around) > SETTLED_K:
        around = course_of(day, solution.course.above_idle_w)
        solution = solve(day, columns, around, hurried=frames.hurried)
        rounds += 1
    course = solution.course
    replayed = course_of(day, course.above_idle_w, steps=STEPS)
    return OracleResult(
        accuracy=solution.value,
        ceiling=solution.value + _hidden(frames, columns, solution),
        names=[entry.name for entry in profile.entries],
        shares=_shares(frames, columns, solution, day.duration_s),
        above_idle_w=course.above_idle_w.tolist(),
        power_w=course.power_w.tolist(),
        temps_c=course.die_c[1:].tolist(),
        rounds=rounds,
        mismatch_k=_moved_k(replayed, course),
    )


def check(day: Day, result: OracleResult) -> PlanCheck:
    """Replay a plan in the plant's ticks, with leakage as it is, and hold it to the limits."""
    course = course_of(day, np.array(result.above_idle_w), steps=STEPS)
    energy_j = float(course.power_w.sum())
    return PlanCheck(
        over_temp_k=_over(course.hottest_c, [limits.temp_c for limits in day.limits]),
        over_power_w=_over(course.power_w, day.power_limit_w),
        over_energy_j=0.0 if day.energy_j is None else max(energy_j - day.energy_j, 0.0),
        hottest_c=float(course.hottest_c.max()),
        energy_j=energy_j,
    )


def _over(values: Floats, limits: Sequence[float | None]) -> float:
    """By how much the values pass their limits at most; None is no limit."""
    known = np.array([np.inf if limit is None else limit for limit in limits])
    return max(float((values - known).max()), 0.0)


def _moved_k(one: Course, other: Course) -> float:
    return float(np.abs(one.die_c - other.die_c).max())


def _hidden(frames: Frames, columns: Columns, solution: Solution) -> float:
    """What choosing frame by frame could gain over the program, at its prices.

    Lagrange's bound: with the prices of each second's energy and time fixed, every frame is
    decided on by itself, and no plan that keeps the limits does better than all of these
    decisions together.
    """
    count = len(frames.block)
    gains = np.where(frames.in_time, frames.accuracy / count, 0.0)
    gains -= solution.joule_price[frames.block][:, None] * frames.draw_j
    gains -= solution.second_price[frames.block][:, None] * frames.busy_s
    by_frame = np.maximum(gains.max(axis=1), 0.0).sum()
    worth = columns.value - solution.joule_price[columns.block] * columns.draw_j
    worth -= solution.second_price[columns.block] * columns.busy_s
    best = np.zeros(len(columns.frames))
    np.maximum.at(best, columns.group, worth)
    return float(by_frame - best.sum())


def _shares(
    frames: Frames, columns: Columns, solution: Solution, seconds: int
) -> list[list[float]]:
    """Of each second's frames, by configuration as the profile has them."""
    shares: Floats = np.zeros((seconds, len(frames.place)))
    served = solution.shares * columns.frames[columns.group]
    np.add.at(shares, (columns.block, np.array(frames.place)[columns.choice]), served)
    arrived = np.maximum(np.bincount(frames.block, minlength=seconds), 1)
    listed: list[list[float]] = (shares / arrived[:, None]).tolist()
    return listed
