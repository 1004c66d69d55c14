"""The slowdown filter and its margin."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.control.slowdown import Slowdown
from edgert.control.tuning import Tuning

TUNING = Tuning()


def settled(ratio=1.0, *, frames=100, tuning=TUNING, **values) -> Slowdown:
    slowdown = Slowdown(tuning, **values)
    for _ in range(frames):
        slowdown.observe(ratio)
    return slowdown


def test_it_settles_on_what_it_sees():
    assert settled(1.4).ratio == pytest.approx(1.4, rel=1e-3)


def test_noise_is_averaged():
    chance, slowdown = random.Random(1), Slowdown(TUNING)
    ratios = [1.2 * math.exp(chance.gauss(0, 0.05)) for _ in range(500)]
    estimates = []
    for ratio in ratios:
        slowdown.observe(ratio)
        estimates.append(slowdown.ratio)
    errors = [estimate / 1.2 - 1 for estimate in estimates[50:]]
    raw = [ratio / 1.2 - 1 for ratio in ratios[50:]]
    assert sum(e * e for e in errors) < 0.4 * sum(e * e for e in raw)


@pytest.mark.parametrize("step", [1.5, 3.0, 0.5])
def test_a_step_is_taken_over_within_a_few_frames(step):
    slowdown = settled()
    frames = 0
    while abs(slowdown.ratio / step - 1) > 0.05:
        slowdown.observe(step)
        frames += 1
    assert frames <= 6
    # The control: one frame alone does not do it.
    alone = settled()
    alone.observe(step)
    assert abs(alone.ratio / step - 1) > 0.1


@pytest.mark.parametrize("spike", [1.5, 5.0, 100.0, 0.5, 0.01])
def test_a_lone_spike_moves_no_more_than_a_clipped_one(spike):
    slowdown, clipped = settled(), settled()
    slowdown.observe(spike)
    most = TUNING.spike_ratio
    clipped.observe(min(max(spike, 1 / most), most))
    assert slowdown.ratio == pytest.approx(clipped.ratio)
    assert slowdown.ratio == pytest.approx(1.0, abs=0.15)
    for _ in range(20):
        slowdown.observe(1.0)
    assert slowdown.ratio == pytest.approx(1.0, abs=0.02)


def test_two_spikes_in_a_row_are_a_jump():
    lone, pair = settled(), settled()
    for ratio in (2.0, 1.0):
        lone.observe(ratio)
    for ratio in (2.0, 2.0):
        pair.observe(ratio)
    assert pair.ratio > 1.5
    assert lone.ratio < 1.1


def test_surprises_in_turn_up_and_down_are_no_jump():
    slowdown = settled()
    for _ in range(20):
        slowdown.observe(1.5)
        slowdown.observe(0.7)
    assert 0.8 < slowdown.ratio < 1.35


def test_a_noisy_engine_s_own_spread_keeps_its_frames_from_being_jumps():
    steady, noisy = settled(), settled(noise=0.04)
    for each in (steady, noisy):
        each.observe(1.3)
        each.observe(1.3)
    assert steady.ratio > noisy.ratio + 0.05


# ------------------------------------------------------------ the margin


def late_share(*, goal: float, spread: float, frames: int, seed: int, tuning=TUNING) -> float:
    """Share of late frames of a deadline just at the margin, on slowdown that drifts as AR(1)."""
    chance, slowdown, drift = random.Random(seed), Slowdown(tuning), 0.0
    late = 0
    for frame in range(frames):
        drift = 0.98 * drift + chance.gauss(0, spread / 4)
        ratio = math.exp(drift + chance.gauss(0, spread))
        met = ratio <= slowdown.ratio * (1 + slowdown.margin_ratio)
        late += not met and frame >= frames // 4
        slowdown.observe_deadline(met=met, miss_ratio=goal)
        slowdown.observe(ratio)
    return late / (frames - frames // 4)


@pytest.mark.parametrize("goal", [0.005, 0.05])
@pytest.mark.parametrize("spread", [0.03, 0.08])
def test_the_margin_drives_the_late_share_to_its_goal(goal, spread):
    shares = [late_share(goal=goal, spread=spread, frames=12_000, seed=seed) for seed in (1, 2)]
    assert sum(shares) / 2 == pytest.approx(goal, rel=0.35)


def test_a_margin_that_cannot_move_misses_the_goal():
    # The control for the test above: without learning the share is what the noise makes it.
    still = Tuning(margin_step=1e-9)
    share = late_share(goal=0.005, spread=0.08, frames=4_000, seed=1, tuning=still)
    assert share > 0.05


@given(st.lists(st.booleans(), max_size=300), st.floats(0, 1))
def test_the_margin_keeps_within_its_bounds(frames, goal):
    slowdown = Slowdown(TUNING)
    for met in frames:
        slowdown.observe_deadline(met=met, miss_ratio=goal)
        low, high = TUNING.margin_least_ratio, TUNING.margin_most_ratio
        assert low <= slowdown.margin_ratio <= high


def test_a_late_frame_widens_the_margin_and_one_in_time_narrows_it():
    slowdown = Slowdown(TUNING)
    before = slowdown.margin_ratio
    slowdown.observe_deadline(met=True, miss_ratio=0.005)
    assert slowdown.margin_ratio < before
    slowdown.observe_deadline(met=False, miss_ratio=0.005)
    assert slowdown.margin_ratio > before


# ------------------------------------------------------------ first frames, restart


@pytest.mark.parametrize("cold", [True, False])
def test_first_frames_are_learned_apart_and_leave_the_estimate_alone(cold):
    slowdown = settled(1.2)
    for _ in range(40):
        slowdown.observe_first(1.2 * 1.3, cold=cold)
    assert slowdown.first_ratio(cold=cold) == pytest.approx(1.3, rel=0.01)
    assert slowdown.first_ratio(cold=not cold) == 1.0
    assert slowdown.ratio == pytest.approx(1.2, rel=1e-3)


def test_a_first_frame_never_counts_as_faster_and_never_as_endless():
    slowdown = settled()
    for ratio in (0.1, 1e6, 1e6, 1e6):
        slowdown.observe_first(ratio, cold=True)
    assert 1.0 <= slowdown.first_ratio(cold=True) <= 3.0
    only_fast = settled()
    only_fast.observe_first(0.1, cold=True)
    assert only_fast.first_ratio(cold=True) == 1.0


def test_restored_it_goes_on_where_it_was_within_bounds():
    again = Slowdown(TUNING)
    again.restore(1.7, 0.12)
    assert (again.ratio, again.margin_ratio) == (1.7, 0.12)
    again.restore(1.7, 9.0)
    assert again.margin_ratio == TUNING.margin_most_ratio


@given(st.lists(st.floats(1e-6, 100), max_size=100))
def test_the_estimate_stays_positive_and_within_what_was_seen(ratios):
    slowdown = Slowdown(TUNING)
    for ratio in ratios:
        slowdown.observe(ratio)
    assert 0 < slowdown.ratio <= max([1.0, *ratios]) * (1 + 1e-9)
    assert slowdown.ratio >= min([1.0, *ratios]) * (1 - 1e-9) or slowdown.ratio >= 1e-3


def test_the_first_margin_goes_with_the_spread_that_the_profile_knows():
    assert Slowdown(TUNING).margin_ratio == TUNING.margin_ratio
    assert Slowdown(TUNING, noise=1e-6).margin_ratio == TUNING.margin_ratio
    noisy = Slowdown(TUNING, noise=0.08**2).margin_ratio
    assert noisy == pytest.approx(2.58 * 0.08)
    chance = random.Random(1)  # which is what 99.5 % of such frames stay below
    over = sum(chance.gauss(1, 0.08) > 1 + noisy for _ in range(20_000)) / 20_000
    assert over == pytest.approx(0.005, abs=0.002)
    assert Slowdown(TUNING, noise=9.0).margin_ratio == TUNING.margin_most_ratio
