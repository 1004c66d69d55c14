"""Which engines stay loaded, by arithmetic alone."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgert.errors import BackendError
from edgert.pool.residency import plan_residency
from tests.pool.built_sets import engine

SIX = ("full", "c5", "c4", "c3", "c2", "c1")


def plan(budget_bytes, *, own_bytes=(10,) * 6, weights_bytes=0, **options):
    memory = {name: options.pop(name, 0) for name in ("scratch_bytes", "io_bytes")}
    engines = [
        engine(name, persistent_bytes=own, **memory)
        for name, own in zip(SIX, own_bytes, strict=False)
    ]
    return plan_residency(
        engines, weights_bytes=weights_bytes, budget_bytes=budget_bytes, **options
    )


# ---------------------------------------------------------------- examples


def test_everything_stays_where_it_fits():
    found = plan(60)
    assert found.all_resident
    assert found.resident == SIX
    assert (found.needed_bytes, found.left_bytes) == (60, 0)


def test_one_byte_less_and_it_does_not():
    found = plan(59)
    assert not found.all_resident
    assert found.resident == ("full", "c5", "c4", "c3", "c1")
    assert found.left_bytes == 9


def test_without_a_budget_everything_stays():
    found = plan(None)
    assert found.resident == SIX
    assert found.left_bytes is None


@pytest.mark.parametrize(
    ("active", "budget_bytes", "resident"),
    [
        ("full", 20, ("full", "c1")),
        ("full", 30, ("full", "c5", "c1")),
        ("c3", 20, ("c3", "c1")),
        ("c3", 30, ("c3", "c2", "c1")),  # the next cheaper first
        ("c3", 40, ("c4", "c3", "c2", "c1")),  # then the next dearer
        ("c3", 50, ("c5", "c4", "c3", "c2", "c1")),
        ("c2", 30, ("c3", "c2", "c1")),  # nothing cheaper is left
        ("c1", 10, ("c1",)),
        ("c1", 20, ("c2", "c1")),
    ],
)
def test_a_window_around_the_active_one_and_the_cheapest(active, budget_bytes, resident):
    assert plan(budget_bytes, active=active).resident == resident


def test_the_window_moves_with_the_active_one():
    found = plan(30)
    assert found.wanted("full") == ("c1", "full", "c5")
    assert found.wanted("c4") == ("c1", "c4", "c3")
    assert found.wanted("c1") == ("c1", "c2", "c3")


def test_engines_that_cannot_be_loaded_leave_their_room_to_others():
    assert plan(30).wanted("c4", without={"c3"}) == ("c1", "c4", "c5")
    assert plan(60).wanted("c4", without={"c3"}) == ("c1", "c4", "c5", "c2", "full")


def test_what_is_shared_is_counted_once_and_of_the_largest():
    engines = [
        engine("full", weights_bytes=5, persistent_bytes=3, scratch_bytes=40, io_bytes=7),
        engine("c1", weights_bytes=2, persistent_bytes=1, scratch_bytes=30, io_bytes=9),
    ]
    found = plan_residency(engines, weights_bytes=100, budget_bytes=1000)
    assert (found.shared.weights_bytes, found.shared.scratch_bytes) == (100, 40)
    assert (found.shared.io_bytes, found.shared.load_ahead_bytes) == (9, 0)
    assert [cost.own_bytes for cost in found.costs] == [8, 3]
    assert found.total_bytes == 100 + 40 + 9 + 8 + 3


def test_a_lane_to_warm_engines_on_is_counted_only_where_they_are_loaded_ahead():
    lane = {"scratch_bytes": 20, "io_bytes": 5, "warms_beside": True}
    assert plan(25 + 60, **lane).needed_bytes == 25 + 60
    found = plan(25 + 59, **lane)
    assert found.shared.load_ahead_bytes == 25
    assert found.room_bytes == 34
    assert found.resident == ("full", "c5", "c1")
    assert plan(25 + 25 + 20, **lane).resident == ("full", "c1")
    with pytest.raises(BackendError, match="70 B for full and c1, the least to run, got 69 B"):
        plan(25 + 25 + 19, **lane)


def test_a_lane_that_costs_more_than_the_other_engines_is_not_asked_for():
    lane = {"scratch_bytes": 40, "io_bytes": 5, "warms_beside": True}
    assert plan(45 + 60, **lane).all_resident
    with pytest.raises(BackendError, match="105 B for all 6 engines, the least to run, got 104 B"):
        plan(45 + 59, **lane)


def test_too_little_for_two_engines_is_one_line_with_needs_and_has():
    with pytest.raises(BackendError) as error:
        plan(1 << 20, own_bytes=[3 << 20] * 3)
    assert str(error.value) == (
        "plan the pool's memory: expected 6.0 MiB for full and c4, the least to run, got 1.0 MiB "
        "(as asked for). Allow it more memory, free some, or build smaller configurations."
    )


def test_a_single_engine_needs_room_for_itself():
    assert plan(10, own_bytes=[10]).resident == ("full",)
    with pytest.raises(BackendError, match="10 B for full, the least"):
        plan(9, own_bytes=[10])


def test_an_engine_that_never_fits_is_named_and_its_neighbours_are_wanted():
    found = plan(30, own_bytes=[10, 25, 10, 10, 10, 10])
    assert found.never == ("c5",)
    assert found.resident == ("full", "c1")  # what does not fit ends the window
    assert found.wanted("c5") == ("c1", "c4", "full")
    assert plan(60).never == ()


def test_unknown_configuration_is_misuse():
    with pytest.raises(ValueError, match="c9"):
        plan(30, active="c9")


# ---------------------------------------------------------------- invariants

sizes = st.integers(0, 50)
costs = st.lists(sizes, min_size=1, max_size=6)


@st.composite
def cases(draw):
    own_bytes = draw(costs)
    return {
        "own_bytes": own_bytes,
        "weights_bytes": draw(sizes),
        "scratch_bytes": draw(sizes),
        "io_bytes": draw(sizes),
        "warms_beside": draw(st.booleans()),
        "active": draw(st.sampled_from(SIX[: len(own_bytes)])),
    }


def planned(budget_bytes, case):
    """The plan, or None where it is refused."""
    try:
        return plan(budget_bytes, **case)
    except BackendError:
        return None


@given(cases(), st.integers(0, 500), st.data())
def test_a_plan_holds_its_promises(case, budget_bytes, data):
    found = planned(budget_bytes, case)
    assume(found is not None)
    assert found.needed_bytes <= budget_bytes
    assert found.all_resident == (found.total_bytes <= budget_bytes)
    assert found.all_resident == (set(found.resident) == set(found.names))
    assert {found.active, found.names[-1]} <= set(found.resident)
    other = data.draw(st.sampled_from(found.names))
    without = data.draw(st.sets(st.sampled_from(found.names[:-1] or [""])))
    wanted = found.wanted(other, without=without)
    assert wanted[0] == found.names[-1]
    assert len(set(wanted)) == len(wanted)
    assert found.own_bytes(wanted) <= found.room_bytes
    assert not without & set(wanted)
    assert other in wanted or other in found.never or other in without


@given(cases(), st.integers(0, 500), st.integers(0, 200))
def test_more_memory_never_takes_an_engine_away(case, budget_bytes, more_bytes):
    less, more = planned(budget_bytes, case), planned(budget_bytes + more_bytes, case)
    assume(less is not None)
    assert more is not None
    assert set(less.resident) <= set(more.resident)


@given(cases(), st.integers(0, 500))
def test_refused_is_only_what_cannot_run(case, budget_bytes):
    if planned(budget_bytes, case) is None:
        everything = plan(None, **case)
        shared_bytes = everything.shared.all_bytes
        least_bytes = shared_bytes + everything.own_bytes({case["active"], everything.names[-1]})
        assert min(least_bytes, everything.total_bytes) > budget_bytes


@given(cases())
def test_the_order_is_a_permutation_that_begins_with_the_cheapest_and_the_active(case):
    found = plan(None, **case)
    for active in found.names:
        order = found.order(active)
        assert sorted(order) == sorted(found.names)
        assert list(order[:2]) == list(dict.fromkeys((found.names[-1], active)))[:2] or (
            active == found.names[-1] == order[0]
        )
