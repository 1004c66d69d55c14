"""The uniform choices of `benchmark.py prune`: what one would take with nothing to tune.

Attention branches are replaced, the costliest first, as many as the budget takes; after all of
them the widths inside the other branches go down together, in steps of one ratio.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgert.build.derive import derive
from edgert.errors import BuildError
from edgert.records import Edit
from edgert.surgery.channel_groups import ChannelGroup, find_channel_groups
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph
from edgert.surgery.residuals import ResidualBranch, find_residual_branches
from edgert.units import text_from_count

RANKING = "ranking.json"
_RATIOS = 32  # widths go down in this many steps
_ALIGN = 8  # kernels are no faster for 60 channels than for 64


class UniformLadder:
    """Uniform choices from the dearest to the cheapest, with nothing to tune but the rung.

    Rung 0 edits nothing; each of the next replaces one more attention branch, the costliest
    first; each after that narrows the groups inside the other branches by one more step.

    Args:
        graph: After the lossless edits.
        folder: Holds the order of the channels; None narrows by weights alone.
    """

    def __init__(self, graph: Graph, folder: Path | None) -> None:
        self._graph, self._folder = graph, folder
        branches = sorted(attention_branches(graph), key=lambda branch: -branch.macs)
        self._attention = [branch.name for branch in branches]
        self._groups = inner_groups(graph)
        self.rungs = 1 + len(self._attention) + (_RATIOS - 1 if self._groups else 0)

    def edits(self, rung: int) -> list[Edit]:
        """The edits of a rung, 0 <= rung < rungs."""
        replaced, ratio = self.steps(rung)
        edits = [self._narrowed(group, ratio) for group in self._groups if ratio < 1]
        # a group is named after the maps that write it, so branches go last
        return [*edits, *([{"replace_residuals": {"branches": replaced}}] if replaced else [])]

    def steps(self, rung: int) -> tuple[list[str], float]:
        """The branches that a rung replaces, and the share of each width that it keeps."""
        narrower = max(0, rung - len(self._attention))
        return self._attention[:rung], 1 - narrower / _RATIOS

    def macs(self, rung: int) -> int:
        """What a rung costs."""
        edits = self.edits(rung)
        folder = self._folder or Path()
        return cost_of(derive(self._graph, edits, subject="derive uniform", folder=folder)).macs

    def within(self, most_macs: int) -> int:
        """The first rung that takes at most so many MACs, by bisection.

        Raises:
            BuildError: Not even the last one does.
        """
        if cost_of(self._graph).macs <= most_macs:
            return 0
        low, high = 1, max(1, self.rungs - 1)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.macs(middle) <= most_macs else (middle + 1, high)
        if self.macs(low) > most_macs:
            raise BuildError(
                "choose a uniform configuration",
                expected=f"one of at most {text_from_count(most_macs, 'MACs')}",
                got=f"{text_from_count(self.macs(low), 'MACs')} for the cheapest",
                advice="This budget needs other edits",
            )
        return low

    def _narrowed(self, group: ChannelGroup, ratio: float) -> Edit:
        keep = max(1, round(group.units * ratio))
        edit: dict[str, Any] = {"group": group.name, "keep": keep, "align": _ALIGN}
        if self._folder is not None:
            edit["ranking"] = RANKING
        return {"narrow_channels": edit}


def attention_branches(graph: Graph) -> list[ResidualBranch]:
    """Residual branches with a softmax in them."""
    softmax = {node.name for node in graph.nodes if node.op_type == "Softmax"}
    return [branch for branch in find_residual_branches(graph) if softmax & set(branch.nodes)]


def inner_groups(graph: Graph) -> list[ChannelGroup]:
    """Channel groups that can be cut and lie whole inside a branch without attention."""
    attention = {branch.name for branch in attention_branches(graph)}
    inside = [set(b.nodes) for b in find_residual_branches(graph) if b.name not in attention]
    return [
        group
        for group in find_channel_groups(graph)
        if not group.blocked and _lies_in(inside, [*group.producers, *group.readers])
    ]


def _lies_in(places: Sequence[set[str]], names: Sequence[str]) -> bool:
    return any(place.issuperset(names) for place in places)
