"""Nothing is worked for twice, and failures are results."""

from pathlib import Path

import pytest

from edgert.clock import VirtualClock
from edgert.errors import ArtifactError
from edgert.search.budget import Budget
from edgert.search.choice import key_of
from tests.search.synthetic import (
    FULL_MACS,
    FULL_SCORE,
    OPENED,
    TRIAL_S,
    additive,
    make_ledger,
    make_space,
)

SKIP = {"branch:b0": "skip"}


@pytest.fixture(autouse=True)
def _closed_journals():
    yield
    while OPENED:
        OPENED.pop().__exit__()


def opened(folder: Path, drop: float | None = 0.1):
    space = make_space()
    return make_ledger(
        folder, space, lambda choice: drop if choice else 0.0, additive(space, {"branch:b0": 0.3})
    )


def test_the_full_model_comes_first_and_all_else_is_compared_with_it(tmp_path: Path):
    ledger, workers, _ = opened(tmp_path)
    [trial] = ledger.evaluate([SKIP], stage="test")
    assert [choice for choice, _ in workers.asked] == [{}, SKIP]
    assert trial.drop == pytest.approx(0.1)
    assert trial.score == pytest.approx(FULL_SCORE - 0.1)
    assert ledger.full.drop == 0
    assert ledger.cost(trial).ratio == pytest.approx(0.7)
    assert trial.macs == round(0.7 * FULL_MACS)


def test_choices_that_mean_the_same_are_one_trial(tmp_path: Path):
    ledger, workers, _ = opened(tmp_path)
    same = [SKIP, {**SKIP, "channels:g0": 8}, {**SKIP, "channels:g1": 16}, SKIP]
    trials = ledger.evaluate(same, stage="test")
    assert len({trial.key for trial in trials}) == 1
    assert len(workers.asked) == 2
    assert ledger.evaluated == 2


def test_another_start_finds_all_that_the_first_one_did(tmp_path: Path):
    ledger, _, _ = opened(tmp_path)
    first = ledger.evaluate([SKIP, {"branch:b1": "skip"}], stage="test")
    OPENED.pop().__exit__()
    again, idle, _ = opened(tmp_path)
    assert again.budget.spent_s == 3 * TRIAL_S  # time counts over all starts
    assert again.evaluate([{"branch:b1": "skip"}, SKIP], stage="test") == first[::-1]
    assert idle.asked == []
    asked = [trial for trial in again.asked_so_far() if trial.choice]
    assert asked == first[::-1]  # in this start's own order
    assert again.evaluated == 0


def test_a_final_trial_is_another_one_than_a_trial(tmp_path: Path):
    ledger, workers, _ = opened(tmp_path)
    ledger.evaluate([SKIP], stage="test")
    [final] = ledger.evaluate([SKIP], stage="test", final=True)
    assert final.report_drop == pytest.approx(0.11)
    assert [final for _, final in workers.asked] == [False, False, True, True]
    assert len(ledger.trials()) == 2


def test_a_failure_is_kept_and_not_tried_again(tmp_path: Path):
    ledger, workers, _ = opened(tmp_path, drop=None)
    [trial] = ledger.evaluate([SKIP], stage="test")
    assert trial.failed
    assert trial.score is None
    assert trial.drop == 1.0
    ledger.evaluate([SKIP], stage="test")
    assert len(workers.asked) == 2


def test_what_no_trial_could_do_ends_the_search(tmp_path: Path):
    ledger, workers, _ = opened(tmp_path)
    parts = {"subject": "open", "expected": "a folder", "got": "none", "advice": "Share it"}

    def run(function, arguments, on_result):
        on_result({"key": key_of({}), "choice": {}, "fatal": parts})

    workers.run = run
    with pytest.raises(ArtifactError, match=r"^open: expected a folder, got none\. Share it\.$"):
        ledger.evaluate([{}], stage="test")
    assert not list(OPENED[-1].of_kind("trial"))  # and is no result


def test_progress_tells_the_stage_and_what_came(tmp_path: Path):
    ledger, _, said = opened(tmp_path)
    ledger.evaluate([SKIP, {"branch:b1": "skip"}], stage="single edits")
    assert said[1:] == [
        ("single edits", 1, 2, "score 70.00%"),
        ("single edits", 2, 2, "score 70.00%"),
    ]
    assert ledger.trial_s == TRIAL_S
    assert ledger.workers == 2


def test_a_budget_goes_on_from_what_was_spent():
    clock = VirtualClock()
    budget = Budget(100, spent_s=30, clock=clock)
    clock.sleep(20)
    assert budget.spent_s == 50
    assert not budget.is_past(0.5)  # nothing was used yet
    budget.reach(50)
    budget.reach(40)
    assert budget.is_past(0.5)
    assert not budget.is_past(0.51)


def test_results_that_are_looked_up_stand_where_they_were_made(tmp_path):
    """A second start has no less time for what the first one had time for."""
    first, _, _ = opened(tmp_path)
    first.evaluate([SKIP], stage="single edits")
    made_s = first.budget.spent_s
    first.evaluate([{"branch:b1": "skip"}], stage="greedy")
    OPENED.pop().__exit__()
    second, workers, _ = opened(tmp_path)
    second.evaluate([SKIP], stage="single edits")
    limit_s = second.budget.limit_s
    assert second.budget.spent_s > made_s
    assert second.budget.is_past(made_s / limit_s)
    assert not second.budget.is_past((made_s + 1) / limit_s)
    assert workers.asked == []
