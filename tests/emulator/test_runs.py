"""Lists of engine runs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.emulator.runs import Runs


def test_paced_runs_begin_at_the_camera_s_beat():
    runs = Runs.paced(start_s=2.0, period_s=0.1, busy_s=0.03, count=3)
    assert runs.start_s == pytest.approx([2.0, 2.1, 2.2])
    assert runs.end_s == pytest.approx([2.03, 2.13, 2.23])
    assert runs.compute_ratio.tolist() == runs.memory_ratio.tolist() == [1.0, 1.0, 1.0]


def test_each_frame_may_be_late_and_take_its_own_time():
    runs = Runs.paced(
        start_s=0.0, period_s=1.0, busy_s=[0.1, 0.2], count=2, jitter_s=[0.05, -0.05]
    )
    assert runs.start_s == pytest.approx([0.05, 0.95])
    assert runs.end_s - runs.start_s == pytest.approx([0.1, 0.2])


def test_back_to_back_runs_leave_no_gap():
    runs = Runs.back_to_back(start_s=1.0, busy_s=0.25, count=4, compute_ratio=0.5)
    assert runs.start_s[1:] == pytest.approx(runs.end_s[:-1])
    assert runs.compute_ratio.tolist() == [0.5] * 4


@given(counts=st.lists(st.integers(0, 5), min_size=1, max_size=5))
def test_joined_lists_hold_every_run_of_each(counts):
    parts = [
        Runs.at(np.arange(count, dtype=float), 0.1, memory_ratio=place / 10)
        for place, count in enumerate(counts)
    ]
    joined = Runs.join(*parts)
    assert len(joined.start_s) == sum(counts)
    assert joined.memory_ratio.sum() == pytest.approx(
        sum(place / 10 * count for place, count in enumerate(counts))
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"start_s": [float("nan")], "busy_s": 0.1},
        {"start_s": [0.0], "busy_s": -1e-9},
        {"start_s": [0.0], "busy_s": 0.1, "memory_ratio": -0.5},
    ],
)
def test_what_no_run_can_be_is_refused(bad):
    with pytest.raises(ValueError, match="0 or more"):
        Runs.at(**bad)


def test_two_lengths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="shape"):
        Runs.at([0.0, 1.0, 2.0], [0.1, 0.2])
