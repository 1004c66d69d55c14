"""Power over time in bounded memory."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.telemetry.series import PowerSeries


def fill(series, times_s, powers_w):
    for time_s, power_w in zip(times_s, powers_w, strict=True):
        series.add(time_s, power_w, math.nan)
    return series


def test_samples_are_kept_as_they_came():
    series = PowerSeries(100)
    series.add(1.0, 5.0, 45.0)
    series.add(1.5, 7.0, math.nan)
    got = series.arrays()
    assert got.time_s.tolist() == [1.0, 1.5]
    assert got.power_w.tolist() == [5.0, 7.0]
    assert got.temp_c[0] == 45.0
    assert np.isnan(got.temp_c[1])
    assert (series.energy_j, series.duration_s, series.kept) == (3.0, 0.5, 2)


def test_empty_series_is_empty_arrays():
    series = PowerSeries(10)
    assert [len(array) for array in series.arrays()] == [0, 0, 0]
    assert (series.energy_j, series.duration_s, series.size_bytes) == (0.0, 0.0, 0)


def test_arrays_are_copies():
    series = fill(PowerSeries(10), [1, 2], [3, 4])
    series.arrays().power_w[:] = 0
    assert series.arrays().power_w.tolist() == [3, 4]


@settings(max_examples=60)
@given(count=st.integers(0, 300), most=st.integers(2, 40), seed=st.integers(0, 9))
def test_whatever_is_dropped_stays_in_the_sums(count, most, seed):
    random = np.random.default_rng(seed)
    times_s = np.cumsum(random.uniform(0.01, 0.03, count))
    powers_w = random.uniform(3, 15, count)
    series = fill(PowerSeries(most), times_s, powers_w)
    assert series.kept + series.dropped == count
    kept = series.arrays()
    assert len(kept.time_s) == series.kept <= most + most // 8 + 1
    np.testing.assert_array_equal(kept.time_s, times_s[series.dropped :])  # the newest
    assert series.energy_j == pytest.approx(
        float(np.sum((powers_w[1:] + powers_w[:-1]) / 2 * np.diff(times_s)))
    )
    assert series.duration_s == pytest.approx(np.ptp(times_s) if count else 0)


def test_memory_does_not_grow_once_it_is_full():
    series = PowerSeries(1000)
    sizes = []
    for number in range(5000):
        series.add(number * 0.02, 5.0, 40.0)
        sizes.append(series.size_bytes)
    assert max(sizes) == sizes[1500] == sizes[-1] <= 1125 * 24
    assert series.dropped >= 3875


def test_longest_gap_is_told():
    series = fill(PowerSeries(10), [0, 0.1, 3.1, 3.2], [1, 1, 1, 1])
    assert series.longest_gap_s == pytest.approx(3.0)


def test_long_sum_keeps_what_rounding_would_lose():
    series = PowerSeries(10)
    series.energy_j = 1e9  # a year of a board
    fill(series, np.arange(1000) * 1e-6, np.full(1000, 0.05))
    assert series.exact_energy_j - 1e9 == pytest.approx(0.05 * 999e-6, rel=1e-3)
    assert series.energy_j - 1e9 != pytest.approx(0.05 * 999e-6, rel=1e-3)


def test_series_of_less_than_two_is_misuse():
    with pytest.raises(ValueError, match="max_samples"):
        PowerSeries(1)
