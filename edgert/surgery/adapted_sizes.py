"""The sizes that `adapt_edges` gives a graph's edges: put on, and taken off for other edits.

An edit of the size that a network works at has to see the network's own picture and outputs, not
what a family brings to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgert.optional import needs
from edgert.surgery.graph import Graph, remove_unused, static_shape
from edgert.surgery.picture_size import brought_to_size

# What the names of nodes start with that `adapt_edges` inserts.
INPUT, OUTPUT = "adapt_edges.input", "adapt_edges.output"


@dataclass(frozen=True)
class AdaptedSizes:
    """The sizes of a graph's edges, where its network's own are others.

    Attributes:
        picture: The shape of the input.
        outputs: Shapes of outputs that are maps of another size, by their place.
    """

    picture: tuple[int, ...]
    outputs: dict[int, tuple[int, ...]]

    def put_back_picture(self, graph: Graph) -> None:
        """Give the input its shape again, in place; what reads it has to be brought along."""
        ir = needs("onnx_ir", "build", "to edit ONNX graphs")
        graph.inputs[0].shape = ir.Shape(self.picture)

    def put_back_outputs(self, graph: Graph) -> None:
        """Bring the outputs to these shapes, from whatever size they have now; in place."""
        for place, shape in self.outputs.items():
            resize_output(graph, graph.outputs[place], shape)


def take_off_sizes(graph: Graph) -> AdaptedSizes:
    """Let a graph take and give what its network does by itself in size; in place.

    What `adapt_edges` inserted for colours and normalisation stays, and names do. A graph that
    was not adapted, or whose sizes are the network's own, stays as it is.
    """
    found = AdaptedSizes(static_shape(graph.inputs[0]) or (), {})
    inserted = [node for node in graph.nodes if node.name.startswith(f"{INPUT}/")]
    sizing = [node for node in inserted if node.op_type in ("Resize", "AveragePool")]
    if sizing:
        own_shape = sizing[-1].outputs[0].shape
        for node in sizing:
            node.outputs[0].replace_all_uses_with(node.inputs[0])
        for value in (graph.inputs[0], *(node.outputs[0] for node in inserted)):
            value.shape = own_shape
    for place, value in enumerate(graph.outputs):
        node = value.producer()
        if node is None or not node.name.startswith(f"{OUTPUT}/"):
            continue
        found.outputs[place] = static_shape(value) or ()
        name, inner = value.name, node.inputs[0]
        value.name = f"{name}.taken_off"
        _become_output(graph, value, inner)
        inner.name = name
    remove_unused(graph)
    return found


def resize_output(graph: Graph, value: Any, shape: Sequence[int]) -> None:
    """Bring an output to a shape, under its name; in place."""
    new = brought_to_size(
        graph,
        value,
        height=shape[2],
        width=shape[3],
        scope=OUTPUT,
        before=None,
        antialias=False,
    )
    if new is not value:
        name = value.name
        value.name = f"{name}.at_its_size"
        _become_output(graph, value, new)
        new.name = name


def _become_output(graph: Graph, old: Any, new: Any) -> None:
    """Hand out `new` in the place of `old`; what reads `old` inside the graph keeps doing so."""
    values = graph.model.graph.outputs
    values[list(values).index(old)] = new
