"""Statistics of a BatchNormalization from what is in front of it; which a fit measures anew.

How the edit `recalibrate_batchnorm` measures all of a graph's is `recalibration`'s part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.surgery.batchnorm import is_batchnorm
from edgert.surgery.graph import Graph, add_initializer

Array = NDArray[Any]
_MEAN, _VAR = 3, 4  # inputs of the node


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
