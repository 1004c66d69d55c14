"""Dwell, the ration of climbs, and waits after a missed deadline."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.control.switching import Switching
from edgert.control.tuning import Tuning

TUNING = Tuning(dwell_s=0.5, climbs_per_min=12.0, climbs_saved=3.0, retry_s=0.3, retry_most_s=2.0)


def at(now_s: float) -> Switching:
    switching = Switching(TUNING)
    switching.advance(now_s)
    return switching


def test_a_configuration_has_to_dwell():
    switching = at(10.0)
    assert switching.dwelt()  # nothing ran before
    switching.moved(climbed=False)
    assert not switching.dwelt()
    switching.advance(10.49)
    assert not switching.dwelt()
    switching.advance(10.5)
    assert switching.dwelt()


def test_climbs_are_rationed_and_saved_up_to_a_few():
    switching = at(0.0)
    for _ in range(3):
        assert switching.may_climb()
        switching.moved(climbed=True)
    assert not switching.may_climb()
    switching.advance(4.9)
    assert not switching.may_climb()
    switching.advance(5.1)
    assert switching.may_climb()
    switching.advance(1e6)
    for _ in range(3):
        switching.moved(climbed=True)
    assert not switching.may_climb()


def test_going_down_costs_no_climb():
    switching = at(0.0)
    for _ in range(20):
        switching.moved(climbed=False)
    assert switching.may_climb()


def test_time_that_stands_still_saves_nothing():
    switching = at(0.0)
    for _ in range(3):
        switching.moved(climbed=True)
    for _ in range(1000):
        switching.advance(0.0)
    assert not switching.may_climb()


@given(st.lists(st.floats(0, 3), min_size=1, max_size=200))
def test_no_more_climbs_than_the_ration_and_the_savings(steps_s):
    switching, now_s, climbs = at(0.0), 0.0, 0
    for step_s in steps_s:
        now_s += step_s
        switching.advance(now_s)
        if switching.may_climb():
            switching.moved(climbed=True)
            climbs += 1
    assert climbs <= 3 + now_s * 12 / 60 + 1e-6


def test_what_was_late_waits_before_it_is_tried_again():
    switching = at(0.0)
    switching.moved(climbed=True)
    switching.advance(0.1)
    switching.late("big")
    assert not switching.may_enter("big")
    assert switching.may_enter("small")
    switching.advance(0.41)
    assert switching.may_enter("big")


def test_the_wait_doubles_up_to_a_most_and_starts_anew_once_it_lasted():
    switching, now_s, waits = at(0.0), 0.0, []
    for _ in range(6):
        switching.moved(climbed=True)
        now_s += 0.1
        switching.advance(now_s)
        switching.late("big")
        left_s = now_s
        while not switching.may_enter("big"):
            now_s += 0.01
            switching.advance(now_s)
        waits.append(now_s - left_s)
    assert waits == pytest.approx([0.3, 0.6, 1.2, 2.0, 2.0, 2.0], abs=0.02)
    switching.moved(climbed=True)
    switching.advance(now_s + 5.0)  # it lasted
    switching.late("big")
    switching.advance(now_s + 5.31)
    assert switching.may_enter("big")
