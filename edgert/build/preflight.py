"""Operators, opset and types of a graph against a target, before anything is run."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from edgert.build.finding import Finding
from edgert.build.program import Program, label
from edgert.build.targets import NodeUse, Target
from edgert.optional import needs

_SMALL_ELEMENTS = 4096  # more scales and zero points than a layer has channels


def check_operators(program: Program, target: Target) -> list[Finding]:
    """Ask a target of every node whether it runs there; each reason is told once.

    Args:
        program: Its nodes are in topological order.
        target: Where it is meant to run.
    """
    first: dict[str, str] = {}
    count: dict[str, int] = {}
    for name, use in uses(program):
        reason = target.supports(use)
        if reason is not None:
            first.setdefault(reason, name)
            count[reason] = count.get(reason, 0) + 1
    return [
        Finding(
            "operators",
            node,
            expected=f"what {target.name} runs",
            got=reason + (f" (and {count[reason] - 1} more)" if count[reason] > 1 else ""),
            advice="Export with another opset or type, or replace the operator",
        )
        for reason, node in first.items()
    ]


def uses(program: Program) -> Iterator[tuple[str, NodeUse]]:
    """Every node with its label, as targets look at it.

    A call of one of the model's own functions counts as the nodes inside, of whose values
    nothing is known.
    """
    model = program.model
    functions = {(function.domain, function.name): function for function in model.functions}
    known = _Values(program)
    opsets = _opsets(model)
    called: dict[tuple[str, str], None] = {}
    for node in program.nodes:
        if (node.domain, node.op_type) in functions:
            called[node.domain, node.op_type] = None
        else:
            yield label(node), _use(node, opsets, known)
    told = set()
    while called:
        key = next(iter(called))
        del called[key]
        told.add(key)
        inner = {**opsets, **_opsets(functions[key])}
        for node in functions[key].node:
            if (node.domain, node.op_type) not in functions:
                yield f"{key[1]}/{label(node)}", _use(node, inner, None)
            elif (node.domain, node.op_type) not in told:
                called[node.domain, node.op_type] = None


def _opsets(model: Any) -> dict[str, int]:
    return {_standard(entry.domain): entry.version for entry in model.opset_import}


def _standard(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


def _use(node: Any, opsets: Mapping[str, int], known: "_Values | None") -> NodeUse:
    helper = needs("onnx.helper", "build", "to check ONNX graphs")
    domain = _standard(node.domain)
    use = NodeUse(
        op_type=node.op_type,
        domain=domain,
        opset=opsets.get(domain, 1),
        inputs=[None] * len(node.input),
        outputs=[None] * len(node.output),
        attributes={
            entry.name: helper.get_attribute_value(entry)
            for entry in node.attribute
            if not entry.ref_attr_name
        },
    )
    return use if known is None else known.told(node, use)


class _Values:
    """What is known of a program's values, by name.

    Attributes:
        types: ONNX's names, "tensor(float)".
        shapes: A size of None is a free one.
        constants: Weights and results of Constant; None for what is large or not in the file.
        outputs: The outputs of the graph.
    """

    def __init__(self, program: Program) -> None:
        onnx = needs("onnx", "build", "to check ONNX graphs")
        graph = program.model.graph
        names = {
            number: f"tensor({name.lower()})" for name, number in onnx.TensorProto.DataType.items()
        }
        self.outputs = set(program.outputs)
        self.constants = {tensor.name: _numbers(tensor) for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = _constant(node)
        numbers = {tensor.name: tensor.data_type for tensor in graph.initializer}
        self.shapes: dict[str, tuple[int | None, ...]] = {
            tensor.name: tuple(tensor.dims) for tensor in graph.initializer
        }
        for name, kind in program.value_types.items():
            if kind.HasField("tensor_type"):
                numbers.setdefault(name, kind.tensor_type.elem_type)
                if kind.tensor_type.HasField("shape"):
                    sizes = kind.tensor_type.shape.dim
                    self.shapes.setdefault(name, tuple(_size(dim) for dim in sizes))
        self.types = {name: names[number] for name, number in numbers.items() if number}

    def told(self, node: Any, use: NodeUse) -> NodeUse:
        """The use, with what is known of the node's values."""
        return replace(
            use,
            inputs=[self.types.get(name) for name in node.input],
            outputs=[self.types.get(name) for name in node.output],
            shapes=[self.shapes.get(name) for name in node.input],
            constants={
                index: self.constants[name]
                for index, name in enumerate(node.input)
                if name in self.constants
            },
            edges=frozenset(i for i, name in enumerate(node.output) if name in self.outputs),
        )


def _size(dim: Any) -> int | None:
    return int(dim.dim_value) if dim.HasField("dim_value") else None


def _constant(node: Any) -> NDArray[Any] | None:
    for entry in node.attribute:
        if entry.name == "value":
            return _numbers(entry.t)
    return None


def _numbers(tensor: Any) -> NDArray[Any] | None:
    """A constant as an array, where it is small and lies in the file itself."""
    onnx = needs("onnx", "build", "to check ONNX graphs")
    helper = needs("onnx.numpy_helper", "build", "to check ONNX graphs")
    outside = tensor.data_location == onnx.TensorProto.EXTERNAL
    if outside or math.prod(tensor.dims) > _SMALL_ELEMENTS:
        return None
    array: NDArray[Any] = helper.to_array(tensor)
    return array
