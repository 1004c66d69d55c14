"""Axes cut anew, and what each operator makes of a size that is written down in it."""

from itertools import pairwise
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.surgery.size_walk import sizes_at
from edgert.surgery.sizes import (
    Extent,
    NotResizedError,
    Sizes,
    changed_axes,
    laid_out,
    new_shape,
    old_shape,
    side_of,
)
from tests.surgery.graphs_linear import graph_from_text

ROWS, COLUMNS = Extent(12, 9, "rows"), Extent(16, 10, "columns")
CHANNELS, ONE = Extent(24, 24), Extent(1, 1)


class Node:
    name, op_type = "a", "Reshape"


NODE = Node()


@pytest.mark.parametrize(
    ("axes", "target", "new"),
    [
        ((ONE,), (1, 1), (1, 1)),
        ((ONE, CHANNELS, ROWS, COLUMNS), (1, 24, 192), (1, 24, 90)),
        ((ONE, CHANNELS, ROWS, COLUMNS), (1, 2, 2304), (1, 2, 1080)),
        ((ONE, CHANNELS, ROWS, COLUMNS), (24, 12, 1, 16), (24, 9, 1, 10)),
        ((ONE, CHANNELS, ROWS, COLUMNS), (4, 6, 12, 16, 1), (4, 6, 9, 10, 1)),
        ((ROWS, COLUMNS, CHANNELS), (192, 3, 8), (90, 3, 8)),
        ((ROWS, CHANNELS, COLUMNS), (12, 384), (9, 240)),
    ],
)
def test_a_reshape_keeps_the_extents_in_order(axes, target, new):
    made = laid_out(NODE, tuple((extent,) for extent in axes), target)
    assert (old_shape(made), new_shape(made)) == (target, new)


def test_a_merged_axis_can_be_taken_apart_again():
    merged = laid_out(NODE, ((ONE,), (ROWS,), (COLUMNS,), (CHANNELS,)), (1, 192, 24))
    assert merged[1] == (ROWS, COLUMNS)
    assert side_of(merged[1]) == ""
    image = laid_out(NODE, merged, (1, 12, 16, 24))
    assert [side_of(axis) for axis in image] == ["", "rows", "columns", ""]


@pytest.mark.parametrize("target", [(1, 24, 4, 3, 16), (1, 24, 6, 32), (1, 24, 24, 8)])
def test_what_would_cut_rows_in_two_is_refused(target):
    with pytest.raises(NotResizedError, match=r"cuts 1[26] (rows|columns) into parts") as caught:
        laid_out(NODE, tuple((e,) for e in (ONE, CHANNELS, ROWS, COLUMNS)), target)
    assert caught.value.tied


def test_one_row_that_becomes_two_is_not_lost():
    one = Extent(1, 2, "rows")
    assert laid_out(NODE, ((CHANNELS,), (one,)), (24, 1)) == ((CHANNELS,), (one,))
    with pytest.raises(NotResizedError, match="loses rows that were one"):
        laid_out(NODE, ((CHANNELS,), (one,)), (24,))


extents = st.builds(Extent, st.integers(2, 7), st.integers(1, 7))


@given(st.lists(extents, min_size=1, max_size=6), st.data())
def test_any_regrouping_of_extents_is_followed(row, data):
    def grouped():
        cuts = data.draw(st.sets(st.integers(1, len(row) - 1))) if len(row) > 1 else set()
        ends = [0, *sorted(cuts), len(row)]
        return tuple(tuple(row[a:b]) for a, b in pairwise(ends))

    axes, wanted = grouped(), grouped()
    made = laid_out(NODE, axes, old_shape(wanted))
    assert old_shape(made) == old_shape(wanted)
    assert prod(new_shape(made)) == prod(extent.new for extent in row)
    assert new_shape(made) == new_shape(wanted)


def test_what_was_met_is_told_by_side():
    sizes = Sizes()
    sizes.note("a", ((ROWS,), (COLUMNS,), (CHANNELS,)))
    sizes.note("b", ((Extent(12, 8, "rows"),),))
    assert sizes.counterpart("rows", 12) == {8, 9}
    assert sizes.counterpart("columns", 16) == {10}
    assert sizes.counterpart("columns", 24) == set()
    assert changed_axes(sizes.of("a")) == [0, 1]


# ---------------------------------------------------------------- one operator each

# x is (1, 3, 12, 16) and becomes (1, 3, 9, 10).
INTS = {
    "flat": np.array([1, 3, -1]),
    "map": np.array([1, 3, 12, 16]),
    "wide": np.array([1, 3, 12, 32]),
    "double": np.array([1, 3, 24, 32]),
    "odd": np.array([1, 3, 13, 16]),
    "twos": np.array([2, 2]),
    "one": np.array([1]),
    "zero": np.array([0]),
    "five": np.array([5]),
    "end": np.array([12]),
    "huge": np.array([2**31 - 1]),
    "minus": np.array([-1]),
    "axis": np.array([2]),
    "step": np.array([2]),
    "places": np.array([2, 3]),
    "repeats": np.array([1, 1, 12, 1]),
    "thrice": np.array([1, 3, 1, 1]),
    "halves": np.array([6, 6]),
    "scales": np.array([1, 1, 2, 2], np.float32),
    "count": np.array(192, np.float32),
    "share": np.array([1 / 192], np.float32),
    "other": np.array(7, np.float32),
    "ramp": np.arange(12, dtype=np.float32).reshape(12, 1),
    "same": np.full((12, 16), 2, np.float32),
    "matrix": np.ones((16, 4), np.float32),
}


def walked(text, shape=(1, 3, 12, 16), new=(9, 10)):
    used = {name: array for name, array in INTS.items() if name in text}
    dims = ",".join(map(str, shape))
    graph = graph_from_text(
        f"g (float[{dims}] x) => (int64[R,N] y) {{ {text} y = NonZero(t) }}", used
    )
    # the last node gives a size that depends on values, and is not walked
    graph.model.graph.outputs[0] = graph.nodes[-1].inputs[0]
    graph.model.graph.remove(graph.nodes[-1], safe=False)
    sizes = sizes_at(graph, *new)
    return graph, sizes, new_shape(sizes.of(graph.outputs[0]))


MEAN = "m = ReduceMean<keepdims=1>(x, places)"


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("t = Reshape(x, flat)", (1, 3, 90)),
        ("t = Flatten(x)", (1, 270)),
        ("t = Transpose(x)", (10, 9, 3, 1)),
        ("t = Resize(x, , , double)", (1, 3, 18, 20)),
        ("t = Resize(x, , scales)", (1, 3, 18, 20)),
        ("a = AveragePool<kernel_shape=[2,2], strides=[2,2]>(x) t = Resize(a, , , map)",
         (1, 3, 9, 10)),
        (f"{MEAN} t = Resize(m, , , map)", (1, 3, 9, 10)),
        (f"{MEAN} t = Expand(m, map)", (1, 3, 9, 10)),
        (f"{MEAN} t = Tile(m, repeats)", (1, 3, 9, 1)),
        ("t = Tile(x, thrice)", (1, 9, 9, 10)),
        ("t = Slice(x, zero, huge, axis)", (1, 3, 9, 10)),
        ("t = Slice(x, one, end, axis, step)", (1, 3, 4, 10)),
        ("t = Slice(x, zero, minus, axis)", (1, 3, 8, 10)),
        ("t = Gather<axis=2>(x, zero)", (1, 3, 1, 10)),
        ("t = AveragePool<kernel_shape=[12,16]>(x)", (1, 3, 1, 1)),
        ("t = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x)", (1, 3, 5, 5)),
        ("t = Concat<axis=2>(x, x)", (1, 3, 18, 10)),
        ("t = Add(x, same)", (1, 3, 9, 10)),
        ("a = Transpose<perm=[0,1,3,2]>(x) t = MatMul(x, a)", (1, 3, 9, 9)),
        ("t = DepthToSpace<blocksize=1>(x)", (1, 3, 9, 10)),
    ],
)  # fmt: skip
def test_sizes_follow(text, shape):
    assert walked(text)[2] == shape


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("t = Resize(x, , , odd)", "brings 12 rows to 13, which at another size may be 9.75"),
        ("t = Slice(x, zero, five, axis)", "ends at place 5 of 12"),
        ("t = Slice(x, five, huge, axis)", "starts at place 5 of 12"),
        ("t = Gather<axis=2>(x, five)", "picks among 12 places by number"),
        ("t, u = Split<axis=2>(x, halves)", "splits 12 places into fixed parts"),
        ("t = AveragePool<kernel_shape=[4,4], strides=[4,4]>(x)", "takes 3 means of 4"),
        ("t = Add(x, ramp)", "reads ramp, which has numbers for 12 places"),
        ("t = MatMul(x, matrix)", "has weights for 16 places of axis 3"),
        ("a = Resize(x, , scales) b = AveragePool<kernel_shape=[2,2], strides=[2,2]>(x) "
         "c = Resize(b, , scales) t = Add(x, c)", "joins 12 rows with as many, which become 9"),
        ("t = CumSum(x, zero)", "is not an operator whose sizes are known"),
        ("a = Transpose<perm=[0,1,3,2]>(x) b = Slice(a, zero, end, axis) t = Reshape(b, flat)",
         "ends at place 12 of 16"),
    ],
)  # fmt: skip
def test_what_cannot_follow_is_named(text, reason):
    with pytest.raises(NotResizedError) as caught:
        walked(text)
    assert reason in caught.value.reason
    assert caught.value.node.op_type in caught.value.reason


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("s = ReduceSum(x, places) t = Div(s, count)", 90.0),
        ("s = ReduceSum(x, places) t = Mul(s, share)", 1 / 90),
        ("s = ReduceSum(x, places) t = Div(s, other)", None),
        ("s = ReduceMax(x, places) t = Div(s, count)", None),
    ],
)
def test_a_mean_by_hand_divides_by_the_new_number_of_places(text, number):
    graph, sizes, _ = walked(text)
    changed = sizes.constants.get((graph.nodes[-1], 1))
    assert (
        changed is None if number is None else float(changed.reshape(())) == pytest.approx(number)
    )


def test_a_graph_of_its_own_size_changes_nothing():
    graph, sizes, shape = walked("a = Reshape(x, flat) t = Reshape(a, map)", new=(12, 16))
    assert not sizes.constants
    assert shape == (1, 3, 12, 16)
    assert not any(changed_axes(sizes.of(value)) for n in graph.nodes for value in n.outputs)
