"""What a search knows: trials and costs by choice, each looked up before it is worked for.

The stages ask here, and never know whether a result was in the journal already.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgert.errors import ArtifactError
from edgert.search.budget import Budget
from edgert.search.choice import Choice, Level, key_of
from edgert.search.executor import Workers
from edgert.search.journal import Journal
from edgert.search.latency import FULL_COST, Cost
from edgert.search.space import Space
from edgert.search.timer import Timer
from edgert.search.trial import evaluate

# Stage, results there, results wanted (0: nobody knows), what comes.
Progress = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Trial:
    """A choice and what came of it.

    Attributes:
        key: Of the choice.
        choice: Canonical.
        score: On the choosing half; None where it failed.
        drop: How far the score is below the full model's; negative where it is above.
        error: Standard error of the drop; None where there are too few frames.
        macs: Multiply-accumulates of one run; 0 where it failed.
        failed: Why, in words; empty where it did not.
        report: The score on the reporting half, of a final trial.
        report_drop: How far that is below the full model's.
        report_error: Standard error of that.
        uncompensated: What the same edits score there with the old weights.
    """

    key: str
    choice: dict[str, Level]
    score: float | None
    drop: float
    error: float | None
    macs: int
    failed: str = ""
    report: float | None = None
    report_drop: float | None = None
    report_error: float | None = None
    uncompensated: float | None = None


class Ledger:
    """Trials and costs of one search.

    Args:
        folder: The work folder.
        identity: Of the search.
        space: Makes choices canonical.
        journal: Where results are kept.
        workers: Who runs trials.
        timer: Measures cost; None where MACs are the cost.
        budget: Tells when a result came.
        progress: Called with each result.
    """

    def __init__(
        self,
        folder: Path,
        identity: str,
        *,
        space: Space,
        journal: Journal,
        workers: Workers,
        timer: Timer | None,
        budget: Budget,
        progress: Progress,
    ) -> None:
        self.folder, self.identity, self.space = folder, identity, space
        self.budget, self.progress = budget, progress
        self._journal, self._workers, self._timer = journal, workers, timer
        self._results: dict[tuple[str, str], dict[str, Any]] = {
            (record["kind"], record["key"]): record
            for record in journal.records
            if "key" in record
        }
        self._asked: dict[str, None] = {}
        self.evaluated = 0  # trials worked for, not looked up

    @property
    def full(self) -> Trial:
        """The full model, on the half that chooses."""
        return self.evaluate([{}], stage="reference")[0]

    def trials(self) -> list[Trial]:
        """Every trial of the search, failed ones and those of earlier starts among them."""
        full = self.full
        found = [r for (kind, _), r in self._results.items() if kind == "trial"]
        return [_trial(record, full) for record in found]

    def asked_so_far(self) -> list[Trial]:
        """The trials that this start asked for, in that order: the same after a kill."""
        full = self.full
        return [_trial(self._results["trial", key], full) for key in self._asked]

    def evaluate(
        self, choices: Iterable[Choice], *, stage: str, final: bool = False, total: int = 0
    ) -> list[Trial]:
        """Score choices, all that are not known at the same time.

        Args:
            choices: In any form; they are made canonical.
            stage: What it is done for, for the journal and the progress.
            final: With all calibration frames and on both halves.
            total: How many trials the stage will take; 0 if nobody knows.
        """
        kind = "final" if final else "trial"
        asked = [self.space.canonical(choice) for choice in choices]
        full_key = key_of({})
        if any(asked) and (kind, full_key) not in self._results:
            self.evaluate([{}], stage=stage, final=final)  # what the others are compared with
        missing = self._missing(kind, asked)
        done = 0

        def keep(result: dict[str, Any]) -> None:
            nonlocal done
            done += 1
            self._keep(kind, result, stage)
            wanted = total or len(missing)
            self.progress(stage, done, wanted, _summary(result))

        arguments = [(str(self.folder), self.identity, choice, final) for choice in missing]
        self._workers.run(evaluate, arguments, keep)
        self.evaluated += len(missing)
        self._reach(kind, asked)
        if not final:
            self._asked.update(dict.fromkeys(map(key_of, asked)))
        reference = _trial(self._results[kind, full_key], None) if asked else None
        return [_trial(self._results[kind, key_of(choice)], reference) for choice in asked]

    def measure(self, trials: Sequence[Trial], *, stage: str, final: bool = False) -> None:
        """Measure what trials cost; does nothing where MACs are the cost."""
        if self._timer is None:
            return
        kind = "final-cost" if final else "cost"
        wanted = [t for t in trials if t.choice and not t.failed]
        missing = self._missing(kind, [trial.choice for trial in wanted])
        for keys, costs in self._timer.measure(missing, final=final):
            for key in keys:
                cost = costs.get(key)
                self._keep(kind, _cost_record(key, cost), stage)
            self.progress(stage, 0, 0, f"timed {len(keys)} more on this device")
        self._reach(kind, [trial.choice for trial in wanted])

    def cost(self, trial: Trial, *, final: bool = False) -> Cost | None:
        """What a trial costs, as measured or counted; None where that is not known."""
        if not trial.choice:
            return FULL_COST
        if self._timer is None:
            return Cost(trial.macs / self.full.macs)
        record = self._results.get(("final-cost" if final else "cost", trial.key))
        if record is None or record.get("ratio") is None:
            return None
        return Cost(record["ratio"], record["error"], record["spread"], record["median_s"])

    @property
    def trial_s(self) -> float:
        """Seconds that a trial took one worker, on average; 0 where there is none."""
        took = [r["seconds"] for (kind, _), r in self._results.items() if kind == "trial"]
        return sum(took) / len(took) if took else 0.0

    @property
    def workers(self) -> int:
        """How many trials run at a time."""
        return self._workers.count

    def _reach(self, kind: str, choices: Iterable[Choice]) -> None:
        """Tell the budget when the results were made that are used now."""
        for choice in choices:
            record = self._results.get((kind, key_of(choice)), {})
            self.budget.reach(float(record.get("elapsed_s", 0.0)))

    def _missing(self, kind: str, choices: Iterable[Choice]) -> list[Choice]:
        by_key = {key_of(choice): choice for choice in choices}
        return [c for key, c in by_key.items() if (kind, key) not in self._results]

    def _keep(self, kind: str, result: dict[str, Any], stage: str) -> None:
        if "fatal" in result:
            raise ArtifactError(**result["fatal"])
        elapsed_s = round(self.budget.spent_s, 3)
        record = {"kind": kind, "stage": stage, **result, "elapsed_s": elapsed_s}
        self._journal.append(record)
        self._results[kind, result["key"]] = record


def _trial(record: dict[str, Any], full: Trial | None) -> Trial:
    if "failed" in record:
        return Trial(record["key"], record["choice"], None, 1.0, None, 0, record["failed"])
    scores, errors = record["scores"], record["errors"]
    score, report = scores["choose"], scores.get("report")
    report_drop = None
    if report is not None:
        report_drop = 0.0 if full is None or full.report is None else full.report - report
    return Trial(
        key=record["key"],
        choice=record["choice"],
        score=score,
        drop=0.0 if full is None or full.score is None else full.score - score,
        error=errors["choose"],
        macs=record["macs"],
        report=report,
        report_drop=report_drop,
        report_error=errors.get("report"),
        uncompensated=scores.get("uncompensated"),
    )


def _cost_record(key: str, cost: Cost | None) -> dict[str, Any]:
    if cost is None:  # a graph that could not be made or run
        return {"key": key, "ratio": None}
    return {
        "key": key,
        "ratio": cost.ratio,
        "error": cost.error,
        "spread": cost.spread,
        "median_s": cost.median_s,
    }


def _summary(result: dict[str, Any]) -> str:
    if "failed" in result:
        return "a trial that failed"
    scores = result.get("scores")
    return f"score {scores['choose']:.2%}" if scores else "a trial"
