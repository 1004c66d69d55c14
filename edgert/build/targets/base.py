"""A node as a target sees it, and what a target is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray


@dataclass(frozen=True)
class NodeUse:
    """A node as a target looks at it.

    Types are ONNX's names, "tensor(float)"; None where an optional input is left out or nothing
    is known of it.
    """

    op_type: str
    domain: str  # "" for the standard
    opset: int  # of the domain, in the graph
    inputs: Sequence[str | None]
    outputs: Sequence[str | None]
    attributes: Mapping[str, Any]
    # Sizes of the inputs, as long as `inputs`; None where nothing is known, 0 or less never.
    shapes: Sequence[tuple[int | None, ...] | None] = field(default=(), compare=False)
    # The inputs that are constants, by position; None where one is too large to be looked at.
    constants: Mapping[int, NDArray[Any] | None] = field(default_factory=dict, compare=False)
    # Which outputs are outputs of the graph.
    edges: frozenset[int] = field(default=frozenset(), compare=False)

    def given(self, index: int) -> bool:
        """Whether the node has an input there of which something is known."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def rank(self, index: int) -> int | None:
        """How many dimensions an input has, where that is known."""
        shape = self.shapes[index] if index < len(self.shapes) else None
        return None if shape is None else len(shape)


class Target(Protocol):
    """Where a graph is meant to run."""

    name: str

    def supports(self, node: NodeUse) -> str | None:
        """None if the node runs there, else why not, as in "no kernel for tensor(double)"."""
        ...
