"""Standard errors from samples and from windows, against what repetition shows."""

import math

import numpy as np
import pytest

from edgert.profiling.energy.scatter import (
    Scatter,
    block_scatter,
    join_scatter,
    sample_scatter,
    window_scatter,
)


def repeated(make, *, count=300, echo=1, estimate=sample_scatter):
    """Mean estimated standard error over the true one, of sums of many series."""
    random = np.random.default_rng(5)
    sums, errors = [], []
    for _ in range(count):
        power_w = make(random)
        weights = np.full(len(power_w), 0.1)
        sums.append(power_w.sum() * 0.1)
        kind = {"echo": echo} if estimate is sample_scatter else {"least_block": echo}
        errors.append(estimate(power_w, weights, **kind).standard_error)
    return float(np.mean(errors) / np.std(sums))


def test_of_independent_samples_it_is_the_textbook_one():
    assert repeated(lambda r: 10 + r.standard_normal(200)) == pytest.approx(1.0, abs=0.1)


def test_blocks_know_that_neighbours_resemble_each_other():
    def moving(random):
        return np.convolve(random.standard_normal(1004), np.full(5, 0.2), "valid")

    assert repeated(moving, estimate=block_scatter) == pytest.approx(0.9, abs=0.15)


def test_values_that_are_read_again_and_again_count_once():
    def echo(random):
        return np.repeat(10 + random.standard_normal(40), 20)

    assert repeated(echo, echo=20) == pytest.approx(1.0, abs=0.15)
    # Taken for independent they would promise over three times too much.
    assert repeated(echo) < 0.4


def test_a_slow_wave_that_trapezoids_follow_is_no_scatter():
    time_s = np.arange(0, 50, 0.1)
    power_w = 10 + 5 * np.sin(time_s)
    weights = np.full(len(time_s), 0.1)
    ours = sample_scatter(power_w, weights).standard_error
    assert ours < 0.2 * block_scatter(power_w, weights).standard_error


def test_samples_of_one_value_do_not_scatter():
    assert sample_scatter(np.full(50, 3.0), np.full(50, 0.1)).standard_error == 0.0


def test_samples_outside_the_window_do_not_count():
    random = np.random.default_rng(3)
    power_w = random.standard_normal(60) + 9
    weights = np.full(60, 0.1)
    wider = np.concatenate([[500.0, 500.0], power_w, [500.0]])
    outside = np.concatenate([[0.0, 0.0], weights, [0.0]])
    assert sample_scatter(wider, outside) == sample_scatter(power_w, weights)


def test_windows_give_the_standard_error_of_their_mean():
    found = window_scatter([1.0, 2.0, 3.0, 4.0])
    assert found == Scatter(pytest.approx(math.sqrt(5 / 3) / 2), 3)
    assert window_scatter([1.0]) is None


def test_one_window_has_its_samples_alone():
    assert join_scatter(None, Scatter(0.3, 17)) == Scatter(0.3, 17)


def test_windows_lead_but_never_promise_less_than_samples_allow():
    assert join_scatter(Scatter(0.4, 4), Scatter(0.1, 50)) == Scatter(0.4, 4)
    joined = join_scatter(Scatter(0.001, 4), Scatter(0.1, 50))
    # Half the interval is then half a standard error.
    assert joined.standard_error * 2.776 == pytest.approx(0.05, rel=1e-3)


@pytest.mark.parametrize("more", [1.0, 1.5, 4.0])
def test_five_windows_hold_the_truth_as_often_as_they_say(more):
    """Whatever windows differ by beside sampling: here nothing, as much again, and far more."""
    random = np.random.default_rng(11)
    held = 0
    for _ in range(4000):
        windows = random.normal(0.0, more, 5)
        scatter = join_scatter(window_scatter(windows.tolist()), Scatter(1 / math.sqrt(5), 500))
        held += abs(windows.mean()) <= 2.776 * scatter.standard_error
    assert held / 4000 == pytest.approx(0.953, abs=0.01)
