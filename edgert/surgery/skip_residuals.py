"""Dropping residual branches: every reader of `shortcut + branch` reads `shortcut` instead.

This makes shallower networks, as depth and layer dropping do, without touching a weight. Finding
and naming the branches is left to `residuals`.
"""

import difflib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from edgert.errors import PreconditionError
from edgert.optional import needs
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
    _check_names(branches, subject)
    known = {branch.name: branch for branch in find_residual_branches(graph)}
    for name in branches:
        if name not in known:
            raise _unknown(name, known, subject)
    return [known[name] for name in branches]


def _check_names(branches: Sequence[str], subject: str) -> None:
    if isinstance(branches, str) or not branches:
        raise PreconditionError(
            subject,
            expected="a list of one branch name or more",
            got=f"{branches!r}" if isinstance(branches, str) else "none",
            advice="Name the branches to drop, or leave this edit out to keep them all",
        )
    twice = [name for name, count in Counter(branches).items() if count > 1]
    if twice:
        raise PreconditionError(
            subject,
            expected="each branch once",
            got=f"{', '.join(twice)} more than once",
            advice="Remove the repeated name",
        )


def _unknown(name: str, known: dict[str, ResidualBranch], subject: str) -> PreconditionError:
    if not known:
        return PreconditionError(
            f"{subject} {name}",
            expected="a graph with residual branches",
            got="one without any",
            advice="Leave this edit out",
        )
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.0)
    return PreconditionError(
        f"{subject} {name}",
        expected=f"one of the graph's {len(known)} residual branches",
        got="a name that none has",
        advice=f"Correct it; the nearest are {', '.join(near)}",
    )


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
