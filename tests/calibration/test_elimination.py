"""Backward elimination, against refitting for every removal by brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.calibration.elimination import Reading, removal_order


def _refit_error(moments, weight, kept):
    """Error of the best map on the kept features, against the full map's result."""
    block = moments[np.ix_(kept, kept)]
    refitted = np.linalg.solve(block, moments[kept] @ weight.T).T if len(kept) else weight[:, :0]
    difference = weight.copy()
    difference[:, kept] -= refitted
    return float(((difference @ moments) * difference).sum())


def _brute_force(moments, weight, labels, units):
    alive, order = list(range(units)), []
    while alive:
        errors = {}
        for unit in alive:
            kept = np.flatnonzero(np.isin(labels, [u for u in alive if u != unit]))
            errors[unit] = _refit_error(moments, weight, kept)
        order.append(min(errors, key=errors.get))
        alive.remove(order[-1])
    return order


def _problem(seed, features, outputs=3):
    random = np.random.default_rng(seed)
    samples = random.standard_normal((300, features)) @ random.standard_normal((features,) * 2)
    return samples.T @ samples / 300, random.standard_normal((outputs, features))


@pytest.mark.parametrize("seed", range(5))
def test_order_is_that_of_refitting_after_every_removal(seed):
    moments, weight = _problem(seed, 7)
    order, costs = removal_order([Reading(moments, weight, np.arange(7))], 7)
    assert order == _brute_force(moments, weight, np.arange(7), 7)
    assert all(cost >= 0 for cost in costs)


def test_units_of_several_features_go_as_one():
    moments, weight = _problem(1, 12)
    labels = np.repeat(np.arange(4), 3)
    order, _ = removal_order([Reading(moments, weight, labels)], 4)
    assert order == _brute_force(moments, weight, labels, 4)


def test_units_of_different_sizes_are_ranked_too():
    moments, weight = _problem(2, 6)
    labels = np.array([0, 0, 0, 1, 1, 2])
    order, _ = removal_order([Reading(moments, weight, labels)], 3)
    assert order == _brute_force(moments, weight, labels, 3)


def test_costs_add_up_to_the_error_of_the_refit():
    moments, weight = _problem(3, 8)
    order, costs = removal_order([Reading(moments, weight, np.arange(8))], 8)
    kept = np.setdiff1d(np.arange(8), order[:4])
    total = float(((weight @ moments) * weight).sum())
    expected = _refit_error(moments, weight, kept) / total
    assert sum(costs[:4]) == pytest.approx(expected, rel=0.05)  # the damping's share


def test_a_copy_goes_first_and_what_stands_alone_stays():
    random = np.random.default_rng(4)
    x = random.standard_normal((500, 3))
    x = np.column_stack([x, x[:, 0]])  # feature 3 is feature 0 once more
    weight = np.array([[1.0, 1.0, 1.0, 1.0]])
    order, costs = removal_order([Reading(x.T @ x / 500, weight, np.arange(4))], 4)
    assert order[0] in (0, 3)
    assert costs[0] < 1e-3 < costs[1]


def test_features_of_no_unit_stay_and_take_over():
    """What units -1 carry can make up for a unit that says the same."""
    random = np.random.default_rng(5)
    x = random.standard_normal((500, 2))
    x = np.column_stack([x, x[:, 1]])
    labels = np.array([0, 1, -1])
    order, costs = removal_order([Reading(x.T @ x / 500, np.ones((1, 3)), labels)], 2)
    assert order == [1, 0]
    assert costs[0] < 1e-3


def test_two_readers_count_alike_whatever_their_scale():
    moments, weight = _problem(6, 5)
    other_moments, other = _problem(7, 5)
    labels = np.arange(5)
    small = [Reading(moments, weight, labels), Reading(other_moments, other, labels)]
    large = [Reading(moments, weight, labels), Reading(other_moments, 1000 * other, labels)]
    assert removal_order(small, 5)[0] == removal_order(large, 5)[0]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 100_000), st.integers(2, 9))
def test_order_is_a_permutation_of_the_units(seed, units):
    moments, weight = _problem(seed, units)
    order, _ = removal_order([Reading(moments, weight, np.arange(units))], units)
    assert sorted(order) == list(range(units))
