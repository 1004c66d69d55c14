"""The cap on temperature, moment by moment."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.control.baselines.step_down import StepDown, StepDownTuning
from tests.control.baselines.bench_of_frames import sample_at

TUNING = StepDownTuning(guard_c=1, band_c=3, settle_s=1, dwell_s=2)


class Steps:
    def __init__(self, count=4):
        self.step_down, self.now_s = StepDown(count, TUNING), 0.0

    def at(self, temp_c, *, after_s=0.0, running=0, limit_c=70.0, age_s=0.0):
        self.now_s += after_s
        sample = sample_at(self.now_s - age_s, temp_c=temp_c)
        self.words = self.step_down.update(self.now_s, sample, limit_c, running=running)
        return self.step_down.cap


def test_without_a_limit_there_is_no_cap():
    steps = Steps()
    assert steps.at(200.0, limit_c=None) == 0
    assert steps.words == ""


def test_a_limit_that_is_taken_away_takes_the_cap_away():
    steps = Steps()
    assert steps.at(75.0) == 1
    assert steps.at(75.0, after_s=5, limit_c=None) == 0


def test_one_rung_lower_within_the_guard_and_another_after_the_settling():
    steps = Steps()
    assert steps.at(68.9) == 0
    assert steps.at(69.0) == 1
    assert "69.0 °C near 70.0 °C, cap 1 below the dearest" in steps.words
    assert steps.at(69.5, after_s=0.9) == 1
    assert steps.at(69.5, after_s=0.1) == 2
    for expected in (3, 3):
        assert steps.at(69.5, after_s=1.0) == expected


def test_a_step_down_leads_below_the_rung_that_runs():
    assert Steps().at(69.5, running=2) == 3


def test_one_rung_back_below_the_band_after_the_dwell():
    steps = Steps()
    steps.at(69.5, running=1)
    assert steps.at(67.1, after_s=9) == 2
    assert steps.at(67.0) == 1
    assert steps.at(60.0, after_s=1.9) == 1
    assert steps.at(60.0, after_s=0.1) == 0
    assert steps.words == ""


def test_between_guard_and_band_the_cap_stays():
    steps = Steps()
    steps.at(69.5)
    for _ in range(50):
        assert steps.at(68.0, after_s=1) == 1


@pytest.mark.parametrize("temp_c", [None, math.nan, math.inf])
def test_without_a_number_the_cap_stays_and_says_so(temp_c):
    steps = Steps()
    steps.at(69.5)
    assert steps.at(temp_c, after_s=100) == 1
    assert steps.words == "no fresh temperature, cap 1 below the dearest"


def test_an_old_sample_moves_nothing():
    steps = Steps()
    assert steps.at(99.0, age_s=2.1) == 0
    assert steps.words == "no fresh temperature, cap at the dearest"
    assert steps.step_down.update(5.0, None, 70.0, running=0)


def test_time_that_stands_still_steps_once():
    steps = Steps()
    assert [steps.at(80.0) for _ in range(5)] == [1] * 5


def test_time_that_goes_back_does_not_block_the_cap():
    steps = Steps()
    steps.at(80.0, after_s=1000)
    steps.at(80.0, after_s=-900)
    assert steps.at(80.0, after_s=1.0) == 2


def test_one_configuration_has_nothing_to_step_to():
    steps = Steps(count=1)
    assert [steps.at(80.0, after_s=2) for _ in range(3)] == [0] * 3


@given(temps_c=st.lists(st.floats(20, 110), max_size=60), count=st.integers(1, 6))
def test_the_cap_stays_among_the_rungs_and_moves_by_one(temps_c, count):
    steps, before = Steps(count), 0
    for temp_c in temps_c:
        cap = steps.at(temp_c, after_s=0.7)
        assert 0 <= cap < count
        assert abs(cap - before) <= 1
        if temp_c >= 69:
            assert cap >= before
        before = cap
