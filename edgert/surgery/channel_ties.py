"""What an operator keeps together: ties between the axes of its inputs and outputs.

Owns the vocabulary that the operators' rules are written in and that walks and cuts read:

* a *label* per index of an axis: the unit that the index belongs to, or OTHER;
* an *end* of a node: input 0, 1, ... or output ~0, ~1, ...;
* a *view* of an axis: its size as (before, factor, after), the factor being what is tied;
* a *tie*: views whose factor runs together, index by index;
* a *link*: an axis made of some indices of another one (Concat, Split, Slice, Gather).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgert.surgery.graph import static_shape

Labels = NDArray[np.int64]
OTHER = -1  # the label of an index that belongs to no unit of the group
OUTPUT = ~0  # the first output's end

# What a node does along a tie: treat each index alone; write it with the rows of a constant
# weight; read it with the columns of one; contract two computed operands; take statistics.
Role = Literal["alone", "writes", "reads", "contracts", "normalises"]


class View(NamedTuple):
    """An axis of one end of a node, its size taken as before * factor * after."""

    end: int
    axis: int
    before: int = 1
    after: int = 1


@dataclass(frozen=True)
class Tie:
    """Axes whose indices run together. The weight of a map comes first among the views."""

    views: tuple[View, ...]
    role: Role = "alone"


@dataclass(frozen=True)
class Link:
    """Index j of the target's axis is index `index[j]` of the source's; OTHER: of neither."""

    source: View
    target: View
    index: Labels


@dataclass(frozen=True)
class Flow:
    """All ties and links of a node, or in words why there are none."""

    ties: tuple[Tie, ...] = ()
    links: tuple[Link, ...] = ()
    why_not: str = ""

    def ties_at(self, end: int, axis: int) -> list[tuple[Tie, View]]:
        """The ties that one axis takes part in, each with the axis's view."""
        return [
            (tie, view)
            for tie in self.ties
            for view in tie.views
            if view.end == end and view.axis == axis
        ]

    def links_at(self, end: int, axis: int) -> list[Link]:
        """The links that lead to or from one axis."""
        return [link for link in self.links if (end, axis) in (link.source[:2], link.target[:2])]


class Options(NamedTuple):
    """How units may be made coarser so that an axis can be followed; each a list of rows.

    The labels of one row become one unit.
    """

    rows: list[list[Labels]]


def value_at(node: Any, end: int) -> Any:
    """The value at one end of a node; None for an input left out."""
    if end < 0:
        return node.outputs[~end] if ~end < len(node.outputs) else None
    return node.inputs[end] if end < len(node.inputs) else None


def shape_at(node: Any, end: int) -> tuple[int, ...]:
    """The static shape at one end of a node; empty where it is unknown."""
    return static_shape(value_at(node, end)) or ()


def same_axes(node: Any, axes: Mapping[int, int], end: int = OUTPUT) -> tuple[Tie, ...]:
    """A tie for each axis of the first input that lies unchanged in an output."""
    return tuple(Tie((View(0, axis), View(end, after))) for axis, after in axes.items())


def is_constant(value: Any) -> bool:
    """Whether a value is an initializer. Its numbers are not read, which may be slow."""
    return value is not None and value.const_value is not None and value.producer() is None


def units_along(view: View, labels: Labels) -> Labels | None:
    """The labels of a view's factor; None where they differ between its repetitions."""
    cube = labels.reshape(view.before, -1, view.after)
    units: Labels = cube[0, :, 0]
    return units if (cube == units[None, :, None]).all() else None


def labels_along(view: View, units: Labels) -> Labels:
    """The inverse of `units_along`: the labels of the whole axis."""
    shape = (view.before, len(units), view.after)
    labels: Labels = np.broadcast_to(units[None, :, None], shape).reshape(-1)
    return labels


def rows_together(view: View, labels: Labels) -> list[Labels] | None:
    """What has to become one unit so that the labels lie on a view's factor.

    Returns:
        The labels that each index of the factor holds; None where an index holds labels of the
        group and others, or where all would become one unit.
    """
    cube = labels.reshape(view.before, -1, view.after)
    rows = [np.unique(cube[:, index, :]) for index in range(cube.shape[1])]
    if len(rows) == 1 or any(row[0] == OTHER and len(row) > 1 for row in rows):
        return None
    return [row for row in rows if len(row) > 1]


def coarser(labels: Labels, rows: list[Labels]) -> Labels:
    """Labels with those of each row made one, numbered from 0 as they first appear."""
    parent = list(range(int(labels.max(initial=0)) + 1))

    def root(unit: int) -> int:
        while parent[unit] != unit:
            parent[unit] = parent[parent[unit]]
            unit = parent[unit]
        return unit

    for row in rows:
        for unit in row[1:]:
            parent[root(int(unit))] = root(int(row[0]))
    number: dict[int, int] = {}
    merged = [
        OTHER if label == OTHER else number.setdefault(root(int(label)), len(number))
        for label in labels
    ]
    return np.array(merged, dtype=np.int64)
