"""Channel groups: channels that some linear maps write and others read, cut as one.

Owns the list of them, their names and what is told of each. How channels pass an operator is
`channel_flow`'s and `channel_maps`', how far they reach `channel_walk`'s, cutting them
`narrow_channels`'.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgert.surgery.channel_flow import flow_of
from edgert.surgery.channel_ties import OTHER, Labels, shape_at, value_at
from edgert.surgery.channel_walk import Members, members_from
from edgert.surgery.graph import Graph
from edgert.surgery.linear_maps import scope_of_weight
from edgert.surgery.unused_names import UnusedNames


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that can be cut together.

    Args:
        name: Unique in the graph: the scope the producers share, numbered where that is taken.
        channels: How many the first producer writes.
        producers: Node names of the linear maps that write them.
        readers: Node names of the linear maps that read them.
        blocked: Why the group cannot be cut, naming the node; empty where it can.
        unit: Channels that only go together: the width of an attention head, or 1.
        contractions: Node names of the products of two computed values that sum over them, as
            queries times keys.
        normalised_by: Node names of the normalisations over them. Where there are any, cutting
            channels is not the same as setting them to zero: statistics are over what stays.
    """

    name: str
    channels: int
    producers: tuple[str, ...]
    readers: tuple[str, ...]
    blocked: str = ""
    unit: int = 1
    contractions: tuple[str, ...] = ()
    normalised_by: tuple[str, ...] = ()

    @property
    def units(self) -> int:
        """How many units there are; edits count these."""
        return self.channels // self.unit


def find_channel_groups(graph: Graph) -> list[ChannelGroup]:
    """Every channel group of a graph, those that cannot be cut with the reason.

    Returns:
        In the order of their first producers.
    """
    return [group for group, _ in groups_and_members(graph)]


def groups_and_members(graph: Graph) -> Iterator[tuple[ChannelGroup, Members]]:
    """The groups, each with what it consists of."""
    flows = functools.cache(flow_of)
    place = {node: position for position, node in enumerate(graph.nodes)}
    grouped: dict[Any, Labels] = {}  # by producer, which of its channels are in a group
    names = UnusedNames()
    for node in graph.nodes:
        for tie in flows(node).ties:
            if tie.role != "writes":
                continue
            view = tie.views[-1]
            channels = shape_at(node, view.end)[view.axis]
            taken = grouped.get(node, np.zeros(channels, dtype=np.int64))
            if taken.all():
                continue
            free = np.where(taken, OTHER, np.cumsum(taken == 0) - 1)
            members = members_from(node, view, free, flows)
            members.producers.setdefault(node, tie.views[0])
            for producer in members.producers:
                written = _written(producer, members)
                grouped[producer] = grouped.get(producer, 0) | (written != OTHER)
            grouped[node] = grouped[node] | (free != OTHER)  # also where it is blocked
            name = names.take(_shared_scope(members, place))
            yield _described(name, members, place), members


def _described(name: str, members: Members, place: dict[Any, int]) -> ChannelGroup:
    def listed(nodes: Any) -> tuple[str, ...]:  # in the graph's order, not the walk's
        return tuple(node.name for node in sorted(nodes, key=place.__getitem__))

    return ChannelGroup(
        name=name,
        channels=members.channels,
        producers=listed(members.producers),
        readers=listed(members.readers),
        blocked=members.blocked[0] if members.blocked else "",
        unit=1 if members.blocked else members.channels // members.units,
        contractions=listed(members.contractions),
        normalised_by=listed(members.normalised),
    )


def _written(producer: Any, members: Members) -> Labels:
    """The labels of all that a producer writes; a walk that never started has but its own."""
    view = members.producers[producer]
    marks = members.constants.get((producer, view.end), {})
    return marks.get(view.axis, members.labels)


# ---------------------------------------------------------------- naming


def _shared_scope(members: Members, place: dict[Any, int]) -> str:
    """The dotted scope that all producers share, or the first producer's own."""
    producers = sorted(members.producers, key=place.__getitem__)
    scopes = [
        scope_of_weight(node, value_at(node, members.producers[node].end)) for node in producers
    ]
    shared = scopes[0].split(".")
    for scope in scopes[1:]:
        same = [a == b for a, b in zip(shared, scope.split("."), strict=False)]
        shared = shared[: same.index(False) if False in same else len(same)]
    first: str = producers[0].name
    return ".".join(shared) or scopes[0] or first
