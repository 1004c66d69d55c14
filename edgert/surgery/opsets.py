"""Reading a graph as one of a newer opset, where that means the same."""

from typing import Any

from edgert.errors import PreconditionError
from edgert.optional import needs
from edgert.surgery.graph import Graph
from edgert.surgery.layout import is_standard
from edgert.surgery.operator_types import opset_of

_OLDEST = 13  # Softmax and ReduceSum mean something else before
# Between opsets 13 and 20 these got another default, not another form.
_CHANGED = frozenset({"RoiAlign", "GridSample"})


def raise_opset(graph: Graph, opset: int, *, subject: str) -> None:
    """Import a newer opset, in place, if every node means the same there; an older one stays.

    Args:
        graph: The copy being edited.
        opset: 13 to 20.
        subject: The edit, for the error line.

    Raises:
        PreconditionError: A node is written in another way there.
    """
    old = opset_of(graph)
    if old >= opset:
        return
    for node in graph.nodes:
        reason = "older than 13" if old < _OLDEST else _why_other(node, old, opset)
        if reason:
            raise PreconditionError(
                f"{subject}, node {node.name} ({node.op_type})",
                expected=f"a graph that opset {opset} reads as opset {old} does",
                got=reason,
                advice=f"Export the model with opset {opset}",
            )
    graph.model.graph.opset_imports[""] = opset


def _why_other(node: Any, old: int, new: int) -> str:
    """Why a node is another one in a newer opset, in words; empty where it is the same."""
    defs = needs("onnx.defs", "build", "to look up operators")
    if not is_standard(node):
        return ""
    before, after = (defs.get_schema(node.op_type, version, "") for version in (old, new))
    if before.since_version == after.since_version:
        return ""
    if node.op_type in _CHANGED:
        return "a default that changed in between"
    unknown = [name for name in node.attributes if name not in after.attributes]
    if unknown:
        return f"the attribute {unknown[0]}, which is an input there"
    if node.op_type == "Split" and len(node.inputs) < 2 and "num_outputs" not in node.attributes:
        return "no num_outputs, which is asked for there"
    return ""
