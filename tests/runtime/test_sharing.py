"""The limits of one turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.records import Limits
from edgert.runtime.sharing import limits_of_a_turn

SECONDS = st.floats(0.001, 10.0)


@pytest.mark.parametrize(
    ("asked", "streams", "expected"),
    [
        (Limits(deadline_s=0.1, period_s=0.1), 4, Limits(deadline_s=0.025, period_s=0.025)),
        (Limits(deadline_s=0.02, period_s=0.1), 4, Limits(deadline_s=0.02, period_s=0.025)),
        (Limits(period_s=0.1, power_w=9.0), 2, Limits(period_s=0.05, power_w=9.0)),
        (Limits(deadline_s=0.1), 4, Limits(deadline_s=0.1)),
        (Limits(deadline_s=0.1, period_s=0.1), 1, Limits(deadline_s=0.1, period_s=0.1)),
        (Limits(deadline_s=0.1, period_s=0.1), 0, Limits(deadline_s=0.1, period_s=0.1)),
    ],
)
def test_a_turn_is_a_share_of_the_period(asked, streams, expected):
    assert limits_of_a_turn(asked, streams) == expected


@given(SECONDS, SECONDS, st.integers(1, 50))
def test_all_turns_fit_into_the_period_and_no_deadline_is_loosened(deadline_s, period_s, streams):
    asked = Limits(deadline_s=deadline_s, period_s=period_s, temp_c=70.0)
    turn = limits_of_a_turn(asked, streams)
    assert turn.period_s * streams == pytest.approx(period_s)
    assert turn.deadline_s <= deadline_s
    if streams > 1:
        assert turn.deadline_s * streams <= period_s * (1 + 1e-9)
    assert turn.temp_c == 70.0
