"""One controller through one day, and the best configuration in hindsight."""

import pytest

from edgert.control import CONTROLLERS
from edgert.errors import SettingsError
from edgert.evaluation.day import make_day
from edgert.evaluation.family import wide_profile
from edgert.evaluation.run import (
    BEST_STATIC,
    Static,
    best_static,
    check_controller,
    drive,
    evaluate,
    run_policy,
)
from edgert.evaluation.sensing import EXACT
from edgert.evaluation.variants import VARIANTS
from edgert.records import Limits
from tests.evaluation.days import TWO, Scripted, day_of

NOMINAL = VARIANTS["nominal"]


def test_decisions_are_timed_once_a_frame():
    policy = Scripted("big", "")
    tally, decide_s = run_policy(day_of(2), TWO, policy)
    assert len(decide_s) == tally.ran + tally.skipped == 20
    assert all(0 < spent_s < 1 for spent_s in decide_s)


def test_policy_sees_samples_no_earlier_than_they_are_delivered():
    policy = Scripted("small")
    run_policy(day_of(5), TWO, policy)
    assert policy.seen[0][1] is None
    lags = [now_s - sample.time_s for now_s, sample in policy.seen if sample is not None]
    assert min(lags) >= 0.08
    assert max(lags) < 0.08 + 0.1 + 0.1


def test_outcomes_carry_the_power_of_the_newest_sample():
    policy = Scripted("big")
    run_policy(day_of(5), TWO, policy, EXACT)
    assert policy.outcomes[0].power_w is None
    assert policy.outcomes[-1].power_w == policy.seen[-1][1].power_w


@pytest.mark.parametrize("name", [*CONTROLLERS, BEST_STATIC])
@pytest.mark.parametrize("variant", ["nominal", "wrong"])
def test_every_controller_gets_through_a_day(name, variant):
    day = make_day("both", 1, duration_s=20)
    outcome = evaluate(name, day, wide_profile(), VARIANTS[variant])
    assert 0 <= outcome.accuracy <= 0.8
    assert sum(outcome.shares.values()) == pytest.approx(1.0)


def test_best_static_is_the_most_accurate_that_keeps_the_limits():
    big_w, small_w = 3.5 + 6.5 * 0.6, 3.5 + 2.5 * 0.2
    for budget_w, expected in ((big_w + 0.1, "big"), (small_w + 0.1, "small")):
        outcome = best_static(day_of(5, limits=Limits(power_w=budget_w)), TWO, NOMINAL)
        assert outcome.shares[expected] == 1.0


def test_best_static_is_the_cheapest_where_none_keeps_the_limits():
    outcome = best_static(day_of(5, limits=Limits(power_w=3.6)), TWO, NOMINAL)
    assert outcome.shares["small"] == 1.0
    assert not outcome.keeps_limits


def test_best_static_is_the_hand_made_static_run():
    day, profile = make_day("deadline", 2, duration_s=30), wide_profile()
    best = best_static(day, profile, NOMINAL)
    name = max(best.shares, key=best.shares.get)
    tally, _ = run_policy(day, profile, Static(name, day.limits[0]))
    assert tally.score / tally.frames == best.accuracy
    for entry in profile.entries:
        other, _ = run_policy(day, profile, Static(entry.name, day.limits[0]))
        assert other.score <= tally.score


def test_drive_gives_the_books_of_the_same_run():
    day, profile = make_day("both", 1, duration_s=20), wide_profile()
    tally = drive("ladder", day, profile, NOMINAL)
    outcome = evaluate("ladder", day, profile, NOMINAL)
    assert tally.score / tally.frames == outcome.accuracy
    assert len(tally.mean_w) == len(tally.die_c) == len(tally.place) == 20


def test_unknown_controllers_are_refused():
    check_controller(BEST_STATIC)
    with pytest.raises(SettingsError, match="best-static, got 'clairvoyant'"):
        check_controller("clairvoyant")
