"""Putting new nodes into a graph and moving readers over to them, names kept unique.

Works in place, so edits call it on their copy. What is put where is the edits' business.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from edgert.optional import needs
from edgert.surgery.graph import Graph, values_of
from edgert.surgery.unused_names import UnusedNames


class GraphNames:
    """The names in a graph, looked up once for many insertions: each is cheap then.

    It knows of what it gave out, not of what is renamed or removed meanwhile.

    Args:
        graph: The copy being edited.
    """

    def __init__(self, graph: Graph) -> None:
        self.nodes = UnusedNames(node.name for node in graph.nodes)
        self.values = UnusedNames(value.name for value in values_of(graph))


def new_node(
    graph: Graph,
    op_type: str,
    inputs: Sequence[Any],
    *,
    name: str,
    shape: Sequence[int],
    before: Any,
    attributes: Mapping[str, Any] | None = None,
    names: GraphNames | None = None,
) -> Any:
    """Insert a node with one output; in place.

    Args:
        graph: The copy being edited.
        op_type: Operator of the default domain.
        inputs: Values of the graph, None for an input left out.
        name: Wanted node name; a number is appended where it is taken.
        shape: Shape of the output.
        before: Node of the graph that the new one is put in front of; None: behind all others.
        attributes: Plain values, or attributes of another node.
        names: Those of the graph, where many nodes are inserted. None: looked up anew, which
            takes as long as the graph is large.

    Returns:
        The output value; its type is that of the first input.
    """
    ir = needs("onnx_ir", "build", "to edit ONNX graphs")
    names = names or GraphNames(graph)
    unique = names.nodes.take(name)
    output = ir.Value(
        name=names.values.take(f"{unique}.output"),
        shape=ir.Shape(tuple(shape)),
        type=inputs[0].type,
    )
    node = ir.node(op_type, inputs, attributes, outputs=[output], name=unique)
    if before is None:
        graph.model.graph.append(node)
    else:
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
