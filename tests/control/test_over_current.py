"""Over-current counters: what is new costs power for a while."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.control.over_current import OverCurrent
from edgert.control.tuning import Tuning

TUNING = Tuning(over_current_ratio=0.05, over_current_hold_s=60.0, over_current_least_ratio=0.6)


def watched(**counts) -> OverCurrent:
    over_current = OverCurrent(TUNING)
    over_current.observe(0.0, counts)
    return over_current


def test_counters_since_boot_are_no_event():
    over_current = watched(oc1=17, oc3=3)
    assert (over_current.ratio, over_current.words) == (1.0, "")
    over_current.observe(1.0, {"oc1": 17, "oc3": 3})
    assert over_current.ratio == 1.0


def test_an_event_takes_its_share_and_is_told():
    over_current = watched(oc3=3)
    over_current.observe(1.0, {"oc3": 5})
    assert over_current.ratio == pytest.approx(0.95)
    assert over_current.words == "over-current events (2 oc3): 95% of the power"


def test_a_cause_that_was_not_listed_before_has_begun_to_count():
    over_current = watched()
    over_current.observe(1.0, {"oc3": 1})
    assert "1 oc3" in over_current.words


def test_a_burst_between_two_looks_is_one_episode():
    over_current = watched(oc3=0)
    over_current.observe(1.0, {"oc3": 100_000})
    assert over_current.ratio == pytest.approx(0.95)


def test_more_and_more_events_take_no_more_than_the_least():
    over_current = watched(oc3=0)
    for count in range(1, 200):
        over_current.observe(float(count), {"oc3": count})
    assert over_current.ratio == 0.6


def test_events_are_forgotten_when_none_came_for_long_enough():
    over_current = watched(oc3=0)
    over_current.observe(1.0, {"oc3": 1})
    over_current.observe(31.0, {"oc3": 2})
    over_current.advance(90.9)
    assert over_current.words
    over_current.advance(91.0)
    assert (over_current.ratio, over_current.words) == (1.0, "")
    over_current.observe(92.0, {"oc3": 2})
    assert over_current.ratio == 1.0


def test_a_counter_that_was_reset_starts_anew():
    over_current = watched(oc3=7)
    over_current.observe(1.0, {"oc3": 0})
    assert over_current.ratio == 1.0
    over_current.observe(2.0, {"oc3": 1})
    assert over_current.ratio == pytest.approx(0.95)


def test_a_counter_that_was_away_for_a_while_is_no_event():
    over_current = watched(oc3=7)
    over_current.observe(1.0, {})
    over_current.observe(2.0, {"oc3": 7})
    assert over_current.ratio == 1.0


@given(
    st.lists(
        st.tuples(
            st.floats(0, 50),
            st.dictionaries(st.sampled_from(["oc1", "oc2", "oc3"]), st.integers(0, 10**9)),
        ),
        max_size=40,
    )
)
def test_the_ratio_stays_in_bounds_and_always_comes_back(events):
    over_current, now_s = OverCurrent(TUNING), 0.0
    for past_s, counts in events:
        now_s += past_s
        over_current.advance(now_s)
        over_current.observe(now_s, counts)
        assert 0.6 <= over_current.ratio <= 1.0
        assert (over_current.ratio < 1.0) == bool(over_current.words)
    over_current.advance(now_s + 60.0)
    assert over_current.ratio == 1.0
