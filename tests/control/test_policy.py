"""The choice: what fits is taken at the highest accuracy, and power goes before the deadline."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.control.options import Option
from edgert.control.policy import Expected, Room, choose, rank, skip_ratio

# Few values, so that ties are common.
SECONDS = st.sampled_from([0.01, 0.02, 0.03, 0.05])
WATTS = st.sampled_from([2.0, 5.0, 8.0, 11.0])
ROWS = st.lists(
    st.tuples(SECONDS, WATTS, st.sampled_from([0.5, 0.6, 0.7])), min_size=1, max_size=8
).map(lambda figures: [expected(f"c{i}", *each) for i, each in enumerate(figures)])
ROOMS = st.builds(
    Room,
    st.sampled_from([0.005, 0.015, 0.02, 0.04, math.inf]),
    st.sampled_from([0.0, 1.0, 5.0, 9.0, math.inf]),
)
FREE = Room(math.inf, math.inf)


def expected(name: str, latency_s: float, power_w: float, accuracy: float) -> Expected:
    option = Option(name, latency_s, power_w, power_w * latency_s, accuracy)
    return Expected(option, latency_s, power_w)


BIG, MID, SMALL = (
    expected("big", 0.03, 11.0, 0.8),
    expected("mid", 0.02, 8.0, 0.7),
    expected("small", 0.01, 5.0, 0.6),
)
THREE = [SMALL, BIG, MID]


@pytest.mark.parametrize(
    ("room", "name", "keeps"),
    [
        (FREE, "big", (True, True)),
        (Room(0.03, 11.0), "big", (True, True)),
        (Room(0.025, math.inf), "mid", (True, True)),
        (Room(math.inf, 7.9), "small", (True, True)),
        (Room(0.005, math.inf), "small", (False, True)),
        (Room(0.005, 7.9), "small", (False, True)),
        (Room(math.inf, 1.0), "small", (True, False)),
        (Room(0.005, 1.0), "small", (False, False)),
    ],
)
def test_the_most_accurate_that_keeps_both_is_taken(room, name, keeps):
    choice = choose(THREE, room)
    assert choice.expected.option.name == name
    assert (choice.keeps_deadline, choice.keeps_power) == keeps


def test_power_goes_before_the_deadline():
    hungry = expected("hungry", 0.01, 12.0, 0.6)
    slow = expected("slow", 0.05, 4.0, 0.6)
    choice = choose([hungry, slow], Room(0.02, 6.0))
    assert choice.expected is slow
    assert (choice.keeps_deadline, choice.keeps_power) == (False, True)


def test_of_equal_accuracies_the_one_that_draws_least_is_taken():
    twin = expected("twin", 0.025, 9.0, 0.8)
    assert choose([BIG, twin], FREE).expected is twin
    assert choose([twin, BIG], FREE).expected is twin


def test_of_the_fastest_that_keep_the_power_the_most_accurate_is_taken():
    better = expected("better", 0.01, 5.0, 0.65)
    assert choose([SMALL, better, MID], Room(0.005, 9.0)).expected is better


def keeps(one: Expected, room: Room) -> bool:
    return one.latency_s <= room.deadline_s and one.power_w <= room.power_w


@given(ROWS, ROOMS)
def test_the_flags_say_what_the_choice_keeps(rows, room):
    choice = choose(rows, room)
    assert choice.keeps_deadline == (choice.expected.latency_s <= room.deadline_s)
    assert choice.keeps_power == (choice.expected.power_w <= room.power_w)
    assert any(keeps(one, room) for one in rows) == keeps(choice.expected, room)


@given(ROWS, ROOMS)
def test_nothing_over_the_cap_is_taken_while_something_cheaper_keeps_it(rows, room):
    choice = choose(rows, room)
    if not choice.keeps_power:
        assert choice.expected.power_w == min(one.power_w for one in rows)
        assert all(one.power_w > room.power_w for one in rows)


@given(ROWS, ROOMS, ROOMS)
def test_tighter_limits_never_lead_to_a_higher_accuracy(rows, one, other):
    tight = Room(min(one.deadline_s, other.deadline_s), min(one.power_w, other.power_w))
    loose, close = choose(rows, one), choose(rows, tight)
    if keeps(close.expected, tight):
        assert keeps(loose.expected, one)
        assert close.expected.option.accuracy <= loose.expected.option.accuracy


@given(ROWS, ROOMS)
def test_nothing_that_fits_is_better_than_the_choice(rows, room):
    choice = choose(rows, room)
    fitting = [one for one in rows if keeps(one, room)]
    if fitting:
        assert choice.expected == max(fitting, key=rank)


@given(ROWS, ROOMS, st.integers(0, 2**32))
def test_the_order_of_the_candidates_does_not_matter(rows, room, seed):
    shuffled = rows[:]
    random.Random(seed).shuffle(shuffled)
    assert choose(shuffled, room) == choose(rows, room)


@given(ROWS)
def test_no_two_candidates_rank_the_same(rows):
    assert len({rank(one) for one in rows}) == len(rows)


# ------------------------------------------------------------ skipped frames


@given(st.floats(0, 30), st.floats(0, 30), st.floats(0, 10))
def test_skipping_brings_the_mean_down_to_the_cap_or_as_far_as_it_may(power_w, cap_w, idle_w):
    ratio = skip_ratio(power_w, cap_w, idle_w, most=0.95)
    assert 0 <= ratio <= 0.95
    mean_w = idle_w + (1 - ratio) * (power_w - idle_w)
    if power_w <= cap_w:
        assert ratio == 0
    elif 0 < ratio < 0.95:
        assert mean_w == pytest.approx(cap_w, abs=1e-6)


def test_nothing_is_skipped_where_idling_draws_as_much():
    assert skip_ratio(5.0, 3.0, 5.0, most=0.95) == 0.0
    assert skip_ratio(5.0, 3.0, 1.0, most=0.95) == 0.5
    assert skip_ratio(5.0, 0.0, 1.0, most=0.95) == 0.95
