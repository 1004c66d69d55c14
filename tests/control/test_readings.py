"""Telemetry that may be late, old, of the future, broken; clocks that stand still or go back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.control.readings import Readings, SteadyTime
from edgert.control.tuning import Tuning
from tests.control.toy_board import sample

TUNING = Tuning(stale_s=3.0, future_s=0.5)


def taken(now_s, sampled, readings=None, time=None):
    time = time or SteadyTime()
    time.at(now_s)
    readings = readings or Readings(TUNING)
    return readings.take(now_s, sampled, time), readings


def test_a_fresh_sample_is_taken_with_its_time():
    reading, readings = taken(10.0, sample(9.5, power_w=7.0, temp_c=50.0))
    assert (reading.time_s, reading.power_w, reading.temp_c) == (9.5, 7.0, 50.0)
    assert readings.words == ""
    assert (readings.power_s, readings.temp_s) == (9.5, 9.5)


@pytest.mark.parametrize(
    ("time_s", "words"),
    [
        (10.6, "telemetry from the future (0.6 s ahead)"),
        (1e9, "from the future"),
        (6.9, "telemetry is 3.1 s old"),
        (-1e9, "s old"),
        (math.nan, "telemetry without a time"),
        (math.inf, "telemetry without a time"),
        (-math.inf, "telemetry without a time"),
    ],
)
def test_a_sample_of_an_odd_time_is_not_believed_and_that_is_said(time_s, words):
    reading, readings = taken(10.0, sample(time_s, power_w=7.0, temp_c=50.0))
    assert reading is None
    assert words in readings.words
    assert math.isinf(readings.power_s)


def test_no_sample_is_said():
    reading, readings = taken(10.0, None)
    assert reading is None
    assert readings.words == "no telemetry"


def test_a_little_ahead_is_taken_for_now():
    reading, _ = taken(10.0, sample(10.4, temp_c=50.0))
    assert reading.time_s == 10.0


def test_the_same_sample_counts_once_and_an_older_one_not_at_all():
    newest = sample(9.9, temp_c=50.0)
    _, readings = taken(10.0, newest)
    assert taken(10.1, newest, readings)[0] is None
    assert taken(10.1, sample(9.8, temp_c=51.0), readings)[0] is None
    assert readings.words == ""
    assert taken(10.2, sample(10.1, temp_c=51.0), readings)[0] is not None


def test_the_same_sample_for_ever_gets_old():
    stuck = sample(9.9, temp_c=50.0)
    _, readings = taken(10.0, stuck)
    taken(13.0, stuck, readings)
    assert "old" in readings.words


@pytest.mark.parametrize("broken", [None, math.nan, math.inf, -math.inf, -256.0, 1e9])
def test_a_value_that_no_board_has_is_absent_and_the_other_one_counts(broken):
    reading, readings = taken(10.0, sample(9.9, power_w=broken, temp_c=50.0))
    assert (reading.power_w, reading.temp_c) == (None, 50.0)
    assert math.isinf(readings.power_s)
    reading, _ = taken(10.0, sample(9.9, power_w=7.0, temp_c=broken))
    assert (reading.power_w, reading.temp_c) == (7.0, None)


def test_after_a_gap_words_go_away():
    _, readings = taken(10.0, sample(9.9, temp_c=50.0))
    taken(20.0, None, readings)
    assert readings.words
    taken(21.0, sample(20.9, temp_c=50.0), readings)
    assert readings.words == ""


# ------------------------------------------------------------ time


def test_a_clock_that_goes_back_stands_still_and_goes_on():
    time = SteadyTime()
    assert [time.at(each) for each in (5.0, 6.0)] == [5.0, 6.0]
    assert time.at(2.0) == 6.0
    assert time.stepped_back_s == 4.0
    assert time.at(3.5) == 7.5
    assert time.stepped_back_s == 0.0
    assert time.shifted(3.4) == 7.4


def test_samples_follow_a_clock_that_went_back():
    time, readings = SteadyTime(), Readings(TUNING)
    time.at(100.0)
    assert readings.take(100.0, sample(99.9, temp_c=50.0), time) is not None
    now_s = time.at(10.0)
    assert readings.take(now_s, sample(99.95, temp_c=50.0), time) is None  # of the old clock
    now_s = time.at(11.0)
    assert readings.take(now_s, sample(10.9, temp_c=51.0), time) is not None


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_no_number_stands_still(broken):
    time = SteadyTime()
    time.at(5.0)
    assert time.at(broken) == 5.0
    assert time.at(6.0) == 6.0


@given(
    st.lists(
        st.floats(-1e12, 1e12) | st.sampled_from([math.nan, math.inf, -math.inf]), max_size=30
    )
)
def test_steady_time_never_goes_back(times_s):
    time = SteadyTime()
    steady = [time.at(each) for each in times_s]
    assert all(math.isfinite(each) for each in steady)
    assert steady == sorted(steady)


def test_power_that_comes_with_frames_counts_where_telemetry_has_none():
    readings = Readings(TUNING)
    assert readings.take_frame_power(0.0, 7.0) == 7.0
    assert readings.power_s == 0.0
    assert readings.take_frame_power(0.1, 7.5) == 7.5  # each new one
    assert readings.take_frame_power(0.2, 7.5) is None  # the same again is none
    for wrong in (None, math.nan, -3.0, 1e9):
        assert readings.take_frame_power(0.3, wrong) is None


def test_power_with_frames_gives_way_to_telemetry_until_that_is_silent():
    readings, time = Readings(TUNING), SteadyTime()
    time.at(1.0)
    assert readings.take(1.0, sample(1.0, power_w=8.0), time) is not None
    assert readings.take_frame_power(1.1, 9.0) is None
    late_s = 1.0 + TUNING.stale_s + 0.1
    assert readings.take_frame_power(late_s, 8.0) is None  # telemetry's own, handed on
    assert readings.take_frame_power(late_s, 9.0) == 9.0
