"""Names that are unused are the ones that a search from the first number on would find."""

import time

from hypothesis import given
from hypothesis import strategies as st

from edgert.surgery.unused_names import UnusedNames

NAMES = st.sampled_from(["a", "b", "a_1", "a_2", "a_1_1", "b_3", ""])


def searched(wanted: str, taken: set[str]) -> str:
    unique, number = wanted, 1
    while unique in taken:
        unique, number = f"{wanted}_{number}", number + 1
    return unique


@given(taken=st.sets(NAMES), wanted=st.lists(NAMES, max_size=20))
def test_it_hands_out_what_a_search_would_find(taken: set[str], wanted: list[str]):
    names, known = UnusedNames(taken), set(taken)
    for name in wanted:
        expected = searched(name, known)
        assert names.take(name) == expected
        assert expected not in known
        known.add(expected)


def test_what_it_was_given_stays_as_it_is():
    taken = {"a"}
    assert UnusedNames(taken).take("a") == "a_1"
    assert taken == {"a"}


def test_the_last_of_many_equal_names_costs_what_the_first_did():
    names = UnusedNames()
    started_s = time.process_time()
    for _ in range(50_000):
        last = names.take("Add")
    assert last == "Add_49999"
    assert time.process_time() - started_s < 5  # searched from 1 on: minutes
