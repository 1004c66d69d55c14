"""Cut channels out of one channel group: fewer rows written, fewer columns read."""

import difflib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgert.errors import PreconditionError
from edgert.schema import record_from_json
from edgert.surgery.channel_cut import check_shapes, cut_units
from edgert.surgery.channel_groups import ChannelGroup, groups_and_members
from edgert.surgery.channel_maps import weight_scale
from edgert.surgery.channel_ties import OTHER, View
from edgert.surgery.channel_walk import Members
from edgert.surgery.graph import Graph, constant_array, finished

_NEAR_NAMES = 4  # told where a group is not found


def narrow_channels(
    graph: Graph,
    *,
    group: str,
    keep: int,
    order: Literal["importance", "prefix"] = "importance",
    align: int = 1,
    ranking: Path | None = None,
) -> Graph:
    """Keep some units of a channel group and cut the rest out of every weight and constant.

    A unit is one channel, or channels that only go together, as those of an attention head. What
    is left computes exactly what the full graph would with the readers' columns of the cut units
    set to zero (of queries and keys, which products read: with all that writes them set to
    zero). Only where the group is `normalised_by` something do statistics change too: they are
    over the channels that stay.

    Args:
        graph: Any graph in edgert's form.
        group: A name that `find_channel_groups` gives.
        keep: Units kept, 1 <= keep <= units. With all of them the graph is handed back as it
            is, in a copy.
        order: "importance" keeps the units with the largest product of the norms of the
            producers' rows and the readers' columns, by weights alone; equals go to the lower
            number. "prefix" keeps the first ones, as supernets are trained for. Kept channels
            stay in their order either way.
        align: The channels kept are rounded up to a multiple of this, as far as there are any:
            kernels may be no faster for 60 channels than for 64.
        ranking: In place of `order`, a JSON file {"groups": {"<name>": [2, 0, 1, ...]}} with the
            units of this group, the most important one first.

    Returns:
        The narrower graph; its inputs and outputs have the same shapes. `graph` is unchanged.

    Raises:
        PreconditionError: There is no such group, it cannot be cut (the node and the reason are
            named), `keep` is out of range, or the ranking does not fit the group.

    Source:
        Sreedhar et al., "Vision Transformer Computation and Resilience for Dynamic Inference",
        ISPASS 2024, arXiv 2212.02687 (the widths of SegFormer's decoder). Differs: groups are
        found on the graph, and channels are ordered by weight norms.
    """
    edited = graph.copy()
    known, members = _group_of(edited, group)
    cut = chosen_units(known, members, keep=keep, order=order, align=align, ranking=ranking)
    return _finished_cut(edited, [cut], subject=f"narrow {group} to {keep} {units_name(known)}")


def narrow_groups(
    graph: Graph,
    *,
    widths: dict[str, int],
    order: Literal["importance", "prefix"] = "importance",
    align: int = 1,
    ranking: Path | None = None,
) -> Graph:
    """Narrow several channel groups; the same as `narrow_channels` for each, in one go.

    Args:
        graph: Any graph in edgert's form.
        widths: For each group the units kept; names are those of `graph`.
        order: As in `narrow_channels`.
        align: As in `narrow_channels`.
        ranking: As in `narrow_channels`, with all of the groups.

    Returns:
        The narrower graph; its inputs and outputs have the same shapes. `graph` is unchanged.

    Raises:
        PreconditionError: As from `narrow_channels`, for the first group that does not fit.
    """
    edited = graph.copy()
    found = {known.name: (known, members) for known, members in groups_and_members(edited)}
    together: list[_CutOf] = []
    later: dict[str, list[int]] = {}  # groups that meet another one in some value
    taken: set[Any] = set()
    for name, keep in widths.items():
        known, members = _free(name, found)
        cut = chosen_units(known, members, keep=keep, order=order, align=align, ranking=ranking)
        if taken.isdisjoint(members.values):
            taken.update(members.values)
            together.append(cut)
        else:
            later[name] = cut.kept
    edited = _finished_cut(edited, together, subject="narrow channel groups")
    for name, kept in later.items():
        edited = keep_units(edited, group=name, kept=kept)
    return edited


def keep_units(graph: Graph, *, group: str, kept: Sequence[int]) -> Graph:
    """Keep the named units of a channel group and cut the rest, as `narrow_channels` does.

    Args:
        graph: Any graph in edgert's form.
        group: A name that `find_channel_groups` gives.
        kept: The units that stay, ascending, at least one; they count from 0.

    Raises:
        PreconditionError: There is no such group, it cannot be cut, or `kept` does not fit it.
    """
    edited = graph.copy()
    known, members = _group_of(edited, group)
    subject = f"narrow {group} to {len(kept)} {units_name(known)}"
    rising = all(one < other for one, other in itertools.pairwise(kept))
    if not (kept and rising and kept[0] >= 0 and kept[-1] < known.units):
        raise PreconditionError(
            subject,
            expected=f"units among 0 to {known.units - 1} in rising order, one or more",
            got=f"{list(kept[:8])}{' and more' if len(kept) > 8 else ''}",
            advice="Correct the units that are kept",
        )
    return _finished_cut(edited, [_CutOf(known, members, list(kept))], subject=subject)


def channel_importance(graph: Graph, *, group: str) -> NDArray[Any]:
    """How much each unit of a group weighs, by the weights of producers and readers alone.

    Returns:
        (units,) float64: norm of the producers' rows times norm of the readers' columns. Where
        no map reads them (queries and keys), norm of the rows.
    """
    return _importance(_group_of(graph, group)[1])


@dataclass(frozen=True)
class MapUnits:
    """The unit of each channel that a group's maps write and read, -1 for those of no unit.

    Args:
        producers: By node name, a number for each output channel.
        readers: By node name, a number for each input channel.
    """

    producers: Mapping[str, NDArray[np.int64]]
    readers: Mapping[str, NDArray[np.int64]]


def map_units(graph: Graph, *, group: str) -> MapUnits:
    """Where the units of a group lie, for callers that rank them by what runs through them.

    Raises:
        PreconditionError: There is no such group, or it cannot be cut.
    """
    members = _group_of(graph, group)[1]

    def by_name(maps: Mapping[Any, View]) -> dict[str, NDArray[np.int64]]:
        return {node.name: members.labels_of(node, view) for node, view in maps.items()}

    return MapUnits(by_name(members.producers), by_name(members.readers))


@dataclass(frozen=True)
class _CutOf:
    """A group, and which of its units stay, ascending."""

    known: ChannelGroup
    members: Members
    kept: list[int]


def chosen_units(
    known: ChannelGroup,
    members: Members,
    *,
    keep: int,
    order: str,
    align: int,
    ranking: Path | None,
) -> _CutOf:
    """Which units of a group stay, as `narrow_channels` says.

    Raises:
        PreconditionError: `keep` is out of range, or the ranking does not fit the group.
    """
    if not 1 <= keep <= known.units:
        raise PreconditionError(
            f"narrow {known.name} to {keep} {units_name(known)}",
            expected=f"1 to {known.units} {units_name(known)} kept",
            got=str(keep),
            advice=f"Set keep between 1 and {known.units}",
        )
    if align < 1:
        raise ValueError(f"align is 1 or more, not {align}")
    ranked = _ranked(members, order) if ranking is None else _read_ranking(ranking, known)
    return _CutOf(known, members, sorted(ranked[: _aligned(keep, known, align)].tolist()))


def _group_of(graph: Graph, group: str) -> tuple[ChannelGroup, Members]:
    found = {}
    for known, members in groups_and_members(graph):
        found[known.name] = (known, members)
        if known.name == group:
            break  # the rest need not be followed
    return _free(group, found)


def _free(
    group: str, found: Mapping[str, tuple[ChannelGroup, Members]]
) -> tuple[ChannelGroup, Members]:
    """A group that can be cut, with its members."""
    if group not in found:
        near = difflib.get_close_matches(group, found, n=_NEAR_NAMES, cutoff=0.4)
        raise PreconditionError(
            f"narrow channel group {group}",
            expected=f"one of the {len(found)} groups of this graph, such as "
            f"{', '.join(near or list(found)[:_NEAR_NAMES]) or 'none'}",
            got="no such group",
            advice="List the groups with: edgert inspect",
        )
    known, members = found[group]
    if known.blocked:
        raise PreconditionError(
            f"narrow channel group {group}",
            expected="channels that nothing mixes between the maps that write and read them",
            got=known.blocked,
            advice="Choose another group",
        )
    return known, members


def _finished_cut(edited: Graph, cuts: Sequence[_CutOf], *, subject: str) -> Graph:
    """Cut groups that share no value; in place, then checked."""
    made = []
    for cut in cuts:
        if len(cut.kept) < cut.known.units:
            stays = np.zeros(cut.known.units, dtype=np.bool_)
            stays[cut.kept] = True
            cut_units(edited, cut.members, stays, subject=subject)
            made.append((cut.members, stays))
    if not made:
        return edited
    narrowed = finished(edited, subject=subject)
    for members, stays in made:
        check_shapes(narrowed, members, stays, subject=subject)
    return narrowed


def units_name(known: ChannelGroup) -> str:
    """What a group's units are called."""
    return "channels" if known.unit == 1 else f"units of {known.unit} channels"


def _aligned(keep: int, known: ChannelGroup, align: int) -> int:
    """The fewest units, `keep` or more, whose channels are a multiple of `align`; else all."""
    fitting = (u for u in range(keep, known.units) if u * known.unit % align == 0)
    return next(fitting, known.units)


# ---------------------------------------------------------------- ranking


def _ranked(members: Members, order: str) -> NDArray[np.int64]:
    """The units, the most important one first."""
    if order == "prefix":
        return np.arange(members.units)
    if order != "importance":
        raise ValueError(f"order is 'importance' or 'prefix', not {order!r}")
    return np.argsort(-_importance(members), kind="stable")


def _importance(members: Members) -> NDArray[Any]:
    rows = sum(_squares(members, *item) for item in members.producers.items())
    columns = sum(_squares(members, *item) for item in members.readers.items())
    importance: NDArray[Any] = np.sqrt(rows * columns if members.readers else rows)
    return importance


def _squares(members: Members, node: Any, view: View) -> NDArray[Any]:
    """The sum of the squared weights of a map, by unit."""
    weight = constant_array(node.inputs[view.end])
    if weight is None:
        raise ValueError(f"{node.name} has no constant weight")
    lines = np.moveaxis(weight.astype(np.float64) * weight_scale(node), view.axis, 0)
    sums = np.square(lines).reshape(len(lines), -1).sum(axis=1)
    labels = members.labels_of(node, view)
    inside = labels != OTHER
    return np.bincount(labels[inside], weights=sums[inside], minlength=members.units)


def _read_ranking(path: Path, known: ChannelGroup) -> NDArray[np.int64]:
    content = record_from_json(path, dict[str, dict[str, list[int]]], PreconditionError)
    rankings = content.get("groups", {})
    ranked = rankings.get(known.name)
    if ranked is None or sorted(ranked) != list(range(known.units)):
        raise PreconditionError(
            f"read {path} at groups.{known.name}",
            expected=f"the units 0 to {known.units - 1}, each once",
            got="nothing" if ranked is None else f"{len(ranked)} numbers that are not these",
            advice="Rank the channels of this graph again",
        )
    return np.array(ranked, dtype=np.int64)
