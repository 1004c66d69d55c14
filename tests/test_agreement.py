"""An interval of 95 % has to hold the truth in about 95 of 100 series, correlated ones too."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.agreement import SPREAD, AgreementEstimate, student_t95, wilson

MEAN = 0.9


def series(rng, correlation, count, spread=0.03):
    """Agreement from frame to frame as a first-order autoregression about MEAN."""
    noise = rng.normal(size=count) * spread
    values = [noise[0]]
    for step in noise[1:]:
        values.append(correlation * values[-1] + math.sqrt(1 - correlation**2) * step)
    return np.clip(MEAN + np.array(values), 0, 1)


def runs_of_labels(rng, share, stay, count):
    """Right or wrong; stays as it is with probability `stay`, in the long run right by `share`."""
    now, out = rng.random() < share, []
    for _ in range(count):
        if rng.random() > stay:
            now = rng.random() < share
        out.append(float(now))
    return out


def told(values, **how):
    estimate = AgreementEstimate(**how)
    for value in values:
        estimate.add(value)
    return estimate.agreement()


def naive(values):
    half = 1.96 * np.std(values, ddof=1) / math.sqrt(len(values))
    return np.mean(values) - half, np.mean(values) + half


@pytest.mark.parametrize(
    ("correlation", "count"),
    [(0.0, 40), (0.0, 300), (0.5, 40), (0.5, 300), (0.8, 100), (0.9, 300)],
)
def test_the_interval_holds_the_truth_of_correlated_series(correlation, count):
    rng = np.random.default_rng([count, int(10 * correlation)])
    held = held_naively = 0
    for _ in range(500):
        values = series(rng, correlation, count)
        agreement = told(values)
        held += agreement.low <= MEAN <= agreement.high
        low, high = naive(values)
        held_naively += low <= MEAN <= high
    assert 0.90 <= held / 500 <= 0.98
    if correlation:  # the control: as if samples were independent
        assert held_naively / 500 < 0.87


@pytest.mark.parametrize(("share", "stay"), [(0.95, 0.0), (0.8, 0.0), (0.8, 0.5)])
def test_one_label_a_frame_is_held_too(share, stay):
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(500):
        agreement = told(runs_of_labels(rng, share, stay, 200), binary=True)
        held += agreement.low <= share <= agreement.high
    assert 0.90 <= held / 500 <= 0.99


def test_few_samples_prove_little():
    assert AgreementEstimate().agreement() is None
    one = told([0.97])
    assert (one.mean, one.low, one.high, one.frames) == (0.97, 0.0, 1.0, 1)
    widths = [told([0.95, 0.97] * pairs) for pairs in (1, 3, 10, 50)]
    widths = [each.high - each.low for each in widths]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 0.4
    assert widths[-1] < 0.03


def test_ten_right_answers_are_no_certainty_and_a_thousand_nearly_one():
    ten, many = told([1.0] * 10, binary=True), told([1.0] * 1000, binary=True)
    assert ten.mean == ten.high == 1.0
    assert ten.low < 0.75
    assert many.low > 0.95


def test_equal_shares_still_have_the_spread_that_was_assumed():
    agreement = told([0.9] * 9)
    assert agreement.mean == pytest.approx(0.9)
    assert 0.01 < agreement.high - agreement.low < 4 * SPREAD


def test_a_change_of_scene_shows_and_without_forgetting_it_would_not():
    before, after = [0.95, 0.97] * 300, [0.78, 0.82] * 40
    forgets = told(before + after, half_life=20)
    keeps = told(before + after, half_life=1e9)
    assert forgets.low <= 0.80 <= forgets.high < 0.90
    assert keeps.mean > 0.93


def test_what_is_no_share_is_refused():
    for share in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="share from 0 to 1"):
            AgreementEstimate().add(share)
    with pytest.raises(ValueError, match="half-life"):
        AgreementEstimate(half_life=0)


def test_the_weighted_mean_is_the_one_written_out():
    rng = np.random.default_rng(3)
    values, half_life = rng.random(50), 7.0
    weights = 0.5 ** (np.arange(49, -1, -1) / half_life)
    assert told(values, half_life=half_life).mean == pytest.approx(
        np.average(values, weights=weights)
    )


def test_the_correlation_is_found():
    rng = np.random.default_rng(8)
    for correlation in (0.0, 0.5, 0.8):
        estimate = AgreementEstimate(half_life=2000)
        for value in series(rng, correlation, 4000):
            estimate.add(value)
        assert estimate.correlation == pytest.approx(correlation, abs=0.07)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.booleans(), st.floats(0.5, 1e6))
def test_the_interval_always_holds_the_mean_and_lies_between_0_and_1(values, binary, half_life):
    if binary:
        values = [round(value) for value in values]
    agreement = told(values, binary=binary, half_life=half_life)
    assert 0 <= agreement.low <= agreement.mean <= agreement.high <= 1
    assert agreement.frames == len(values)


def test_an_estimate_does_not_grow():
    estimate = AgreementEstimate()
    assert not hasattr(estimate, "__dict__")
    for value in np.random.default_rng(0).random(5000):
        estimate.add(value)
    kept = [getattr(estimate, name) for name in AgreementEstimate.__slots__]
    assert all(isinstance(each, (bool, int, float)) for each in kept)


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(1, 12.706), (7, 2.365), (12, 2.179), (40, 2.021), (1e12, 1.960)]
)
def test_student_s_quantiles_are_the_table_s(degrees, quantile):
    assert student_t95(degrees) == pytest.approx(quantile, rel=4e-3)


def test_wilson_s_interval_is_the_published_one():
    low, high = wilson(0.9, 10, 1.96)  # 9 of 10: 0.596 to 0.982 (Newcombe 1998)
    assert (low, high) == (pytest.approx(0.596, abs=1e-3), pytest.approx(0.982, abs=1e-3))
