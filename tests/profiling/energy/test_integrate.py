"""Samples to energy: what trapezoids are worth, and what they are refused for."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.profiling.energy.integrate import cut, energy_j, weights_s, why_unfit

TIMES = np.linspace(0.0, 10.0, 101)


def test_constant_power_times_time():
    assert energy_j(TIMES, np.full(101, 7.0), 2.03, 8.01) == pytest.approx(7.0 * 5.98)


def test_a_straight_line_is_exact_between_samples():
    # P = 3 + 2 t, so E = 3 t + t^2.
    assert energy_j(TIMES, 3 + 2 * TIMES, 1.234, 9.876) == pytest.approx(
        3 * (9.876 - 1.234) + 9.876**2 - 1.234**2
    )


def test_ends_are_interpolated_and_not_taken_from_the_last_sample():
    power_w = np.where(TIMES < 4.95, 0.0, 10.0)
    # Between 4.9 and 5.0 the line rises from 0 to 10.
    assert energy_j(TIMES, power_w, 1.0, 4.95) == pytest.approx(5.0 * 0.05 / 2)
    assert energy_j(TIMES, power_w, 1.0, 6.02) == pytest.approx(10 * 0.1 / 2 + 10 * 1.02)


def test_beyond_the_samples_the_last_power_is_held():
    power_w = np.linspace(1, 3, 101)
    assert weights_s(TIMES, -1.0, 11.0).sum() == pytest.approx(12.0)
    assert np.dot(weights_s(TIMES, 10.0, 11.0), power_w) == pytest.approx(3.0)
    assert np.dot(weights_s(TIMES, -1.0, 0.0), power_w) == pytest.approx(1.0)


steps = st.lists(st.floats(0.01, 0.5), min_size=12, max_size=40)


@settings(max_examples=100, deadline=None)
@given(
    steps=steps, cuts=st.lists(st.floats(0, 1), min_size=3, max_size=6), seed=st.integers(0, 99)
)
def test_windows_end_to_end_sum_to_the_whole(steps, cuts, seed):
    time_s = np.cumsum(steps)
    power_w = np.random.default_rng(seed).uniform(0, 20, len(time_s))
    edges_s = np.sort(np.array(cuts)) * (time_s[-1] - time_s[0]) + time_s[0]
    parts = [
        float(np.dot(weights_s(time_s, a, b), power_w)) for a, b in itertools.pairwise(edges_s)
    ]
    whole = float(np.dot(weights_s(time_s, edges_s[0], edges_s[-1]), power_w))
    by_hand = _trapezoids(time_s, power_w, edges_s[0], edges_s[-1])
    assert whole == pytest.approx(by_hand, abs=1e-9)
    # A cut lies on the straight line, so nothing is lost and nothing counted twice.
    assert sum(parts) == pytest.approx(by_hand, abs=1e-9)


def _trapezoids(time_s, power_w, from_s, to_s):
    knots_s = np.concatenate([[from_s], time_s[(time_s > from_s) & (time_s < to_s)], [to_s]])
    powers_w = np.interp(knots_s, time_s, power_w)
    return float(((powers_w[1:] + powers_w[:-1]) / 2 * np.diff(knots_s)).sum())


@settings(max_examples=60, deadline=None)
@given(steps=steps, ends=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_weights_are_the_seconds_of_the_window_and_none_is_negative(steps, ends):
    time_s = np.cumsum(steps)
    from_s, to_s = sorted(time_s[0] + end * (time_s[-1] - time_s[0]) for end in ends)
    weights = weights_s(time_s, from_s, to_s)
    assert weights.sum() == pytest.approx(to_s - from_s)
    assert (weights >= -1e-12).all()


def test_a_cut_has_what_its_ends_need():
    power_w = np.sin(TIMES) + 2
    time_s, watts = cut(TIMES, power_w, 3.21, 6.54)
    assert len(time_s) < 40
    assert time_s[0] <= 3.21
    assert time_s[-1] >= 6.54
    assert energy_j(time_s, watts, 3.21, 6.54) == pytest.approx(
        energy_j(TIMES, power_w, 3.21, 6.54), rel=1e-12
    )


def test_a_window_without_length_has_no_energy():
    assert "a window of 0 s" in why_unfit(TIMES, TIMES, 3.0, 3.0)
    assert "a window of -1 s" in why_unfit(TIMES, TIMES, 3.0, 2.0)
    assert why_unfit(TIMES, TIMES, 3.0, float("nan")) != ""
    with pytest.raises(ValueError, match="a window of 0 s"):
        energy_j(TIMES, TIMES, 3.0, 3.0)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda t, p: (t, np.where(t == 5, np.nan, p)), "1 power samples are no number"),
        (lambda t, p: (t, np.where(t == 5, np.inf, p)), "1 power samples are no number"),
        (lambda t, p: (t, np.where(t == 5, -3.0, p)), "negative power: -3.000 W"),
        (lambda t, p: (np.where(t > 5, t - 2, t), p), "clock jumped"),
        (lambda t, p: (np.where(t == 5, np.nan, t), p), "clock jumped"),
        (lambda t, p: (t[t % 2 == 0], p[t % 2 == 0]), "4 power samples in 8 s, 8 are needed"),
        (lambda t, p: (t[(t < 4) | (t > 7)], p[(t < 4) | (t > 7)]), "no power for 3.2"),
        (lambda t, p: (t, p[:-1]), "101 times for 100 powers"),
    ],
)
def test_what_is_wrong_with_samples_is_told(spoil, reason):
    time_s, power_w = spoil(np.round(TIMES, 6), np.full(101, 5.0))
    assert reason in why_unfit(time_s, power_w, 1.0, 9.0, most_gap_s=0.5)


def test_what_lies_outside_the_window_is_not_held_against_it():
    power_w = np.full(101, 5.0)
    power_w[:5] = np.nan
    power_w[-5:] = -1.0
    assert why_unfit(TIMES, power_w, 1.0, 9.0, most_gap_s=0.2) == ""
