"""Operators, opset and types of a graph against a target, before anything is run."""

from collections.abc import Iterator, Mapping
from typing import Any

from edgert.build.finding import Finding
from edgert.build.program import Program, label
from edgert.build.targets import NodeUse, Target
from edgert.optional import needs


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
    """Every node with its label, as targets look at it. Nodes of functions count as theirs."""
    opsets = {entry.domain: entry.version for entry in program.model.opset_import}
    functions = {(function.domain, function.name) for function in program.model.functions}
    types = _types_by_value(program)
    for node in program.nodes:
        if (node.domain, node.op_type) in functions:
            continue
        domain = "" if node.domain == "ai.onnx" else node.domain
        opset = opsets.get(node.domain, opsets.get("" if domain == "" else domain, 1))
        yield label(node), _use(node, domain, opset, types)


def _use(node: Any, domain: str, opset: int, types: Mapping[str, str]) -> NodeUse:
    helper = needs("onnx.helper", "build", "to check ONNX graphs")
    return NodeUse(
        op_type=node.op_type,
        domain=domain,
        opset=opset,
        inputs=[types.get(name) for name in node.input],
        outputs=[types.get(name) for name in node.output],
        attributes={
            entry.name: helper.get_attribute_value(entry)
            for entry in node.attribute
            if not entry.ref_attr_name
        },
    )


def _types_by_value(program: Program) -> dict[str, str]:
    """ONNX's names of the types that are known: "tensor(float)"."""
    onnx = needs("onnx", "build", "to check ONNX graphs")
    names = {
        number: f"tensor({name.lower()})" for name, number in onnx.TensorProto.DataType.items()
    }
    found = {tensor.name: tensor.data_type for tensor in program.model.graph.initializer}
    for name, kind in program.value_types.items():
        if kind.HasField("tensor_type"):
            found.setdefault(name, kind.tensor_type.elem_type)
    return {name: names[number] for name, number in found.items() if number}
