"""Which inputs of which nodes int8 is for: those that decide whether a runtime computes in it.

NVIDIA's guidance for explicit quantisation: a convolution or matrix product runs in int8 where
its data and its weights come through Q/DQ; the sum behind a convolution is fused into it where
the other summand comes through Q/DQ as well.
"""

from collections.abc import Sequence
from typing import Any

from edgert.surgery.graph import Graph, constant_array, static_shape
from edgert.surgery.layout import is_standard

Place = tuple[Any, int]  # a node and the position of one of its inputs
_PASSED = frozenset(
    {"Add", "BatchNormalization", "Mul"}
)  # with constants, fused into a convolution


def quantizable(graph: Graph, *, keep: Sequence[str] = ()) -> list[Place]:
    """The inputs to quantise, in graph order.

    Products of two computed matrices are none of them: in an attention one is a Softmax, of whose
    256 steps a symmetric scale throws half away.

    Args:
        graph: In edgert's form.
        keep: Operators, and names of nodes, that are left as they are.
    """
    places: list[Place] = []
    behind_convolution: set[Any] = set()
    for node in graph.nodes:
        if not is_standard(node) or node.op_type in keep or node.name in keep:
            continue
        if weight_axis(node) is not None:
            places.append((node, 1 if constant_array(node.inputs[0]) is not None else 0))
            if node.op_type == "Conv":
                behind_convolution.add(node.outputs[0])
            continue
        summand = _other_summand(node, behind_convolution)
        if summand is not None:
            places.append((node, summand))
        elif _passes(node, behind_convolution):
            behind_convolution.add(node.outputs[0])
    return places


def weight_axis(node: Any) -> int | None:
    """The axis of output channels in a node's constant weight; None where it is no such map."""
    if not is_standard(node) or len(node.inputs) < 2:
        return None
    left, right = (constant_array(value) for value in node.inputs[:2])
    if (left is None) == (right is None):
        return None
    if node.op_type == "Conv" and right is not None:
        return 0
    if node.op_type == "Gemm" and right is not None and not _flag(node, "transA"):
        return 0 if _flag(node, "transB") else 1
    if node.op_type != "MatMul":
        return None
    weight = right if left is None else left
    if weight is None or weight.ndim != 2:
        return None
    return 1 if left is None else 0


def weight_index(node: Any) -> int:
    """The position of the constant weight among a map's inputs."""
    return 0 if constant_array(node.inputs[0]) is not None else 1


def _flag(node: Any, name: str) -> bool:
    found = node.attributes.get(name)
    return found is not None and bool(found.value)


def _other_summand(node: Any, behind_convolution: set[Any]) -> int | None:
    """Of a sum of two computed values, one behind a convolution alone: where the other one is.

    Where both are, the later one takes the sum in.
    """
    if node.op_type != "Add" or any(constant_array(v) is not None for v in node.inputs):
        return None
    one, other = node.inputs
    if one is other or static_shape(one) != static_shape(other):
        return None
    fused = [i for i, v in enumerate(node.inputs) if v in behind_convolution and _is_read_once(v)]
    return 1 - fused[-1] if fused else None


def _passes(node: Any, behind_convolution: set[Any]) -> bool:
    computed = [value for value in node.inputs if constant_array(value) is None]
    return (
        node.op_type in _PASSED
        and len(computed) == 1
        and computed[0] in behind_convolution
        and _is_read_once(computed[0])
    )


def _is_read_once(value: Any) -> bool:
    return len(value.uses()) == 1 and not value.is_graph_output()
