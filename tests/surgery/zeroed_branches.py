"""Residual branches of the full graph set to zero, by the weights of their last layers.

    full = ZeroableBranches(graph, find_residual_branches(graph))
    outputs = full.run(frame, zero="vit.layers.3.mlp")

A graph without a branch has to give the numbers of the full graph with that branch at zero. This
shares nothing with `skip_residuals`: it goes from the branch's value back to the layers that
compute it, and feeds zeros in the place of their weights and biases.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgert.surgery.graph import Graph, add_initializer, constant_array
from edgert.surgery.residuals import ResidualBranch
from tests.surgery.sessions import session_of

# Where zero comes out when zero goes in at the first input.
_ZERO_FOR_ZERO = frozenset(
    {
        "AveragePool", "Cast", "Flatten", "Gather", "Gelu", "HardSwish", "MaxPool", "Pad", "Relu",
        "Reshape", "Resize", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze", "Div",
    }
)  # fmt: skip


class ZeroableBranches:
    """One session of the full graph, unoptimised, in which any branch can be set to zero."""

    def __init__(self, graph: Graph, branches: Iterable[ResidualBranch]) -> None:
        full = graph.copy()
        values = {value.name: value for node in full.nodes for value in node.outputs}
        self._zeros: dict[str, dict[str, NDArray]] = {}
        own: dict[tuple[str, int], str] = {}
        for branch in branches:
            zeros = {}
            for node, index in list(_clearing(values[branch.branch_value])):
                name = own.setdefault((node.name, index), f"clearable.{node.name}.{index}")
                array = constant_array(node.inputs[index])
                zeros[name] = np.zeros_like(array)
                if node.inputs[index].name != name:
                    value = add_initializer(full, name, array)
                    node.replace_input_with(index, value)
                    full.model.graph.inputs.append(value)  # what is an input too can be fed
            self._zeros[branch.name] = zeros
        self._input = graph.inputs[0].name
        self._session = session_of(full)

    def run(self, frame: NDArray, *, zero: str | None = None) -> list[NDArray]:
        return self._session.run(None, {self._input: frame, **self._zeros.get(zero, {})})


def _clearing(value: ir.Value) -> Iterator[tuple[ir.Node, int]]:
    """The constant inputs of nodes that make a value zero when they are zero."""
    node = value.producer()
    match node.op_type:
        case "Conv" | "ConvTranspose" | "Gemm" | "BatchNormalization" | "LayerNormalization":
            indices = [1, 2]
        case "MatMul" | "Mul":
            yield from _clearing_a_factor(node)
            return
        case "Add" | "Sub" | "Sum" | "Concat":
            indices = range(len(node.inputs))
        case operator if operator in _ZERO_FOR_ZERO:
            indices = [0]
        case operator:
            raise NotImplementedError(f"what makes {operator} {node.name} zero")
    for index in indices:
        if index < len(node.inputs) and node.inputs[index] is not None:
            if constant_array(node.inputs[index]) is not None:
                yield node, index
            else:
                yield from _clearing(node.inputs[index])


def _clearing_a_factor(node: ir.Node) -> Iterator[tuple[ir.Node, int]]:
    for index, value in enumerate(node.inputs):
        if constant_array(value) is not None:
            yield node, index
            return
    for value in node.inputs:
        try:
            yield from list(_clearing(value))
        except NotImplementedError:  # x * sigmoid(x): one factor is never zero
            continue
        return
    raise NotImplementedError(f"what makes {node.op_type} {node.name} zero")
