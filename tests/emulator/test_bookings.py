"""Work that waits to be lived through."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.emulator.bookings import Bookings, Rates


def test_loose_work_is_spread_over_the_time_that_passes():
    bookings = Bookings(0.0)
    bookings.add_loose(0.5, 0.4, 0.2)
    assert bookings.spread_loose(2.0) == pytest.approx((0.2, 0.1, 0.25, math.inf))
    assert bookings.spread_loose(2.0) == (0.0, 0.0, 0.0, math.inf)


def test_what_does_not_fit_waits():
    bookings = Bookings(0.0)
    bookings.add_loose(4.0, 4.0, 4.0)
    assert bookings.spread_loose(1.0) == pytest.approx((1.0, 1.0, 1.0, math.inf))
    assert bookings.spread_loose(6.0) == pytest.approx((0.5, 0.5, 0.5, math.inf))


def test_a_run_has_its_rates_from_its_start_to_its_end():
    bookings = Bookings(0.0)
    assert bookings.add_run(1.0, 0.5, 0.25, 0.1, lived_s=0.0) == 1.0
    assert bookings.at(0.0) == Rates(0.0, 0.0, 0.0, 1.0)
    assert bookings.at(1.0) == Rates(0.5, 0.2, 1.0, 1.5)
    assert bookings.at(1.5) == Rates(0.0, 0.0, 0.0, math.inf)


def test_a_run_waits_for_the_one_before_it_and_never_reaches_into_the_past():
    bookings = Bookings(0.0)
    bookings.add_run(0.0, 1.0, 1.0, 1.0, lived_s=0.0)
    assert bookings.add_run(0.5, 1.0, 1.0, 1.0, lived_s=0.0) == 1.0
    assert bookings.add_run(0.5, 1.0, 1.0, 1.0, lived_s=7.0) == 7.0


def test_a_run_of_no_time_is_no_run():
    bookings = Bookings(0.0)
    assert bookings.add_run(2.0, 0.0, 1.0, 1.0, lived_s=0.0) == 2.0
    assert bookings.at(2.0).until_s == math.inf


@given(runs=st.lists(st.tuples(st.floats(0, 10), st.floats(0.001, 2)), max_size=20))
def test_no_work_is_lost_and_no_two_runs_lie_on_each_other(runs):
    bookings = Bookings(0.0)
    starts = [bookings.add_run(s, busy, busy / 2, 0.0, lived_s=0.0) for s, busy in runs]
    ends = [start + busy for start, (_, busy) in zip(starts, runs, strict=True)]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    time_s = work_s = 0.0
    while (rates := bookings.at(time_s)).until_s < math.inf:
        work_s += rates.compute * (rates.until_s - time_s)
        time_s = rates.until_s
    assert work_s == pytest.approx(sum(busy for _, busy in runs) / 2)
