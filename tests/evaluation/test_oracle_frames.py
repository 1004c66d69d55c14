"""Frames in groups, and the configurations that are worth having."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.evaluation.day import make_day
from edgert.evaluation.family import open_family
from edgert.evaluation.oracle_frames import (
    _favoured,
    columns_by_block,
    columns_by_frame,
    frames_from_day,
)
from edgert.records import Limits
from tests.evaluation.oracle_days import day_of, profile_of

SMALL = profile_of((0.08, 5.0, 0.4), (0.30, 14.0, 0.9), (0.18, 9.0, 0.7))
LIMITS = Limits(deadline_s=0.4)


def frames_of(slowdown, profile=SMALL, limits=LIMITS):
    day = day_of(slowdown, period_s=0.5, duration_s=len(slowdown) // 2, limits=limits)
    return frames_from_day(day, profile)


def test_configurations_are_by_latency_and_know_their_place():
    frames = frames_of([1.0, 1.4])
    assert frames.place == [0, 2, 1]
    assert frames.accuracy.tolist() == [0.4, 0.7, 0.9]
    assert frames.above_idle_w.tolist() == pytest.approx([2.0, 6.0, 11.0])
    assert frames.in_time.tolist() == [[True, True, True], [True, True, False]]
    assert frames.draw_j[1].tolist() == pytest.approx([0.112 * 2, 0.252 * 6, 0.42 * 11])


def test_a_frame_lies_in_the_second_of_its_arrival():
    day = make_day("deadline", 0, duration_s=7)
    block = frames_from_day(day, open_family("wide")).block
    assert np.bincount(block).tolist() == [30] * 7


def test_the_deadline_of_its_second_counts():
    limits = [Limits(deadline_s=0.4), Limits(deadline_s=0.1), Limits()]
    frames = frames_of([1.0] * 6, limits=limits)
    assert frames.in_time.sum(axis=1).tolist() == [3, 3, 1, 1, 3, 3]


def test_frames_that_the_same_configurations_serve_are_one_group():
    columns = columns_by_frame(frames_of([1.0, 1.2, 1.4, 1.0]))
    assert columns.frames.tolist() == [2.0, 1.0, 1.0]
    assert columns.blocks.tolist() == [0, 1, 1]
    first = columns.group == 0
    assert columns.busy_s[first] == pytest.approx(2 * 1.1 * np.array([0.08, 0.18, 0.3]))
    assert columns.value[first] == pytest.approx(2 / 4 * np.array([0.4, 0.7, 0.9]))


def test_a_frame_that_nothing_serves_is_in_no_group():
    columns = columns_by_frame(frames_of([1.0, 99.0]))
    assert columns.frames.tolist() == [1.0]
    assert columns.value.max() == pytest.approx(0.9 / 2)


def test_served_alike_a_second_loses_its_late_frames_and_pays_for_them():
    columns = columns_by_block(frames_of([1.0, 1.4]))
    assert columns.value.tolist() == pytest.approx([0.4, 0.7, 0.9 / 2])
    assert columns.draw_j[2] == pytest.approx(11.0 * 0.3 * 2.4)


def test_time_is_short_only_where_frames_in_time_may_outlast_the_period():
    assert not frames_of([1.0, 9.0]).hurried
    assert frames_of([1.0, 9.0], limits=Limits()).hurried


def test_where_time_is_short_every_configuration_is_kept():
    wasteful = profile_of((0.1, 9.0, 0.5), (0.3, 9.0, 0.5))
    assert len(columns_by_frame(frames_of([1.0, 1.0], wasteful)).value) == 1
    assert len(columns_by_frame(frames_of([1.0, 9.0], wasteful, Limits())).value) == 2


POINTS = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), min_size=1, max_size=8)


@given(points=POINTS, price=st.floats(0, 5))
def test_at_any_price_the_best_is_among_the_favoured(points, price):
    cost, worth = (np.array(values) for values in zip(*points, strict=True))
    gains = worth - price * cost
    kept = _favoured(cost, worth)
    best = max([0.0, *gains[kept]])
    assert best == pytest.approx(max(0.0, gains.max()), abs=1e-9)


def test_what_costs_more_and_gives_less_is_not_favoured():
    cost, worth = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.5, 0.4, 0.7, 1.5])
    assert _favoured(cost, worth) == [0, 3]
