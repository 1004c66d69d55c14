"""A graph's nodes by position: what depends on what, for edits that search for structure.

Positions are topological, so "earlier" can be asked by comparing two numbers; that keeps every
walk here short. Nothing here changes a graph.
"""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Any

from edgert.surgery.cost import macs_of
from edgert.surgery.graph import Graph

_WEIGHT_INPUTS = 4  # the last operator to have its weights there is QLinearConv
# What these read as constants are masks and cached keys, not weights.
_WITHOUT_WEIGHTS = frozenset({("", "Attention"), ("com.microsoft", "MultiHeadAttention")})


class GraphView:
    """A graph seen by position. It is valid until the graph changes.

    Attributes:
        nodes: The nodes in topological order; a position is an index of this list.
        dynamic: The values that depend on the graph's inputs. All others are constants.
        macs: Multiply-accumulates of each node.
        multiplies: Whether a node does multiply-accumulates, or may (an unknown operator).
        learned: Whether a node multiplies something computed with weights.
    """

    def __init__(self, graph: Graph) -> None:
        self.nodes = list(graph.nodes)
        self._positions = {node: position for position, node in enumerate(self.nodes)}
        self.dynamic: set[Any] = set(graph.inputs)
        for node in self.nodes:
            if any(value in self.dynamic for value in _inputs_of(node)):
                self.dynamic.update(node.outputs)
        counts = [macs_of(node) for node in self.nodes]
        self.macs = [macs for macs, _ in counts]
        self.multiplies = [bool(macs or unknown) for macs, unknown in counts]
        self.learned = [self._is_learned(position) for position in range(len(self.nodes))]

    def position(self, value: Any) -> int | None:
        """Where a value is computed; None for inputs and initializers."""
        node = value.producer()
        return None if node is None else self._positions.get(node)

    def reads(self, position: int) -> Iterator[Any]:
        """The values a node reads that depend on the graph's inputs."""
        return (value for value in _inputs_of(self.nodes[position]) if value in self.dynamic)

    def own_nodes(self, value: Any, reader: Any) -> frozenset[int]:
        """Positions of the nodes that would be dead if `reader` read `value` no more."""
        own: set[int] = set()
        queue: list[int] = []
        self._push_producers(queue, [value])
        while queue:
            position = -heappop(queue)  # latest first: all its readers are decided by then
            if position not in own and self._is_read_within(position, own, value, reader):
                own.add(position)
                self._push_producers(queue, _inputs_of(self.nodes[position]))
        return frozenset(own)

    def entries(self, positions: Iterable[int]) -> list[Any]:
        """The non-constant values that a set of nodes reads from outside it, each once."""
        inside = set(positions)
        read = (value for position in sorted(inside) for value in self.reads(position))
        return list(dict.fromkeys(v for v in read if self.position(v) not in inside))

    def starts_from(self, entry: Any, start: Any) -> bool:
        """Whether `entry` is `start`, or made of `start` alone with at most one layer between.

        That is what branches side by side share: a normalisation, one fused projection.
        """
        start_position = self.position(start)
        earliest = -1 if start_position is None else start_position
        layers, queue, seen = 0, [entry], {entry}
        while queue:
            value = queue.pop()
            if value is start:
                continue
            position = self.position(value)
            if position is None or position <= earliest:
                return False
            layers += self.multiplies[position]
            if layers > 1:
                return False
            fresh = [v for v in self.reads(position) if v not in seen]
            seen.update(fresh)
            queue.extend(fresh)
        return True

    def made_of(self, start: Any) -> list[int]:
        """Positions of the nodes that read one value and constants alone, or what such nodes make.

        Were the value a constant, folding would make constants of them: so nodes of several
        outputs, and those that make an output of the graph, are not among them.
        """
        made, positions = {start}, []
        first = self.position(start)
        for position in range(0 if first is None else first + 1, len(self.nodes)):
            outputs = self.nodes[position].outputs
            reads = set(self.reads(position))
            if reads and reads <= made and len(outputs) == 1 and not outputs[0].is_graph_output():
                made.add(outputs[0])
                positions.append(position)
        return positions

    def between(self, start: Any, end: Any) -> frozenset[int]:
        """Positions of the nodes on any path from one value to another."""
        start_position = self.position(start)
        earliest = -1 if start_position is None else start_position
        behind: set[int] = set()
        queue = [end]
        while queue:
            position = self.position(queue.pop())
            if position is not None and position > earliest and position not in behind:
                behind.add(position)
                queue.extend(self.reads(position))
        reached, path = {start}, set()
        for position in sorted(behind):
            if any(value in reached for value in _inputs_of(self.nodes[position])):
                path.add(position)
                reached.update(self.nodes[position].outputs)
        return frozenset(path)

    def _push_producers(self, queue: list[int], values: Iterable[Any]) -> None:
        for value in values:
            position = self.position(value)
            if position is not None:
                heappush(queue, -position)

    def _is_read_within(self, position: int, own: set[int], value: Any, reader: Any) -> bool:
        """Whether all that a node computes is read in `own` or is `value`, read by `reader`."""
        for output in self.nodes[position].outputs:
            if output.is_graph_output():
                return False
            for node, _ in output.uses():
                is_reader = output is value and node is reader
                if not is_reader and self._positions.get(node, -1) not in own:
                    return False
        return True

    def _is_learned(self, position: int) -> bool:
        node = self.nodes[position]
        if not self.multiplies[position] or (node.domain, node.op_type) in _WITHOUT_WEIGHTS:
            return False
        return any(
            value is not None and value not in self.dynamic
            for value in node.inputs[:_WEIGHT_INPUTS]
        )


def _inputs_of(node: Any) -> Iterator[Any]:
    """The values a node reads, those that its subgraphs take from outside included."""
    yield from (value for value in node.inputs if value is not None)
    for attribute in node.attributes.values():
        if attribute.type.name in ("GRAPH", "GRAPHS"):
            graphs = [attribute.value] if attribute.type.name == "GRAPH" else attribute.value
            for graph in graphs:
                for inner in graph:
                    yield from _inputs_of(inner)
