"""Statistics of BatchNormalization, measured anew on what reaches it after an edit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.calibration.activations import Activations
from edgert.surgery.compensate import with_numbers
from edgert.surgery.graph import Graph, add_initializer, constant_array

Array = NDArray[Any]
_MEAN, _VAR = 3, 4


@dataclass(frozen=True)
class BatchNormSite:
    """A BatchNormalization whose input is no longer what its statistics were taken of."""

    node: Any

    @property
    def name(self) -> str:
        """The node's name."""
        return str(self.node.name)

    @property
    def data(self) -> Any:
        """What it normalises."""
        return self.node.inputs[0]


def recalibrate_batchnorm(
    graph: Graph, frames: Sequence[Array], *, threads: int | None = None
) -> tuple[Graph, dict[str, Array]]:
    """Measure mean and variance of every BatchNormalization on frames, in graph order.

    Args:
        graph: Any graph with one input; it stays unchanged.
        frames: The model's input for each frame.
        threads: That the runtime may use; None: all.

    Returns:
        The graph with the new statistics, and these by "<node name>.mean" and ".var".

    Source:
        Cai et al., "Once-for-All", ICLR 2020, arXiv 1908.09791, and its set_running_statistics.
        Differs: the variance is that of all frames together, with what lies between frames, since
        one frame is a batch here.
    """
    working = graph.copy()
    activations = Activations(working, frames, threads=threads)
    tensors: dict[str, Array] = {}
    for node in working.nodes:
        if is_batchnorm(node):
            site = BatchNormSite(node)
            activations.compute([site.data])
            tensors.update(measured_statistics(working, site, activations[site.data]))
    rounded = {key: array.astype(np.float32) for key, array in tensors.items()}
    return with_numbers(graph, rounded, subject="recalibrate batchnorm"), rounded


def batchnorm_sites(graph: Graph, changed: set[Any], refitted: set[Any]) -> list[BatchNormSite]:
    """The normalisations to measure anew: their input changed, and is not itself fitted.

    A value that was fitted to the reference's has the statistics that the reference had.

    Args:
        graph: The edited graph.
        changed: Its nodes that `changed_nodes` gives.
        refitted: Its values that are fitted.
    """
    return [
        BatchNormSite(node)
        for node in graph.nodes
        if is_batchnorm(node)
        and node.inputs[0].producer() in changed
        and node.inputs[0] not in refitted
    ]


def is_batchnorm(node: Any) -> bool:
    """Whether a node is a BatchNormalization with constant statistics."""
    return bool(
        node.op_type == "BatchNormalization"
        and len(node.outputs) == 1
        and all(constant_array(value) is not None for value in node.inputs[1:])
    )


def measured_statistics(
    graph: Graph, site: BatchNormSite, values: Sequence[Array]
) -> dict[str, Array]:
    """Mean and variance of each channel over all frames; written into the graph too, in place."""
    channels = values[0].shape[1]
    count, total, squares = 0, np.zeros(channels), np.zeros(channels)
    for array in values:
        rows = np.moveaxis(array, 1, -1).reshape(-1, channels).astype(np.float64)
        count += len(rows)
        total += rows.sum(axis=0)
        squares += np.square(rows).sum(axis=0)
    mean = total / count
    variance = np.maximum(squares / count - np.square(mean), 0)
    for index, array in ((_MEAN, mean), (_VAR, variance)):
        old = site.node.inputs[index]
        new = add_initializer(graph, f"{site.name}.{index}", array.astype(old.dtype.numpy()))
        site.node.replace_input_with(index, new)
    return {f"{site.name}.mean": mean, f"{site.name}.var": variance}
