"""The rules one by one: what numpy does to an index, a tie has to say."""

from math import prod

import numpy as np
import onnx_ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.surgery.channel_flow import flow_of, why_not_alone
from edgert.surgery.channel_picks import slices_of
from edgert.surgery.channel_ties import OUTPUT, View, labels_along
from tests.surgery.graphs_channels import ints
from tests.surgery.graphs_linear import graph_from_text, outputs_of, random_weights


def node_of(text, weights=None, *, shape=(2, 5, 6, 7), opset=18):
    """The node that `text` makes of x."""
    dims = ",".join(map(str, shape))
    graph = graph_from_text(
        f"agraph (float[{dims}] x) => (int64[R,N] y) {{ t = {text} y = NonZero(t) }}",
        weights,
        opset=opset,
    )
    return graph.nodes[0]


def along(view, shape):
    """The index of a view's factor at every place of a tensor."""
    size = shape[view.axis] // (view.before * view.after)
    index = labels_along(view, np.arange(size))
    return np.broadcast_to(
        index.reshape([-1 if axis == view.axis else 1 for axis in range(len(shape))]), shape
    )


@given(data=st.data())
@settings(max_examples=120, deadline=None)
def test_ties_of_a_reshape_are_those_of_numpy(data):
    shape = tuple(data.draw(st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=4)))
    factors = data.draw(st.permutations([f for f in (2, 3, 2, 3, 2) if prod(shape) % f == 0]))
    target, left = [], prod(shape)
    for factor in factors:
        if left % factor == 0:
            target.append(factor)
            left //= factor
    target = tuple(data.draw(st.permutations([*target, left])))
    node = node_of("Reshape(x, target)", {"target": ints(*target)}, shape=shape)
    flow = flow_of(node)
    for tie in flow.ties:
        source, result = tie.views
        assert (source.end, result.end) == (0, OUTPUT)
        assert np.array_equal(along(source, shape).reshape(target), along(result, target))
    kept_whole = [t for t in flow.ties if all(v.before == v.after == 1 for v in t.views)]
    for axis, size in enumerate(shape):  # nothing that could be followed is left out
        for after, same in enumerate(target):
            if size == same > 1 and prod(shape[:axis]) == prod(target[:after]):
                assert any(t.views == (View(0, axis), View(OUTPUT, after)) for t in kept_whole)


def test_split_axis_has_a_tie_for_each_factor():
    node = node_of("Reshape(x, heads)", {"heads": ints(2, 3, 3, 4)}, shape=(2, 36))
    assert [tie.views for tie in flow_of(node).ties] == [
        (View(0, 0), View(OUTPUT, 0)),
        (View(0, 1, before=1, after=12), View(OUTPUT, 1)),
        (View(0, 1, before=3, after=4), View(OUTPUT, 2)),
        (View(0, 1, before=9, after=1), View(OUTPUT, 3)),
    ]


def test_axes_without_common_factors_leave_the_others_alone():
    node = node_of("Reshape(x, other)", {"other": ints(5, 6, 4, 7)}, shape=(5, 4, 6, 7))
    assert [tie.views for tie in flow_of(node).ties] == [
        (View(0, 0), View(OUTPUT, 0)),
        (View(0, 3), View(OUTPUT, 3)),
    ]
    assert why_not_alone(node) == "Reshape Reshape does not keep the channel axis whole"


@given(
    start=st.integers(-12, 12),
    end=st.integers(-12, 12) | st.sampled_from([2**62, -(2**62)]),
    step=st.sampled_from([-3, -1, 1, 2, 3]),
)
@settings(max_examples=60, deadline=None)
def test_slices_are_those_that_the_runtime_takes(start, end, step):
    graph = graph_from_text(
        "agraph (float[2,9] x) => (float[2,9] z, float[2,K] y) { y = Slice(x, s, e, a, p)"
        "z = Identity(x) }",
        {"s": ints(start), "e": ints(end), "a": ints(-1), "p": ints(step)},
    )
    (index,) = slices_of(next(node for node in graph.nodes if node.op_type == "Slice")).values()
    x, sliced = outputs_of(graph)
    assert np.array_equal(x[:, index], sliced)


@pytest.mark.parametrize(
    ("text", "weights", "opset", "axes"),
    [
        ("Softmax<axis=1>(x)", {}, 13, [0, 2, 3]),
        ("Softmax<axis=-1>(x)", {}, 13, [0, 1, 2]),
        ("Softmax(x)", {}, 11, [0]),
        ("Softmax<axis=2>(x)", {}, 11, [0, 1]),
        ("ReduceSum(x, a)", {"a": ints(1)}, 18, [0, 2, 3]),
        ("ReduceSum(x)", {}, 18, []),
        ("ReduceSum<noop_with_empty_axes=1>(x)", {}, 18, [0, 1, 2, 3]),
        ("ReduceMean(x, a)", {"a": ints(1)}, 18, [0, 1, 2, 3]),
        ("ReduceMean<axes=[1, 2]>(x)", {}, 13, [0, 1, 2, 3]),
        ("AveragePool<kernel_shape=[2,2]>(x)", {}, 18, [0, 1]),
        ("Resize(x, , c)", {"c": np.float32([1, 1, 2, 2])}, 18, [0, 1]),
        ("Resize(x, , c)", {"c": np.float32([1, 1.1, 2, 2])}, 18, [0]),
        ("Resize<axes=[2,3]>(x, , , s)", {"s": ints(6, 9)}, 18, [0, 1, 2]),
        ("LpNormalization<axis=1>(x)", {}, 18, [0, 2, 3]),
        ("LRN<size=3>(x)", {}, 18, []),
        ("CumSum(x, a)", {"a": np.array(1)}, 18, []),
    ],
)
def test_axes_that_stay_apart(text, weights, opset, axes):
    flow = flow_of(node_of(text, weights, opset=opset))
    assert [axis for axis in range(4) if flow.ties_at(0, axis)] == axes


def test_statistics_and_sums_are_told_apart():
    mean = flow_of(node_of("ReduceMean(x, a)", {"a": ints(1)}))
    assert [tie.role for tie, _ in mean.ties_at(0, 1)] == ["normalises"]
    assert [tie.role for tie, _ in mean.ties_at(0, 2)] == ["alone"]
    node = node_of("ReduceSum(x, a)", {"a": ints(1)})
    assert why_not_alone(node) == "ReduceSum ReduceSum sums these channels"


@pytest.mark.parametrize(("groups", "scales", "after"), [(3, 3, 1), (3, 12, 4), (12, 12, 1)])
def test_group_normalization_keeps_groups_together(groups, scales, after):
    """Shape inference does not know the operator, so shapes are set by hand."""
    graph = graph_from_text(
        f"agraph (float[1,12,6,8] x) => (float[1,12,6,8] y)"
        f"{{ y = GroupNormalization<num_groups={groups}>(x, g, b) }}",
        random_weights({"g": (scales,), "b": (scales,)}),
        opset=21,
    )
    node = graph.nodes[0]
    node.outputs[0].shape = onnx_ir.Shape((1, 12, 6, 8))
    ((tie, view),) = flow_of(node).ties_at(0, 1)
    assert view == View(0, 1, after=12 // groups)
    assert set(tie.views) == {
        view,
        View(OUTPUT, 1, after=12 // groups),
        View(1, 0, after=after),
        View(2, 0, after=after),
    }


@pytest.mark.parametrize(
    ("text", "weights", "reason"),
    [
        ("Reshape(x, s)", None, "has no static shape"),
        ("Slice(x, s, s)", None, "has no static shape"),
        ("MatMul(x, w)", {"w": (7,)}, "MatMul MatMul multiplies a plain vector"),
        ('Einsum<equation="...ij,jk->...ik">(x, w)', {"w": (7, 3)}, "that is not followed"),
        ('Einsum<equation="nchw,wk">(x, w)', {"w": (7, 3)}, "that is not followed"),
        ("NonZero(x)", {}, "is not an operator whose channels can be followed"),
    ],
)
def test_node_that_is_not_followed_says_why(text, weights, reason):
    free = weights is None
    graph = graph_from_text(
        f"agraph (float[2,5,6,7] x{', int64[4] s' if free else ''}) => (int64[R,N] y)"
        f"{{ t = {text} y = NonZero(t) }}",
        random_weights(weights or {}),
    )
    assert reason in flow_of(graph.nodes[0]).why_not


def test_second_output_that_is_read_is_not_followed():
    graph = graph_from_text(
        """agraph (float[1,4,6,6] x) => (float[1,4,3,3] y, int64[1,4,3,3] z) {
          y, z = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x)
        }"""
    )
    assert "further outputs that are read" in flow_of(graph.nodes[0]).why_not


def test_operator_of_another_domain_is_not_followed():
    node = node_of("Relu(x)")
    node.domain = "elsewhere"
    assert "is not an operator" in flow_of(node).why_not
