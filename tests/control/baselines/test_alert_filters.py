"""ALERT's filters, against its equations in numpy and against numbers worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.control.baselines.alert_filters import (
    IdleRatioFilter,
    SlowdownConstants,
    SlowdownFilter,
)

RATIOS = st.lists(st.floats(0.01, 50), min_size=1, max_size=60)


def published(ratios, *, floor=0.1, noise=1e-3, alpha=0.3):
    """The equations as the paper prints them, columns by n; row 0 holds the start values."""
    length = len(ratios) + 1
    y, q, k, mu, var = (np.zeros(length) for _ in range(5))
    q[0], k[0], mu[0], var[0] = floor, 0.5, 1.0, 0.1
    for n in range(1, length):
        y[n] = ratios[n - 1] - mu[n - 1]
        q[n] = np.maximum(floor, alpha * q[n - 1] + (1 - alpha) * (k[n - 1] * y[n - 1]) ** 2)
        over = (1 - k[n - 1]) * var[n - 1] + q[n]
        k[n] = over / (over + noise)
        mu[n] = mu[n - 1] + k[n] * y[n]
        var[n] = (1 - k[n - 1]) * var[n - 1] + q[n]
    return mu, var, k


@given(ratios=RATIOS, tuned=st.booleans())
def test_the_slowdown_filter_is_the_published_one(ratios, tuned):
    options = {"floor": 2e-4, "noise": 3e-3} if tuned else {}
    constants = SlowdownConstants()
    if tuned:
        constants = SlowdownConstants(least_process_noise=2e-4, measurement_noise=3e-3)
    ours = SlowdownFilter(constants)
    mu, var, k = published(ratios, **options)
    for n, ratio in enumerate(ratios, start=1):
        ours.update(ratio)
        figures = (ours.mean, ours.variance, ours.gain)
        assert figures == pytest.approx((mu[n], var[n], k[n]), rel=1e-9)


def test_two_steps_worked_out_by_hand():
    ours = SlowdownFilter(SlowdownConstants())
    ours.update(1.5)
    # Q = max(.1, .03 + 0), sigma2 = .5 * .1 + .1 = .15, K = .15 / .151, mu = 1 + K * .5
    assert ours.variance == pytest.approx(0.15)
    assert ours.gain == pytest.approx(0.993377, abs=1e-6)
    assert ours.mean == pytest.approx(1.496689, abs=1e-6)
    ours.update(1.5)
    # Q = max(.1, .03 + .7 * (.993377 * .5)^2) = .202690; sigma2 = .006623 * .15 + Q
    assert ours.variance == pytest.approx(0.203683, abs=1e-6)
    assert ours.mean == pytest.approx(1.5, abs=1e-4)


def test_another_floor_gives_other_figures():
    """Without this the comparison above would pass for a filter that ignores its constants."""
    ours = SlowdownFilter(SlowdownConstants())
    mu, var, _ = published([1.2] * 5, floor=0.05)
    for _ in range(5):
        ours.update(1.2)
    assert ours.variance != pytest.approx(var[-1], rel=1e-3)
    assert ours.mean != pytest.approx(mu[-1], rel=1e-12, abs=0)


def test_published_constants_keep_a_third_of_doubt_on_a_quiet_board():
    quiet, tuned = (
        SlowdownFilter(constants)
        for constants in (
            SlowdownConstants(),
            SlowdownConstants(least_process_noise=2e-4, measurement_noise=3e-3),
        )
    )
    for _ in range(200):
        quiet.update(1.0)
        tuned.update(1.0)
    assert math.sqrt(quiet.variance) > 0.31
    assert math.sqrt(tuned.variance) < 0.04


@pytest.mark.parametrize(("ratio", "chance"), [(1.0, 0.5), (2.0, 0.999217), (0.0, 0.000783)])
def test_the_chance_is_that_of_a_normal_distribution(ratio, chance):
    ours = SlowdownFilter(SlowdownConstants())  # mean 1, variance .1: 1 / sqrt(.1) = 3.1623
    assert ours.chance_within(ratio) == pytest.approx(chance, abs=1e-6)


@given(ratios=RATIOS, one=st.floats(0, 10), other=st.floats(0, 10))
def test_more_time_never_lowers_the_chance(ratios, one, other):
    ours = SlowdownFilter(SlowdownConstants())
    for ratio in ratios:
        ours.update(ratio)
    low, high = sorted((one, other))
    assert 0 <= ours.chance_within(low) <= ours.chance_within(high) <= 1
    assert min(1.0, *ratios) - 1e-9 <= ours.mean <= max(1.0, *ratios) + 1e-9
    assert ours.chance_within(math.inf) == 1


def test_the_idle_filter_is_the_published_one():
    ours, m, phi = IdleRatioFilter(0.3), 0.01, 0.3
    for ratio in (0.4, 0.38, 0.5, 0.41):
        w = (m + 1e-4) / (m + 1e-4 + 1e-3)
        m = (1 - w) * (m + 1e-4)
        phi += w * (ratio - phi)
        ours.update(ratio)
        assert ours.ratio == pytest.approx(phi)
        assert ours.variance == pytest.approx(m)


def test_the_first_idle_observation_counts_for_nine_tenths():
    ours = IdleRatioFilter(0.0)
    ours.update(1.0)
    assert ours.ratio == pytest.approx(0.0101 / 0.0111)
