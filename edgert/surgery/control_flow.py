"""Control flow: branches whose condition is known are taken, all other subgraphs are refused.

TorchScript exports ask with an If what static shapes already say. What is left after that depends
on the frame, and no edit, no count and no engine here could say what it costs.
"""

from typing import Any

from edgert.errors import PreconditionError
from edgert.optional import needs


def take_known_branches(graph: Any) -> int:
    """Put the branch that is always taken in the place of each If with a constant condition.

    Args:
        graph: An onnx_ir.Graph, changed in place.

    Returns:
        How many Ifs went; nodes and names of their branches need the usual clean-up.
    """
    taken = 0
    for node in list(graph):
        if node.op_type != "If" or node.domain not in ("", "ai.onnx"):
            continue
        condition = node.inputs[0].const_value
        if condition is None or node.inputs[0].producer() is not None:
            continue
        chosen = "then_branch" if bool(condition.numpy().reshape(-1)[0]) else "else_branch"
        _inline(graph, node, node.attributes[chosen].value)
        taken += 1
    return taken


def refuse_control_flow(graph: Any, subject: str) -> None:
    """Refuse what has graphs of its own: If, Loop, Scan, SequenceMap.

    Raises:
        PreconditionError: With the first such node.
    """
    ir = needs("onnx_ir", "build", "to read ONNX graphs")
    kinds = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    for node in graph:
        if any(entry.type in kinds for entry in node.attributes.values()):
            reason = (
                "whose condition depends on the frame" if node.op_type == "If" else "with a body"
            )
            raise PreconditionError(
                f"{subject}, node {node.name} ({node.op_type})",
                expected="a graph without control flow",
                got=f"{node.op_type} {reason}",
                advice="Export the model with fixed shapes and without branches or loops",
            )


def _inline(graph: Any, node: Any, branch: Any) -> None:
    """Move a branch's nodes and weights before the If, and let its results take over."""
    scope = (node.name or node.op_type).rpartition("/")[0]
    prefix = node.outputs[0].name  # unique in the graph, as names of values are
    for value in list(branch.initializers.values()):
        branch.initializers.pop(value.name)
        value.name = f"{prefix}.{value.name}"
        graph.register_initializer(value)
    inner = list(branch)
    results = list(branch.outputs)
    branch.remove(inner)
    for each in inner:
        each.name = f"{scope}/{each.op_type}" if scope else None
        for value in each.outputs:
            value.name = f"{prefix}.{value.name}"
    branch.outputs.clear()
    graph.insert_before(node, inner)
    for old, new in zip(list(node.outputs), results, strict=True):
        old.replace_all_uses_with(
            _carried(graph, node, old, new) if old.is_graph_output() else new
        )
    graph.remove(node, safe=True)


def _carried(graph: Any, node: Any, old: Any, new: Any) -> Any:
    """A graph output keeps its name and type: an Identity before `node` carries them."""
    ir = needs("onnx_ir", "build", "to edit ONNX graphs")
    name, old.name = old.name, f"{old.name}.untaken"
    carrier = ir.node("Identity", [new], num_outputs=1)
    [value] = carrier.outputs
    value.name, value.type, value.shape = name, old.type, old.shape
    graph.insert_before(node, carrier)
    for position, output in enumerate(graph.outputs):
        if output is old:
            graph.outputs[position] = value
    return value
