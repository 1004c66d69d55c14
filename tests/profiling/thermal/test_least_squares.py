import math

import numpy as np
import pytest

from edgert.profiling.thermal.least_squares import correlation_length, solve

TIME = np.linspace(0, 10, 400)


def decay(parameters):
    gain, lag = np.exp(parameters[:2])
    return gain * np.exp(-TIME / lag) + parameters[2]


TRUTH = np.array([math.log(3.0), math.log(2.0), 1.0])


@pytest.mark.parametrize("start", [[0, 0, 0], [2, 2, -5], [-1, 1.5, 3]])
def test_parameters_are_found_from_afar(start):
    found = solve(decay, decay(TRUTH), np.ones(400), np.array(start, float))
    np.testing.assert_allclose(found.parameters, TRUTH, atol=1e-4)
    assert found.residual < 1e-4


def test_standard_errors_are_those_that_repetition_shows():
    random = np.random.default_rng(3)
    found = [
        solve(decay, decay(TRUTH) + random.normal(0, 0.1, 400), np.ones(400), TRUTH)
        for _ in range(150)
    ]
    spread = np.std([one.parameters for one in found], axis=0)
    told = np.mean([one.errors for one in found], axis=0)
    np.testing.assert_allclose(told, spread, rtol=0.3)
    assert np.mean([one.residual for one in found]) == pytest.approx(0.1, rel=0.05)


def test_residuals_that_stick_together_widen_the_errors():
    random = np.random.default_rng(5)
    alone = random.normal(0, 0.1, 400)
    sticky = np.repeat(random.normal(0, 0.1, 20), 20)
    errors = [
        solve(decay, decay(TRUTH) + noise, np.ones(400), TRUTH).errors for noise in (alone, sticky)
    ]
    assert (errors[1] > 2 * errors[0]).all()


def test_a_parameter_that_changes_nothing_has_no_error_bound():
    found = solve(
        lambda p: np.exp(p[0]) * TIME + 0 * p[1], 2 * TIME + 1e-3, np.ones(400), np.zeros(2)
    )
    assert np.isinf(found.errors).all()


def test_weights_decide_between_two_claims():
    seen = np.concatenate([np.zeros(10), np.ones(10)])
    weights = np.concatenate([np.full(10, 3.0), np.ones(10)])
    found = solve(lambda p: np.full(20, p[0]), seen, weights, np.zeros(1))
    assert found.parameters[0] == pytest.approx(1 / (1 + 9), rel=1e-3)


def test_a_start_that_predicts_nothing_finite_is_left_where_it_was():
    with np.errstate(all="ignore"):
        found = solve(lambda p: np.full(5, np.inf) * p[0], np.ones(5), np.ones(5), np.ones(1))
    assert found.parameters[0] == 1.0


@pytest.mark.parametrize(("repeats", "length"), [(1, 1.0), (10, 10.0), (50, 50.0)])
def test_the_correlation_length_of_what_comes_in_runs(repeats, length):
    random = np.random.default_rng(1)
    runs = np.repeat(random.normal(size=20000 // repeats), repeats)
    assert correlation_length(runs) == pytest.approx(length, rel=0.25)


def test_nothing_left_has_a_length_of_one():
    assert correlation_length(np.zeros(10)) == 1.0
