"""Values inside a graph on calibration frames, computed one part of the graph after another.

Weights may be changed between two parts: what was computed stays, what comes after sees the new
numbers. That is how a fit in graph order costs one pass over the graph and not one for each fit.
"""

from collections.abc import Collection, Iterable
from typing import Any

from numpy.typing import NDArray

from edgert.backends.onnxruntime import session_from_bytes
from edgert.surgery.graph import Graph
from edgert.surgery.segment import nodes_between, segment_bytes

Array = NDArray[Any]


class Activations:
    """The values of a graph with one input, on a list of frames.

    Args:
        graph: Static shapes. Its weights may change while this is in use, its nodes may not.
        frames: The model's input for each frame.
        threads: That the runtime may use.
    """

    def __init__(self, graph: Graph, frames: Iterable[Array], *, threads: int | None = None):
        self._graph, self._threads = graph, threads
        self._known: dict[Any, list[Array]] = {graph.inputs[0]: list(frames)}
        self._done: set[Any] = set()

    def compute(self, wanted: Collection[Any]) -> None:
        """Compute values, and keep what later parts of the graph will read."""
        nodes = nodes_between(self._graph, wanted, self._known)
        if not nodes:
            return
        inside = set(nodes)
        self._done |= inside
        inputs = list(dict.fromkeys(v for n in nodes for v in n.inputs if v in self._known))
        outputs = [
            value
            for node in nodes
            for value in node.outputs
            if value in wanted or value.is_graph_output() or not self._is_spent(value)
        ]
        session = session_from_bytes(
            segment_bytes(self._graph, nodes, inputs=inputs, outputs=outputs),
            threads=self._threads,
        )
        for value in outputs:
            self._known[value] = []
        frames = len(self._known[inputs[0]])
        for index in range(frames):
            results = session.run({v.name: self._known[v][index] for v in inputs})
            for value in outputs:
                self._known[value].append(results[value.name])
        session.close()
        for value in [v for v in self._known if v not in wanted and self._is_spent(v)]:
            del self._known[value]

    def __getitem__(self, value: Any) -> list[Array]:
        """A computed value on each frame."""
        return self._known[value]

    def _is_spent(self, value: Any) -> bool:
        return not value.is_graph_output() and all(node in self._done for node, _ in value.uses())
