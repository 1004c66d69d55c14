"""A day: everything the world does, fixed before any controller runs and whatever it does.

    day = make_day("thermal", seed=3)
    day.slowdown[k]        of frame k, which arrives at k * day.period_s
    day.ambient_c[s]       in second s, from s to s + 1; fan_running and limits likewise

Each part is drawn from a stream of its own, so that days of one seed share their slowdown,
whatever the scenario.
"""

import random

import msgspec

from edgert.evaluation.board import (
    COOLEST_C,
    HOTTEST_C,
    WorldBoard,
    draw_board,
    with_trip_above,
)
from edgert.evaluation.scenarios import Scenario, open_scenario
from edgert.evaluation.slowdown import draw_slowdown
from edgert.records import Limits, Record

DURATION_S, PERIOD_S = 900, 1 / 30
_BUDGET_START_W, _BUDGET_LOW_W = 9.0, (6.2, 7.4)
_BATTERY_W = (6.0, 8.0)
_QUIET_AMBIENT_C = 25.0


class Day(Record, frozen=True, kw_only=True):
    """What happens. Lists per second have `duration_s` elements.

    limits: What the operator asks for in each second; the same object until it changes.
    gaps: (start_s, end_s) in which telemetry delivers nothing new.
    over_current: (time_s, cause) of each event.
    """

    scenario: str
    seed: int
    duration_s: int
    period_s: float
    board: WorldBoard
    slowdown: list[float]
    ambient_c: list[float]
    fan_running: list[bool]
    limits: list[Limits]
    gaps: list[tuple[float, float]] = msgspec.field(default_factory=list)
    over_current: list[tuple[float, str]] = msgspec.field(default_factory=list)

    @property
    def frames(self) -> int:
        """How many frames arrive."""
        return len(self.slowdown)

    @property
    def power_limit_w(self) -> list[float | None]:
        """The power budget of each second."""
        return [limits.power_w for limits in self.limits]

    @property
    def temp_limit_c(self) -> float | None:
        """The lowest temperature limit of the day."""
        known = [limits.temp_c for limits in self.limits if limits.temp_c is not None]
        return min(known, default=None)

    @property
    def deadline_s(self) -> float | None:
        """The shortest deadline of the day."""
        known = [limits.deadline_s for limits in self.limits if limits.deadline_s is not None]
        return min(known, default=None)

    @property
    def energy_j(self) -> float | None:
        """The energy budget of the whole day."""
        return self.limits[0].energy_j


def make_day(
    scenario: Scenario | str, seed: int, *, duration_s: int = DURATION_S, calm: bool = False
) -> Day:
    """Draw a day.

    Args:
        scenario: One of SCENARIOS, or its name.
        seed: Of every stream; the same seed and duration give the same day.
        duration_s: Whole seconds.
        calm: No slowdown, gaps or events, cool air, exact powers: for controls.

    Raises:
        SettingsError: No scenario of that name.
        ValueError: A duration below one second.
    """
    if duration_s < 1:
        raise ValueError(f"a day lasts at least a second, not {duration_s}")
    if isinstance(scenario, str):
        scenario = open_scenario(scenario)
    frames = round(duration_s / PERIOD_S)
    ambient_c = _ambient(scenario, seed, duration_s, calm=calm)
    board, limit_c = draw_board(seed, ambient_c=ambient_c[0])
    if scenario.heat:
        board = with_trip_above(board, limit_c)
    if calm:
        board = msgspec.structs.replace(board, power_spread_ratio=0.0)
    return Day(
        scenario=scenario.name,
        seed=seed,
        duration_s=duration_s,
        period_s=PERIOD_S,
        board=board,
        slowdown=[1.0] * frames if calm else draw_slowdown(seed, frames, PERIOD_S),
        ambient_c=ambient_c,
        fan_running=_fan(scenario, seed, duration_s, calm=calm),
        limits=_limits(scenario, seed, duration_s, limit_c),
        gaps=[] if calm else _gaps(seed, duration_s),
        over_current=[] if calm else _over_current(scenario, seed, duration_s),
    )


def _ambient(scenario: Scenario, seed: int, duration_s: int, *, calm: bool) -> list[float]:
    if calm or not scenario.heat:
        return [_QUIET_AMBIENT_C] * duration_s
    chance = random.Random(f"{seed}/ambient")
    begin_s = chance.uniform(0.05, 0.2) * duration_s
    span_s = chance.uniform(0.35, 0.6) * duration_s
    rise_k = HOTTEST_C - COOLEST_C
    return [
        COOLEST_C + rise_k * min(max((second - begin_s) / span_s, 0.0), 1.0)
        for second in range(duration_s)
    ]


def _fan(scenario: Scenario, seed: int, duration_s: int, *, calm: bool) -> list[bool]:
    running = [True] * duration_s
    chance = random.Random(f"{seed}/fan")
    if calm or not scenario.heat or chance.random() < 0.5:
        return running
    lasts_s = min(chance.randint(60, 120), duration_s // 5)
    begin_s = int(chance.uniform(0.25, 0.75) * duration_s)
    running[begin_s : begin_s + lasts_s] = [False] * lasts_s
    return running[:duration_s]


def _limits(scenario: Scenario, seed: int, duration_s: int, limit_c: float) -> list[Limits]:
    chance = random.Random(f"{seed}/limits")
    battery_w = chance.uniform(*_BATTERY_W)
    budgets_w = _budgets(chance, duration_s) if scenario.budget else [None] * duration_s
    by_budget = {
        budget_w: Limits(
            deadline_s=PERIOD_S,
            period_s=PERIOD_S,
            power_w=budget_w,
            temp_c=limit_c if scenario.heat else None,
            energy_j=round(battery_w * duration_s, 1) if scenario.battery else None,
            mission_s=float(duration_s) if scenario.battery else None,
        )
        for budget_w in budgets_w
    }
    return [by_budget[budget_w] for budget_w in budgets_w]


def _budgets(chance: random.Random, duration_s: int) -> list[float | None]:
    """9 W at first, then steps that last 60 to 200 s; a quarter of them back to 9 W."""
    budgets_w: list[float | None] = [_BUDGET_START_W] * int(chance.uniform(0.1, 0.25) * duration_s)
    while len(budgets_w) < duration_s:
        low = not budgets_w or budgets_w[-1] == _BUDGET_START_W or chance.random() < 0.75
        level_w = round(chance.uniform(*_BUDGET_LOW_W), 1) if low else _BUDGET_START_W
        budgets_w += [level_w] * chance.randint(60, 200)
    return budgets_w[:duration_s]


def _gaps(seed: int, duration_s: int) -> list[tuple[float, float]]:
    chance = random.Random(f"{seed}/gaps")
    gaps = []
    for first in (0.1, 0.55):  # one in each half: two gaps never touch
        begin_s = chance.uniform(first, first + 0.3) * duration_s
        gaps.append((begin_s, begin_s + min(chance.uniform(3.0, 10.0), 0.05 * duration_s)))
    return gaps


def _over_current(scenario: Scenario, seed: int, duration_s: int) -> list[tuple[float, str]]:
    """Comparator trips too short for power sensors (facts: NVIDIA forum 321989); a few days."""
    chance = random.Random(f"{seed}/over-current")
    if not scenario.budget or chance.random() > 0.3:
        return []
    times_s = (chance.uniform(0.05, 0.95) * duration_s for _ in range(chance.randint(1, 2)))
    return [(time_s, "oc3") for time_s in sorted(times_s)]
