"""Where the models of `benchmark.py prune` are made, checked and timed, one row for each."""

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from own_process import Outcome, run_step

from benchmarks.pruning.checks import ENGINE
from benchmarks.pruning.makers import MODEL
from edgert.artifacts import FamilyFolder
from edgert.calibration.frames import read_calibration_frames
from edgert.preprocess import Preprocessor
from edgert.profiling.dataset import open_labelled_frames

EXPORTED, MERGED = "exported", "merged"
_LATENCY_TIMEOUT_S = 900.0  # all models together


@dataclass
class Row:
    """One model of the comparison, and what is known of it so far.

    Attributes:
        name: Unique.
        by: What made it.
        graph: What it was made of, "exported" or "merged".
        made_s: The process that made it, and those that it builds on.
        peak_bytes: The most memory that one of these had.
        note: What its figures do not say; with a failure there are no figures.
        figures: What `checks` found.
    """

    name: str
    by: str
    graph: str = EXPORTED
    made_s: float | None = None
    peak_bytes: int | None = None
    note: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def macs(self) -> int | None:
        """MACs of a model that runs; None where there is none, or nothing new."""
        return int(self.figures["macs"]) if "miou" in self.figures else None


class Bench:
    """A folder with the frames, and a folder in it for each row."""

    def __init__(self, work: Path, family: FamilyFolder, arguments: argparse.Namespace) -> None:
        self.work, self.family, self.arguments = work, family, arguments
        self.rows: dict[str, Row] = {}
        self.calibration_frames = self.validation_frames = 0
        self._shared: dict[str, Outcome] = {}

    def read_frames(self) -> None:
        """Prepare all frames once, so that no maker's time has that in it."""
        spec, arguments = self.family.family.input, self.arguments
        frames = read_calibration_frames(arguments.calibration, spec, count=arguments.frames)
        np.save(self.frames, np.stack(frames))
        self.calibration_frames = len(frames)
        preprocess, tensors, labels = Preprocessor(spec), [], {}
        labelled = open_labelled_frames(arguments.dataset, limit=arguments.dataset_count)
        for index, (picture, truth) in enumerate(labelled):
            tensors.append(preprocess(picture).copy())
            labels[str(index)] = truth
        self._validation.mkdir()
        np.save(self._validation / "inputs.npy", np.stack(tensors))
        np.savez(self._validation / "labels.npz", **labels)  # type: ignore[arg-type]
        self.validation_frames = len(tensors)

    @property
    def frames(self) -> Path:
        """The calibration frames, (N, *input shape)."""
        return self.work / "frames.npy"

    @property
    def _validation(self) -> Path:
        return self.work / "validation"

    def add(self, row: Row) -> Row:
        """A new row, with its folder."""
        self.rows[row.name] = row
        self.folder(row.name).mkdir(parents=True, exist_ok=True)
        return row

    def folder(self, name: str) -> Path:
        """Where a row's files lie."""
        return self.work / name.replace(" ", "-")

    def model(self, name: str) -> Path:
        """A row's model."""
        return self.folder(name) / MODEL

    def step(self, maker: str, name: str, parameters: dict[str, Any]) -> Outcome:
        """Run a maker in a folder."""
        self.say(f"{maker.replace('_', ' ')}, {name}")
        return run_step(
            f"benchmarks.pruning.makers:{maker}",
            self.folder(name),
            parameters,
            timeout_s=self.arguments.timeout,
        )

    def once(self, maker: str, graph: str) -> Outcome:
        """A maker that several rows build on, in the folder of its name."""
        if maker not in self._shared:
            parameters = {"graph": str(self.model(graph)), "frames": str(self.frames)}
            threads = {"threads": self.arguments.threads}
            self._shared[maker] = self.step(maker, maker, {**parameters, **threads})
        return self._shared[maker]

    def make(
        self, row: Row, maker: str, parameters: dict[str, Any], *, after: Outcome | None = None
    ) -> Outcome:
        """Make a row's model; what that builds on counts to its time and to its memory."""
        if after is not None and after.failed:
            outcome = after
        else:
            outcome = self.step(maker, row.name, parameters)
        if outcome.failed:
            row.note = f"failed: {outcome.failed}"
            return outcome
        row.made_s = outcome.seconds + (after.seconds if after else 0)
        row.peak_bytes = max(outcome.peak_bytes, after.peak_bytes if after else 0)
        return outcome

    def check(self, row: Row, *, source: Row | None = None) -> None:
        """Count and score what was made; `source` tells whether that is anything new."""
        if row.note:
            return
        made_of = source.figures if source else {}
        self.say(f"check, {row.name}")
        outcome = run_step(
            "benchmarks.pruning.checks:check",
            self.folder(row.name),
            {
                "model": str(self.model(row.name)),
                "validation": str(self._validation),
                "classes": len(self.family.family.labels),
                "ignore_label": self.family.family.ignore_label,
                "output_shape": self.rows[EXPORTED].figures.get("output_shape"),
                "unchanged": [made_of["macs"], made_of["parameters"]] if made_of else None,
                "threads": self.arguments.threads,
            },
            timeout_s=self.arguments.timeout,
        )
        row.figures.update(outcome.result)
        row.note = _finding(row, outcome)

    def time(self) -> None:
        """Time every model that runs."""
        names = [row.name for row in self.rows.values() if row.macs is not None]
        self.say(f"latencies of {len(names)} models")
        outcome = run_step(
            "benchmarks.pruning.checks:latencies",
            self.work / "latencies",
            {
                "engines": {name: str(self.folder(name) / ENGINE) for name in names},
                "baseline": EXPORTED,
                "frames": str(self._validation / "inputs.npy"),
                "rounds": self.arguments.rounds,
                "threads": self.arguments.threads,
            },
            timeout_s=max(self.arguments.timeout, _LATENCY_TIMEOUT_S),
        )
        for name, figures in outcome.result.items():
            self.rows[name].figures.update(figures)
        if outcome.failed:
            self.rows[EXPORTED].note = f"no latencies: {outcome.failed}"

    def say(self, what: str) -> None:
        """Progress, on stderr."""
        print(f"benchmark prune: {what}", file=sys.stderr, flush=True)


def _finding(row: Row, outcome: Outcome) -> str:
    """What a check has to say beside its figures."""
    if outcome.failed:
        # a model that can't be read, or that takes the runtime down; else it was only too slow
        return f"{'failed' if outcome.timed_out else 'invalid'}: {outcome.failed}"
    if row.figures.get("same"):
        return "no change"
    if "invalid" in row.figures:
        return f"invalid: {row.figures['invalid']}"
    if row.figures["unknown"]:
        return f"MACs without {', '.join(row.figures['unknown'])}"
    return ""
