"""What a graph asks of a GPU, kernel by kernel: multiply-accumulates, weights, activations.

A compiler like TensorRT fuses additions, clamps (ReLU), scalings and reshapes into the operator
before them. What remains is taken to be one kernel for each operator that multiplies and
accumulates, for each that has to read a whole tensor before it can write (normalisations, softmax,
pooling, interpolation), and for each activation that is more than a clamp (GELU, SiLU). That is a
count of the graph and not of an engine: how a compiler fuses on a board is not known here.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgert.surgery.cost import macs_of
from edgert.surgery.graph import Graph, static_shape

_WHOLE_TENSOR = frozenset(
    {
        "LayerNormalization", "InstanceNormalization", "GroupNormalization", "LpNormalization",
        "RMSNormalization", "Softmax", "LogSoftmax", "MaxPool", "AveragePool", "GlobalAveragePool",
        "GlobalMaxPool", "ReduceMean", "ReduceSum", "ReduceMax", "Resize", "Upsample",
    }
)  # fmt: skip
# However an exporter spells an activation, one of these is in it once: GELU has one Erf or Tanh,
# SiLU one Sigmoid.
_ACTIVATIONS = frozenset(
    {
        "Erf", "Gelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Swish", "Mish", "Softplus",
        "Elu", "Selu", "Celu", "FastGelu", "QuickGelu", "BiasGelu",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Kernel:
    """One kernel: MACs, and numbers read and written, counted in elements and not in bytes.

    `weights` are constants of two dimensions or more; biases and scales are left out.
    """

    macs: int
    weights: int
    inputs: int
    outputs: int

    @property
    def elements(self) -> int:
        """All numbers that it moves."""
        return self.weights + self.inputs + self.outputs


@dataclass(frozen=True)
class GraphWork:
    """The kernels of a graph, and the operators that could not be counted."""

    kernels: tuple[Kernel, ...]
    unknown_operators: tuple[str, ...] = ()

    @property
    def macs(self) -> int:
        """Of all kernels."""
        return sum(kernel.macs for kernel in self.kernels)

    @property
    def elements(self) -> int:
        """That all kernels move, between them and the memory."""
        return sum(kernel.elements for kernel in self.kernels)


def work_of(graph: Graph) -> GraphWork:
    """Count a graph; a node whose shapes are not known is listed, never taken as nothing."""
    kernels: list[Kernel] = []
    unknown: set[str] = set()
    for node in graph.nodes:
        macs, problem = macs_of(node)
        if problem:
            unknown.add(problem)
        elif macs or node.op_type in _WHOLE_TENSOR or node.op_type in _ACTIVATIONS:
            kernel = _kernel(node, macs)
            if kernel is None:
                unknown.add(f"{node.op_type} (shape unknown)")
            elif not _changes_nothing(node, kernel):
                kernels.append(kernel)
    return GraphWork(tuple(kernels), tuple(sorted(unknown)))


def _kernel(node: Any, macs: int) -> Kernel | None:
    """None where a shape is not known."""
    given = [value for value in node.inputs if value is not None]
    constants = [value for value in given if _is_constant(value)]
    inputs = _elements(value for value in given if not _is_constant(value))
    outputs = _elements(value for value in node.outputs if value.name)
    weights = _elements(value for value in constants if value.shape and len(value.shape) > 1)
    if inputs is None or outputs is None or weights is None:
        return None
    return Kernel(macs=macs, weights=weights, inputs=inputs, outputs=outputs)


def _changes_nothing(node: Any, kernel: Kernel) -> bool:
    """An interpolation to the size that is there already; a compiler drops it."""
    return node.op_type in ("Resize", "Upsample") and kernel.inputs == kernel.outputs


def _is_constant(value: Any) -> bool:
    if value.const_value is not None:
        return True
    producer = value.producer()
    return producer is not None and producer.op_type == "Constant"


def _elements(values: Iterable[Any]) -> int | None:
    shapes = [static_shape(value) for value in values]
    if any(shape is None for shape in shapes):
        return None
    return sum(math.prod(shape) for shape in shapes if shape is not None)
