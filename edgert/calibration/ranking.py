"""Which units of each channel group matter most, measured on calibration frames.

The order is nested: the first k units are what a width of k keeps, whatever k is. It is taken of
the full model once, for all configurations.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.artifacts import write_atomically
from edgert.calibration.activations import Activations
from edgert.calibration.elimination import Reading, removal_order
from edgert.calibration.reference import TOKENS_PER_FRAME, Reference
from edgert.calibration.ridge import Moments
from edgert.calibration.sampling import read_features, sampled_positions
from edgert.errors import CalibrationError
from edgert.surgery.channel_groups import ChannelGroup, groups_and_members
from edgert.surgery.channel_walk import Members
from edgert.surgery.graph import Graph, static_shape
from edgert.surgery.linear_maps import LinearMap, linear_map
from edgert.surgery.narrow_channels import channel_importance

Array = NDArray[Any]
Progress = Callable[[int, int, str], None]
# Elimination takes the cube of the features: above this, groups are ranked by energy alone.
_MOST_FEATURES = 2304


def rank_units(
    reference: Reference,
    *,
    groups: Sequence[str] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, list[int]]:
    """Order the units of channel groups by what their loss costs the maps that read them.

    Args:
        reference: The full model on calibration frames.
        groups: Names of groups; None: all that can be cut.
        threads: That the runtime may use; None: all.
        progress: Called before each group.

    Returns:
        Unit indices of each group, most important first.

    Raises:
        CalibrationError: A named group does not exist or can't be cut.
    """
    found = {
        group.name: (group, members)
        for group, members in groups_and_members(reference.graph)
        if not group.blocked
    }
    chosen = list(found) if groups is None else list(groups)
    for name in chosen:
        if name not in found:
            raise CalibrationError(
                f"rank the units of {name}",
                expected="a channel group that can be cut",
                got="none of that name",
                advice="List the groups with: edgert inspect",
            )
    readers = {node for name in chosen for node in found[name][1].readers}
    moments = _second_moments(reference, readers, threads=threads, progress=progress)
    ranked = {}
    for index, name in enumerate(chosen):
        if progress is not None:
            progress(index, len(chosen), f"rank {name}")
        ranked[name] = _ranked(reference.graph, *found[name], moments)
    return ranked


def save_ranking(path: Path, ranking: dict[str, list[int]]) -> None:
    """Write an order as the JSON file that `narrow_channels` reads."""
    lines = [f"  {json.dumps(name)}: {json.dumps(units)}" for name, units in ranking.items()]
    write_atomically(path, '{"groups": {\n' + ",\n".join(lines) + "\n}}\n")


def _second_moments(
    reference: Reference,
    readers: set[Any],
    *,
    threads: int | None,
    progress: Progress | None,
) -> dict[Any, Array]:
    """Of what each map reads, about its mean: (features, features), or (features,) where large."""
    activations = Activations(reference.graph, reference.frames, threads=threads)
    found = {}
    ordered = [node for node in reference.graph.nodes if node in readers]
    for index, node in enumerate(ordered):
        if progress is not None:
            progress(index, len(ordered), f"what {node.name} reads")
        linear = linear_map(node)
        if linear is not None:
            activations.compute([linear.data])
            found[node] = _moments(linear, reference, activations)
    return found


def _moments(linear: LinearMap, reference: Reference, activations: Activations) -> Array:
    shape = static_shape(linear.node.outputs[0]) or ()
    positions = int(np.prod(shape)) // shape[linear.out_axis]
    moments: Moments | None = None
    for frame in range(len(reference.frames)):
        rows = sampled_positions(frame, positions, TOKENS_PER_FRAME)
        x = read_features(linear, activations[linear.data][frame], rows)
        if moments is None:
            moments = Moments(x.shape[1], 1)
        moments.add(x, np.zeros((len(x), 1), x.dtype))
    covariance: Array = moments.centred().xx if moments is not None else np.zeros((0, 0))
    return covariance if len(covariance) <= _MOST_FEATURES else np.diag(covariance)


def _ranked(
    graph: Graph, group: ChannelGroup, members: Members, moments: Mapping[Any, Array]
) -> list[int]:
    readings = [
        _reading(node, members.labels_of(node, view), moments[node])
        for node, view in members.readers.items()
        if node in moments
    ]
    if not readings:  # grouped convolutions, or queries and keys: weights alone have to tell
        importance = channel_importance(graph, group=group.name)
    elif all(reading.second_moments.ndim == 2 for reading in readings):
        return removal_order(readings, group.units)[0][::-1]
    else:
        importance = _energy(readings, group.units)
    return [int(unit) for unit in np.argsort(-importance, kind="stable")]


def _reading(node: Any, labels: Array, moments: Array) -> Reading:
    linear = linear_map(node)
    if linear is None:
        raise ValueError(f"{node.name} is no linear map")
    weight = linear.weight
    kernel = int(np.prod(weight.shape[2:]))
    features = weight.reshape(len(weight), -1).astype(np.float64)
    return Reading(moments, features, np.repeat(labels, kernel))


def _energy(readings: Sequence[Reading], units: int) -> Array:
    """How much each unit moves the maps that read it, were it alone."""
    energy = np.zeros(units)
    for reading in readings:
        share = np.square(reading.weight).sum(axis=0) * _diagonal(reading.second_moments)
        of_unit = reading.labels >= 0
        np.add.at(energy, reading.labels[of_unit], (share / max(share.sum(), 1e-12))[of_unit])
    return energy


def _diagonal(moments: Array) -> Array:
    return np.diag(moments) if moments.ndim == 2 else moments
