"""Figures of a run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.runtime.summary import quantile


def test_a_quantile_of_nothing_is_none():
    assert quantile([], 0.5) is None


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.95, 95), (0.0, 1), (1.0, 100)])
def test_quantiles_are_values_that_occurred(share, value):
    assert quantile(range(100, 0, -1), share) == value


@given(st.lists(st.floats(0, 1), min_size=1), st.floats(0, 1))
def test_at_least_the_share_lies_at_or_below(values, share):
    reached = quantile(values, share)
    assert sum(value <= reached for value in values) >= share * len(values) * (1 - 1e-12)
