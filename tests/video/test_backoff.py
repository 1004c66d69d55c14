"""Pauses grow, stay in their bounds and are not the same for all."""

from hypothesis import given
from hypothesis import strategies as st

from edgert.video.backoff import LONGEST_S, SHORTEST_S, Backoff


@given(seed=st.integers(0, 2**32), count=st.integers(1, 60))
def test_pauses_stay_within_their_bounds(seed, count):
    backoff = Backoff(seed=seed)
    pauses_s = [backoff.next_s() for _ in range(count)]
    assert all(SHORTEST_S <= pause_s <= LONGEST_S for pause_s in pauses_s)
    assert pauses_s[0] == SHORTEST_S
    for place, pause_s in enumerate(pauses_s[:7]):
        assert pause_s <= SHORTEST_S * 2**place


def test_they_grow_to_the_longest_and_are_short_again_after_a_reset():
    backoff = Backoff(seed=1)
    pauses_s = [backoff.next_s() for _ in range(20)]
    assert min(pauses_s[8:]) >= LONGEST_S / 2
    backoff.reset()
    assert backoff.next_s() == SHORTEST_S


def test_a_hundred_cameras_do_not_knock_at_once():
    sixth_s = []
    for _ in range(100):
        backoff = Backoff()
        sixth_s.append([backoff.next_s() for _ in range(6)][-1])
    assert len({round(pause_s, 3) for pause_s in sixth_s}) > 90
