"""Labels on axes: units along a factor, and units made coarser."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgert.surgery.channel_ties import (
    OTHER,
    OUTPUT,
    Flow,
    Link,
    Tie,
    View,
    coarser,
    is_constant,
    labels_along,
    rows_together,
    shape_at,
    units_along,
    value_at,
)
from tests.surgery.graphs_channels import CASES, graph_of


@given(
    arrays.arrays(np.int64, st.integers(1, 6), elements=st.integers(-1, 4)),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_units_along_inverts_labels_along(units, before, after):
    view = View(0, 1, before, after)
    labels = labels_along(view, units)
    assert len(labels) == before * len(units) * after
    assert np.array_equal(units_along(view, labels), units)
    plain = [units[place // after % len(units)] for place in range(len(labels))]
    assert labels.tolist() == plain


def test_labels_that_differ_between_repetitions_lie_on_no_factor():
    labels = np.arange(12)
    assert units_along(View(0, 1, before=3), labels) is None
    assert units_along(View(0, 1, after=4), labels) is None
    assert units_along(View(0, 1), labels).tolist() == labels.tolist()
    assert units_along(View(0, 1, after=4), labels // 4).tolist() == [0, 1, 2]


def test_rows_that_become_one_unit():
    rows = rows_together(View(0, 1, after=4), np.arange(12))
    assert [row.tolist() for row in rows] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert rows_together(View(0, 1, after=4), np.arange(12) // 4) == []
    mixed = np.array([0, 1, 2, OTHER])
    assert rows_together(View(0, 1, after=2), mixed) is None
    assert rows_together(View(0, 1, after=4), np.arange(4)) is None  # one unit would be left


@given(st.data())
def test_coarser_labels_join_exactly_what_is_asked(data):
    count = data.draw(st.integers(1, 12))
    labels = np.array(data.draw(st.permutations([*range(count), OTHER])))
    pair = st.lists(st.integers(0, count - 1), min_size=1, max_size=3)
    rows = [np.array(row) for row in data.draw(st.lists(pair, max_size=5))]
    merged = coarser(labels, rows)
    assert ((merged == OTHER) == (labels == OTHER)).all()
    assert {*merged.tolist()} - {OTHER} == set(range(merged.max() + 1))
    sets = [{unit} for unit in range(count)]
    for row in rows:
        joined = set().union(*(s for s in sets if s & set(row.tolist())))
        sets = [s for s in sets if not s & joined] + [joined]
    inside = labels != OTHER
    for one, new in zip(labels[inside], merged[inside], strict=True):
        together = {int(u) for u in labels[inside][merged[inside] == new]}
        assert together == next(s for s in sets if int(one) in s)


def test_units_are_numbered_as_they_first_appear():
    labels = np.array([OTHER, 2, 0, 1, 2])
    assert coarser(labels, []).tolist() == [OTHER, 0, 1, 2, 0]


def test_a_flow_gives_what_one_axis_takes_part_in():
    tie = Tie((View(0, 1), View(OUTPUT, 2)))
    link = Link(View(0, 0), View(OUTPUT, 0), np.arange(3))
    flow = Flow((tie,), (link,))
    assert flow.ties_at(0, 1) == [(tie, View(0, 1))]
    assert flow.ties_at(OUTPUT, 2) == [(tie, View(OUTPUT, 2))]
    assert flow.ties_at(0, 2) == []
    assert flow.links_at(0, 0) == flow.links_at(OUTPUT, 0) == [link]
    assert flow.links_at(0, 1) == []


def test_ends_of_a_node():
    graph = graph_of(CASES["halves_added"])
    split = next(node for node in graph.nodes if node.op_type == "Split")
    assert value_at(split, ~1) is split.outputs[1]
    assert value_at(split, 0) is split.inputs[0]
    assert value_at(split, 9) is value_at(split, ~9) is None
    assert shape_at(split, OUTPUT) == (1, 6, 6, 8)
    assert shape_at(split, 9) == ()
    producer = graph.node("n.p/Conv")
    assert is_constant(producer.inputs[1])
    assert not is_constant(producer.inputs[0])
    assert not is_constant(None)
