"""Quantiles against tables, and intervals of sums against what was drawn."""

import numpy as np
import pytest

from edgert.profiling.energy.student import half_width, normal_quantile, t_probability, t_quantile

# Two-sided 95 %, as printed in every table of Student's t.
TABLE = {
    1: 12.706,
    2: 4.303,
    3: 3.182,
    4: 2.776,
    5: 2.571,
    7: 2.365,
    10: 2.228,
    30: 2.042,
    120: 1.980,
}


@pytest.mark.parametrize(("df", "value"), TABLE.items())
def test_quantiles_are_those_of_the_tables(df, value):
    assert t_quantile(0.95, df) == pytest.approx(value, abs=6e-4)
    assert float(t_probability(value, df)) == pytest.approx(0.95, abs=1e-4)


def test_other_levels():
    assert t_quantile(0.99, 4) == pytest.approx(4.604, abs=1e-3)
    assert t_quantile(0.5, 1) == pytest.approx(1.0)
    assert normal_quantile(0.95) == pytest.approx(1.95996, abs=1e-5)


def test_many_degrees_of_freedom_are_nearly_normal():
    assert t_quantile(0.95, 10**6) == pytest.approx(normal_quantile(0.95), rel=0.007)


@pytest.mark.parametrize("df", [0, -3])
def test_no_degrees_of_freedom_are_refused(df):
    with pytest.raises(ValueError, match="df must be 1 or more"):
        t_probability(1.0, df)


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_a_level_is_a_share(level):
    with pytest.raises(ValueError, match="between 0 and 1"):
        t_quantile(level, 4)


def test_student_alone_is_student():
    assert half_width(0.95, t_scale=2.0, df=4) == pytest.approx(2 * 2.776, rel=1e-3)


def test_a_uniform_error_alone_lies_within_095_of_its_bound():
    assert half_width(0.95, t_scale=0.0, df=4, uniform=[3.0]) == pytest.approx(2.85, rel=0.005)


def test_a_normal_error_alone_is_normal():
    assert half_width(0.95, t_scale=0.0, df=1, normal_sd=1.0) == pytest.approx(1.96, rel=0.02)


def test_without_any_error_there_is_no_width():
    assert half_width(0.95, t_scale=0.0, df=4) == 0.0


@pytest.mark.parametrize(
    ("t_scale", "df", "normal_sd", "uniform"),
    [
        (1.0, 4, 0.0, [1.0]),
        (0.2, 4, 0.0, [1.0, 0.5]),
        (1.0, 2, 0.5, [3.0, 3.0, 3.0]),
        (0.5, 30, 1.0, []),
        (0.3, 5, 0.0, [0.2] * 30),
    ],
)
def test_a_sum_lies_within_as_often_as_it_says(t_scale, df, normal_sd, uniform):
    random = np.random.default_rng(1)
    count = 400_000
    total = t_scale * random.standard_t(df, count) + normal_sd * random.standard_normal(count)
    for width in uniform:
        total += random.uniform(-width, width, count)
    half = half_width(0.95, t_scale=t_scale, df=df, normal_sd=normal_sd, uniform=uniform)
    assert np.mean(np.abs(total) <= half) == pytest.approx(0.95, abs=0.004)


def test_twice_the_root_of_squares_would_not_do():
    """The usual U = 2 sqrt(u_A^2 + u_B^2), for few windows and for a bound that leads."""
    random = np.random.default_rng(2)
    few = random.standard_t(3, 200_000)
    assert np.mean(np.abs(few) <= 2.0) < 0.87
    bound = random.uniform(-1, 1, 200_000)
    assert np.mean(np.abs(bound) <= 2 / np.sqrt(3)) == 1.0
