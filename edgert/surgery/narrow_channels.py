"""Cut channels out of one channel group: fewer rows written, fewer columns read."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgert.errors import PreconditionError
from edgert.optional import needs
from edgert.surgery.channel_groups import (
    Members,
    ends_of,
    groups_and_members,
    is_depthwise,
)
from edgert.surgery.graph import Graph, add_initializer, constant_array, finished
from edgert.surgery.layout import constants_for_channels
from edgert.surgery.linear_maps import LinearMap, add_map
from edgert.surgery.rewire import replace_value


def narrow_channels(
    graph: Graph,
    *,
    group: str,
    keep: int,
    order: Literal["importance", "prefix"] = "importance",
) -> Graph:
    """Keep some channels of a group and cut the rest out of every weight and constant.

    What is left computes exactly what the full graph would with the readers' columns of the cut
    channels set to zero.

    Args:
        graph: Any graph in edgert's form.
        group: A name that `find_channel_groups` gives.
        keep: Channels kept, 1 <= keep <= channels. With all of them the graph is handed back as
            it is, in a copy.
        order: "importance" keeps the channels c with the largest product of the norms of the
            producers' rows c and the readers' columns c, by weights alone; equals go to the
            lower number. "prefix" keeps the first ones, as supernets are trained for. Kept
            channels stay in their order either way.

    Returns:
        The narrower graph; its inputs and outputs have the same shapes. `graph` is unchanged.

    Raises:
        PreconditionError: There is no such group, it cannot be cut (the node and the reason are
            named), or `keep` is out of range.

    Source:
        Sreedhar et al., "Vision Transformer Computation and Resilience for Dynamic Inference",
        ISPASS 2024, arXiv 2212.02687 (the width of SegFormer's fused decoder). Differs: groups
        are found on the graph, and channels are ordered by weight norms.
    """
    members = _members_of(graph, group)
    subject = f"narrow {group} to {keep} channels"
    if not 1 <= keep <= members.channels:
        raise PreconditionError(
            subject,
            expected=f"1 to {members.channels} channels kept",
            got=str(keep),
            advice=f"Set keep between 1 and {members.channels}",
        )
    if keep == members.channels:
        return graph.copy()
    kept = _kept(members, keep, order)
    narrowed = graph.copy()
    _cut(narrowed, _members_of(narrowed, group), kept)
    return finished(narrowed, subject=subject)


def channel_importance(graph: Graph, *, group: str) -> NDArray[Any]:
    """How much each channel of a group weighs, by the weights of producers and readers alone.

    Returns:
        (channels,) float64: norm of the producers' rows times norm of the readers' columns.
    """
    return _importance(_members_of(graph, group))


def _members_of(graph: Graph, group: str) -> Members:
    found = {known.name: (known, members) for known, members in groups_and_members(graph)}
    if group not in found:
        cuttable = [name for name, (known, _) in found.items() if not known.blocked]
        raise PreconditionError(
            f"narrow channel group {group}",
            expected=f"one of {cuttable}",
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
    return members


def _kept(members: Members, keep: int, order: str) -> NDArray[np.int64]:
    if order == "prefix":
        return np.arange(keep)
    if order != "importance":
        raise ValueError(f"order is 'importance' or 'prefix', not {order!r}")
    ranked = np.argsort(-_importance(members), kind="stable")
    return np.sort(ranked[:keep])


def _importance(members: Members) -> NDArray[Any]:
    rows, columns = np.zeros(members.channels), np.zeros(members.channels)
    for producer in members.producers.values():
        weight = producer.weight.astype(np.float64)
        rows += np.square(weight).reshape(members.channels, -1).sum(axis=1)
    for reader in members.readers.values():
        weight = np.swapaxes(reader.weight.astype(np.float64), 0, 1)
        columns += np.square(weight).reshape(members.channels, -1).sum(axis=1)
    importance: NDArray[Any] = np.sqrt(rows * columns)
    return importance


# ---------------------------------------------------------------- cutting


def _cut(graph: Graph, members: Members, kept: NDArray[np.int64]) -> None:
    for node, axis in members.between.items():
        _cut_between(graph, node, axis, kept)
    for linear in {**members.producers, **members.readers}.values():
        name = linear.node.name
        _cut_map(
            graph, linear, kept, rows=name in members.producers, columns=name in members.readers
        )


def _cut_between(graph: Graph, node: Any, axis: int, kept: NDArray[np.int64]) -> None:
    """Cut the constants of one node, after its own axis and those of its inputs."""
    ends, depthwise = ends_of(node, axis), is_depthwise(node)
    for index, own in ends if not isinstance(ends, str) else ():
        array = constant_array(node.inputs[index])
        if array is not None:
            _replace_input(graph, node, index, array.take(kept, axis=own))
    for index, array in constants_for_channels(node, axis, len(kept)).items():
        _replace_input(graph, node, index, array)
    if depthwise:
        ir = needs("onnx_ir", "build", "to edit ONNX graphs")
        node.attributes.add(ir.AttrInt64("group", len(kept)))


def _cut_map(
    graph: Graph, linear: LinearMap, kept: NDArray[np.int64], *, rows: bool, columns: bool
) -> None:
    node, weight, bias = linear.node, linear.weight, linear.bias
    if rows:
        weight = weight.take(kept, axis=0)
        bias = None if bias is None else bias.take(kept)
    if columns:
        weight = weight.take(kept, axis=1)
    name = node.name
    node.name = f"{name}.replaced"  # the new node takes the name over
    value = add_map(
        graph, linear, data=linear.data, weight=weight, bias=bias, name=name, before=node
    )
    replace_value(node.outputs[0], value)


def _replace_input(graph: Graph, node: Any, index: int, array: NDArray[Any]) -> None:
    """Give this node its own constant: others may read the old one."""
    name = node.inputs[index].name
    node.replace_input_with(index, add_initializer(graph, f"{name}.narrow", array))
