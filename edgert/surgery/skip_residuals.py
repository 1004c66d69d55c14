"""Dropping residual branches: every reader of `shortcut + branch` reads `shortcut` instead.

This makes shallower networks, as depth and layer dropping do, without touching a weight. Finding
and naming the branches is left to `residuals`.
"""

from collections.abc import Sequence
from typing import Any

from edgert.optional import needs
from edgert.surgery.asked_names import BRANCHES, check_names
from edgert.surgery.fold import fold_static_values
from edgert.surgery.graph import Graph, finished
from edgert.surgery.residuals import ResidualBranch, find_residual_branches, is_sum

_SUBJECT = "skip_residuals"


def skip_residuals(graph: Graph, *, branches: Sequence[str]) -> Graph:
    """Drop residual branches.

    Dropping one branch after another gives the same graph as dropping them at once, and the
    branches that are left keep their names. What goes with a dropped branch: branches inside it,
    and branches that work on nothing but constants without it.

    Args:
        graph: Any graph. It stays unchanged.
        branches: Names as `find_residual_branches` gives them, each once.

    Returns:
        A new graph without the branches and without what only they needed. Inputs, outputs and
        the shapes of outputs are the same.

    Raises:
        PreconditionError: No name is given, one is given twice, or one is not in the graph.

    Source:
        Sreedhar et al., Vision Transformer Computation and Resilience for Dynamic Inference,
        ISPASS 2024, arXiv 2212.02687 (encoder layers left out). Differs: attention and
        feed-forward branches are dropped one by one, in any network with residual sums.
    """
    going = {branch.branch_value for branch in chosen_branches(graph, branches, subject=_SUBJECT)}
    edited = graph.copy()
    for node in edited.nodes:
        if is_sum(node):
            _without_operands(edited, node, going)
    fold_static_values(edited.model.graph)  # a decoder without cross-attention sees constants only
    return finished(edited, subject=_SUBJECT)


def chosen_branches(
    graph: Graph, branches: Sequence[str], *, subject: str
) -> list[ResidualBranch]:
    """The branches of these names, in the order of the names.

    Raises:
        PreconditionError: No name is given, one is given twice, or one is not in the graph.
    """
    known = {branch.name: branch for branch in find_residual_branches(graph)}
    check_names(subject, branches, list(known), BRANCHES)
    return [known[name] for name in branches]


def _without_operands(graph: Graph, node: Any, going: set[str]) -> None:
    """Take the operands named in `going` out of a sum, in place.

    A sum that loses all its operands goes too: its output joins `going`, and the sum around it,
    which comes later, loses that.
    """
    kept = [value for value in node.inputs if value.name not in going]
    if len(kept) == len(node.inputs):
        return
    if not kept:
        going.add(node.outputs[0].name)
    elif len(kept) == 1:
        _replace_everywhere(graph, node, kept[0])
    else:
        for position, value in enumerate(kept):
            node.replace_input_with(position, value)
        node.resize_inputs(len(kept))


def _replace_everywhere(graph: Graph, node: Any, value: Any) -> None:
    """Let every reader of the node's output, the graph's outputs too, read `value`."""
    ir = needs("onnx_ir", "build", "to edit ONNX graphs")
    old = node.outputs[0]
    outputs = graph.model.graph.outputs
    positions = [position for position, output in enumerate(outputs) if output is old]
    if positions:  # the output keeps its name, so something must write under that name
        name, old.name = old.name, f"{old.name}.with_branch"
        identity = ir.node("Identity", [value], num_outputs=1, name=f"{node.name}.shortcut")
        new = identity.outputs[0]
        new.name, new.shape, new.type = name, old.shape, old.type
        graph.model.graph.insert_before(node, identity)
        for position in positions:
            outputs[position] = new
    old.replace_all_uses_with(value)
