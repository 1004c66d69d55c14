"""Least squares near a prior, against numpy's own solver and by its limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.calibration.ridge import Moments, diagonal_ridge, explained_error, ridge


def _moments(x, y):
    moments = Moments(x.shape[1], y.shape[1])
    for part in np.array_split(np.arange(len(x)), 3):
        moments.add(x[part], y[part])
    return moments


@pytest.fixture
def samples():
    random = np.random.default_rng(0)
    x = random.standard_normal((200, 5)) + 2.0
    true = random.standard_normal((3, 5))
    return x, x @ true.T + np.array([1.0, -2.0, 0.5]), true


def test_ridge_finds_an_exact_affine_map(samples):
    x, y, true = samples
    weight, bias = ridge(_moments(x, y), np.zeros((3, 5)), strength=1e-12)
    np.testing.assert_allclose(weight, true, atol=1e-6)
    np.testing.assert_allclose(bias, [1.0, -2.0, 0.5], atol=1e-5)


def test_ridge_agrees_with_an_augmented_least_squares_problem(samples):
    x, y, _ = samples
    y = y + np.random.default_rng(1).standard_normal(y.shape)
    prior = np.ones((3, 5))
    weight, _ = ridge(_moments(x, y), prior, strength=0.3)
    cx, cy = x - x.mean(axis=0), y - y.mean(axis=0)
    root = np.sqrt(0.3 * np.square(cx).mean() * len(x))
    stacked = np.vstack([cx, root * np.eye(5)])
    wanted = np.vstack([cy, root * prior.T])
    expected = np.linalg.lstsq(stacked, wanted, rcond=None)[0].T
    np.testing.assert_allclose(weight, expected, atol=1e-8)
    assert not np.allclose(weight, ridge(_moments(x, y), prior, strength=0.6)[0], atol=1e-4)


def test_ridge_stays_at_the_prior_when_the_penalty_is_large(samples):
    x, y, _ = samples
    prior = np.full((3, 5), 0.7)
    weight, _ = ridge(_moments(x, y), prior, strength=1e9)
    np.testing.assert_allclose(weight, prior, atol=1e-6)


def test_ridge_without_a_bias_goes_through_the_origin(samples):
    x, _, true = samples
    weight, bias = ridge(
        _moments(x, x @ true.T), np.zeros((3, 5)), strength=1e-12, free_bias=False
    )
    np.testing.assert_allclose(weight, true, atol=1e-6)
    np.testing.assert_array_equal(bias, 0)


def test_ridge_survives_features_that_never_change():
    x, y = np.ones((20, 3)), np.full((20, 2), 4.0)
    weight, bias = ridge(_moments(x, y), np.zeros((2, 3)), strength=1e-3)
    np.testing.assert_allclose(weight, 0, atol=1e-9)
    np.testing.assert_allclose(bias, 4.0)


def test_explained_error_is_the_share_that_a_map_leaves(samples):
    x, y, true = samples
    y = y + 0.5 * np.random.default_rng(2).standard_normal(y.shape)
    moments = _moments(x, y)
    left = y - x @ true.T
    expected = left.var(axis=0).sum() / y.var(axis=0).sum()
    assert explained_error(moments, true) == pytest.approx(expected, rel=1e-9)
    assert explained_error(moments, np.zeros((3, 5))) == pytest.approx(1.0)


def test_diagonal_ridge_fits_each_channel_alone():
    random = np.random.default_rng(3)
    x = random.standard_normal((400, 4))
    factor, shift, left = diagonal_ridge(x, x * [1, 2, -3, 0] + 5, strength=1e-9)
    np.testing.assert_allclose(factor, [1, 2, -3, 0], atol=1e-6)
    np.testing.assert_allclose(shift, 5, atol=1e-6)
    assert left < 1e-9


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(1e-6, 10.0))
def test_a_fit_is_never_worse_than_its_prior_on_its_own_samples(seed, strength):
    random = np.random.default_rng(seed)
    x, y = random.standard_normal((30, 4)), random.standard_normal((30, 2))
    prior = random.standard_normal((2, 4))
    moments = _moments(x, y)
    weight, _ = ridge(moments, prior, strength=strength)
    assert explained_error(moments, weight) <= explained_error(moments, prior) + 1e-9
