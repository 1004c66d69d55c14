"""Folding stand-ins into the sum they stand in: `x + (W x + b)` is `(W + 1) x + b`. Exact.

Only a stand-in that reads the very value it is added to folds; one that reads what a
normalisation made of it can't. What is left is a plain linear map, which `merge_linear` may
multiply into its neighbours.
"""

from typing import Any

import numpy as np

from edgert.surgery.graph import Graph, add_initializer
from edgert.surgery.linear_maps import linear_map
from edgert.surgery.refit import bias_node, set_numbers
from edgert.surgery.replace_residuals import SUFFIX
from edgert.surgery.rewire import replace_value


def fold_stand_ins(graph: Graph) -> int:
    """Fold every stand-in that can be; in place.

    Args:
        graph: The copy being edited.

    Returns:
        How many were folded.
    """
    folded = 0
    for node in graph.nodes:
        if node.name.endswith(SUFFIX):
            folded += _folded(graph, node)
    return folded


def _folded(graph: Graph, node: Any) -> bool:
    data = node.inputs[0]
    last = _last_of(node)
    total = _sum_with(last.outputs[0], data)
    if total is None:
        return False
    if node.op_type == "Mul":
        factor = node.inputs[1].const_value.numpy() + 1
        node.replace_input_with(1, add_initializer(graph, f"{node.name}.factor", factor))
    else:
        linear = linear_map(node)
        if linear is None:
            return False
        identity = np.eye(linear.channels_out, dtype=linear.weight.dtype)
        set_numbers(graph, linear, linear.weight + identity.reshape(linear.weight.shape), None)
    replace_value(total.outputs[0], last.outputs[0])
    graph.model.graph.remove(total, safe=True)
    return True


def _last_of(node: Any) -> Any:
    """The node that adds the stand-in's bias, or the stand-in itself."""
    if node.op_type == "Mul":
        [(add, _)] = node.outputs[0].uses()
        return add
    linear = linear_map(node)
    add = None if linear is None else bias_node(linear)
    return node if add is None else add


def _sum_with(value: Any, data: Any) -> Any | None:
    """The Add of a value, that nothing else reads, and the data it was made of."""
    if len(value.uses()) != 1 or value.is_graph_output():
        return None
    [(reader, _)] = value.uses()
    operands = list(reader.inputs)
    return reader if reader.op_type == "Add" and set(operands) == {value, data} else None
