"""What is worth having, on points drawn at random and on points made up by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.search.frontier import (
    Point,
    best_at_cost,
    hypervolume,
    non_dominated,
    thinned,
    without_noise,
)

numbers = st.integers(0, 20).map(lambda n: n / 20)
points = st.lists(
    st.builds(Point, st.uuids().map(str), numbers, numbers, numbers.map(lambda n: n / 20)),
    max_size=25,
)


def beats(a: Point, b: Point) -> bool:
    return a.cost <= b.cost and a.score >= b.score and (a.cost, a.score) != (b.cost, b.score)


@given(points)
def test_no_point_of_the_front_is_beaten_and_all_others_are(some: list[Point]):
    front = non_dominated(some)
    assert not any(beats(a, b) for a in some for b in front)
    places = {(p.cost, p.score) for p in front}
    assert len(places) == len(front)
    for point in some:
        assert (point.cost, point.score) in places or any(beats(a, point) for a in front)
    assert [p.cost for p in front] == sorted(p.cost for p in front)


@given(points)
def test_the_front_of_a_front_is_itself(some: list[Point]):
    front = non_dominated(some)
    assert non_dominated(front) == front


@given(points)
def test_what_noise_explains_is_no_gain(some: list[Point]):
    kept = without_noise(some)
    for better in kept:
        for worse in kept:
            if worse.score < better.score:
                room = 2 * (better.cost_error**2 + worse.cost_error**2) ** 0.5
                assert worse.cost < better.cost - room
    assert not some or kept[0].score == max(p.score for p in some)


@given(points)
def test_without_errors_what_noise_leaves_is_the_front(some: list[Point]):
    exact = [Point(p.key, p.cost, p.score) for p in some]
    assert sorted(p.cost for p in without_noise(exact)) == [p.cost for p in non_dominated(exact)]


def test_a_cheaper_point_within_noise_is_dropped_and_a_clear_one_stays():
    best = Point("a", 0.8, 0.7, 0.01)
    close, clear = Point("b", 0.79, 0.69, 0.01), Point("c", 0.75, 0.68, 0.01)
    assert without_noise([close, clear, best]) == [best, clear]


def test_hypervolume_of_a_rectangle_and_of_steps():
    corner = {"worst_cost": 1.0, "worst_score": 0.5}
    assert hypervolume([Point("a", 0.4, 0.7)], **corner) == pytest.approx(0.6 * 0.2)
    steps = [Point("a", 0.4, 0.6), Point("b", 0.8, 0.7)]
    assert hypervolume(steps, **corner) == pytest.approx(0.6 * 0.1 + 0.2 * 0.1)
    assert hypervolume([Point("a", 1.0, 0.9), Point("b", 0.1, 0.5)], **corner) == 0


@given(points, numbers, numbers)
def test_one_more_point_never_takes_volume_away(some: list[Point], cost: float, score: float):
    corner = {"worst_cost": 1.0, "worst_score": 0.1}
    before = hypervolume(some, **corner)
    after = hypervolume([*some, Point("new", cost, score)], **corner)
    assert after >= before - 1e-12
    if any(p.cost <= cost and p.score >= score for p in some):
        assert after == pytest.approx(before)


def test_score_at_a_cost_is_the_best_that_costs_no_more():
    some = [Point("a", 0.5, 0.6), Point("b", 0.9, 0.8)]
    assert best_at_cost(some, 0.9) == some[1]
    assert best_at_cost(some, 0.89) == some[0]
    assert best_at_cost(some, 0.4) is None


@given(points, st.integers(1, 10))
def test_thinning_keeps_both_ends(some: list[Point], count: int):
    front = non_dominated(some)
    kept = thinned(front, count)
    assert len(kept) == min(len(front), max(2, count))
    assert set(kept) <= set(front)
    if front:
        assert {front[0], front[-1]} <= set(kept)
