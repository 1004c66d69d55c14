"""Widths that have to agree between a layer's input and its weights.

ONNX's own inference takes shapes of outputs from weights and does not ask whether the input has
as many channels; runtimes find out in the first run. For whoever cuts channels it is the fault
that is made most easily.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from edgert.build.finding import Finding
from edgert.build.program import Program, label
from edgert.optional import needs
from edgert.surgery.operators import STANDARD

_Shape = tuple[int, ...] | None
_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})


def check_widths(program: Program, shapes: Mapping[str, _Shape]) -> list[Finding]:
    """Compare channels of inputs, weights and biases of convolutions and normalisations.

    Args:
        program: The graph.
        shapes: Of its values; weights are added here.
    """
    known = {t.name: tuple(t.dims) for t in program.model.graph.initializer}
    findings = []
    for node in program.nodes:
        if node.domain not in STANDARD:
            continue
        inputs = [known.get(name, shapes.get(name)) for name in node.input]
        wrong = ""
        if node.op_type in _CONVOLUTIONS:
            wrong = _wrong_in_convolution(node, inputs)
        elif node.op_type in ("BatchNormalization", "InstanceNormalization"):
            wrong = _wrong_in_normalisation(inputs)
        if wrong:
            findings.append(
                Finding(
                    "shapes",
                    label(node),
                    expected="as many channels in its input as in its weights",
                    got=wrong,
                    advice="Channels were cut on one side only",
                )
            )
    return findings


def _wrong_in_convolution(node: Any, inputs: Sequence[_Shape]) -> str:
    helper = needs("onnx.helper", "build", "to check ONNX graphs")
    x, weight = inputs[0], inputs[1]
    if x is None or weight is None or len(weight) < 3 or len(x) != len(weight):
        return "" if x is None or weight is None else f"input {x} and weight {weight}"
    group = next((helper.get_attribute_value(a) for a in node.attribute if a.name == "group"), 1)
    # Conv: (M, C / group, k, k). ConvTranspose: (C, M / group, k, k).
    transposed = node.op_type == "ConvTranspose"
    reads = weight[0] if transposed else weight[1] * group
    writes = weight[1] * group if transposed else weight[0]
    if x[1] != reads or (x[1] % group or writes % group):
        return f"{x[1]} channels and a weight for {reads} in {group} groups"
    bias = inputs[2] if len(inputs) > 2 else None
    if bias is not None and bias != (writes,):
        return f"a bias {bias} for {writes} channels"
    return ""


def _wrong_in_normalisation(inputs: Sequence[_Shape]) -> str:
    x = inputs[0]
    if x is None or len(x) < 2:
        return ""
    for other in inputs[1:]:
        if other is not None and other != (x[1],):
            return f"{x[1]} channels and a parameter {other}"
    return ""
