"""Convolution, MatMul and Gemm seen as one thing: a linear map from channels to channels.

Owns reading such a node in one orientation, weight (out, in, *kernel), and writing a new one
with other numbers. Which maps are merged or cut is for the edits.
"""

import re
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.surgery.graph import (
    Graph,
    add_initializer,
    attribute,
    constant_array,
    scope_of,
    static_shape,
)
from edgert.surgery.layout import is_standard
from edgert.surgery.rewire import new_node


@dataclass(frozen=True)
class LinearMap:
    """A node that maps input channels to output channels with constant weights.

    `in_axis` and `out_axis` are the channel axes of its data input and of its output, from 0.
    """

    node: Any
    data_index: int
    in_axis: int
    out_axis: int
    channels_in: int
    channels_out: int

    @property
    def data(self) -> Any:
        """The value that is mapped."""
        return self.node.inputs[self.data_index]

    @property
    def weight(self) -> NDArray[Any]:
        """The numbers as (out, in, *kernel), in the graph's own type."""
        array = constant_array(self.node.inputs[1 - self.data_index])
        if array is None:
            raise ValueError(f"{self.node.name} has no constant weight")
        if self.node.op_type == "MatMul":
            return array if self.data_index == 1 else array.T
        if self.node.op_type == "Gemm":
            oriented = array if attribute(self.node, "transB", 0) else array.T
            alpha = attribute(self.node, "alpha", 1.0)
            return oriented if alpha == 1 else oriented * oriented.dtype.type(alpha)
        return array

    @property
    def bias(self) -> NDArray[Any] | None:
        """The bias as (out,), or None."""
        node = self.node
        array = constant_array(node.inputs[2]) if len(node.inputs) > 2 else None
        if array is None:
            return None
        beta = array.dtype.type(attribute(node, "beta", 1.0) if node.op_type == "Gemm" else 1)
        bias: NDArray[Any] = np.broadcast_to(array.reshape(-1), (self.channels_out,)) * beta
        return bias

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run."""
        kernel = static_shape(self.node.inputs[1]) or () if self.node.op_type == "Conv" else ()
        outputs = prod(static_shape(self.node.outputs[0]) or ())
        return outputs * self.channels_in * prod(kernel[2:])

    @property
    def scope(self) -> str:
        """The module it came from."""
        return scope_of_weight(self.node, self.node.inputs[1 - self.data_index])


def scope_of_weight(node: Any, weight: Any) -> str:
    """The module that a map came from. Its weight's own name beats the node's.

    Exporters that fold a BatchNormalization into a convolution name the node after the former,
    while the weight keeps the name it had in the checkpoint. A number behind it, which a weight
    gets where its name was taken, names no module.

    Args:
        node: The map.
        weight: The constant among its inputs.
    """
    found = re.fullmatch(r"([^/]+)\.weight(?:\.\d+)*", weight.name)
    return found[1] if found else scope_of(node)


def linear_map(node: Any) -> LinearMap | None:
    """The node as a linear map over all channels; None where `why_no_map` has a reason."""
    if node is None or why_no_map(node):
        return None
    shape, weight = static_shape(node.outputs[0]) or (), static_shape(node.inputs[1]) or ()
    if node.op_type == "Conv":
        return LinearMap(node, 0, 1, 1, weight[1], weight[0])
    if node.op_type == "Gemm":
        channels_out, channels_in = weight if attribute(node, "transB", 0) else weight[::-1]
        return LinearMap(node, 0, 1, 1, channels_in, channels_out)
    if constant_array(node.inputs[1]) is not None:
        rank = len(static_shape(node.inputs[0]) or ())
        return LinearMap(node, 0, rank - 1, len(shape) - 1, *weight)
    left, data = static_shape(node.inputs[0]) or (), static_shape(node.inputs[1]) or ()
    return LinearMap(node, 1, len(data) - 2, len(shape) - 2, left[1], left[0])


def why_no_map(node: Any) -> str:
    """Why a node is no linear map over all channels, in words; empty where it is one."""
    label = f"{node.op_type} {node.name}"
    if not is_standard(node) or node.op_type not in ("Conv", "MatMul", "Gemm"):
        return f"{label} is not a linear map"
    if static_shape(node.outputs[0]) is None or static_shape(node.inputs[0]) is None:
        return f"{label} has no static shape"
    constants = [constant_array(value) for value in node.inputs]
    if node.op_type == "MatMul":
        return _why_no_matmul(node, label, constants)
    if constants[1] is None:
        return f"{label} has a computed weight"
    if node.op_type == "Conv" and attribute(node, "group", 1) != 1:
        return f"{label} has {attribute(node, 'group', 1)} groups"
    if node.op_type == "Gemm" and attribute(node, "transA", 0):
        return f"{label} transposes its input"
    return _why_no_bias(node, label)


def _why_no_bias(node: Any, label: str) -> str:
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return ""
    bias = constant_array(node.inputs[2])
    if bias is None:
        return f"{label} has a computed bias"
    varies = bias.size > 1 and bias.size != bias.shape[-1]
    return f"{label} adds another number in each row" if varies else ""


def _why_no_matmul(node: Any, label: str, constants: list[NDArray[Any] | None]) -> str:
    weights = [(i, array) for i, array in enumerate(constants) if array is not None]
    if len(weights) != 1:
        return f"{label} has a computed weight"
    index, weight = weights[0]
    if weight.ndim != 2:
        return f"{label} has a weight of {weight.ndim} axes"
    if len(static_shape(node.inputs[1 - index]) or ()) < 2:
        return f"{label} maps a plain vector"
    return ""


def is_pointwise(linear: LinearMap) -> bool:
    """Whether every output position reads exactly the input position at the same place."""
    node = linear.node
    if node.op_type != "Conv":
        return True
    kernel = (static_shape(node.inputs[1]) or ())[2:]
    steps, pads = attribute(node, "strides") or (), attribute(node, "pads") or ()
    return all(k == 1 for k in kernel) and all(s == 1 for s in steps) and not any(pads)


def add_map(
    graph: Graph,
    like: LinearMap,
    *,
    data: Any,
    weight: NDArray[Any],
    bias: NDArray[Any] | None,
    name: str,
    before: Any,
) -> Any:
    """Insert a linear map of the same kind with other numbers; in place.

    Args:
        graph: The copy being edited.
        like: The map whose operator, kernel geometry and layout are taken over.
        data: The value to map.
        weight: (out, in, *kernel), already in the graph's type.
        bias: (out,), or None. After a MatMul it becomes an Add.
        name: Wanted node name.
        before: Node that the new ones are put in front of.

    Returns:
        The output value.
    """
    node = like.node
    shape = list(static_shape(node.outputs[0]) or ())
    shape[like.out_axis] = weight.shape[0]
    if node.op_type == "MatMul":
        is_left = like.data_index == 1
        array = add_initializer(graph, f"{name}.weight", weight if is_left else weight.T)
        inputs = [array, data] if is_left else [data, array]
        output = new_node(graph, "MatMul", inputs, name=name, shape=shape, before=before)
        if bias is None:
            return output
        column = add_initializer(graph, f"{name}.bias", bias[:, None] if is_left else bias)
        return new_node(
            graph, "Add", [output, column], name=f"{name}.bias", shape=shape, before=before
        )
    inputs = [data, add_initializer(graph, f"{name}.weight", weight)]
    if bias is not None:
        inputs.append(add_initializer(graph, f"{name}.bias", bias))
    attributes = {"transB": 1} if node.op_type == "Gemm" else dict(node.attributes)
    return new_node(
        graph,
        node.op_type,
        inputs,
        name=name,
        shape=shape,
        before=before,
        attributes=attributes,
    )
