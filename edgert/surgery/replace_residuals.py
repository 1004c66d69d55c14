"""A linear map in a residual branch's place: `x + branch(x)` becomes `x + W n(x) + b`.

Until `compensate` fits W and b on calibration frames they are zero, and the graph computes what
it would without the branch. Which branches there are is for `residuals`.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from edgert.errors import PreconditionError
from edgert.surgery.fold import fold_static_values
from edgert.surgery.graph import Graph, add_initializer, finished, static_shape
from edgert.surgery.residuals import ResidualBranch
from edgert.surgery.rewire import new_node
from edgert.surgery.skip_residuals import chosen_branches

SUFFIX = "/stand_in"  # of the map's node name, behind the branch's
_SUBJECT = "replace_residuals"


def replace_residuals(
    graph: Graph, *, branches: Sequence[str], by: Literal["linear", "scale"] = "linear"
) -> Graph:
    """Put a linear map in the place of residual branches.

    The map reads what the branch's own normalisation gives where the branch begins with one, else
    the shortcut; it adds channels * channels MACs for each position ("linear"), or none ("scale",
    one factor and one bias for each channel).

    Args:
        graph: Any graph. It stays unchanged.
        branches: Names as `find_residual_branches` gives them, each once.
        by: The kind of map.

    Returns:
        A new graph. Each map is a node named "<branch>/stand_in", with zeros for weights.

    Raises:
        PreconditionError: An unknown name, or a branch whose channels are on no known axis.

    Source:
        ReplaceMe (arXiv 2505.02819): a run of skipped transformer blocks becomes one linear map.
        Differs: branches one by one, in any network with residual sums, on what the branch's
        normalisation gives.
    """
    chosen = chosen_branches(graph, branches, subject=_SUBJECT)
    edited = graph.copy()
    for branch in chosen:
        _replace(edited, branch, by)
    fold_static_values(edited.model.graph)
    return finished(edited, subject=_SUBJECT)


def stand_in_axis(shape: tuple[int, ...]) -> int:
    """Where a feature map's channels are: axis 1 of four and more axes (NCHW), else the last."""
    return 1 if len(shape) > 3 else len(shape) - 1


def _replace(graph: Graph, branch: ResidualBranch, by: str) -> None:
    node = graph.node(branch.add)
    values = {value.name: value for value in node.inputs}
    old, shortcut = values[branch.branch_value], values[branch.shortcut_value]
    shape = static_shape(old)
    if shape is None or len(shape) < 2:
        raise PreconditionError(
            f"{_SUBJECT} {branch.name}",
            expected="a branch whose result has channels",
            got=f"shape {shape}",
            advice="Use skip_residuals for this branch",
        )
    axis = stand_in_axis(shape)
    data = _normalised(graph, branch, shortcut)
    name = f"{branch.name}{SUFFIX}"
    channels = shape[axis]
    dtype = old.dtype.numpy()
    if by == "scale":
        column = (channels,) + (1,) * (len(shape) - 1 - axis)
        scale = add_initializer(graph, f"{name}.scale", np.zeros(column, dtype))
        new = new_node(graph, "Mul", [data, scale], name=name, shape=shape, before=node)
        bias = add_initializer(graph, f"{name}.bias", np.zeros(column, dtype))
        new = new_node(graph, "Add", [new, bias], name=f"{name}.bias", shape=shape, before=node)
    elif axis == len(shape) - 1:
        weight = add_initializer(graph, f"{name}.weight", np.zeros((channels, channels), dtype))
        bias = add_initializer(graph, f"{name}.bias", np.zeros(channels, dtype))
        new = new_node(graph, "MatMul", [data, weight], name=name, shape=shape, before=node)
        new = new_node(graph, "Add", [new, bias], name=f"{name}.bias", shape=shape, before=node)
    else:
        kernel = (channels, channels) + (1,) * (len(shape) - 2)
        weight = add_initializer(graph, f"{name}.weight", np.zeros(kernel, dtype))
        bias = add_initializer(graph, f"{name}.bias", np.zeros(channels, dtype))
        new = new_node(graph, "Conv", [data, weight, bias], name=name, shape=shape, before=node)
    index = list(node.inputs).index(old)
    node.replace_input_with(index, new)


def _normalised(graph: Graph, branch: ResidualBranch, shortcut: Any) -> Any:
    """What the branch's normalisation makes of the shortcut, in the shortcut's layout."""
    for reader, index in shortcut.uses():
        if index == 0 and reader.name in branch.nodes and reader.op_type == "LayerNormalization":
            return reader.outputs[0]
    return shortcut
