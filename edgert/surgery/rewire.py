"""Putting new nodes into a graph and moving readers over to them, names kept unique.

Works in place, so edits call it on their copy. What is put where is the edits' business.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from edgert.optional import needs
from edgert.surgery.graph import Graph, values_of


def new_node(
    graph: Graph,
    op_type: str,
    inputs: Sequence[Any],
    *,
    name: str,
    shape: Sequence[int],
    before: Any,
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """Insert a node with one output; in place.

    Args:
        graph: The copy being edited.
        op_type: Operator of the default domain.
        inputs: Values of the graph, None for an input left out.
        name: Wanted node name; a number is appended where it is taken.
        shape: Shape of the output.
        before: Node of the graph that the new one is put in front of.
        attributes: Plain values, or attributes of another node.

    Returns:
        The output value; its type is that of the first input.
    """
    ir = needs("onnx_ir", "build", "to edit ONNX graphs")
    nodes = {node.name for node in graph.nodes}
    unique = _unused(name, nodes)
    output = ir.Value(
        name=_unused(f"{unique}.output", {value.name for value in values_of(graph)}),
        shape=ir.Shape(tuple(shape)),
        type=inputs[0].type,
    )
    node = ir.node(op_type, inputs, attributes, outputs=[output], name=unique)
    graph.model.graph.insert_before(before, node)
    return output


def replace_value(old: Any, new: Any) -> None:
    """Let every reader of `old` read `new`; in place.

    Where `old` is an output of the graph, `new` becomes that output and takes its name.
    """
    name, is_output = old.name, old.is_graph_output()
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    if is_output:
        old.name = f"{name}.replaced"
        new.name = name


def _unused(name: str, taken: set[str]) -> str:
    unique, count = name, 1
    while unique in taken:
        unique, count = f"{name}_{count}", count + 1
    return unique
