"""The oldest TensorRT that engines are built for, judged by a written table of its parser."""

from collections.abc import Iterator

from edgert.build.targets.base import NodeUse
from edgert.build.targets.tensorrt_limits import LIMITS, MOST_DIMENSIONS
from edgert.build.targets.tensorrt_operators import OPERATORS, OPSETS, VALUE_TYPES, Operator

_VERSION = "TensorRT 10.3"


class TensorRtTarget:
    """TensorRT 10.3, the one of JetPack 6; newer ones take more.

    A table tells less than the parser: what passes here may still be refused on the device. What
    is refused here would be refused there, or computed as something else, or is control flow, of
    no use in an engine that is switched to by launching a CUDA graph. Of opsets the parser knows
    no upper limit: it reads a newer operator as the one of that name that it has.
    """

    name = f"{_VERSION} (JetPack 6)"

    def supports(self, node: NodeUse) -> str | None:
        """None if the parser takes the node, else why not."""
        if node.domain:
            return f"{node.op_type} of domain {node.domain}, which would need a plugin"
        if node.opset not in OPSETS:
            return (
                f"opset {node.opset}, where its parser knows {OPSETS[0]} to {OPSETS[-1]} "
                "(export with 18)"
            )
        operator = OPERATORS.get(node.op_type)
        if operator is None:
            return f"{node.op_type}, which its parser does not have"
        return next(_reasons(node, operator), None)


def _reasons(node: NodeUse, operator: Operator) -> Iterator[str]:
    limit = LIMITS.get(node.op_type)
    if limit is not None and (reason := limit(node)) is not None:
        yield reason
    for place in range(len(node.inputs)):
        if (rank := node.rank(place)) is not None and rank > MOST_DIMENSIONS:
            yield f"{node.op_type} of {rank} dimensions, where it takes {MOST_DIMENSIONS} at most"
    for kind in (*node.inputs, *node.outputs):
        if kind is not None and (name := _bare(kind)) not in VALUE_TYPES:
            why = _WHY.get(name, "a type that it does not have")
            yield f"{node.op_type} with {kind}, {why}"
    for kinds, places in ((node.inputs, operator.inputs), (node.outputs, operator.outputs)):
        for place in places:
            kind = kinds[place] if place < len(kinds) else None
            if kind is not None and _bare(kind) not in operator.types:
                taken = ", ".join(sorted(operator.types))
                yield f"{node.op_type} with {kind}, where it takes {taken}"
    if any(
        kind == "tensor(uint8)" and index not in node.edges
        for index, kind in enumerate(node.outputs)
    ):
        yield f"{node.op_type} that makes uint8 inside the graph, where only its edges may have it"


_WHY = {
    "double": "which it computes in float32 without saying so (export in float32)",
    "string": "which no GPU computes",
}


def _bare(kind: str) -> str:
    return kind.removeprefix("tensor(").removesuffix(")")
