"""Which models `benchmark.py prune` makes, and which of them answer which."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from own_process import Outcome

from benchmarks.pruning.bench import EXPORTED, MERGED, Bench, Row
from edgert.errors import BuildError
from edgert.optional import needs

BLOCKS, SHARES = (2, 4, 8), (10, 25, 50)
PEER_ROWS = [
    f"{graph}/{method}-{amount}"
    for graph in (EXPORTED, MERGED)
    for method, amounts in (("blocks", BLOCKS), ("wanda", SHARES))
    for amount in amounts
]
LOSSLESS = "edgert lossless"


class Comparison:
    """The rows of one run, made one after the other on a bench."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._rows = bench, bench.rows
        self._graphs = [EXPORTED]
        self._answers: dict[str, dict[str, str]] = {}  # to onnxsim's rows, by kind
        self._peer_version = ""

    def prepare(self) -> None:
        """Check the graphs that everything is made of.

        Raises:
            BuildError: The exported graph can't be scored; there is nothing to compare with.
        """
        onnx = needs("onnx", "build", "to read the exported graph")
        source = self._bench.family.graph_path
        exported = self._bench.add(Row(EXPORTED, "reference"))
        onnx.save(onnx.load(str(source)), str(self._bench.model(EXPORTED)))  # weights inside
        self._bench.check(exported)
        if exported.macs is None:
            raise BuildError(
                f"run {source}",
                expected="an exported graph that onnxruntime runs",
                got=exported.note,
                advice="Export the model again",
            )
        merged = self._bench.add(Row(MERGED, "reference"))
        outcome = self._bench.make(merged, "merge", {"graph": self._source(EXPORTED)})
        if not outcome.failed and not outcome.result["merged"]:
            merged.note = "nothing to merge"
        self._bench.check(merged)
        if merged.macs is not None:
            self._graphs.append(MERGED)

    def peer(self, name: str) -> None:
        """One of onnxsim's rows; those of a merged graph only where there is one."""
        graph, _, setting = name.partition("/")
        if graph not in self._graphs:
            return
        method, _, amount = setting.partition("-")
        row = self._bench.add(Row(name, "onnxsim", graph))
        parameters = {
            "graph": self._source(graph),
            "frames": str(self._bench.frames),
            "method": method,
            "amount": int(amount) if method == "blocks" else int(amount) / 100,
        }
        outcome = self._bench.make(row, "onnxsim", parameters)
        self._peer_version = outcome.result.get("version", self._peer_version)
        self._bench.check(row, source=self._rows[graph])
        self._answers[name] = {}

    def plain(self) -> None:
        """As many branches skipped as onnxsim was asked to drop, on the same graph."""
        for name, answers in self._answers.items():
            graph, _, setting = name.partition("/")
            if not setting.startswith("blocks-"):
                continue
            count = int(setting.removeprefix("blocks-"))
            losses = self._bench.once("skip_losses", self._graphs[-1])
            parameters = {
                "graph": self._source(graph),
                "losses": losses.result.get("losses", {}),
                "count": count,
            }
            row = self._bench.add(Row(f"{graph}/skip-{count}", "plain skip", graph))
            self._bench.make(row, "skip", parameters, after=losses)
            self._bench.check(row)
            answers["plain"] = row.name

    def answer(self) -> None:
        """For each of onnxsim's rows, the largest first, what edgert has at its cost."""
        budgets = {name: macs for name in self._answers if (macs := self._rows[name].macs)}
        last = self._uniform(LOSSLESS, self._lossless_macs)
        own = self._configurations()
        for name in sorted(budgets, key=budgets.__getitem__, reverse=True):
            budget = budgets[name]
            # what fits the budget before and this one too is the dearest that fits this one
            if last.macs is None or last.macs > budget:
                made = sum(row.by == "edgert" for row in self._rows.values())
                last = self._uniform(f"edgert uniform {made}", budget)
            self._answers[name]["uniform"] = last.name
            best = self._best_configuration(own, budget)
            if best is not None:
                self._answers[name]["family"] = best

    def result(self) -> dict[str, Any]:
        """All of it as plain data."""
        bench, baseline = self._bench, self._rows[EXPORTED].figures
        return {
            "family": bench.family.family.name,
            "baseline": EXPORTED,
            "peer": f"onnxsim {self._peer_version}".rstrip(),
            "calibration_frames": bench.calibration_frames,
            "validation_frames": bench.validation_frames,
            "rounds": bench.arguments.rounds,
            "threads": bench.arguments.threads,
            "rows": [_plain(row, baseline) for row in self._rows.values()],
            "answers": self._answers,
        }

    # ---------------------------------------------------------------- what edgert makes

    def _uniform(self, name: str, budget: int) -> Row:
        fitted = budget < self._lossless_macs
        calibration = self._bench.once("calibrate", EXPORTED) if fitted else None
        row = self._bench.add(Row(name, "edgert"))
        parameters = {
            "graph": self._source(EXPORTED),
            "calibration": str(self._bench.folder("calibrate")),
            "most_macs": budget,
            "threads": self._bench.arguments.threads,
        }
        outcome = self._bench.make(row, "uniform", parameters, after=calibration)
        self._bench.check(row)
        if not outcome.failed and not row.note:
            row.note = _described(outcome.result)
        return row

    def _configurations(self) -> dict[str, int]:
        """MACs of the family's own configurations, derived; none where that fails."""
        outcome: Outcome = self._bench.step(
            "configurations", "family", {"family": str(self._bench.family.path)}
        )
        if outcome.failed:
            self._bench.add(Row("family", "edgert, family", note=f"failed: {outcome.failed}"))
        found: dict[str, int] = outcome.result.get("macs", {})
        return found

    def _best_configuration(self, macs: Mapping[str, int], budget: int) -> str | None:
        """The row of the best configuration within a budget.

        Best by the score that family.yaml states, or the dearest where it does not say for all.
        """
        configurations = self._bench.family.family.configurations
        scores = {c.name: c.accuracy.value for c in configurations if c.accuracy is not None}
        fitting = [name for name, taken in macs.items() if taken <= budget]
        if not fitting:
            return None
        stated = all(name in scores for name in fitting)
        best = max(fitting, key=(scores if stated else macs).__getitem__)
        name = f"family/{best}"
        if name not in self._rows:
            self._bench.check(self._bench.add(Row(name, "edgert, family")))
        return name

    @property
    def _lossless_macs(self) -> int:
        return int(self._rows[self._graphs[-1]].figures["macs"])

    def _source(self, graph: str) -> str:
        return str(self._bench.model(graph))


def _plain(row: Row, baseline: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its figures beside its name, and their relation to the baseline."""
    plain = asdict(row)
    figures = plain.pop("figures")
    if "macs" in figures:
        figures["macs_ratio"] = figures["macs"] / baseline["macs"]
    if "miou" in figures:
        figures["miou_change"] = figures["miou"] - baseline["miou"]
    return {**plain, **figures}


def _described(chosen: Mapping[str, Any]) -> str:
    """A uniform choice in words."""
    words = []
    if chosen["replaced"]:
        words.append(f"{chosen['replaced']} attention branches replaced")
    if chosen["ratio"] < 1:
        words.append(f"widths at {chosen['ratio']:.0%}")
    return ", ".join(words)
