"""The space of a search: every knob that a graph has by its structure, and a choice's normal form.

Knobs are the residual branches (keep, a linear map in their place, skip), the channel groups
(how many units stay) and, where asked for, the size of the picture. What has no effect beside
something else, as the width of a branch that is gone, is no part of a canonical choice: equal
graphs are one choice.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from edgert.errors import SurgeryError, UsageError
from edgert.search.choice import BRANCH, CHANNELS, SIZE, Choice, Level
from edgert.search.structure import Structure, structure_of
from edgert.surgery.channel_groups import ChannelGroup, find_channel_groups
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph, static_shape
from edgert.surgery.narrow_channels import narrow_channels
from edgert.surgery.replace_residuals import replace_residuals
from edgert.surgery.residuals import find_residual_branches
from edgert.surgery.resize_input import working_size

EIGHTHS = (7, 6, 5, 4, 3, 2, 1)
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Knob:
    """One thing that can be changed.

    Attributes:
        name: As a choice names it.
        levels: From the dearest to the cheapest; where the full model stands is none of them.
        units: How many units the full model's group has; 0 for a branch and for the size.
    """

    name: str
    levels: tuple[Level, ...]
    units: int = 0

    def nearest(self, ratio: float) -> Level:
        """The level that keeps nearest to a share of a group's units."""
        return min(self.levels, key=lambda level: abs(int(level) - ratio * self.units))


@dataclass(frozen=True)
class Space:
    """All knobs of a graph.

    Attributes:
        knobs: Branches first, then groups, each in the graph's order; last the size.
        structure: What stays when branches go.
        maps: For each group's knob, the nodes that write it and those that read it.
        left_out: Why a branch or group is no knob, by name.
    """

    knobs: tuple[Knob, ...]
    structure: Structure
    maps: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
    left_out: dict[str, str]

    def knob(self, name: str) -> Knob:
        """The knob of that name; KeyError if there is none."""
        for knob in self.knobs:
            if knob.name == name:
                return knob
        raise KeyError(name)

    def canonical(self, choice: Choice) -> dict[str, Level]:
        """The choice without what has no effect, knobs in a fixed order.

        Raises:
            KeyError: A knob that the space does not have.
        """
        known = {knob.name: knob for knob in self.knobs}
        changed = {k: v for k, v in choice.items() if v not in ("keep", known[k].units or "keep")}
        gone = [name.removeprefix(BRANCH) for name in changed if name.startswith(BRANCH)]
        alive = self.structure.alive(gone)
        return {name: changed[name] for name in sorted(changed) if self._matters(name, alive)}

    def within(self, group: str, branch: str) -> bool:
        """Whether a group's knob has no effect once a branch's knob is turned."""
        alive = self.structure.alive([branch.removeprefix(BRANCH)])
        return not self._matters(group, alive)

    def _matters(self, name: str, alive: set[str]) -> bool:
        if name.startswith(BRANCH):
            return self.structure.branches[name.removeprefix(BRANCH)][0] in alive
        if name == SIZE:
            return True
        return all(any(node in alive for node in nodes) for nodes in self.maps[name])


def find_space(
    graph: Graph,
    *,
    align: int = 8,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
    sizes: Sequence[float] = (),
    progress: Progress | None = None,
) -> Space:
    """Find every knob of a graph that saves multiply-accumulates.

    Args:
        graph: The full model after its lossless edits.
        align: Channels are kept in multiples of this, at least one multiple.
        only: Patterns as of a shell; a branch or group that none fits is left out. Empty: all.
        exclude: Patterns; a branch or group that one fits is left out.
        sizes: Shares of the picture's sides, 0 < share < 1; each becomes the nearest size that
            the graph works at.
        progress: Called before each knob.

    Raises:
        UsageError: No knob is left, or no smaller size.
        PreconditionError: The graph is tied to the size of its picture.
    """
    branches, groups = find_residual_branches(graph), find_channel_groups(graph)
    finder = _Finder(graph, align, only, exclude, progress or (lambda *_: None))
    total = len(branches) + len(groups)
    knobs: list[Knob] = []
    items: list[Any] = [*branches, *groups]
    for index, item in enumerate(items):
        finder.progress(index, total, f"knob {item.name}")
        knobs += finder.knobs_of(item)
    if sizes:
        knobs.append(_size_knob(graph, sizes))
    if not knobs:
        raise UsageError(
            "search",
            expected="a residual branch or channel group that can be cut",
            got=f"none of the graph's {total}",
            advice="Widen --only and --exclude, or lower --align",
        )
    names = {knob.name for knob in knobs}
    maps = {
        f"{CHANNELS}{group.name}": (group.producers, group.readers)
        for group in groups
        if f"{CHANNELS}{group.name}" in names
    }
    return Space(tuple(knobs), structure_of(graph, branches), maps, finder.left_out)


def levels_of(group: ChannelGroup, align: int) -> tuple[int, ...]:
    """Numbers of units kept, eighths of all, in multiples that `align` channels make."""
    units, multiple = group.units, align // math.gcd(align, group.unit)
    kept = [max(1, round(units * n / 8 / multiple)) * multiple for n in EIGHTHS]
    return tuple(dict.fromkeys(level for level in kept if level < units))


def _size_knob(graph: Graph, shares: Sequence[float]) -> Knob:
    """The sizes next to some shares of the picture's own, largest first."""
    height, width = (static_shape(graph.inputs[0]) or ())[-2:]
    near = [
        working_size(graph, max(1, round(height * share)), max(1, round(width * share)))
        for share in sorted(shares, reverse=True)
    ]
    levels = [f"{r}x{c}" for r, c in dict.fromkeys(near) if r * c < height * width]
    if not levels:
        raise UsageError(
            "search over sizes",
            expected="a share whose nearest size that the network works at is a smaller one",
            got=", ".join(f"{rows} x {columns}" for rows, columns in near),
            advice="Give smaller shares with --sizes",
        )
    return Knob(SIZE, tuple(levels))


class _Finder:
    """Tries each branch and group on the graph, and notes why one is no knob."""

    def __init__(
        self, graph: Graph, align: int, only: Sequence[str], exclude: Sequence[str], progress: Any
    ) -> None:
        self.graph, self.align, self.only, self.exclude = graph, align, only, exclude
        self.progress: Progress = progress
        self.left_out: dict[str, str] = {}
        self._macs = cost_of(graph).macs

    def knobs_of(self, item: Any) -> Iterator[Knob]:
        """The knob of a branch or group, if it is one."""
        reason = self._unwanted(item.name) or getattr(item, "blocked", "")
        knob = None
        if not reason:
            try:
                knob = self._group(item) if isinstance(item, ChannelGroup) else self._branch(item)
            except SurgeryError as error:
                reason = str(error)
        if knob is not None:
            yield knob
        else:
            self.left_out[item.name] = reason or "cutting it saves nothing"

    def _unwanted(self, name: str) -> str:
        if self.only and not any(fnmatchcase(name, pattern) for pattern in self.only):
            return "not among --only"
        return "excluded" if any(fnmatchcase(name, p) for p in self.exclude) else ""

    def _branch(self, branch: Any) -> Knob | None:
        if not branch.macs:
            return None
        replaced = cost_of(replace_residuals(self.graph, branches=[branch.name])).macs
        levels = ("linear", "skip") if replaced < self._macs else ("skip",)
        return Knob(f"{BRANCH}{branch.name}", levels)

    def _group(self, group: ChannelGroup) -> Knob | None:
        levels = levels_of(group, self.align)
        if not levels:
            return None
        narrow = narrow_channels(self.graph, group=group.name, keep=levels[-1])
        if cost_of(narrow).macs >= self._macs:
            return None
        return Knob(f"{CHANNELS}{group.name}", levels, group.units)
