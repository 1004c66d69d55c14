"""Every rule's cut graph against the full graph with columns set to zero, found by running."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.errors import PostconditionError, PreconditionError
from edgert.surgery.channel_cut import check_shapes
from edgert.surgery.channel_groups import find_channel_groups, groups_and_members
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import static_shape
from edgert.surgery.narrow_channels import keep_units
from tests.surgery.graphs_channels import (
    CASES,
    Case,
    graph_of,
    group_with,
    in_units_of,
    ints,
    reference,
    rows_of,
    set_constant,
)
from tests.surgery.graphs_linear import difference, graph_from_text, outputs_of, random_weights

TOLERANCE = 1e-5


def kept_units(count):
    """Two thirds of the units, the first and the last among them."""
    return [unit for unit in range(count) if unit % 3 != 1]


@pytest.mark.parametrize("name", CASES)
def test_cut_graph_equals_the_full_one_with_columns_zeroed(name):
    case = CASES[name]
    graph = graph_of(case)
    group = group_with(graph, "n.p/Conv")
    units = max(case.owner) + 1
    assert (group.blocked, group.channels, group.unit) == ("", 12, 12 // units)
    kept = kept_units(units)
    narrowed = keep_units(graph, group=group.name, kept=kept)
    cut = np.setdiff1d(np.arange(units), kept)
    full = reference(graph, group, rows_of(case.owner, cut))
    assert difference(full, narrowed) < TOLERANCE
    assert cost_of(narrowed).macs < cost_of(graph).macs
    others = (cut + 1) % units
    wrong = reference(graph, group, rows_of(case.owner, others))
    assert difference(wrong, narrowed) > 100 * TOLERANCE


# The unit kept alone, where the last but one is not on every axis; None: no single one is.
ALONE = {
    "slice_of_a_range": 4,
    "slice_with_steps": 3,
    "gather": 3,
    "split_and_turned_round": None,
    "split_in_equal_parts": None,
    "split_before_opset_13": None,
    "part_that_is_added_back": None,
}


@pytest.mark.parametrize("name", CASES)
def test_one_unit_is_enough(name):
    """Axes of size 1 are broadcast and squeezed by some operators: no other sense may come in."""
    case = CASES[name]
    graph = graph_of(case)
    group = group_with(graph, "n.p/Conv")
    units = max(case.owner) + 1
    alone = ALONE.get(name, units - 2)
    if alone is None:
        with pytest.raises(PreconditionError, match="a channel or more left of"):
            keep_units(graph, group=group.name, kept=[units - 2])
        return
    narrowed = keep_units(graph, group=group.name, kept=[alone])
    cut = rows_of(case.owner, np.setdiff1d(np.arange(units), [alone]))
    assert difference(reference(graph, group, cut), narrowed) < TOLERANCE


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_units_may_stay(data):
    name = data.draw(st.sampled_from(sorted(CASES)))
    case = CASES[name]
    graph = graph_of(case)
    units = max(case.owner) + 1
    kept = sorted(data.draw(st.sets(st.integers(0, units - 1), min_size=1, max_size=units)))
    group = group_with(graph, "n.p/Conv")
    cut = np.setdiff1d(np.arange(units), kept)
    try:
        narrowed = keep_units(graph, group=group.name, kept=kept)
    except PreconditionError as error:
        assert "a channel or more left of" in str(error)  # noqa: PT017 - only this may refuse
        return
    full = reference(graph, group, rows_of(case.owner, cut)) if len(cut) else graph
    assert difference(full, narrowed) < TOLERANCE


def test_flattened_channels_are_cut_with_all_their_positions():
    graph = graph_from_text(
        """agraph (float[2,4,6,8] x) => (float[2,5] y) {
          ["n.p/Conv"] h = Conv<kernel_shape=[3,3]>(x, w)
          p = MaxPool<kernel_shape=[2,2],strides=[2,2]>(h)
          f = Flatten<axis=1>(p)
          ["n.q/Gemm"] y = Gemm<transB=1>(f, v, b)
        }""",
        random_weights({"w": (12, 4, 3, 3), "v": (5, 72), "b": (5,)}),
    )
    group = group_with(graph, "n.p/Conv")
    assert (group.channels, group.unit, group.readers) == (12, 1, ("n.q/Gemm",))
    narrowed = keep_units(graph, group="n.p", kept=[0, 5, 7])
    cut = np.setdiff1d(np.arange(12), [0, 5, 7])
    assert difference(reference(graph, group, cut), narrowed) < TOLERANCE
    assert static_shape(narrowed.node("n.q/Gemm").inputs[1]) == (5, 18)


def test_transposed_convolution_writes_and_reads():
    graph = graph_from_text(
        """agraph (float[1,4,6,8] x) => (float[1,5,12,16] y) {
          ["n.p/Conv"] h = Conv<kernel_shape=[1,1]>(x, w)
          r = Relu(h)
          ["n.u/ConvTranspose"] u = ConvTranspose<kernel_shape=[2,2],strides=[2,2]>(r, wu, bu)
          s = Relu(u)
          ["n.q/Conv"] y = Conv<kernel_shape=[1,1]>(s, wq)
        }""",
        random_weights({"w": (12, 4, 1, 1), "wu": (12, 9, 2, 2), "bu": (9,), "wq": (5, 9, 1, 1)}),
    )
    for producer, reader, width in (
        ("n.p/Conv", "n.u/ConvTranspose", 12),
        ("n.u/ConvTranspose", "n.q/Conv", 9),
    ):
        group = group_with(graph, producer)
        assert (group.channels, group.readers) == (width, (reader,))
        kept = [0, 3, 8]
        narrowed = keep_units(graph, group=group.name, kept=kept)
        full = reference(graph, group, np.setdiff1d(np.arange(width), kept))
        assert difference(full, narrowed) < TOLERANCE


def test_einsum_writes_and_reads():
    graph = graph_from_text(
        """agraph (float[2,5,4] x) => (float[2,5,3] y) {
          ["n.p/Einsum"] h = Einsum<equation="btc,cd->btd">(x, w)
          r = Relu(h)
          ["n.q/Einsum"] y = Einsum<equation="btd,de->bte">(r, v)
        }""",
        random_weights({"w": (4, 6), "v": (6, 3)}),
    )
    group = group_with(graph, "n.p/Einsum")
    assert (group.channels, group.readers) == (6, ("n.q/Einsum",))
    narrowed = keep_units(graph, group="n.p", kept=[1, 4, 5])
    assert difference(reference(graph, group, [0, 2, 3]), narrowed) < TOLERANCE


def test_constant_read_twice_in_a_group_is_cut_once():
    graph = graph_of(Case("a = Mul(h, c) k = Relu(a) m = Mul(k, c)", {"c": (12, 1, 1)}))
    narrowed = keep_units(graph, group="n.p", kept=[0, 1, 2])
    sizes = [value.const_value.size for value in narrowed.model.graph.initializers.values()]
    assert sorted(sizes) == sorted([3 * 4 * 9, 3, 3, 5 * 3, 5])


def test_constant_that_others_read_in_another_place_stays_whole_for_them():
    """One array is a producer's weight, a reader's and something else's at once."""
    graph = graph_from_text(
        """agraph (float[3,6] x, float[6,6] e) => (float[3,6] y, float[6,6] z) {
          ["n.p/MatMul"] h = MatMul(x, w)
          r = Relu(h)
          ["n.q/MatMul"] y = MatMul(r, w)
          z = Add(w, e)
        }""",
        random_weights({"w": (6, 6)}),
    )
    kept, cut = [0, 2, 5], [1, 3, 4]
    narrowed = keep_units(graph, group="n.p", kept=kept)
    weight = graph.model.graph.initializers["w"].const_value.numpy()
    columns = weight.copy()
    columns[cut] = 0
    full = graph.copy()
    set_constant(full, full.node("n.q/MatMul"), 1, columns)
    assert difference(full, narrowed) < TOLERANCE
    assert np.array_equal(outputs_of(full)[1], outputs_of(narrowed)[1])


def test_names_of_weights_and_groups_last():
    graph = graph_from_text(
        """agraph (float[3,6] x) => (float[3,4] y) {
          ["a.norm/MatMul"] h = MatMul(x, "a.fc1.weight")
          r = Relu(h)
          ["a.fc2/MatMul"] y = MatMul(r, "a.fc2.weight")
        }""",
        random_weights({"a.fc1.weight": (6, 12), "a.fc2.weight": (12, 4)}),
    )
    once = keep_units(graph, group="a.fc1", kept=range(8))
    twice = keep_units(once, group="a.fc1", kept=range(4))
    assert set(twice.model.graph.initializers) == {"a.fc1.weight", "a.fc2.weight"}
    assert [group.channels for group in find_channel_groups(twice)] == [4, 4]


def test_axis_without_channels_left_is_refused_by_name():
    graph = graph_of(
        Case(
            "a, b = Split<axis=1>(h, parts) r = Relu(a) m = Concat<axis=1>(r, b)",
            constants={"parts": ints(5, 7)},
        )
    )
    with pytest.raises(PreconditionError, match="a channel or more left of a") as caught:
        keep_units(graph, group="n.p", kept=[7, 8])
    assert "\n" not in str(caught.value)


def test_units_may_be_cut_again_and_again():
    case = CASES["heads"]
    graph = graph_of(case)
    once = keep_units(graph, group="n.p", kept=[0, 2])
    twice = keep_units(once, group="n.p", kept=[1])
    at_once = keep_units(graph, group="n.p", kept=[2])
    assert difference(at_once, twice) == 0
    assert case.owner == in_units_of(4)
    within = group_with(twice, "n.p/Conv")  # a single head keeps nothing together any more
    assert (within.channels, within.unit, within.blocked) == (4, 1, "")


def test_shape_that_the_cut_did_not_mean_is_refused():
    """The check after each cut: here told that other units stayed than did."""
    graph = graph_of(CASES["heads"])
    narrowed = keep_units(graph, group="n.p", kept=[0, 2])
    ((_, members),) = (found for found in groups_and_members(narrowed) if found[0].name == "n.p")
    check_shapes(narrowed, members, np.array([True, True]), subject="check")
    with pytest.raises(PostconditionError, match="4 channels of h along axis 1, got shape") as e:
        check_shapes(narrowed, members, np.array([True, False]), subject="check")
    assert "\n" not in str(e.value)
