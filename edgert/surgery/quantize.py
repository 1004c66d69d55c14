"""int8 by Q/DQ: what a graph computes with is rounded to 8 bits where its scales say so.

The scales of activations lie in a file that `edgert.calibration` wrote from frames; finding them
is its business. Those of weights follow from the weights. All of it is written into the graph
(explicit quantisation), so that every runtime rounds in the same places.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgert.errors import PreconditionError
from edgert.optional import needs
from edgert.records import NotNegativeInt, Positive, Record
from edgert.surgery.graph import (
    Graph,
    add_initializer,
    constant_array,
    finished,
    static_shape,
)
from edgert.surgery.operator_types import is_single, opset_of
from edgert.surgery.quantizable import weight_axis, weight_index
from edgert.surgery.rewire import GraphNames, new_node

_SUBJECT = "quantize to int8"
_LARGEST = 127  # not -128: symmetric, as TensorRT wants it
# Weights of less than that times 127 do nothing; float16 still holds the scale.
_SMALLEST_SCALE = 2.0**-20
_PER_CHANNEL_OPSET = 13


class InputScale(Record, frozen=True, kw_only=True):
    """The step of one quantised input: a real number is `scale` times one of -127..127."""

    node: str
    input: NotNegativeInt
    scale: Positive


class Scales(Record, frozen=True, kw_only=True):
    """All quantised inputs of one graph, and what they were found with."""

    format: Literal[1] = 1
    method: str  # "mse", "max", "modelopt entropy"
    frames: NotNegativeInt
    inputs: Annotated[list[InputScale], msgspec.Meta(min_length=1)]


def read_scales(path: Path) -> Scales:
    """Read a file of scales.

    Raises:
        PreconditionError: It can't be read, or is no such file.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Scales)
    except (OSError, msgspec.DecodeError) as error:
        raise PreconditionError(
            f"{_SUBJECT} from {path}",
            expected="a JSON file of scales",
            got=str(error).splitlines()[0],
            advice="Copy the family's folder again, whole, or find the scales again",
        ) from error


def text_from_scales(scales: Scales) -> str:
    """Scales as `read_scales` reads them: JSON, one line for each input."""
    lines = [msgspec.json.encode(each).decode() for each in scales.inputs]
    head = msgspec.json.encode({"format": 1, "method": scales.method, "frames": scales.frames})
    return head.decode()[:-1] + ',"inputs":[\n' + ",\n".join(lines) + "\n]}\n"


def quantize(graph: Graph, scales: Scales, *, subject: str = _SUBJECT) -> Graph:
    """Put Q/DQ in front of inputs, and int8 weights with a DQ behind them.

    Symmetric throughout: zero points are 0. A value that several inputs read with one scale has
    one Q and one DQ. Weights have a scale for each output channel, their largest number's share
    of 127; biases stay as they are.

    Args:
        graph: In edgert's form, without Q/DQ. It stays unchanged.
        scales: Of this graph, each input once.
        subject: What is quantised, for error lines.

    Raises:
        PreconditionError: The scales belong to another graph, it holds Q/DQ already, or its opset
            has no scales for each channel.
    """
    _check(graph, scales, subject)
    edited = graph.copy()
    nodes = {node.name: node for node in edited.nodes}
    quantiser = _Quantiser(edited)
    # In graph order, so that a shared pair stands in front of its first reader.
    order = {node.name: position for position, node in enumerate(edited.nodes)}
    for entry in sorted(scales.inputs, key=lambda each: (order[each.node], each.input)):
        node = nodes[entry.node]
        axis = weight_axis(node)
        if axis is not None:
            quantiser.quantise_weight(node, weight_index(node), axis)
        quantiser.quantise_input(node, entry.input, entry.scale)
    return finished(edited, subject=subject)


def _check(graph: Graph, scales: Scales, subject: str) -> None:
    nodes = {node.name: node for node in graph.nodes}
    if any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in graph.nodes):
        raise _misfit(subject, "a graph without Q/DQ", "one that is quantised already")
    if opset_of(graph) < _PER_CHANNEL_OPSET:
        raise PreconditionError(
            subject,
            expected=f"opset {_PER_CHANNEL_OPSET} or newer, which has a scale for each channel",
            got=str(opset_of(graph)),
            advice="Export the model with a newer opset",
        )
    seen: set[tuple[str, int]] = set()
    for entry in scales.inputs:
        place = (entry.node, entry.input)
        found = _at(nodes.get(entry.node), entry.input)
        if isinstance(found, str):
            raise _misfit(subject, f"input {entry.input} of node {entry.node}", found)
        if place in seen:
            raise _misfit(subject, f"input {entry.input} of node {entry.node} once", "it twice")
        seen.add(place)


def _at(node: Any, index: int) -> Any:
    """The float32 value that a node reads there, or why there is none, in words."""
    if node is None:
        return "no node of that name"
    if index >= len(node.inputs) or node.inputs[index] is None:
        return "no such input"
    value = node.inputs[index]
    if constant_array(value) is not None or not is_single(value):
        return f"a {'constant' if constant_array(value) is not None else value.dtype} there"
    return value


def _misfit(subject: str, expected: str, got: str) -> PreconditionError:
    return PreconditionError(
        subject,
        expected=expected,
        got=got,
        advice="The scales were found for another graph: find them again",
    )


class _Quantiser:
    """Q/DQ pairs and int8 weights, each made once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._names = GraphNames(graph)
        self._pairs: dict[tuple[Any, float], Any] = {}
        self._weights: dict[tuple[Any, int], Any] = {}

    def quantise_input(self, node: Any, index: int, scale: float) -> None:
        """Let a node read a value through Q and DQ; in place."""
        value = node.inputs[index]
        key = (value, scale)
        if key not in self._pairs:
            self._pairs[key] = self._pair(value, scale, before=node)
        node.replace_input_with(index, self._pairs[key])

    def quantise_weight(self, node: Any, index: int, axis: int) -> None:
        """Let a map read its weight from int8 through a DQ; in place, once."""
        weight = node.inputs[index]
        array = constant_array(weight)
        if array is None:  # behind a DQ already: both inputs of this map were listed
            return
        key = (weight, axis)
        if key not in self._weights:
            quantised, scale = weights_in_int8(array, axis)
            self._weights[key] = self._node(
                "DequantizeLinear",
                [
                    add_initializer(self._graph, f"{weight.name}.int8", quantised),
                    add_initializer(self._graph, f"{weight.name}.scale", scale),
                ],
                name=f"{weight.name}.dequantize",
                shape=array.shape,
                before=node,
                axis=axis,
            )
        node.replace_input_with(index, self._weights[key])

    def _pair(self, value: Any, scale: float, *, before: Any) -> Any:
        maker = value.producer()
        name = maker.name if maker is not None else value.name
        shape = static_shape(value) or ()
        step = add_initializer(self._graph, f"{name}.scale", np.array(scale, np.float32))
        zero = add_initializer(self._graph, f"{name}.zero", np.array(0, np.int8))
        quantised = self._node(
            "QuantizeLinear", [value, step, zero], name=f"{name}.quantize", shape=shape,
            before=before,
        )  # fmt: skip
        return self._node(
            "DequantizeLinear", [quantised, step, zero], name=f"{name}.dequantize", shape=shape,
            before=before,
        )  # fmt: skip

    def _node(
        self,
        op_type: str,
        inputs: Sequence[Any],
        *,
        name: str,
        shape: Sequence[int],
        before: Any,
        **attributes: int,
    ) -> Any:
        ir = needs("onnx_ir", "build", "to edit ONNX graphs")
        output = new_node(
            self._graph, op_type, inputs, name=name, shape=shape, before=before,
            attributes=attributes, names=self._names,
        )  # fmt: skip
        is_int8 = op_type == "QuantizeLinear"
        output.type = ir.TensorType(ir.DataType.INT8 if is_int8 else ir.DataType.FLOAT)
        return output


def weights_in_int8(array: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weights as int8 and their scales.

    Args:
        array: The weight.
        axis: That of its output channels.

    Returns:
        int8 of the same shape, -127 to 127; and float32 scales, one for each output channel.
    """
    others = tuple(i for i in range(array.ndim) if i != axis)
    largest = np.abs(array.astype(np.float64)).max(axis=others, initial=0)
    scale = np.maximum(largest / _LARGEST, _SMALLEST_SCALE).astype(np.float32)
    shape = [-1 if i == axis else 1 for i in range(array.ndim)]
    steps = np.rint(array / scale.reshape(shape))
    return np.clip(steps, -_LARGEST, _LARGEST).astype(np.int8), scale
