"""The search's memory: what was scored, timed or finished is journaled and never done twice."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from edgert.families.ofa_cost import macs_of_subnet
from edgert.families.ofa_space import Subnet
from edgert.search.budget import Budget
from edgert.search.journal import Journal
from edgert.search.latency import FULL_COST, Cost
from edgert.search.subnets.genes import word_of
from edgert.search.subnets.scoring import Scorer
from edgert.search.subnets.supernet import Supernet
from edgert.search.subnets.timing import SubnetTimer

Progress = Callable[[str, int, int, str], None]
Finish = Callable[[Subnet], dict[str, Any]]


class SubnetLedger:
    """Scores, times and finishes subnets, each once over all starts of the search.

    Args:
        supernet: What subnets are cut from.
        journal: Open.
        scorer: Says how good they are.
        timer: Times them; None: MACs are the cost.
        finish: Makes a subnet ready to be written and tells what came of it.
        budget: Is told when the results were made that are used.
        progress: Called with each result.
    """

    def __init__(
        self,
        supernet: Supernet,
        *,
        journal: Journal,
        scorer: Scorer,
        timer: SubnetTimer | None,
        finish: Finish,
        budget: Budget,
        progress: Progress,
    ) -> None:
        self.supernet, self.scorer, self.budget = supernet, scorer, budget
        self._journal, self._timer, self._finish = journal, timer, finish
        self.progress = progress
        self._results = {
            (str(r["kind"]), str(r["word"])): r for r in journal.records if "word" in r
        }
        self._full_macs = macs_of_subnet(supernet.space, supernet.full)
        self._scored: dict[str, float] = {}

    @property
    def is_timed(self) -> bool:
        """Whether measured latency is the cost."""
        return self._timer is not None

    @property
    def scored(self) -> int:
        """How many subnets this search has asked the scores of."""
        return len(self._scored)

    def score(self, subnets: Sequence[Subnet], *, stage: str, total: int = 0) -> list[float]:
        """The score that chooses, of each subnet."""
        return [self._score(subnet, stage, total) for subnet in subnets]

    def time(self, subnets: Iterable[Subnet], *, stage: str, final: bool = False) -> None:
        """Time subnets on this device; does nothing where MACs are the cost."""
        if self._timer is None:
            return
        kind = "final-cost" if final else "cost"
        words = {self._word(subnet): subnet for subnet in subnets if not self._is_full(subnet)}
        missing = [subnet for word, subnet in words.items() if (kind, word) not in self._results]
        done = 0
        for timed in self._timer.measure(missing, final=final):
            for subnet, cost in zip(timed.subnets, timed.costs, strict=True):
                measured = {
                    "ratio": cost.ratio,
                    "error": cost.error,
                    "spread": cost.spread,
                    "median_s": cost.median_s,
                    "full_s": timed.full.median_s,
                }
                self._keep(kind, subnet, measured)
            done += len(timed.subnets)
            self.progress(stage, done, len(missing), "timed on this device")
        for word in words:
            self._reach(kind, word)

    def cost(self, subnet: Subnet, *, final: bool = False) -> Cost | None:
        """What a subnet costs, of the whole one, as measured or counted; None: not measured."""
        if self._timer is None:
            return Cost(macs_of_subnet(self.supernet.space, subnet) / self._full_macs)
        if self._is_full(subnet):
            return FULL_COST
        record = self._results.get(("final-cost" if final else "cost", self._word(subnet)))
        if record is None:
            return None
        return Cost(record["ratio"], record["error"], record["spread"], record["median_s"])

    def full_s(self, subnets: Iterable[Subnet]) -> float | None:
        """The whole supernet's median seconds while these were timed for the last time."""
        keys = [("final-cost", self._word(subnet)) for subnet in subnets]
        found = sorted(float(self._results[k]["full_s"]) for k in keys if k in self._results)
        return found[len(found) // 2] if found else None

    def finish(self, subnets: Sequence[Subnet], *, stage: str) -> list[dict[str, Any]]:
        """Make subnets ready to be written; what came of each."""
        for done, subnet in enumerate(subnets, start=1):
            word = self._word(subnet)
            if ("final", word) not in self._results:
                self._keep("final", subnet, self._finish(subnet))
            self._reach("final", word)
            self.progress(stage, done, len(subnets), "recalibrated on all pictures")
        return [self._results["final", self._word(subnet)] for subnet in subnets]

    def _score(self, subnet: Subnet, stage: str, total: int) -> float:
        word = self._word(subnet)
        if self.scorer.is_free:
            score = self.scorer(subnet)
        else:
            if ("score", word) not in self._results:
                self._keep("score", subnet, {"score": self.scorer(subnet)})
            score = float(self._results["score", word]["score"])
            self._reach("score", word)
        self._scored[word] = score
        if not self.scorer.is_free:
            self.progress(stage, self.scored, total, f"{self.scorer.metric} {score:.2%}")
        return score

    def _keep(self, kind: str, subnet: Subnet, result: dict[str, Any]) -> None:
        word = self._word(subnet)
        elapsed_s = round(self.budget.spent_s, 3)
        record = {"kind": kind, "word": word, **result, "elapsed_s": elapsed_s}
        self._journal.append(record)
        self._results[kind, word] = record

    def _reach(self, kind: str, word: str) -> None:
        self.budget.reach(float(self._results[kind, word]["elapsed_s"]))

    def _word(self, subnet: Subnet) -> str:
        return word_of(self.supernet.space, subnet)

    def _is_full(self, subnet: Subnet) -> bool:
        return self._word(subnet) == self._word(self.supernet.full)
