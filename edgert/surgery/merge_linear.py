"""Merge linear maps that have nothing but linear operators between them. Lossless.

A linear map over channels that follows other linear maps, with only layout, resampling and
per-channel constants in between, is multiplied into them and disappears; a Concat in between
becomes a sum of the merged maps. It is done only where it takes fewer MACs. The new nodes are
written by `merged_nodes`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.errors import PreconditionError
from edgert.surgery.graph import Graph, finished, remove_unused
from edgert.surgery.linear_maps import LinearMap, is_pointwise, linear_map, why_no_map
from edgert.surgery.linear_paths import Step, combined, constants_behind, path_to
from edgert.surgery.merged_nodes import MergedNodes
from edgert.surgery.rewire import replace_value
from edgert.units import text_from_count

_REASONS_TOLD = 3


@dataclass(frozen=True)
class MergeFinding:
    """What became of one linear map that might merge into the maps before it.

    Args:
        outer: Node name of the map.
        merged: Whether it merges.
        reason: Why, or which node stands between, in words.
        macs_before: MACs of the map and of the maps found before it.
        macs_after: MACs of what they become; equal to `macs_before` where nothing merges.
    """

    outer: str
    merged: bool
    reason: str
    macs_before: int
    macs_after: int


@dataclass(frozen=True)
class _Merge:
    outer: LinearMap
    path: Step


def merge_linear(graph: Graph) -> Graph:
    """Multiply chained linear maps into one, wherever that takes fewer MACs.

    With a map F over the concatenated channels of maps W_i x_i + b_i, each resampled by U_i, and
    F_i the columns of F that read branch i:

        F concat_i(U_i(W_i x_i + b_i)) + f  =  sum_i U_i(F_i W_i x_i) + (sum_i F_i b_i + f)

    because U_i acts on each channel alone, alike, with weights that sum to one. Products are
    taken in float64 and rounded once, so outputs differ from the export by float32 rounding.
    A merged map is named "<scope of F>/<leaf's scope>.<operator>".

    Args:
        graph: Any graph in edgert's form.

    Returns:
        A graph with fewer MACs and the same outputs; `graph` is unchanged.

    Raises:
        PreconditionError: Nothing merges; the heaviest maps and what stands between are named.

    Source:
        Derived for this project from the structure of SegFormer's decode head (Xie et al.,
        "SegFormer", NeurIPS 2021, arXiv 2105.15203): its fuse convolution has no activation
        before it.
    """
    merged, findings = _merged(graph)
    if not any(finding.merged for finding in findings):
        raise _nothing_to_merge(findings)
    return finished(merged, subject="merge linear maps")


def explain_merges(graph: Graph) -> list[MergeFinding]:
    """Say for every Conv, MatMul and Gemm whether it merges into the maps before it, and why.

    Returns:
        First the merges in the order they are made, then the rest in the graph's order.
    """
    return _merged(graph)[1]


# ---------------------------------------------------------------- finding


def _merged(graph: Graph) -> tuple[Graph, list[MergeFinding]]:
    """Merge until nothing more merges."""
    graph = graph.copy()
    made: list[MergeFinding] = []
    while True:
        refused = []
        for outcome, finding in _outcomes(graph):
            if outcome is not None:
                made.append(finding)
                _make(graph, outcome)
                break
            refused.append(finding)
        else:
            return graph, made + refused


def _outcomes(graph: Graph) -> Iterator[tuple[_Merge | None, MergeFinding]]:
    for node in graph.nodes:
        if node.op_type in ("Conv", "MatMul", "Gemm"):
            yield _outcome(node)


def _outcome(node: Any) -> tuple[_Merge | None, MergeFinding]:
    outer = linear_map(node)
    if outer is None:
        return None, MergeFinding(node.name, False, why_no_map(node), 0, 0)
    if not is_pointwise(outer):
        reason = f"Conv {node.name} is not 1x1 with stride 1 and no padding"
        return None, MergeFinding(node.name, False, reason, outer.macs, outer.macs)
    path = path_to(outer.data, outer.in_axis)
    if isinstance(path, str):
        return None, MergeFinding(node.name, False, path, outer.macs, outer.macs)
    leaves = list(path.leaves())
    before = outer.macs + sum(leaf.macs for leaf in leaves)
    after = sum(leaf.macs // leaf.channels_out * outer.channels_out for leaf in leaves)
    names = ", ".join(leaf.node.name for leaf in leaves)
    if after >= before:
        reason = (
            f"merged into {names} it would take {text_from_count(after, 'MACs')}, "
            f"not {text_from_count(before, 'MACs')}"
        )
        return None, MergeFinding(node.name, False, reason, before, before)
    reason = f"only linear operators stand between it and {names}"
    return _Merge(outer, path), MergeFinding(node.name, True, reason, before, after)


def _nothing_to_merge(findings: list[MergeFinding]) -> PreconditionError:
    heaviest = sorted(findings, key=lambda finding: -finding.macs_before)
    told = [f"{finding.outer}: {finding.reason}" for finding in heaviest[:_REASONS_TOLD]]
    rest = len(findings) - len(told)
    return PreconditionError(
        "merge linear maps",
        expected="a linear map with only linear operators between it and the maps before it",
        got=("; ".join(told) + (f"; and {rest} more" if rest else "")) or "no linear map",
        advice="Leave merge_linear out for this model",
    )


# ---------------------------------------------------------------- merging


def _make(graph: Graph, merge: _Merge) -> None:
    """Carry out one merge, in place."""
    outer = merge.outer
    matrix = outer.weight.astype(np.float64).reshape(outer.channels_out, outer.channels_in)
    bias = np.zeros(outer.channels_out) if outer.bias is None else outer.bias.astype(np.float64)
    last, scale, shift = constants_behind(outer)
    matrix, bias = matrix * scale[:, None], bias * scale + shift
    weights: dict[str, NDArray[Any]] = {}
    bias = bias + combined(merge.path, matrix, weights)
    nodes = MergedNodes(graph, outer, weights=weights, bias=bias)
    replace_value(last, nodes.written(merge.path))
    remove_unused(graph)
