"""Which units of each channel group matter most, measured on calibration frames.

The order is nested: the first k units are what a width of k keeps, whatever k is. It is taken of
the full model once, for all configurations.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.artifacts import write_atomically
from edgert.calibration.activations import Activations
from edgert.calibration.elimination import Reading, removal_order
from edgert.calibration.reference import TOKENS_PER_FRAME, Reference
from edgert.calibration.sampling import read_features, sampled_positions
from edgert.surgery.channel_groups import groups_and_members
from edgert.surgery.graph import static_shape
from edgert.surgery.linear_maps import LinearMap

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
    chosen = {
        group.name: members
        for group, members in groups_and_members(reference.graph)
        if not group.blocked and (groups is None or group.name in groups)
    }
    activations = Activations(reference.graph, reference.frames, threads=threads)
    ranked = {}
    for index, (name, members) in enumerate(chosen.items()):
        if progress is not None:
            progress(index, len(chosen), f"rank {name}")
        readings = [
            _reading(linear, np.arange(members.channels), reference, activations)
            for linear in members.readers.values()
        ]
        ranked[name] = _ranked(readings, members.channels)
    return ranked


def save_ranking(path: Path, ranking: dict[str, list[int]]) -> None:
    """Write an order as the JSON file that `narrow_channels` reads."""
    lines = [f"  {json.dumps(name)}: {json.dumps(units)}" for name, units in ranking.items()]
    write_atomically(path, '{"groups": {\n' + ",\n".join(lines) + "\n}}\n")


def _ranked(readings: Sequence[Reading], units: int) -> list[int]:
    small = [r for r in readings if len(r.labels) <= _MOST_FEATURES]
    if len(small) == len(readings):
        return removal_order(readings, units)[0][::-1]
    energy = np.zeros(units)
    for reading in readings:
        share = np.square(reading.weight).sum(axis=0) * np.diag(reading.second_moments)
        of_unit = reading.labels >= 0
        np.add.at(energy, reading.labels[of_unit], (share / max(share.sum(), 1e-12))[of_unit])
    return [int(unit) for unit in np.argsort(-energy, kind="stable")]


def _reading(
    linear: LinearMap, labels: Array, reference: Reference, activations: Activations
) -> Reading:
    activations.compute([linear.data])
    weight = linear.weight
    features = weight.reshape(len(weight), -1)
    kernel = features.shape[1] // weight.shape[1]
    shape = static_shape(linear.node.outputs[0]) or ()
    positions = int(np.prod(shape)) // shape[linear.out_axis]
    moments, total, count = np.zeros((features.shape[1],) * 2), np.zeros(features.shape[1]), 0
    for frame in range(len(reference.frames)):
        rows = sampled_positions(frame, positions, TOKENS_PER_FRAME)
        x = read_features(linear, activations[linear.data][frame], rows).astype(np.float64)
        moments += x.T @ x
        total += x.sum(axis=0)
        count += len(x)
    mean = total / count  # a bias makes up for the mean
    centred = moments / count - np.outer(mean, mean)
    return Reading(centred, features.astype(np.float64), np.repeat(labels, kernel))
