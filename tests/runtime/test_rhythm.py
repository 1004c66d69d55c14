"""How often a stream is served."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.runtime.rhythm import Rhythm


def served(arrivals_s, period_s, *, early_s=0.0):
    """The frames of a camera that are served, where serving takes no time."""
    rhythm, taken = Rhythm(), []
    for arrival_s in arrivals_s:
        if arrival_s >= rhythm.rest_until_s:
            taken.append(arrival_s)
            rhythm.rest(arrival_s, period_s, early_s=early_s)
    return taken


@given(
    st.sampled_from([10.0, 15.0, 24.0, 30.0]),
    st.lists(st.floats(-0.24, 0.24), min_size=200, max_size=200),
)
def test_a_camera_of_the_same_rhythm_gets_every_frame_served_though_it_trembles(fps, trembles):
    arrivals_s = [100 + (place + shift) / fps for place, shift in enumerate(trembles)]
    assert len(served(arrivals_s, 1 / fps, early_s=0.5 / fps)) == 200


def test_without_patience_for_early_frames_half_of_them_would_be_lost():
    arrivals_s = [100 + (place - 0.01 * (place % 2)) / 30 for place in range(200)]
    assert len(served(arrivals_s, 1 / 30, early_s=0.5 / 30)) == 200
    assert len(served(arrivals_s, 1 / 30)) < 140


@given(st.floats(5.0, 60.0), st.floats(0.02, 2.0))
def test_a_faster_camera_is_served_once_a_period_on_average(fps, period_s):
    arrivals_s = [100 + place / fps for place in range(600)]
    taken = served(arrivals_s, period_s, early_s=0.5 / fps)
    if len(taken) < 2:
        assert period_s > 600 / fps - 2 / fps
        return
    mean_s, least_s = (taken[-1] - taken[0]) / (len(taken) - 1), max(period_s, 1 / fps)
    assert least_s - 0.5 / fps / (len(taken) - 1) - 1e-9 <= mean_s <= least_s + 1 / fps


def test_after_a_gap_nothing_is_made_up_for():
    rhythm = Rhythm()
    rhythm.rest(10.0, 0.1, early_s=0.02)
    rhythm.rest(50.0, 0.1, early_s=0.02)
    assert rhythm.rest_until_s == pytest.approx(50.08)


def test_frames_that_wait_are_never_taken_early():
    rhythm = Rhythm()
    rhythm.rest(10.0, 0.1)
    assert rhythm.rest_until_s == pytest.approx(10.1)


def test_without_a_period_every_frame_is_taken():
    arrivals_s = [1 + place / 30 for place in range(90)]
    assert served(arrivals_s, 0.0, early_s=1 / 60) == arrivals_s
