"""edgert beside onnxsim's pruning and plain skipping: one model, one run, the same frames.

Each maker gets the family's exported graph, or that graph after merge_linear, and the same
unlabelled calibration frames; each works in a process of its own. What it made is counted,
compiled by the same runtime and scored on the same labelled frames; then all of it is timed in
rounds that take turns. A row that changed nothing, that the runtime refuses or that failed says
so.

To each of onnxsim's rows edgert answers with at most its MACs: with the uniform choice (see
`prune_makers`), and with that configuration of the family which family.yaml gives the best score.
"""

import argparse
import fnmatch
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from own_process import Outcome, run_step
from prune_table import text_from

from edgert.artifacts import FamilyFolder, load_family
from edgert.calibration.frames import read_calibration_frames
from edgert.errors import BuildError, UsageError
from edgert.optional import needs
from edgert.preprocess import Preprocessor
from edgert.profiling.dataset import open_labelled_frames

__all__ = ["add_arguments", "run", "text_from"]

EXPORTED, MERGED, LOSSLESS = "exported", "merged", "edgert lossless"
BLOCKS, SHARES = (2, 4, 8), (10, 25, 50)
PEER_ROWS = [
    f"{graph}/{method}-{amount}"
    for graph in (EXPORTED, MERGED)
    for method, amounts in (("blocks", BLOCKS), ("wanda", SHARES))
    for amount in amounts
]
_LATENCY_TIMEOUT_S = 900.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The family, the frames, and how much is run."""
    parser.add_argument("family", type=Path, metavar="FAMILY", help="a family's folder")
    parser.add_argument(
        "--calibration", type=Path, required=True, metavar="DIR", help="unlabelled frames"
    )
    parser.add_argument(
        "--dataset", type=Path, required=True, metavar="DIR", help="holds images/ and labels/"
    )
    parser.add_argument(
        "--frames", type=int, default=41, metavar="N", help="calibration frames to use (41)"
    )
    parser.add_argument(
        "--dataset-count", type=int, metavar="N", help="labelled frames to use (all)"
    )
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="of timing (7)")
    parser.add_argument(
        "--rows", nargs="+", default=["*"], metavar="NAME",
        help=f"onnxsim's rows, * for any: {PEER_ROWS[0]}, 'merged/*', '*/wanda-50' (all)",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, metavar="N", help="of an engine (every core)")
    parser.add_argument(
        "--timeout", type=float, default=300.0, metavar="S", help="of each step in seconds (300)"
    )


@dataclass
class Row:
    """One model of the comparison, and what is known of it so far."""

    name: str
    by: str
    graph: str
    made_s: float | None = None
    peak_bytes: int | None = None
    note: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def macs(self) -> int | None:
        """Counted MACs; None where there is no model, or one that changed nothing."""
        measured = "miou" in self.figures
        return int(self.figures["macs"]) if measured else None


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make every model, check it, then time all of them together."""
    names = _chosen_rows(arguments)
    folder = load_family(arguments.family)
    if folder.family.task != "segmentation":
        raise UsageError(
            f"benchmark prune {arguments.family}",
            expected="a family for segmentation, whose mIoU can be measured",
            got=folder.family.task,
            advice="Name another family",
        )
    with tempfile.TemporaryDirectory() as name:
        comparison = Comparison(Path(name), folder, arguments)
        comparison.prepare()
        for row in names:
            comparison.peer(row)
        comparison.plain()
        comparison.answers()
        comparison.time()
        return comparison.result()


def _chosen_rows(arguments: argparse.Namespace) -> list[str]:
    for option in ("frames", "dataset_count", "rounds"):
        value = getattr(arguments, option)
        least = 2 if option == "frames" else 1
        if value is not None and value < least:
            raise UsageError(
                f"benchmark prune --{option.replace('_', '-')}",
                expected=f"{least} or more", got=str(value), advice="Leave it out",
            )  # fmt: skip
    for pattern in arguments.rows:
        if not fnmatch.filter(PEER_ROWS, pattern):
            raise UsageError(
                "benchmark prune --rows",
                expected=f"some of {', '.join(PEER_ROWS)}",
                got=f"'{pattern}'",
                advice="Correct the name",
            )
    return [row for row in PEER_ROWS if any(fnmatch.fnmatch(row, p) for p in arguments.rows)]


class Comparison:
    """The rows of one run, made one after the other in a folder."""

    def __init__(self, work: Path, family: FamilyFolder, arguments: argparse.Namespace) -> None:
        self._work, self._family, self._arguments = work, family, arguments
        self._rows: dict[str, Row] = {}
        self._pairs: dict[str, dict[str, str]] = {}  # onnxsim's row to its answers by kind
        self._shared: dict[str, Outcome] = {}  # steps that several rows build on
        self._peer_version = ""
        self._graphs = [EXPORTED]
        self._validation_frames = 0

    # ---------------------------------------------------------------- steps

    def prepare(self) -> None:
        """Read all frames, and check the graphs that everything is made of."""
        spec = self._family.family.input
        frames = read_calibration_frames(
            self._arguments.calibration, spec, count=self._arguments.frames
        )
        np.save(self._work / "frames.npy", np.stack(frames))
        self._frame_count = len(frames)
        self._save_validation(Preprocessor(spec))
        onnx = needs("onnx", "build", "to read the exported graph")
        exported = self._add(Row(EXPORTED, "reference", EXPORTED))
        onnx.save(onnx.load(str(self._family.graph_path)), str(self._model(exported)))
        self._check(exported)
        if exported.macs is None:
            raise BuildError(
                f"run {self._family.graph_path}",
                expected="an exported graph that onnxruntime runs",
                got=exported.note,
                advice="Export the model again",
            )
        merged = self._add(Row(MERGED, "reference", MERGED))
        outcome = self._make(merged, "merge", {"graph": self._source(EXPORTED)})
        if outcome.result.get("merged"):
            self._check(merged)
            if merged.macs is not None:
                self._graphs.append(MERGED)
        elif not merged.note:
            merged.note = "nothing to merge"

    def peer(self, name: str) -> None:
        """One of onnxsim's rows."""
        graph, _, setting = name.partition("/")
        if graph not in self._graphs:
            return
        method, _, amount = setting.partition("-")
        row = self._add(Row(name, "onnxsim", graph))
        outcome = self._make(
            row,
            "onnxsim",
            {
                "graph": self._source(graph),
                "frames": str(self._work / "frames.npy"),
                "method": method,
                "amount": int(amount) if method == "blocks" else int(amount) / 100,
            },
        )
        self._peer_version = outcome.result.get("version", self._peer_version)
        self._check(row, source=self._rows[graph])
        self._pairs[name] = {}

    def plain(self) -> None:
        """As many branches skipped as onnxsim dropped, on the same graph."""
        for name in self._pairs:
            graph, _, setting = name.partition("/")
            if not setting.startswith("blocks-"):
                continue
            losses = self._once("skip_losses", self._graphs[-1])
            row = self._add(Row(f"{graph}/skip-{setting[7:]}", "plain skip", graph))
            found = losses.result.get("losses", {})
            parameters = {
                "graph": self._source(graph), "losses": found, "count": int(setting[7:]),
            }  # fmt: skip
            self._make(row, "skip", parameters, after=losses)
            self._check(row)
            self._pairs[name]["plain"] = row.name

    def answers(self) -> None:
        """For each budget, from the largest to the smallest, what edgert has that fits it."""
        budgets = {name: macs for name in self._pairs if (macs := self._rows[name].macs)}
        lossless = self._uniform(LOSSLESS, self._macs_of(self._graphs[-1]))
        last: Row = lossless
        own = self._configurations()
        for name in sorted(budgets, key=budgets.__getitem__, reverse=True):
            budget = budgets[name]
            # what fits the budget before and this one too is the dearest that fits this one
            if last.macs is None or last.macs > budget:
                last = self._uniform(f"edgert uniform {len(self._uniform_rows())}", budget)
            self._pairs[name]["uniform"] = last.name
            best = self._best_configuration(own, budget)
            if best is not None:
                self._pairs[name]["family"] = best

    def time(self) -> None:
        """Time every model that runs."""
        engines = {
            row.name: str(self._folder(row) / "engine.onnx")
            for row in self._rows.values()
            if row.macs is not None
        }
        self._say(f"time {len(engines)} models")
        outcome = run_step(
            "prune_checks:latencies",
            self._work / "latencies",
            {
                "engines": engines,
                "baseline": EXPORTED,
                "frames": str(self._work / "validation" / "inputs.npy"),
                "rounds": self._arguments.rounds,
                "threads": self._arguments.threads,
            },
            timeout_s=max(self._arguments.timeout, _LATENCY_TIMEOUT_S),
        )
        for name, figures in outcome.result.items():
            self._rows[name].figures.update(figures)
        if outcome.failed:
            self._rows[EXPORTED].note = f"no latencies: {outcome.failed}"

    def result(self) -> dict[str, Any]:
        """All of it as plain data."""
        baseline = self._rows[EXPORTED].figures
        rows = []
        for row in self._rows.values():
            plain = asdict(row)
            figures = plain.pop("figures")
            if "macs" in figures:
                figures["macs_ratio"] = figures["macs"] / baseline["macs"]
            if "miou" in figures:
                figures["miou_change"] = figures["miou"] - baseline["miou"]
            rows.append({**plain, **figures})
        return {
            "family": self._family.family.name,
            "baseline": EXPORTED,
            "peer": f"onnxsim {self._peer_version}".rstrip(),
            "calibration_frames": self._frame_count,
            "validation_frames": self._validation_frames,
            "rounds": self._arguments.rounds,
            "threads": self._arguments.threads,
            "rows": rows,
            "answers": self._pairs,
        }

    # ---------------------------------------------------------------- edgert's rows

    def _uniform(self, name: str, budget: int) -> Row:
        needs_fit = budget < self._macs_of(self._graphs[-1])
        after = self._once("calibrate", EXPORTED) if needs_fit else None
        row = self._add(Row(name, "edgert", EXPORTED))
        outcome = self._make(
            row,
            "uniform",
            {
                "graph": self._source(EXPORTED),
                "calibration": str(self._work / "calibrate"),
                "most_macs": budget,
                "threads": self._arguments.threads,
            },
            after=after,
        )
        self._check(row)
        if outcome.result and not row.note:
            row.note = _described(outcome.result)
        return row

    def _uniform_rows(self) -> list[Row]:
        return [row for row in self._rows.values() if row.by == "edgert"]

    def _configurations(self) -> dict[str, int]:
        """MACs of the family's own configurations, derived; none where that fails."""
        self._say("derive the family's configurations")
        outcome = run_step(
            "prune_makers:configurations",
            self._work / "family",
            {"family": str(self._family.path)},
            timeout_s=self._arguments.timeout,
        )
        if outcome.failed:
            self._add(Row("family", "edgert, family", EXPORTED, note=f"failed: {outcome.failed}"))
        found: dict[str, int] = outcome.result.get("macs", {})
        return found

    def _best_configuration(self, macs: dict[str, int], budget: int) -> str | None:
        """The row of the best configuration within a budget.

        Best by the score that family.yaml states, or the dearest where it does not say for all.
        """
        scores = {
            c.name: c.accuracy.value for c in self._family.family.configurations if c.accuracy
        }
        fitting = [name for name, taken in macs.items() if taken <= budget]
        if not fitting:
            return None
        stated = all(name in scores for name in fitting)
        best = max(fitting, key=(scores if stated else macs).__getitem__)
        name = f"family/{best}"
        if name not in self._rows:
            self._check(self._add(Row(name, "edgert, family", EXPORTED)))
        return name

    # ---------------------------------------------------------------- making and checking

    def _make(
        self, row: Row, maker: str, parameters: dict[str, Any], *, after: Outcome | None = None
    ) -> Outcome:
        """Run a maker; what it builds on counts to its time and to its memory."""
        self._say(f"make {row.name}")
        if after is not None and after.failed:
            row.note = f"failed: {after.failed}"
            return Outcome({}, 0, 0, after.failed)
        outcome = run_step(
            f"prune_makers:{maker}",
            self._folder(row),
            parameters,
            timeout_s=self._arguments.timeout,
        )
        if outcome.failed:
            row.note = f"failed: {outcome.failed}"
            return outcome
        row.made_s = outcome.seconds + (after.seconds if after else 0)
        row.peak_bytes = max(outcome.peak_bytes, after.peak_bytes if after else 0)
        return outcome

    def _check(self, row: Row, *, source: Row | None = None) -> None:
        """Count and score what was made; `source` tells whether that is anything new."""
        if row.note:
            return
        made_of = source.figures if source else {}
        self._say(f"check {row.name}")
        outcome = run_step(
            "prune_checks:check",
            self._folder(row),
            {
                "model": str(self._model(row)),
                "validation": str(self._work / "validation"),
                "classes": len(self._family.family.labels),
                "ignore_label": self._family.family.ignore_label,
                "output_shape": self._rows[EXPORTED].figures.get("output_shape"),
                "unchanged": [made_of["macs"], made_of["parameters"]] if made_of else None,
                "threads": self._arguments.threads,
            },
            timeout_s=self._arguments.timeout,
        )
        row.figures.update(outcome.result)
        row.note = _finding(row, outcome)

    def _once(self, maker: str, graph: str) -> Outcome:
        """A step that several rows build on, in work/<maker>."""
        if maker not in self._shared:
            self._say(maker.replace("_", " "))
            self._shared[maker] = run_step(
                f"prune_makers:{maker}",
                self._work / maker,
                {
                    "graph": self._source(graph),
                    "frames": str(self._work / "frames.npy"),
                    "threads": self._arguments.threads,
                },
                timeout_s=self._arguments.timeout,
            )
        return self._shared[maker]

    def _save_validation(self, preprocess: Preprocessor) -> None:
        labelled = open_labelled_frames(
            self._arguments.dataset, limit=self._arguments.dataset_count
        )
        tensors, labels = [], {}
        for index, (picture, truth) in enumerate(labelled):
            tensors.append(preprocess(picture).copy())
            labels[str(index)] = truth
        (self._work / "validation").mkdir()
        np.save(self._work / "validation" / "inputs.npy", np.stack(tensors))
        np.savez(self._work / "validation" / "labels.npz", **labels)  # type: ignore[arg-type]
        self._validation_frames = len(tensors)

    def _add(self, row: Row) -> Row:
        self._rows[row.name] = row
        self._folder(row).mkdir(parents=True, exist_ok=True)
        return row

    def _folder(self, row: Row) -> Path:
        return self._work / row.name.replace(" ", "-")

    def _model(self, row: Row) -> Path:
        return self._folder(row) / "model.onnx"

    def _source(self, graph: str) -> str:
        return str(self._model(self._rows[graph]))

    def _macs_of(self, graph: str) -> int:
        return int(self._rows[graph].figures["macs"])

    def _say(self, what: str) -> None:
        print(f"benchmark prune: {what}", file=sys.stderr, flush=True)


def _finding(row: Row, outcome: Outcome) -> str:
    """What a check has to say beside its figures."""
    if outcome.failed:
        return f"invalid: {outcome.failed}"
    if row.figures.get("same"):
        return "no change"
    if "invalid" in row.figures:
        return f"invalid: {row.figures['invalid']}"
    if row.figures["unknown"]:
        return f"MACs without {', '.join(row.figures['unknown'])}"
    return ""


def _described(chosen: Mapping[str, Any]) -> str:
    """A uniform choice in words."""
    words = []
    if chosen["replaced"]:
        words.append(f"{chosen['replaced']} attention branches replaced")
    if chosen["ratio"] < 1:
        words.append(f"widths at {chosen['ratio']:.0%}")
    return ", ".join(words)
