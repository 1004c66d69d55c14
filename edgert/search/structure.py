"""What is left of a graph when branches go: which nodes the outputs still depend on.

Walks names alone, so that a choice of branches costs a fraction of a millisecond and no edit.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edgert.surgery.graph import Graph
from edgert.surgery.residuals import ResidualBranch


@dataclass(frozen=True)
class Structure:
    """Who reads whom.

    Attributes:
        sources: For each node, the nodes that compute its inputs.
        roots: The nodes that compute the outputs.
        branches: For each branch, its sum's node and the node that computes what the sum loses.
    """

    sources: Mapping[str, tuple[str, ...]]
    roots: tuple[str, ...]
    branches: Mapping[str, tuple[str, str]]

    def alive(self, gone: Collection[str]) -> set[str]:
        """The nodes that outputs depend on when branches are skipped or replaced."""
        cut = {self.branches[name] for name in gone}
        pending, alive = list(self.roots), set(self.roots)
        while pending:
            node = pending.pop()
            for source in self.sources[node]:
                if source not in alive and (node, source) not in cut:
                    alive.add(source)
                    pending.append(source)
        return alive


def structure_of(graph: Graph, branches: Sequence[ResidualBranch]) -> Structure:
    """The structure of a graph and its residual branches."""
    sources = {
        node.name: tuple(
            value.producer().name
            for value in node.inputs
            if value is not None and value.producer() is not None
        )
        for node in graph.nodes
    }
    producers = {value.name: node.name for node in graph.nodes for value in node.outputs}
    return Structure(
        sources=sources,
        roots=tuple(producers[v.name] for v in graph.outputs if v.name in producers),
        branches={b.name: (b.add, producers[b.branch_value]) for b in branches},
    )
