import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.surgery.graph import static_shape
from edgert.surgery.layout import (
    axis_after,
    axis_before,
    axis_of_operand,
    channel_vector,
    constants_for_channels,
    replayed,
)
from tests.surgery.graphs_linear import graph_from_text

INTS = {
    "flat": np.array([2, 5, 42]),
    "split": np.array([2, 5, 6, 7, 1]),
    "mixed": np.array([2, 6, 5, 7]),
    "heads": np.array([2, 1, 5, 6, 7]),
    "four": np.array([4, -1]),
    "sizes": np.array([2, 5, 12, 14]),
    "grown": np.array([2, 10, 6, 7]),
    "two_sizes": np.array([3, 3]),
    "start": np.array([1]),
    "end": np.array([3]),
    "last": np.array([-1]),
    "second": np.array([1]),
    "pads": np.array([0, 0, 1, 1, 0, 0, 0, 0]),
    "channel_pads": np.array([0, 1, 0, 0, 0, 0, 0, 0]),
    "two_pads": np.array([1, 2]),
    "scales": np.array([1, 1, 2, 2], np.float32),
    "odd_scales": np.array([1, 1.1, 2, 2], np.float32),
}


def node_of(text, shape=(2, 5, 6, 7)):
    """The node that `text` makes of x; z is a second input of the same shape."""
    dims = ",".join(map(str, shape))
    used = {name: array for name, array in INTS.items() if name in text}
    graph = graph_from_text(
        f"agraph (float[{dims}] x, float[{dims}] z) => (int64[R,N] y)"
        f"{{ t = {text} y = NonZero(t) }}",
        used,
    )
    return graph.nodes[0]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("Transpose<perm=[0,2,3,1]>(x)", 3),
        ("Transpose(x)", 2),
        ("Reshape(x, flat)", 1),
        ("Reshape(x, split)", 1),
        ("Reshape(x, heads)", 2),
        ("Reshape(x, mixed)", None),
        ("Reshape(x, four)", None),
        ("Flatten<axis=1>(x)", None),
        ("Unsqueeze(x, second)", 2),
        ("Resize(x, , scales)", 1),
        ("Resize(x, , odd_scales)", None),
        ("Resize(x, , , sizes)", 1),
        ("Resize(x, , , grown)", None),
        ("Resize<axes=[2,3]>(x, , , two_sizes)", 1),
        ("Slice(x, start, end, last)", 1),
        ("Slice(x, start, end, second)", None),
        ("Slice(x, start, end)", 1),
        ("Pad(x, pads)", 1),
        ("Pad(x, channel_pads)", None),
        ("Pad(x, two_pads, , last)", 1),
        ("Pad(x, two_pads, , second)", None),
        ("AveragePool<kernel_shape=[2,2]>(x)", 1),
        ("GlobalAveragePool(x)", 1),
        ("ReduceMean(x, last)", 1),
        ("ReduceMean(x, second)", None),
        ("ReduceMean(x)", None),
        ("Relu(x)", None),
    ],
)
def test_channel_axis_is_followed(text, after):
    node = node_of(text)
    assert axis_after(node, 1) == after
    if after is not None:
        assert axis_before(node, after) == 1


def test_dropped_axes_before_the_channels_move_them():
    node = node_of("ReduceMean<keepdims=0>(x, start)", (2, 6, 7, 5))
    assert axis_after(node, 3) == 2
    assert axis_before(node, 2) == 3


def test_one_channel_is_not_followed_through_reshape():
    assert axis_after(node_of("Unsqueeze(x, second)", (2, 1, 6, 7)), 1) is None


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_axis_after_agrees_with_numpy(data):
    """Where numbers differ along one axis only, they do so along the axis that is named."""
    shape = tuple(data.draw(st.lists(st.sampled_from([2, 3, 4]), min_size=2, max_size=4)))
    axis = data.draw(st.integers(0, len(shape) - 1))
    channels = np.arange(shape[axis]).reshape([-1 if a == axis else 1 for a in range(len(shape))])
    pattern = np.broadcast_to(channels, shape)
    if data.draw(st.booleans()):
        perm = data.draw(st.permutations(range(len(shape))))
        text, target, expected = f"Transpose<perm={perm}>(x)", None, pattern.transpose(perm)
    else:
        cut = data.draw(st.integers(1, len(shape)))
        target = np.array([*data.draw(st.permutations(shape[:cut])), *shape[cut:]])
        text, expected = "Reshape(x, target)", pattern.reshape(target)
    dims = ",".join(map(str, shape))
    graph = graph_from_text(
        f"agraph (float[{dims}] x) => (int64[R,N] y) {{ t = {text} y = NonZero(t) }}",
        {} if target is None else {"target": target},
    )
    after = axis_after(graph.nodes[0], axis)
    if after is None:
        along = [np.moveaxis(expected, a, 0) for a in range(expected.ndim)]
        whole = [a for a in along if len(a) == shape[axis] and (np.arange(len(a)) == a.T).all()]
        assert not whole
    else:
        assert (np.moveaxis(expected, after, -1) == np.arange(shape[axis])).all()


def test_reshape_target_and_resize_sizes_get_the_new_channels():
    reshape = constants_for_channels(node_of("Reshape(x, flat)"), 1, 9)
    assert reshape[1].tolist() == [2, 9, 42]
    resize = constants_for_channels(node_of("Resize(x, , , sizes)"), 1, 9)
    assert resize[3].tolist() == [2, 9, 12, 14]
    two = constants_for_channels(node_of("Resize<axes=[2,3]>(x, , , two_sizes)"), 1, 9)
    assert two[3].tolist() == [3, 3]
    assert constants_for_channels(node_of("Transpose(x)"), 2, 9) == {}
    assert constants_for_channels(node_of("Resize(x, , scales)"), 1, 9) == {}


@pytest.mark.parametrize(
    "text", ["Transpose<perm=[0,2,1,3]>(x)", "Reshape(x, flat)", "Unsqueeze(x, second)"]
)
def test_replay_moves_numbers_as_the_operator_does(text):
    node = node_of(text)
    axis = axis_after(node, 1)
    places = np.arange(2 * 42).reshape(2, 1, 6, 7)
    full = np.repeat(places, 5, axis=1)
    shape = static_shape(node.outputs[0])
    moved = full.transpose(0, 2, 1, 3) if node.op_type == "Transpose" else full.reshape(shape)
    assert (replayed(node, axis, places) == moved.take([0], axis=axis)).all()


def test_operand_axis_follows_broadcasting_from_the_right():
    node = node_of("Add(x, z)")
    vector = graph_from_text(
        "agraph (float[2,5,6,7] x, float[5,1,1] c, float[7] r, float[1,1,6,1] s)"
        "=> (float[2,5,6,7] y) { p = Add(x, c) q = Add(p, r) y = Add(q, s) }"
    )
    c, r, s = vector.inputs[1:]
    assert axis_of_operand(node.inputs[0], 4, 1) == 1
    assert axis_of_operand(c, 4, 1) == 0
    assert axis_of_operand(r, 4, 1) is None
    assert axis_of_operand(s, 4, 1) is None


@pytest.mark.parametrize(
    ("shape", "is_per_channel"),
    [
        ((5, 1, 1), True),
        ((1, 5, 1, 1), True),
        ((), True),
        ((1,), True),
        ((7,), False),
        ((5, 1, 7), False),
        ((1, 1, 6, 1), False),
        ((5,), False),
    ],
)
def test_constant_is_read_as_one_number_per_channel(shape, is_per_channel):
    array = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    graph = graph_from_text(
        "agraph (float[2,5,6,7] x) => (float[2,5,6,7] y) { y = Add(x, c) }"
        if shape != (5,)
        else "agraph (float[2,5,6,5] x) => (float[2,5,6,5] y) { y = Add(x, c) }",
        {"c": array},
    )
    vector = channel_vector(graph.nodes[0].inputs[1], 4, 1, 5)
    if is_per_channel:
        expected = np.broadcast_to(array.reshape(-1), (5,))
        assert vector.dtype == np.float64
        assert vector.tolist() == expected.astype(np.float64).tolist()
    else:
        assert vector is None
    assert channel_vector(graph.inputs[0], 4, 1, 5) is None
