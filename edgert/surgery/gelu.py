"""One spelling of GELU, whatever exporter wrote it, so that runtimes know it and fuse it.

The dynamo exporter writes x * (0.5 * (1 + erf(x / sqrt 2))); the fusions of ONNX Runtime look
for (x * (1 + erf(x / sqrt 2))) * 0.5, as the TorchScript exporter has it. Halving is exact in
binary floating point, so both spellings give the same bits unless they underflow.
"""

from typing import Any


def spell_gelu(graph: Any) -> int:
    """Bring every GELU to the spelling that runtimes fuse, in place.

    Args:
        graph: An onnx_ir.Graph whose constants are initializers.

    Returns:
        How many were spelled otherwise.
    """
    return sum(_spelled(node) for node in graph if node.op_type == "Mul")


def _spelled(outer: Any) -> bool:
    for index, half_of in enumerate(outer.inputs):
        inner, data = half_of.producer(), outer.inputs[1 - index]
        if inner is None or inner.op_type != "Mul" or len(half_of.uses()) != 1:
            continue
        for place, half in enumerate(inner.inputs):
            gate = inner.inputs[1 - place]
            if _is_number(half, 0.5) and _is_gate_of(data, gate):
                for at, value in enumerate((data, gate)):
                    inner.replace_input_with(at, value)
                for at, value in enumerate((half_of, half)):
                    outer.replace_input_with(at, value)
                return True
    return False


def _is_gate_of(data: Any, gate: Any) -> bool:
    """Whether `gate` is 1 + erf(data times or over a number)."""
    node = gate.producer()
    if node is None or node.op_type != "Add":
        return False
    if not any(_is_number(operand, 1.0) for operand in node.inputs):
        return False
    erfs = [p for v in node.inputs if (p := v.producer()) is not None and p.op_type == "Erf"]
    scaled = [p for erf in erfs if (p := erf.inputs[0].producer()) is not None]
    return any(p.op_type in ("Div", "Mul") and data in p.inputs for p in scaled)


def _is_number(value: Any, number: float) -> bool:
    tensor = value.const_value
    return tensor is not None and tensor.size == 1 and bool(tensor.numpy() == number)
