"""Names and order of an ONNX graph: what is read was given once, and nothing waits for itself."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from edgert.errors import ArtifactError


def node_label(node: Any) -> str:
    """How an error line calls a node: its name if it has one, and its operator."""
    return f"{node.name or 'without a name'} ({node.op_type})"


def check_names(graph: Any, subject: str, outer: frozenset[str] = frozenset()) -> None:
    """Each name is given once, and each name that is read was given, here or around the graph."""
    given = Counter(value.name for value in graph.input)
    given.update(t.name for t in graph.initializer if t.name not in given)
    twice = [name for name, n in Counter(t.name for t in graph.initializer).items() if n > 1]
    if twice:
        raise _name_error(subject, f"one tensor called {twice[0]}", "two initializers of it")
    produced = set(given)
    for node in graph.node:
        for name in filter(None, node.output):
            if name in produced:
                place = f"{subject}, node {node_label(node)}"
                raise _name_error(place, "an output of a new name", f"{name} a second time")
            produced.add(name)
    known = outer | produced
    for node in graph.node:
        place = f"{subject}, node {node_label(node)}"
        for name in filter(None, node.input):
            if name not in known:
                raise _name_error(
                    place,
                    f"an input, a weight or a node's output called {name}",
                    "none",
                )
        for inner in subgraphs(node):
            check_names(inner, place, frozenset(known))
    for value in graph.output:
        if value.name not in known:
            raise _name_error(f"{subject}, output {value.name}", "a node that computes it", "none")


def _name_error(place: str, expected: str, got: str) -> ArtifactError:
    return ArtifactError(
        place, expected=expected, got=got, advice="Export the model again; this file is damaged"
    )


def check_order(graph: Any, subject: str) -> None:
    """Refuse cycles. Nodes out of order are no fault: loading sorts them."""
    producer = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    waits = [{producer[n] for n in _reads(node) if n in producer} for node in graph.node]
    followers: list[list[int]] = [[] for _ in waits]
    for index, before in enumerate(waits):
        for earlier in before:
            followers[earlier].append(index)
    missing = [len(before) for before in waits]
    ready = [index for index, count in enumerate(missing) if count == 0]
    for index in ready:  # grows while it is read
        for later in followers[index]:
            missing[later] -= 1
            if missing[later] == 0:
                ready.append(later)
    if len(ready) < len(waits):
        stuck = graph.node[next(i for i, count in enumerate(missing) if count)]
        raise ArtifactError(
            f"{subject}, node {node_label(stuck)}",
            expected="inputs that are computed before it",
            got="a cycle: it waits for itself",
            advice="Export the model again; this file is damaged",
        )


def subgraphs(node: Any) -> Iterator[Any]:
    """The graphs inside a node: branches and loop bodies."""
    for entry in node.attribute:
        if entry.HasField("g"):
            yield entry.g
        yield from entry.graphs


def _reads(node: Any) -> Iterator[str]:
    """Names that a node reads, those that its subgraphs take from outside among them."""
    yield from node.input
    for inner in subgraphs(node):
        yield from (value.name for value in inner.output)
        for each in inner.node:
            yield from _reads(each)
