"""Whether a derived graph costs more than its parent, or is its parent.

Multiply-accumulates, weights and the peak of activations follow from the graphs and are exact or,
the peak, an estimate that is the same on every machine. Latency is measured in rounds that take
turns; machines are noisy, so its limits are generous.
"""

import hashlib
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgert.build.finding import Finding
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph, static_shape
from edgert.units import text_from_bytes, text_from_count, text_from_duration

_SLACK_BYTES = 64 << 10  # a bias, a few indices: not what "more memory" means
_TOO_SHORT_S = 1e-3  # below it a call's own overhead is measured


@dataclass(frozen=True)
class CostLimits:
    """How much more than its parent a derived graph may cost, as ratios."""

    macs: float = 1.0
    weights: float = 1.05
    activations: float = 1.25
    latency_warning: float = 1.1
    latency: float = 1.5


COST_LIMITS = CostLimits()


@dataclass(frozen=True)
class GraphCost:
    """What a graph takes, as far as it follows from the graph."""

    macs: int
    weights_bytes: int
    activations_bytes: int  # most that is alive at once, nothing computed in place


@dataclass(frozen=True)
class LatencyRatio:
    """A derived graph's latency by its parent's, over rounds that took turns."""

    derived_s: float  # medians
    parent_s: float
    ratio: float  # median of the rounds' ratios
    least: float
    most: float


def graph_cost(graph: Graph) -> GraphCost:
    """Count a graph's cost, and estimate its peak of activations from their lifetimes.

    A value lives from the node that computes it to the last that reads it; outputs to the end.
    """
    last: dict[Any, int] = {}
    for index, node in enumerate(graph.nodes):
        last.update((value, index) for value in node.inputs if value is not None)
    last.update((value, len(graph.nodes)) for value in graph.outputs)
    dying: dict[int, int] = {}
    alive = peak = 0
    for value in graph.inputs:
        alive += _bytes_of(value)
        dying[last.get(value, 0)] = dying.get(last.get(value, 0), 0) + _bytes_of(value)
    for index, node in enumerate(graph.nodes):
        for value in node.outputs:
            size, end = _bytes_of(value), last.get(value, index)
            alive += size
            dying[end] = dying.get(end, 0) + size
        peak = max(peak, alive)
        alive -= dying.pop(index, 0)
    weights = graph.model.graph.initializers.values()
    return GraphCost(
        macs=cost_of(graph).macs,
        weights_bytes=sum(value.const_value.nbytes for value in weights),
        activations_bytes=peak,
    )


def compare_costs(
    derived: GraphCost, parent: GraphCost, *, limits: CostLimits = COST_LIMITS
) -> list[Finding]:
    """What of a derived graph's cost is above its parent's."""
    findings = []
    for what, got, was, limit, slack, text in (
        ("multiply-accumulates", derived.macs, parent.macs, limits.macs, 0, text_from_count),
        ("bytes of weights", derived.weights_bytes, parent.weights_bytes, limits.weights,
         _SLACK_BYTES, text_from_bytes),
        ("bytes of activations", derived.activations_bytes, parent.activations_bytes,
         limits.activations, _SLACK_BYTES, text_from_bytes),
    ):  # fmt: skip
        if got > limit * was + slack:
            findings.append(
                _regression(f"no more {what} than its parent's {text(was)}", text(got))
            )
    return findings


def measure_latency(
    run_derived: Callable[[], object],
    run_parent: Callable[[], object],
    *,
    rounds: int = 7,
    clock: Callable[[], float] = time.perf_counter,
) -> LatencyRatio:
    """Time two graphs against each other: in each round one run of each, after one to warm up.

    Args:
        run_derived: Runs the derived graph once.
        run_parent: Runs its parent once.
        rounds: How many pairs are timed; who comes first changes from one to the next.
        clock: Seconds that never go back.
    """
    runs = (run_derived, run_parent)
    for run in runs:
        run()
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds):
        for which in (0, 1) if turn % 2 else (1, 0):
            start_s = clock()
            runs[which]()
            times[which].append(clock() - start_s)
    ratios = [derived / max(parent, 1e-9) for derived, parent in zip(*times, strict=True)]
    return LatencyRatio(
        derived_s=statistics.median(times[0]),
        parent_s=statistics.median(times[1]),
        ratio=statistics.median(ratios),
        least=min(ratios),
        most=max(ratios),
    )


def compare_latency(latency: LatencyRatio, *, limits: CostLimits = COST_LIMITS) -> list[Finding]:
    """A finding where a derived graph is slower than its parent: a warning, an error when far.

    Runs of less than a millisecond are not judged.
    """
    if latency.ratio <= limits.latency_warning or latency.derived_s < _TOO_SHORT_S:
        return []
    # Far, and so in nearly every round: one busy moment of the machine must not refuse a graph.
    refuse = latency.ratio > limits.latency and latency.least > limits.latency_warning
    return [
        _regression(
            f"no more time than its parent's {text_from_duration(latency.parent_s)}",
            f"{text_from_duration(latency.derived_s)}, {latency.ratio:.2f} times "
            f"({latency.least:.2f} to {latency.most:.2f})",
            warning=not refuse,
        )
    ]


def check_changed(derived: Graph, parent: Graph) -> list[Finding]:
    """A finding if the derived graph is its parent, node for node and weight for weight.

    Names don't count; both are in edgert's form, so neither does how an exporter writes things.
    """
    if fingerprint(derived) != fingerprint(parent):
        return []
    return [
        Finding(
            "cost",
            "",
            expected="a graph that the edits changed",
            got="its parent, node for node and weight for weight",
            advice="The edits did nothing; leave the configuration out or correct them",
        )
    ]


def fingerprint(graph: Graph) -> bytes:
    """A digest of what the outputs are computed from: operators, attributes, order, weights."""
    known: dict[Any, bytes] = {}
    for position, value in enumerate(graph.inputs):
        known[value] = _digest("input", position, value.shape, value.dtype)
    for value in graph.model.graph.initializers.values():
        array = value.const_value.numpy()
        content = hashlib.sha256(array.tobytes()).digest()
        known[value] = _digest("weight", array.shape, array.dtype.str, content)
    for node in graph.nodes:
        attributes = sorted((name, str(entry.value)) for name, entry in node.attributes.items())
        reads = [b"" if value is None else known[value] for value in node.inputs]
        for index, value in enumerate(node.outputs):
            known[value] = _digest(node.domain, node.op_type, attributes, reads, index)
    return _digest(*(known[value] for value in graph.outputs))


def _digest(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def _bytes_of(value: Any) -> int:
    shape = static_shape(value)
    if shape is None or value.dtype is None:
        return 0
    return math.prod(shape) * int(value.dtype.bitwidth) // 8


def _regression(expected: str, got: str, *, warning: bool = False) -> Finding:
    return Finding(
        "cost",
        "",
        expected=expected,
        got=got,
        advice="Keep the parent: this graph saves nothing here",
        warning=warning,
    )
