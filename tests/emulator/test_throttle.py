"""The clock above the trip point."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.emulator.throttle import Throttle, ThrottleSpec

SPEC = ThrottleSpec(trip_c=80, release_c=76, clock_step_ratio=0.1, clock_floor_ratio=0.4)


def test_the_clock_steps_down_holds_and_steps_up_again():
    throttle = Throttle(SPEC)
    ratios = []
    for temp_c in (79.9, 80, 81, 78, 76.1, 76, 75, 75):
        throttle.poll(temp_c)
        ratios.append(throttle.clock_ratio)
    assert ratios == pytest.approx([1, 0.9, 0.8, 0.8, 0.8, 0.9, 1, 1])


def test_the_reason_names_the_temperature_and_the_clock():
    throttle = Throttle(SPEC)
    assert throttle.reason == ""
    throttle.poll(80.3)
    assert throttle.reason == "80.3 °C at or over the trip point 80.0 °C: clock at 90%"
    throttle.poll(78)
    assert throttle.reason == "78.0 °C, released below 76.0 °C: clock at 90%"
    throttle.poll(70)
    assert throttle.reason == ""


@given(st.lists(st.floats(20, 120), max_size=60))
def test_the_clock_stays_within_its_bounds_and_recovers(temps_c):
    throttle = Throttle(SPEC)
    for temp_c in temps_c:
        throttle.poll(temp_c)
        assert 0.4 <= throttle.clock_ratio <= 1.0
    for _ in range(7):
        throttle.poll(50)
    assert throttle.clock_ratio == 1.0
    assert not throttle.throttled


def test_a_release_point_above_the_trip_point_is_refused():
    with pytest.raises(ValueError, match="release_c must lie below trip_c"):
        ThrottleSpec(trip_c=80, release_c=80)
