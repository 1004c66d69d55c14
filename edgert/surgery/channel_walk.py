"""Following the channels that one map writes, to everything that has to be cut with them.

A walk starts at the map's output with a label for each index of its channel axis, and passes
labels on through the ties and links of every node that it reaches, in both directions. Where
labels lie on no single axis (attention heads behind a Reshape) or two different ones meet, units
are made coarser and the walk starts again. What can't be followed blocks the group.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgert.surgery.channel_flow import why_not_alone
from edgert.surgery.channel_ties import (
    OTHER,
    Flow,
    Labels,
    Link,
    Tie,
    View,
    coarser,
    is_constant,
    labels_along,
    rows_together,
    units_along,
    value_at,
)

_Rows = list[Labels]


@dataclass
class Members:
    """What a group consists of, and how its units lie on every axis.

    Attributes:
        labels: The unit of each index that the first producer writes.
        producers: The nodes that write the channels, each with the view of its weight.
        readers: The nodes that read them through a constant weight, likewise.
        contractions: The nodes that contract them with another computed operand.
        normalised: The nodes that take statistics over them.
        values: Axis and labels of every value that carries the channels.
        constants: Labels by axis of every constant that does, by (node, input).
        blocked: Why the group cannot be cut; the first reason found comes first.
    """

    labels: Labels
    producers: dict[Any, View] = field(default_factory=dict)
    readers: dict[Any, View] = field(default_factory=dict)
    contractions: dict[Any, None] = field(default_factory=dict)
    normalised: dict[Any, None] = field(default_factory=dict)
    values: dict[Any, tuple[int, Labels]] = field(default_factory=dict)
    constants: dict[tuple[Any, int], dict[int, Labels]] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)

    @property
    def units(self) -> int:
        """How many units there are."""
        return int(self.labels.max()) + 1

    @property
    def channels(self) -> int:
        """How many channels of the first producer are in the group."""
        return int((self.labels != OTHER).sum())

    def labels_of(self, node: Any, view: View) -> Labels:
        """The labels along the weight of a producer or reader."""
        return self.constants[node, view.end][view.axis]


def members_from(node: Any, view: View, labels: Labels, flows: Callable[[Any], Flow]) -> Members:
    """Everything that has to be cut with the channels that a node writes.

    Args:
        node: A map.
        view: The channel axis of its output.
        labels: A label for each index of that axis.
        flows: Gives the flow of a node.
    """
    if len(labels) == 1:
        return Members(labels, blocked=[f"{node.op_type} {node.name} writes one channel only"])
    while True:
        walk = _Walk(node, view, labels, flows)
        walk.run()
        if walk.problems or not (walk.rows or walk.options):
            walk.members.blocked = list(walk.problems.values())
            return walk.members
        if not walk.rows:
            break
        labels = coarser(labels, walk.rows)
    # A choice: the first axis that leads to a group which can be cut
    found = [members_from(node, view, coarser(labels, walk.options[0][0]), flows)]
    for rows in walk.options[0][1:]:
        if found[-1].blocked:
            found.append(members_from(node, view, coarser(labels, rows), flows))
    return found[0] if found[-1].blocked else found[-1]


class _Walk:
    """One walk with given units."""

    def __init__(
        self, node: Any, view: View, labels: Labels, flows: Callable[[Any], Flow]
    ) -> None:
        self.members = Members(labels)
        self.problems: dict[Any, str] = {}
        self.rows: _Rows = []  # labels that turned out to be one unit
        self.options: list[list[_Rows]] = []
        self._home = node.graph
        self._flows = flows
        self._pending: deque[tuple[Any, int]] = deque()
        self._queued: set[tuple[Any, int]] = set()
        self._start = node
        self._assign(value_at(node, view.end), view.axis, labels)

    def run(self) -> None:
        """Follow the labels until nothing changes."""
        while self._pending:
            node, end = self._pending.popleft()
            self._queued.discard((node, end))
            self._visit(node, end)
        members = self.members
        if self.rows or self.options:
            return
        if not (members.readers or members.contractions):
            self.problems["reads"] = "no linear map reads these channels"
        if members.units == 1:
            label = f"{self._start.op_type} {self._start.name}"
            self.problems["units"] = f"all channels that {label} writes go together"
            return
        counts = np.bincount(members.labels[members.labels != OTHER])
        if len(set(counts.tolist())) > 1:
            self.problems["sizes"] = "these channels go together in units of different size"
        for value, (_, labels) in members.values.items():
            if (labels == labels[0]).all():
                self.problems[value] = f"{value.name} carries a single unit of these channels"

    # ------------------------------------------------------------ nodes

    def _visit(self, node: Any, end: int) -> None:
        """Pass the labels at one end of a node on to its other ends."""
        self.problems.pop((node, end), None)
        axis, labels = self.members.values[value_at(node, end)]
        flow = self._flows(node)
        ties, links = flow.ties_at(end, axis), flow.links_at(end, axis)
        if links:
            for link in links:
                self._pass_link(node, link, (end, axis), labels)
        elif ties:
            self._pass_tie(node, end, ties, labels)
        else:
            self.problems[node, end] = flow.why_not or why_not_alone(node)

    def _pass_tie(self, node: Any, end: int, ties: list[tuple[Tie, View]], labels: Labels) -> None:
        for tie, view in ties:
            units = units_along(view, labels)
            if units is not None:
                self._note_role(node, tie)
                for other in tie.views:
                    if other != view:
                        self._mark(node, other, labels_along(other, units))
                return
        options = [rows for _, view in ties if (rows := rows_together(view, labels)) is not None]
        if not options:
            label = f"{node.op_type} {node.name}"
            self.problems[node, end] = f"{label} keeps these channels together with others"
        elif len(options) == 1:
            self.rows += options[0]
        else:
            self.options.append(options)

    def _pass_link(self, node: Any, link: Link, here: tuple[int, int], labels: Labels) -> None:
        inside = link.index != OTHER
        if here == link.source[:2]:
            passed = np.full(len(link.index), OTHER, dtype=np.int64)
            passed[inside] = labels[link.index[inside]]
            self._mark(node, link.target, passed)
            return
        size = int(value_at(node, link.source.end).shape[link.source.axis])
        taken, given = link.index[inside], labels[inside]
        passed = np.full(size, OTHER, dtype=np.int64)
        for source, label in zip(taken[given != OTHER], given[given != OTHER], strict=True):
            if passed[source] not in (OTHER, label):
                self.rows.append(np.array([passed[source], label]))
            passed[source] = label
        self._mark(node, link.source, passed)

    def _note_role(self, node: Any, tie: Tie) -> None:
        members = self.members
        if tie.role == "writes":
            members.producers[node] = tie.views[0]
        elif tie.role == "reads":
            members.readers[node] = tie.views[0]
        elif tie.role == "contracts":
            members.contractions[node] = None
        elif tie.role == "normalises":
            members.normalised[node] = None

    # ------------------------------------------------------------ values

    def _mark(self, node: Any, view: View, labels: Labels) -> None:
        """Label an axis of a node's input or output."""
        value = value_at(node, view.end)
        if value is None or (labels == OTHER).all():
            return
        if is_constant(value):
            axes = self.members.constants.setdefault((node, view.end), {})
            axes[view.axis] = self._joined(axes.get(view.axis), labels)
        else:
            self._assign(value, view.axis, labels)

    def _assign(self, value: Any, axis: int, labels: Labels) -> None:
        known_axis, known = self.members.values.get(value, (axis, None))
        if known_axis != axis:
            self.problems[value] = f"{value.name} carries the channels along two axes"
            return
        joined = self._joined(known, labels)
        if known is not None and (joined == known).all():
            return
        self.members.values[value] = (axis, joined)
        if value.is_graph_output():
            self.problems[value] = f"the graph's output {value.name} carries these channels"
        node = value.producer()
        if node is None:
            self.problems[value] = f"the graph's input {value.name} carries these channels"
        else:
            self._enqueue(node, ~value.index())
        for reader, index in value.uses():
            if reader.graph is self._home:
                self._enqueue(reader, index)
            else:
                self.problems[reader] = f"{reader.name} reads these channels in a graph of its own"

    def _joined(self, known: Labels | None, labels: Labels) -> Labels:
        """Two labellings of one axis as one; labels that differ become one unit."""
        if known is None:
            return labels
        differ = (known != labels) & (known != OTHER) & (labels != OTHER)
        if differ.any():
            self.rows += list(np.unique(np.stack([known, labels], 1)[differ], axis=0))
        return np.where(known == OTHER, labels, known)

    def _enqueue(self, node: Any, end: int) -> None:
        if (node, end) not in self._queued:
            self._queued.add((node, end))
            self._pending.append((node, end))
