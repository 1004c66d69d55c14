"""Giving a linear map other numbers: its weight, and its bias wherever the graph keeps that."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.surgery.graph import (
    Graph,
    add_initializer,
    attribute,
    constant_array,
    static_shape,
)
from edgert.surgery.layout import axis_of_operand
from edgert.surgery.linear_maps import LinearMap

Array = NDArray[Any]


def bias_node(linear: LinearMap) -> Any | None:
    """The Add right behind a MatMul that holds its bias, or None.

    Only an Add that nothing else shares the product with: it alone decides what is added.
    """
    value = linear.node.outputs[0]
    if linear.node.op_type != "MatMul" or len(value.uses()) != 1 or value.is_graph_output():
        return None
    [(reader, _)] = value.uses()
    others = [operand for operand in reader.inputs if operand is not value]
    if reader.op_type != "Add" or len(others) != 1 or constant_array(others[0]) is None:
        return None
    return reader if _is_bias(others[0], reader, linear.out_axis) else None


def takes_bias(linear: LinearMap) -> bool:
    """Whether a bias can be written: Conv and Gemm have a place for one, a MatMul its Add."""
    return linear.node.op_type != "MatMul" or bias_node(linear) is not None


def set_numbers(graph: Graph, linear: LinearMap, weight: Array, bias: Array | None) -> None:
    """Write weight and bias into a map of the graph; in place.

    The map's node and values keep their names; it gets constants of its own, so that others that
    read the old ones see no change.

    Args:
        graph: The copy being edited.
        linear: One of its maps.
        weight: (out, in, *kernel), in any floating type.
        bias: (out,), or None to leave the bias as it is.

    Raises:
        ValueError: The shape differs from the map's, or there is no place for a bias.
    """
    node, old = linear.node, linear.weight
    if weight.shape != old.shape:
        raise ValueError(f"{node.name} has a weight of shape {old.shape}, not {weight.shape}")
    oriented = weight
    if node.op_type == "MatMul" and linear.data_index == 0:
        oriented = weight.T
    if node.op_type == "Gemm":
        oriented = weight / attribute(node, "alpha", 1.0)
        oriented = oriented if attribute(node, "transB", 0) else oriented.T
    index = 1 - linear.data_index
    _replace(graph, node, index, oriented.astype(old.dtype), f"{node.name}.weight")
    if bias is not None:
        _set_bias(graph, linear, bias.astype(old.dtype))


def _set_bias(graph: Graph, linear: LinearMap, bias: Array) -> None:
    node, name = linear.node, f"{linear.node.name}.bias"
    if node.op_type != "MatMul":
        if node.op_type == "Gemm":
            bias = bias / bias.dtype.type(attribute(node, "beta", 1.0))
        if len(node.inputs) < 3:
            node.resize_inputs(3)
        _replace(graph, node, 2, bias, name)
        return
    add = bias_node(linear)
    if add is None:
        raise ValueError(f"{node.name} has no place for a bias")
    index = next(i for i, value in enumerate(add.inputs) if constant_array(value) is not None)
    rank = len(static_shape(add.outputs[0]) or ())
    shape = [1] * (rank - linear.out_axis)
    shape[0] = len(bias)
    _replace(graph, add, index, bias.reshape(shape), name)


def _replace(graph: Graph, node: Any, index: int, array: Array, name: str) -> None:
    node.replace_input_with(index, add_initializer(graph, name, np.ascontiguousarray(array)))


def _is_bias(value: Any, node: Any, axis: int) -> bool:
    """Whether a constant operand adds one number for each channel, or one for all."""
    shape = static_shape(value) or ()
    rank = len(static_shape(node.outputs[0]) or ())
    own = axis_of_operand(value, rank, axis)
    return all(size == 1 for index, size in enumerate(shape) if index != own)
