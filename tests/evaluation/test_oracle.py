"""The oracle is a bound: nothing that keeps the limits in the plant scores more."""

import itertools
import random
import sys

import msgspec
import pytest

from edgert.errors import MissingDependencyError
from edgert.evaluation.day import make_day
from edgert.evaluation.family import open_family
from edgert.evaluation.oracle import check, score
from edgert.evaluation.scenarios import SCENARIOS
from edgert.records import Limits
from tests.evaluation.oracle_days import (
    BOARD,
    day_of,
    keeps_all,
    profile_of,
    random_plan,
    run_plan,
    slowdown_of,
)

WIDE = open_family("wide")
NAMES = [entry.name for entry in WIDE.entries]
SMALL = profile_of((0.30, 14.0, 0.9), (0.18, 9.0, 0.7), (0.08, 5.0, 0.4))
TOLERANCE = 2e-4  # of accuracy, for heat within seconds


def every_plan(frames):
    return itertools.product([None, "c0", "c1", "c2"], repeat=frames)


# ---------------------------------------------------------------- brute force

TINY = {
    "power": Limits(deadline_s=0.5, power_w=7.0),
    "heat": Limits(deadline_s=0.5, temp_c=36.0),
    "all": Limits(deadline_s=0.45, power_w=8.5, temp_c=37.0, energy_j=21.0),
}


@pytest.mark.parametrize("name", TINY)
def test_no_plan_of_all_there_are_scores_more(name):
    day = day_of([1.0, 1.4, 1.1, 1.6, 1.05, 1.2], period_s=0.5, duration_s=3, limits=TINY[name])
    best, kept = 0.0, 0
    for plan in every_plan(day.frames):
        tally, outcome = run_plan(day, SMALL, plan)
        if keeps_all(day, tally, outcome):
            best, kept = max(best, outcome.accuracy), kept + 1
    result = score(day, SMALL)
    assert kept > 10
    assert best <= result.ceiling + TOLERANCE
    assert result.accuracy <= result.ceiling + 1e-9
    assert result.accuracy <= best + 0.15  # six whole frames come no nearer to shares than this


def test_a_deadline_alone_is_reached_exactly():
    day = day_of([1.0, 1.4, 1.1, 9.0], period_s=0.5, duration_s=2, limits=Limits(deadline_s=0.4))
    result = score(day, SMALL)
    # c0 .30 and .33 s in time, .42 s not, and nothing serves the last frame
    assert result.accuracy == pytest.approx((0.9 + 0.7 + 0.9 + 0.0) / 4)
    assert result.ceiling == pytest.approx(result.accuracy)
    assert result.shares == [[0.5, 0.5, 0.0], [0.5, 0.0, 0.0]]


def test_a_power_budget_is_shared_as_worked_out_by_hand():
    board = msgspec.structs.replace(BOARD, leakage_per_k=0.0)
    limits = Limits(deadline_s=0.5, power_w=7.0)
    day = day_of([1.0] * 8, period_s=0.5, duration_s=4, limits=limits, board=board)
    # 4 W above idle: c1 on all frames takes 2 x .18 x 6 = 2.16, c0 6.60; share of c0 .414
    share = (4 - 2.16) / (6.60 - 2.16)
    result = score(day, SMALL)
    assert result.accuracy == pytest.approx(0.9 * share + 0.7 * (1 - share), abs=1e-6)
    assert result.power_w == pytest.approx([7.0] * 4)
    assert result.shares[2] == pytest.approx([share, 1 - share, 0.0], abs=1e-6)


# ---------------------------------------------------------------- plans that just keep the limits


def just_kept(day, tally):
    """The same day with limits that this run just keeps."""
    energy_j = tally.energy_j + 1e-6
    limits = [
        Limits(
            deadline_s=day.deadline_s, power_w=watts + 1e-6, temp_c=hottest_c, energy_j=energy_j
        )
        for watts, hottest_c in zip(
            tally.mean_w, [max(tally.die_c)] * len(tally.die_c), strict=True
        )
    ]
    return msgspec.structs.replace(day, limits=limits)


@pytest.mark.parametrize("seed", range(6))
def test_no_random_plan_scores_more_under_limits_that_it_just_keeps(seed):
    chance = random.Random(seed)
    free = day_of(
        slowdown_of(seed, 900),
        period_s=1 / 30,
        duration_s=30,
        limits=Limits(deadline_s=1 / 30),
        fan=[True] * 15 + [False] * 15,
    )
    plan = random_plan(chance, NAMES, free.frames)
    tally, _ = run_plan(free, WIDE, plan)
    day = just_kept(free, tally)
    again, outcome = run_plan(day, WIDE, plan)
    assert keeps_all(day, again, outcome)
    result = score(day, WIDE)
    assert outcome.accuracy <= result.accuracy + TOLERANCE
    assert outcome.accuracy <= result.ceiling + TOLERANCE
    assert result.accuracy < 0.8


@pytest.mark.parametrize("name", NAMES)
def test_no_static_plan_scores_more_under_limits_that_it_just_keeps(name):
    free = make_day("deadline", 3, duration_s=40)
    tally, _ = run_plan(free, WIDE, [name] * free.frames)
    day = just_kept(free, tally)
    _, outcome = run_plan(day, WIDE, [name] * free.frames)
    result = score(day, WIDE)
    assert outcome.hot_s == 0
    assert outcome.accuracy <= result.accuracy + TOLERANCE


def test_a_plan_that_passes_the_limits_can_score_more():
    """Or the comparisons above would hold for any limits."""
    day = make_day("power", 1, duration_s=60)
    tight = msgspec.structs.replace(
        day, limits=[msgspec.structs.replace(lim, power_w=5.0) for lim in day.limits]
    )
    _, outcome = run_plan(tight, WIDE, [NAMES[3]] * tight.frames)
    assert outcome.broken_window_ratio > 0.9
    assert outcome.accuracy > score(tight, WIDE).ceiling + 0.05


# ---------------------------------------------------------------- the plan itself


def plan_of(day, result):
    """The oracle's shares as one name for each frame, by whose debt is the largest."""
    debts, plan = dict.fromkeys([*result.names, None], 0.0), []
    cheapest_first = sorted(result.names, key=lambda name: WIDE.entry(name).latency_s)
    for frame, slowdown in enumerate(day.slowdown):
        row = result.shares[min(int((frame + 0.01) * day.period_s), day.duration_s - 1)]
        for name, share in zip(result.names, row, strict=True):
            debts[name] += share
        debts[None] += 1 - sum(row)
        fits = [n for n in cheapest_first if WIDE.entry(n).latency_s * slowdown <= day.period_s]
        name = max([*fits, None], key=lambda n: debts[n])
        debts[name] -= 1
        plan.append(name)
    return plan


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_its_plan_run_in_the_plant_nearly_scores_it_and_nearly_keeps_the_limits(scenario):
    day = make_day(scenario, 2, duration_s=120)
    result = score(day, WIDE)
    tally, outcome = run_plan(day, WIDE, plan_of(day, result))
    assert outcome.accuracy == pytest.approx(result.accuracy, abs=0.015)
    budgets = [limits.power_w or 99.0 for limits in day.limits]
    assert max(w - b for w, b in zip(tally.mean_w, budgets, strict=True)) < 0.35
    if day.temp_limit_c is not None:
        assert outcome.hottest_c < day.temp_limit_c + 0.3
    if day.energy_j is not None:
        assert tally.energy_j < day.energy_j * 1.005
    # The sharpest limits that it keeps are those that it just keeps.
    assert outcome.accuracy <= score(just_kept(day, tally), WIDE).ceiling + TOLERANCE


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_replay_agrees_with_the_program(scenario):
    day = make_day(scenario, 4, duration_s=200)
    result = score(day, WIDE)
    found = check(day, result)
    assert result.mismatch_k < 0.05
    assert found.over_temp_k < 0.05
    assert found.over_power_w < 0.01
    assert found.over_energy_j < 0.001 * (day.energy_j or 1.0)
    assert found.energy_j == pytest.approx(sum(result.power_w), rel=1e-3)


def test_the_replay_tells_a_plan_that_passes_the_limits():
    day = make_day("both", 4, duration_s=300)
    result = score(day, WIDE)
    hungry = msgspec.structs.replace(
        result, above_idle_w=[watts + 4.0 for watts in result.above_idle_w]
    )
    found = check(day, hungry)
    assert found.over_power_w > 3.5
    assert found.over_temp_k > 0.5
    assert check(make_day("energy", 4, duration_s=300), hungry).over_energy_j > 100


def test_shares_are_shares_and_limits_hold_in_the_program():
    day = make_day("both", 6, duration_s=150)
    result = score(day, WIDE)
    assert all(share >= -1e-9 for row in result.shares for share in row)
    assert all(sum(row) <= 1 + 1e-6 for row in result.shares)
    assert max(result.temps_c) <= day.temp_limit_c + 1e-6
    for watts, budget_w in zip(result.power_w, day.power_limit_w, strict=True):
        assert watts <= budget_w + 1e-6


# ---------------------------------------------------------------- limits


def widened(day, **changes):
    each = {id(lim): msgspec.structs.replace(lim, **changes) for lim in day.limits}
    return msgspec.structs.replace(day, limits=[each[id(lim)] for lim in day.limits])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("power_w", (4.0, 5.0, 6.5, 8.0, 12.0, None)),
        ("temp_c", (40.0, 50.0, 55.0, 60.0, 70.0, None)),
        ("energy_j", (250.0, 400.0, 500.0, 650.0, 900.0, None)),
        ("deadline_s", (0.005, 0.012, 0.02, 0.028, 1 / 30)),
    ],
)
@pytest.mark.parametrize("knowing", ["frames", "seconds"])
def test_a_wider_limit_never_lowers_the_score(name, values, knowing):
    day = make_day("both", 8, duration_s=80)
    found = [
        score(widened(day, **{name: value}), WIDE, knowing=knowing).accuracy for value in values
    ]
    for narrow, wide in itertools.pairwise(found):
        assert wide >= narrow - 1e-6
    assert found[-1] > found[0] + 0.01


def test_limits_that_even_doing_nothing_passes_leave_a_score_of_nothing():
    day = widened(make_day("both", 8, duration_s=30), temp_c=10.0)
    result = score(day, WIDE)
    assert result.accuracy == pytest.approx(0.0, abs=1e-5)
    assert check(day, result).over_temp_k > 5
    starved = widened(make_day("energy", 8, duration_s=30), energy_j=1.0)
    assert score(starved, WIDE).accuracy == pytest.approx(0.0, abs=1e-5)


def test_knowing_only_the_seconds_scores_less_than_knowing_each_frame():
    day = make_day("deadline", 5, duration_s=60)
    frames, seconds = (score(day, WIDE, knowing=known) for known in ("frames", "seconds"))
    assert seconds.accuracy < frames.accuracy
    assert frames.ceiling <= seconds.ceiling + 1e-9


def test_without_a_deadline_there_is_only_so_much_time():
    slow = profile_of((0.9, 9.0, 0.9), (0.5, 9.0, 0.7))
    day = day_of([1.0] * 40, period_s=0.5, duration_s=20)
    result = score(day, slow)
    plans = (["c0"] * 40, ["c1"] * 40, ["c0", None] * 20)
    reached = max(run_plan(day, slow, plan)[1].accuracy for plan in plans)
    assert reached == pytest.approx(0.7)
    assert reached <= result.accuracy <= result.ceiling + 1e-9
    assert result.accuracy < 0.9  # c0 on every frame would take 36 s


def test_one_second_and_one_configuration_are_enough():
    day = day_of([1.0], period_s=1.0, duration_s=1, limits=Limits(deadline_s=1.0))
    assert score(day, profile_of((0.5, 8.0, 0.6))).accuracy == pytest.approx(0.6)


def test_an_entry_without_accuracy_is_worth_nothing():
    day = day_of([1.0] * 4, period_s=0.5, duration_s=2, limits=Limits(deadline_s=0.5))
    entries = [*profile_of((0.4, 9.0, 0.9)).entries]
    unknown = msgspec.structs.replace(entries[0], name="unknown", accuracy=None)
    profile = msgspec.structs.replace(profile_of((0.4, 9.0, 0.9)), entries=[unknown, *entries])
    assert score(day, profile).accuracy == pytest.approx(0.9)


def test_without_scipy_it_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    day = day_of([1.0], period_s=1.0, duration_s=1)
    with pytest.raises(MissingDependencyError, match=r"pip install 'edgert\[evaluate\]'"):
        score(day, SMALL)
