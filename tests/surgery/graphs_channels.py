"""Small graphs for channel groups, and a reference for cutting that knows none of the rules."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir

from edgert.surgery.channel_groups import find_channel_groups
from edgert.surgery.graph import add_initializer, constant_array
from tests.surgery.graphs_linear import graph_from_text, outputs_of, random_weights

WIDTH = 12


@dataclass(frozen=True)
class Case:
    """What stands between the map "n.p", which writes 12 channels, and the 1x1 map "n.q".

    `text` makes m (1, columns, ...) of h (1, 12, 6, 8); x (1, 4, 6, 8) is there too. `owner` is
    the unit that each of the 12 rows belongs to, worked out by hand.
    """

    text: str
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    columns: int = WIDTH
    owner: tuple[int, ...] = tuple(range(WIDTH))
    opset: int = 18
    size: str = "6,8"


def in_units_of(size, count=WIDTH):
    """Owners of neighbouring rows."""
    return tuple(int(row) // size for row in range(count))


def graph_of(case):
    """x -> "n.p" -> the operators of the case -> "n.q" -> y."""
    weights = random_weights(
        {"wp": (WIDTH, 4, 3, 3), "bp": (WIDTH,), "wq": (5, case.columns, 1, 1), "bq": (5,)}
    )
    return graph_from_text(
        f"""agraph (float[1,4,6,8] x) => (float[1,5,{case.size}] y) {{
          ["n.p/Conv"] h = Conv<kernel_shape=[3,3],pads=[1,1,1,1]>(x, wp, bp)
          {case.text}
          ["n.q/Conv"] y = Conv<kernel_shape=[1,1]>(m, wq, bq)
        }}""",
        weights | random_weights(case.shapes, seed=1) | case.constants,
        opset=case.opset,
    )


def group_with(graph, producer):
    """The group that a node writes."""
    (group,) = (g for g in find_channel_groups(graph) if producer in g.producers)
    return group


def set_constant(graph, node, index, array):
    """Give one node another constant; in place."""
    value = add_initializer(graph, f"{node.name}.changed", array.astype(np.float32))
    node.replace_input_with(index, value)


def weight_index(node):
    """Which input of a map is its weight."""
    return 1 if constant_array(node.inputs[1]) is not None else 0


def columns_axis(node):
    """The weight's axis that a map reads with; where MatMul's weight is on the left, its last."""
    if node.op_type == "Conv":
        return 1
    if node.op_type == "Gemm":
        return 1 if "transB" in node.attributes else 0
    if node.op_type == "MatMul":
        weight = constant_array(node.inputs[weight_index(node)])
        return weight.ndim - (2 if weight_index(node) else 1)
    return 0  # ConvTranspose, Einsum as the tests write it


def columns_reached(graph, group, rows):
    """The columns of every reader that depend on some rows of the group's first producer.

    Found by running: the readers' weights are set to zero, so that nothing mixes, the rows are
    changed, and what differs at the readers' inputs is looked at. The change is large and of
    either sign, so that no activation hides it.
    """
    blind = graph.copy()
    data = []
    for name in group.readers:
        node = blind.node(name)
        index = weight_index(node)
        set_constant(blind, node, index, np.zeros_like(constant_array(node.inputs[index])))
        data.append(node.inputs[1 - index])
    blind.model.graph.outputs[:] = list(dict.fromkeys(data))
    producer = blind.node(group.producers[0])
    index = weight_index(producer)
    array = constant_array(producer.inputs[index])
    axis = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0}.get(producer.op_type, array.ndim - 1)
    lines = np.zeros(array.shape[axis])
    lines[rows] = 10
    noise = np.random.default_rng(5).standard_normal(array.shape)
    change = np.moveaxis(np.moveaxis(noise, axis, -1) * lines, -1, axis)
    runs = []
    for sign in (0, 1, -1):
        set_constant(blind, producer, index, array + sign * change)
        runs.append(dict(zip(blind.model.graph.outputs, outputs_of(blind), strict=True)))
    reached = {}
    for name, value in zip(group.readers, data, strict=True):
        node = graph.node(name)
        along = 1 if node.op_type in ("Conv", "ConvTranspose") else runs[0][value].ndim - 1
        if node.op_type == "MatMul" and weight_index(node) == 0:
            along = runs[0][value].ndim - 2
        differs = (runs[0][value] != runs[1][value]) | (runs[0][value] != runs[2][value])
        lines = np.moveaxis(differs, along, 0)
        reached[name] = lines.reshape(len(lines), -1).any(axis=1)
    return reached


def reference(graph, group, cut_rows):
    """The full graph with the readers' columns that the cut rows reach set to zero."""
    copy = graph.copy()
    for name, reached in columns_reached(graph, group, cut_rows).items():
        node = copy.node(name)
        index = weight_index(node)
        array = constant_array(node.inputs[index]).copy()
        np.moveaxis(array, columns_axis(node), 0)[reached] = 0
        set_constant(copy, node, index, array)
    return copy


def rows_of(owner, units):
    """The rows that belong to some units."""
    return np.flatnonzero(np.isin(owner, units))


def as_float(array):
    """A constant of the runtime's type."""
    return np.asarray(array, dtype=np.float32)


def replaced(graph, name, array):
    """A copy in which an initializer has other numbers."""
    copy = graph.copy()
    value = copy.model.graph.initializers[name]
    value.const_value = onnx_ir.tensor(array, name=name)
    return copy


def ints(*numbers):
    """A constant of sizes or positions."""
    return np.array(numbers, dtype=np.int64)


CASES = {
    "grouped_convolution": Case(
        "m = Conv<kernel_shape=[1,1],group=3>(h, w3, b3)",
        {"w3": (12, 4, 1, 1), "b3": (12,)},
        owner=in_units_of(4),
    ),
    "grouped_convolution_that_widens": Case(
        "m = Conv<kernel_shape=[1,1],group=3>(h, w3)",
        {"w3": (24, 4, 1, 1)},
        columns=24,
        owner=in_units_of(4),
    ),
    "depthwise_with_two_outputs_each": Case(
        "m = Conv<kernel_shape=[3,3],pads=[1,1,1,1],group=12>(h, w1, b1)",
        {"w1": (24, 1, 3, 3), "b1": (24,)},
        columns=24,
    ),
    "grouped_transposed_convolution": Case(
        "m = ConvTranspose<kernel_shape=[1,1],group=3>(h, w3, b3)",
        {"w3": (12, 2, 1, 1), "b3": (6,)},
        columns=6,
        owner=in_units_of(4),
    ),
    "group_normalization_as_exported": Case(
        "k = Reshape(h, grouped) i = InstanceNormalization(k, g, b) r = Reshape(i, whole)"
        "s = Mul(r, c) m = Add(s, d)",
        {"g": (3,), "b": (3,), "c": (12, 1, 1), "d": (12, 1, 1)},
        {"grouped": ints(0, 3, -1), "whole": ints(1, 12, 6, 8)},
        owner=in_units_of(4),
    ),
    "heads": Case(
        "k = Reshape(h, heads) s = Softmax<axis=-1>(k) m = Reshape(s, whole)",
        {},
        {"heads": ints(1, 3, 4, 48), "whole": ints(1, 12, 6, 8)},
        owner=in_units_of(4),
    ),
    "softmax_within_heads": Case(
        "k = Reshape(h, heads) s = Softmax<axis=2>(k) m = Reshape(s, whole)",
        {},
        {"heads": ints(1, 3, 4, 48), "whole": ints(1, 12, 6, 8)},
        owner=in_units_of(4),
    ),
    "softmax_across_heads_keeps_places_within_them_together": Case(
        "k = Reshape(h, heads) s = Softmax<axis=1>(k) m = Reshape(s, whole)",
        {},
        {"heads": ints(1, 3, 4, 48), "whole": ints(1, 12, 6, 8)},
        owner=(0, 1, 2, 3) * 3,
    ),
    "shuffle": Case(
        "k = Reshape(h, parts) t = Transpose<perm=[0,2,1,3,4]>(k) m = Reshape(t, whole)",
        {},
        {"parts": ints(1, 3, 4, 6, 8), "whole": ints(1, 12, 6, 8)},
        owner=in_units_of(4),
    ),
    "concat_with_others": Case("m = Concat<axis=1>(x, h)", columns=16),
    "concat_with_itself": Case("k = Relu(h) m = Concat<axis=1>(h, k)", columns=24),
    "concat_with_a_constant": Case(
        "k = Concat<axis=1>(h, c) m = Mul(k, d)",
        {"c": (1, 3, 6, 8), "d": (15, 1, 1)},
        columns=15,
    ),
    "split_and_turned_round": Case(
        "a, b, c = Split<axis=1>(h, parts) d = Relu(b) m = Concat<axis=1>(c, d, a)",
        {},
        {"parts": ints(2, 4, 6)},
    ),
    "split_in_equal_parts": Case(
        "a, b = Split<axis=1, num_outputs=2>(h) m = Concat<axis=1>(b, a)"
    ),
    "split_of_another_axis": Case(
        "a, b = Split<axis=2, num_outputs=2>(h) m = Concat<axis=2>(b, a)"
    ),
    "split_before_opset_13": Case(
        "a, b = Split<axis=1, split=[4,8]>(h) m = Concat<axis=1>(b, a)", opset=12
    ),
    "halves_added": Case(
        "a, b = Split<axis=1, num_outputs=2>(h) m = Add(a, b)", columns=6, owner=(*range(6),) * 2
    ),
    "gated_linear_unit": Case(
        "a, b = Split<axis=1, num_outputs=2>(h) s = Sigmoid(b) m = Mul(a, s)",
        columns=6,
        owner=(*range(6),) * 2,
    ),
    "part_that_is_added_back": Case(
        "a, b = Split<axis=1, num_outputs=2>(h)"
        '["n.k/Conv"] k = Conv<kernel_shape=[1,1]>(b, wk) s = Add(b, k)'
        "m = Concat<axis=1>(a, b, s)",
        {"wk": (6, 6, 1, 1)},
        columns=18,
    ),
    "slice_of_a_range": Case(
        "m = Slice(h, low, high, one)",
        {},
        {"low": ints(2), "high": ints(9), "one": ints(1)},
        columns=7,
    ),
    "slice_to_the_end_along_two_axes": Case(
        "m = Slice(h, low, high, axes)",
        {},
        {"low": ints(-8, 1), "high": ints(2**62, 3), "axes": ints(1, 2)},
        columns=8,
        size="2,8",
    ),
    "slice_with_steps": Case(
        "m = Slice(h, low, high, axes, steps)",
        {},
        {
            "low": ints(1, 0),
            "high": ints(12, 6),
            "axes": ints(1, 2),
            "steps": ints(2, 2),
        },
        columns=6,
        size="3,8",
    ),
    "slice_backwards": Case(
        "m = Slice(h, low, high, one, back)",
        {},
        {"low": ints(-1), "high": ints(-(2**62)), "one": ints(1), "back": ints(-1)},
    ),
    "gather": Case(
        "m = Gather<axis=1>(h, picked)",
        {},
        {"picked": ints(11, 3, 4, -9, 0, 7, 6)},
        columns=7,
    ),
    "gather_of_another_axis": Case(
        "k = Gather<axis=0>(h, first) m = Unsqueeze(k, first1)",
        {},
        {"first": np.array(0), "first1": ints(0)},
    ),
    "padded_channels": Case(
        "m = Pad(h, pads)", {}, {"pads": ints(0, 2, 0, 0, 0, 1, 0, 0)}, columns=15
    ),
    "padded_positions": Case(
        'k = Pad<mode="reflect">(h, pads, , axes) m = MaxPool<kernel_shape=[3,1]>(k)',
        {},
        {"pads": ints(1, 1), "axes": ints(2)},
    ),
    "tile": Case("m = Tile(h, twice)", {}, {"twice": ints(1, 2, 1, 1)}, columns=24),
    "expand": Case(
        "g = GlobalAveragePool(h) m = Expand(g, shape)", {}, {"shape": ints(1, 12, 6, 8)}
    ),
    "expand_along_the_channels": Case(
        "r = ReduceMean<keepdims=1>(x, one) k = Expand(r, shape) m = Add(h, k)",
        {},
        {"shape": ints(1, 12, 6, 8), "one": ints(1)},
    ),
    "squeeze_without_axes": Case(
        "g = GlobalAveragePool(h) s = Squeeze(g) u = Unsqueeze(s, axes) m = Mul(h, u)",
        {},
        {"axes": ints(0, 2, 3)},
    ),
    "squeeze_without_axes_before_opset_13": Case(
        "g = GlobalAveragePool(h) s = Squeeze(g) u = Unsqueeze<axes=[0,2,3]>(s) m = Mul(h, u)",
        opset=12,
    ),
    "depth_to_space": Case(
        "m = DepthToSpace<blocksize=2>(h)", columns=3, owner=(0, 1, 2) * 4, size="12,16"
    ),
    "pixel_shuffle": Case(
        'm = DepthToSpace<blocksize=2, mode="CRD">(h)',
        columns=3,
        owner=in_units_of(4),
        size="12,16",
    ),
    "space_to_depth": Case("m = SpaceToDepth<blocksize=2>(h)", columns=48, size="3,4"),
    "einsum": Case('m = Einsum<equation="nchw,c->nchw">(h, c)', {"c": (12,)}),
    "where": Case(
        "k = Greater(h, zero) m = Where(k, h, c)",
        {"c": (1, 12, 1, 1)},
        {"zero": as_float(0)},
    ),
    "largest_of_positions": Case(
        "k = ReduceMax<keepdims=0>(h, axes) u = Unsqueeze(k, axes) m = Add(h, u)",
        {},
        {"axes": ints(2, 3)},
    ),
    "matrix_for_each_channel": Case("m = MatMul(h, c)", {"c": (12, 8, 8)}),
    "matrix_for_all_channels": Case("m = MatMul(h, c)", {"c": (8, 8)}),
    "channels_times_their_own_turned": Case(
        "t = Transpose<perm=[0,1,3,2]>(h) k = MatMul(h, t) m = MatMul(k, h)"
    ),
    "softmax_before_opset_13": Case("m = Softmax<axis=2>(h)", opset=11),
    "length_of_each_channel": Case("m = LpNormalization<axis=3>(h)"),
    "channels_last": Case(
        "t = Transpose<perm=[0,2,3,1]>(h) a = Add(t, c) r = Relu(a)"
        "m = Transpose<perm=[0,3,1,2]>(r)",
        {"c": (12,)},
    ),
    "windows": Case(
        "t = Transpose<perm=[0,2,3,1]>(h) w = Reshape(t, windows)"
        "p = Transpose<perm=[0,1,3,2,4,5]>(w) r = Reshape(p, tokens) s = Softmax<axis=1>(r)"
        "b = Reshape(s, parted) q = Transpose<perm=[0,1,3,2,4,5]>(b) i = Reshape(q, image)"
        "m = Transpose<perm=[0,3,1,2]>(i)",
        {},
        {
            "windows": ints(1, 3, 2, 4, 2, 12),
            "tokens": ints(12, 4, 12),
            "parted": ints(1, 3, 4, 2, 2, 12),
            "image": ints(1, 6, 8, 12),
        },
    ),
    "patches_merged": Case(
        "t = Transpose<perm=[0,2,3,1]>(h) a = Slice(t, o, end, axes, two)"
        "b = Slice(t, o1, end, axes, two) c = Slice(t, o2, end, axes, two)"
        "j = Concat<axis=-1>(a, b, c) m = Transpose<perm=[0,3,1,2]>(j)",
        {},
        {
            "o": ints(0, 0),
            "o1": ints(1, 0),
            "o2": ints(0, 1),
            "end": ints(2**62, 2**62),
            "axes": ints(1, 2),
            "two": ints(2, 2),
        },
        columns=36,
        size="3,4",
    ),
}
