"""The stages of `check`: each looks for one kind of fault and hands on what the next ones need."""

import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.backends.base import Session
from edgert.backends.onnxruntime import reference_session
from edgert.build.finding import Finding, Stage
from edgert.build.graph_report import GraphReport, LatencyMeter, Parent
from edgert.build.half_norms import half_norm_findings
from edgert.build.inputs import CheckInput, check_inputs
from edgert.build.mismatch import (
    Mismatch,
    PartOpener,
    first_divergence,
    first_not_finite,
    first_wrong_node,
    optimised_part,
)
from edgert.build.preflight import check_operators
from edgert.build.program import Program, label, read_program
from edgert.build.regression import (
    CostLimits,
    check_changed,
    compare_costs,
    compare_latency,
    graph_cost,
)
from edgert.build.shapes import check_shapes
from edgert.build.targets import Target
from edgert.build.verify import Distance, Tolerance, compare_runs, tolerance_for
from edgert.errors import ArtifactError, BackendError, SurgeryError
from edgert.optional import needs
from edgert.surgery.graph import Graph
from edgert.surgery.load import load_graph
from edgert.surgery.precision import precision_of

_Outputs = dict[str, NDArray[Any]]


class GraphCheck:
    """The stages of one graph, in their order; a context manager that closes its sessions.

    Args are those of `check.check_graph`; `report` takes what is measured.
    """

    def __init__(
        self,
        path: Path,
        report: GraphReport,
        *,
        parent: Parent | None,
        frames: Sequence[NDArray[Any]],
        engine: Session | None,
        open_part: PartOpener | None,
        target: Target,
        tolerance: Tolerance | None,
        limits: CostLimits,
        measure: LatencyMeter | None,
    ) -> None:
        self._path, self._report, self._parent_of = path, report, parent
        self._engine, self._open_part = engine, open_part or optimised_part
        self._frames, self._target, self._given_tolerance = frames, target, tolerance
        self._limits, self._measure = limits, measure
        self._open: list[Session] = []
        self.stages: dict[Stage, Callable[[], list[Finding]]] = {
            "format": self._format,
            "operators": self._operators,
            "shapes": lambda: check_shapes(self._program),
            "load": self._load,
            "run": self._run,
            "optimisation": self._optimisation,
            "parent": self._parent,
            "cost": self._cost,
        }

    def __enter__(self) -> "GraphCheck":
        return self

    def __exit__(self, *_: object) -> None:
        for session in self._open:
            session.close()

    # ------------------------------------------------------------ what stages share

    @functools.cached_property
    def _program(self) -> Program:
        return read_program(self._path)

    @functools.cached_property
    def _parent_program(self) -> Program:
        return read_program(self._given_parent.path)

    @property
    def _given_parent(self) -> Parent:
        if self._parent_of is None:
            raise ValueError("this stage needs a parent")
        return self._parent_of

    @functools.cached_property
    def _graph(self) -> Graph | SurgeryError:
        """The graph in edgert's form, or why it can't be brought there."""
        try:
            return load_graph(self._path)
        except SurgeryError as error:
            return error

    @functools.cached_property
    def _tolerance(self) -> Tolerance:
        if self._given_tolerance is not None:
            return self._given_tolerance
        graph = self._graph
        return tolerance_for(precision_of(graph) if isinstance(graph, Graph) else "fp32")

    def _opened(self, program: Program, *, optimised: bool = False) -> Session:
        session = program.session(optimised=optimised)
        self._open.append(session)
        return session

    @functools.cached_property
    def _reference(self) -> Session:
        session = reference_session(self._path)  # the file itself, as whoever runs it loads it
        self._open.append(session)
        return session

    @functools.cached_property
    def _optimised(self) -> Session:
        return self._engine or self._opened(self._program, optimised=True)

    @functools.cached_property
    def _results(self) -> list[tuple[CheckInput, _Outputs]]:
        """What the unoptimised graph computes on every input."""
        checks = check_inputs(self._reference.inputs, frames=self._frames)
        self._report.inputs = len(checks)
        return [
            (check, {k: v.copy() for k, v in self._reference.run(check.feeds).items()})
            for check in checks
        ]

    # ------------------------------------------------------------ before anything runs

    def _format(self) -> list[Finding]:
        checker = needs("onnx.checker", "build", "to check ONNX graphs")
        try:
            nodes = self._program.nodes
            checker.check_model(str(self._path))
        except ArtifactError as error:
            place = error.subject.removeprefix(f"read {self._path}").lstrip(",: ")
            node = place.removeprefix("node ") if place.startswith("node ") else ""
            expected = error.expected if node or not place else f"{place}: {error.expected}"
            return [Finding("format", node, expected, error.got, error.advice)]
        except checker.ValidationError as error:
            text = str(error).strip()
            named = (label(node) for node in nodes if node.name and node.name in text)
            return [
                Finding(
                    "format",
                    next(named, ""),
                    expected="a valid ONNX model",
                    got=text.splitlines()[0].rstrip("."),
                    advice="Export or derive it again",
                )
            ]
        return []

    def _operators(self) -> list[Finding]:
        findings = check_operators(self._program, self._target)
        if findings or not isinstance(self._graph, Graph):
            return findings
        return half_norm_findings(self._graph)

    def _load(self) -> list[Finding]:
        try:
            _ = self._reference, self._optimised
        except BackendError as error:
            return [self._refused("load", error)]
        return []

    def _refused(self, stage: Stage, error: BackendError) -> Finding:
        """What the runtime said, at the node that it names if it names one."""
        named = {label(n) for n in self._program.nodes if _mentions(error.got, n.name)}
        node = named.pop() if len(named) == 1 else ""
        advice = "This runtime does not run the graph as it is: look at that operator"
        return Finding(stage, node, error.expected, error.got, advice)

    # ------------------------------------------------------------ what it computes

    def _run(self) -> list[Finding]:
        try:
            results = self._results
        except BackendError as error:
            return [self._refused("run", error)]
        findings: list[Finding] = []
        for check, outputs in results:
            wrong = [name for name, array in outputs.items() if not np.isfinite(array).all()]
            if wrong and not any(found.warning != check.natural for found in findings):
                found = first_not_finite(self._program, check)
                findings.append(_not_finite(check, wrong[0], found))
        return findings or self._constant_outputs()

    def _constant_outputs(self) -> list[Finding]:
        """Outputs that are the same bits whatever the frame: a constant was traced."""
        natural = [outputs for check, outputs in self._results if check.natural]
        constant = [
            name
            for name, first in natural[0].items()
            if all(np.array_equal(first, outputs[name]) for outputs in natural[1:])
        ]
        # Of several outputs one may be meant so, such as a list of anchors.
        all_constant = len(constant) == len(natural[0])
        return [
            Finding(
                "run",
                self._program.producer(name),
                expected=f"an output {name} that depends on the frame",
                got=f"the same for {len(natural)} different ones",
                advice="A constant took the place of what was computed: export or derive it again",
                warning=not all_constant,
            )
            for name in constant
        ]

    def _optimisation(self) -> list[Finding]:
        advice = (
            "The runtime optimises this graph wrongly: try another version of it, or an edit that "
            "avoids these operators"
        )
        try:
            found = compare_runs(self._optimised, self._results, tolerance=self._tolerance)
        except BackendError as error:
            return [self._refused("optimisation", error)]
        self._report.optimised = found
        if found.failed is None:
            return []
        check, distance = found.failed
        if self._engine is not None:
            self._engine.close()  # parts may need more of what engines share than it left
        first = first_wrong_node(
            self._program, check, tolerance=self._tolerance, open_part=self._open_part
        )
        if first is None and self._engine is not None:
            advice = "Compiled a second time the same graph is right: build again"
        return [
            _differs("optimisation", "without optimisation", check, distance, first, advice=advice)
        ]

    def _parent(self) -> list[Finding]:
        parent = self._opened(self._parent_program)
        for kind in ("inputs", "outputs"):
            want, got = getattr(parent, kind), getattr(self._reference, kind)
            if want != got:
                return [
                    Finding(
                        "parent",
                        "",
                        expected=f"the parent's {kind}, {_told(want)}",
                        got=_told(got),
                        advice="An edit may not change what goes in and comes out",
                    )
                ]
        if not self._given_parent.lossless:
            return []
        found = compare_runs(parent, self._results, tolerance=self._tolerance)
        self._report.parent = found
        if found.failed is None:
            return []
        check, distance = found.failed
        first = first_divergence(
            self._program, self._parent_program, check, tolerance=self._tolerance
        )
        advice = "Edits that lose nothing changed the results: don't use it"
        return [_differs("parent", "of its parent", check, distance, first, advice=advice)]

    # ------------------------------------------------------------ what it costs

    def _cost(self) -> list[Finding]:
        derived = self._graph
        try:
            parent = self._given_parent.graph or load_graph(self._given_parent.path)
            if isinstance(derived, SurgeryError):
                raise derived
        except SurgeryError as error:
            return [Finding("cost", "", error.expected, error.got, error.advice, warning=True)]
        findings = check_changed(derived, parent) if self._given_parent.edited else []
        findings += compare_costs(graph_cost(derived), graph_cost(parent), limits=self._limits)
        if findings or self._measure is None:
            return findings
        other = self._opened(self._parent_program, optimised=True)
        feeds = self._results[0][0].feeds
        self._report.latency = self._measure(
            lambda: self._optimised.run(feeds), lambda: other.run(feeds)
        )
        return compare_latency(self._report.latency, limits=self._limits)


def _not_finite(check: CheckInput, output: str, found: Mismatch | None) -> Finding:
    where = f"first at {found.node}, after {found.sequence}" if found else "only at the output"
    return Finding(
        "run",
        found.node if found else "",
        expected=f"finite numbers in {output} on {check.name}",
        got=f"NaN or infinity, {where}",
        advice="A value leaves the range of its type, or a division by zero: look at that node",
        warning=not check.natural,
    )


def _differs(
    stage: Stage,
    than: str,
    check: CheckInput,
    distance: Distance,
    found: Mismatch | None,
    *,
    advice: str,
) -> Finding:
    where = f"; {found}" if found else ""
    return Finding(
        stage,
        found.node if found else "",
        expected=f"the results {than} on {check.name}",
        got=f"{distance.output} {distance.difference:.2e} off (largest output "
        f"{distance.scale:.3g}), {distance.label_agreement:.2%} of its labels{where}",
        advice=advice,
    )


def _told(specs: Sequence[Any]) -> str:
    return ", ".join(f"{spec.name} {spec.dtype} {spec.shape}" for spec in specs)


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w/.]){re.escape(name)}(?![\w/.])", text) is not None
