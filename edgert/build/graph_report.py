"""What a check of a graph is asked to compare with, and what it reports."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edgert.build.finding import Finding, Stage
from edgert.build.regression import LatencyRatio
from edgert.build.verify import Comparison
from edgert.surgery.graph import Graph

LatencyMeter = Callable[[Callable[[], object], Callable[[], object]], LatencyRatio]


@dataclass(frozen=True)
class Parent:
    """What a graph was derived from.

    `lossless`: the edits promise the same results, so they are compared.
    `edited`: edits were asked for, so the graph has to be another.
    `graph`: the file as `load_graph` reads it, where it is at hand.
    """

    path: Path
    lossless: bool = False
    edited: bool = True
    graph: Graph | None = None


@dataclass
class GraphReport:
    """What was found, and what was measured on the way."""

    findings: list[Finding] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)  # that ran
    inputs: int = 0
    optimised: Comparison | None = None  # of the engine, or the optimised graph, with the graph
    parent: Comparison | None = None  # of the parent's results with the graph's
    latency: LatencyRatio | None = None

    @property
    def errors(self) -> list[Finding]:
        """Findings that are no mere warnings."""
        return [finding for finding in self.findings if not finding.warning]

    def refuse_errors(self, subject: str) -> None:
        """Raise the first error, if there is one.

        Raises:
            VerificationError: In one line.
        """
        for finding in self.errors:
            raise finding.error(subject)
