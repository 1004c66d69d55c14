"""Half precision: a float32 graph that computes in float16 where that is safe.

The precision is the graph's own, so that every runtime that takes types as they are written
computes alike (TensorRT calls such networks strongly typed).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgert.errors import PreconditionError
from edgert.optional import needs
from edgert.surgery.graph import Graph, add_initializer, constant_array, finished, static_shape
from edgert.surgery.half_plan import HalfPlan, check_keep, plan_half
from edgert.surgery.operator_types import is_single
from edgert.surgery.opsets import raise_opset
from edgert.surgery.rewire import GraphNames, new_node

_SUBJECT = "lower the precision to fp16"
_QUANTISING = frozenset({"QuantizeLinear", "DequantizeLinear"})
_HALF_SCALES_OPSET = 19


def lower_precision(
    graph: Graph, *, keep: Sequence[str] = (), largest: Mapping[str, float] | None = None
) -> Graph:
    """Let every operator compute in float16 that does not lose by it.

    Inputs and outputs of the graph keep their types. Normalisations, Softmax, reductions and what
    else leaves float16's range stay in float32, with a Cast on each value that crosses over, once
    for all its readers. Constants that do not fit keep their nodes in float32 as well;
    `half_plan.plan_half` says of every node why.

    Args:
        graph: In edgert's form; it may hold Q/DQ already. It stays unchanged.
        keep: Operators, and names of nodes, that stay in float32 too.
        largest: Largest absolute value of each of the graph's values where it was measured, by
            name; what comes near 65504 stays in float32.

    Returns:
        A graph of the same nodes and some Casts, with weights of half the size.

    Raises:
        PreconditionError: An entry of `keep` fits no node, nothing can be lowered, or the graph
            holds Q/DQ at an opset that has no half-precision scales.
    """
    check_keep(_SUBJECT, graph, keep)
    edited = graph.copy()
    if any(node.op_type in _QUANTISING for node in edited.nodes):
        raise_opset(edited, _HALF_SCALES_OPSET, subject=_SUBJECT)
    plan = plan_half(edited, keep=keep, largest=largest)
    if not plan.half:
        raise PreconditionError(
            _SUBJECT,
            expected="operators that can compute in float16",
            got=_why_none(plan),
            advice="Leave lower_precision out for this model",
        )
    _retype(edited, plan)
    return finished(edited, subject=_SUBJECT)


def _why_none(plan: HalfPlan) -> str:
    told = [f"{name}, which {reason}" for name, reason in plan.kept.items()]
    rest = f"; and {len(told) - 1} more" if len(told) > 1 else ""
    return told[0] + rest if told else "none that computes in float32"


def _retype(graph: Graph, plan: HalfPlan) -> None:
    """Give nodes their types, and values that cross over a Cast; in place."""
    ir = needs("onnx_ir", "build", "to edit ONNX graphs")
    half, single = ir.DataType.FLOAT16, ir.DataType.FLOAT
    outputs = list(graph.outputs)
    casts = _Casts(graph)
    for node in graph.nodes:
        ports = plan.half.get(node)
        wanted = dict.fromkeys(ports.inputs, half) if ports else {}
        for index, value in enumerate(node.inputs):
            if value is None or value.dtype not in (half, single):
                continue
            if index in wanted and is_single(value):
                node.replace_input_with(index, casts.cast(value, half, before=node))
            elif index not in wanted and casts.became_half(value):
                node.replace_input_with(index, casts.cast(value, single, before=node))
        for index in ports.outputs if ports else ():
            casts.make_half(node.outputs[index])
            if node.op_type == "Cast":
                node.attributes["to"] = ir.AttrInt64("to", int(half))
    for position, value in enumerate(outputs):
        if casts.became_half(value):
            casts.cast_output(position, value)
    _drop_idle_casts(graph)


class _Casts:
    """Casts and converted constants, each made once for a value and a type."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._names = GraphNames(graph)
        self._made: dict[tuple[Any, Any], Any] = {}
        self._became_half: set[Any] = set()

    def make_half(self, value: Any) -> None:
        """Declare a computed value float16."""
        ir = needs("onnx_ir", "build", "to edit ONNX graphs")
        value.type = ir.TensorType(ir.DataType.FLOAT16)  # a type may be shared by values
        self._became_half.add(value)

    def became_half(self, value: Any) -> bool:
        """Whether the value was float32 before."""
        return value in self._became_half

    def cast(self, value: Any, dtype: Any, *, before: Any) -> Any:
        """The value in another type; `before` is the first node that reads it so."""
        key = (value, dtype)
        if key not in self._made:
            array = constant_array(value)
            if array is not None:
                with np.errstate(over="ignore", under="ignore"):  # the plan has looked
                    lowered = array.astype(dtype.numpy())
                self._made[key] = add_initializer(self._graph, f"{value.name}.fp16", lowered)
            else:
                self._made[key] = self._node(value, dtype, before=before)
        return self._made[key]

    def cast_output(self, position: int, value: Any) -> None:
        """Hand an output out in float32 under its old name, as the last thing of all."""
        ir = needs("onnx_ir", "build", "to edit ONNX graphs")
        name = value.name
        value.name = f"{name}.fp16"
        key = (value, ir.DataType.FLOAT)
        if key not in self._made:
            self._made[key] = self._node(value, ir.DataType.FLOAT, before=None)
        self._made[key].name = name
        self._graph.model.graph.outputs[position] = self._made[key]

    def _node(self, value: Any, dtype: Any, *, before: Any) -> Any:
        ir = needs("onnx_ir", "build", "to edit ONNX graphs")
        maker = value.producer()
        precision = "fp16" if dtype.numpy() == np.float16 else "fp32"
        cast = new_node(
            self._graph,
            "Cast",
            [value],
            name=f"{maker.name if maker else value.name}.{precision}",
            shape=static_shape(value) or (),
            before=before or self._graph.nodes[-1],
            attributes={"to": int(dtype)},
            names=self._names,
        )
        cast.type = ir.TensorType(dtype)
        return cast


def _drop_idle_casts(graph: Graph) -> None:
    """Remove Casts of float16 to float16, which were to or from float32; in place."""
    for node in graph.nodes:
        if node.op_type != "Cast" or node.outputs[0].is_graph_output():
            continue
        if node.inputs[0].dtype == node.outputs[0].dtype:
            node.outputs[0].replace_all_uses_with(node.inputs[0])
