"""A run in figures, each reckoned by hand."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.records import Limits
from edgert.report.limit_line import steps_of
from edgert.report.run_figures import (
    accuracy_so_far,
    figures_from_run,
    limits_of_frames,
    seconds_over,
)
from tests.report.comparisons import LIMITS, PROFILE, frame, header, run

LOWER = Limits(deadline_s=0.1, power_w=9.0, temp_c=70.0)


def test_a_run_of_twenty_frames_by_hand():
    figures = figures_from_run(*run())
    assert figures.controller == "predictive"
    assert (figures.frames, figures.late, figures.skipped, figures.switches) == (20, 1, 1, 1)
    # 9 of full in time, 9 of small; one late, one skipped
    assert figures.accuracy == pytest.approx((9 * 0.8 + 9 * 0.6) / 20)
    assert figures.over_power_s == 14  # 10 W of 9 W from the fifth second to the last reading
    assert figures.over_temp_s == 0
    assert figures.temp_max_c == 60
    assert figures.energy_j == pytest.approx(190)
    assert figures.frame_j == pytest.approx(9.5)
    assert figures.duration_s == pytest.approx(19.05)
    assert figures.shares == pytest.approx({"full": 10 / 19, "small": 9 / 19})


def test_limits_hold_until_they_change():
    told, frames = run()
    held = limits_of_frames(told, frames)
    assert held == [LIMITS] * 5 + [LOWER] * 15
    assert steps_of(frames, held, "power_w") == [(0.0, 11.0), (5.0, 9.0), (19.0, 9.0)]
    assert steps_of(frames, held, "temp_c") == [(0.0, 70.0), (19.0, 70.0)]
    assert steps_of([], [], "temp_c") == []


def test_a_reading_speaks_for_the_time_before_it_and_a_gap_is_bridged():
    frames = [
        frame(0, temp_c=75.0),  # nothing is known of before
        frame(1, temp_c=69.0),
        frame(2, temp_c=None),
        frame(4, temp_c=71.0),
        frame(5, temp_c=69.0),
    ]
    assert seconds_over(frames, [LIMITS] * 5, "temp_c") == 3.0
    assert seconds_over(frames, [Limits()] * 5, "temp_c") == 0.0


def test_the_time_before_a_change_is_judged_by_the_limits_of_then():
    frames = [frame(0, power_w=10.0), frame(1, power_w=10.0), frame(2, power_w=10.0)]
    assert seconds_over(frames, [LIMITS, LOWER, LOWER], "power_w") == 1.0


@given(st.lists(st.sampled_from(["ran", "late", "skipped"]), min_size=1, max_size=40))
def test_accuracy_is_the_mean_with_nothing_for_late_and_skipped(what):
    frames = [
        frame(
            number,
            skip=kind == "skipped",
            met_deadline={"ran": True, "late": False, "skipped": None}[kind],
        )
        for number, kind in enumerate(what)
    ]
    means = accuracy_so_far(PROFILE, frames)
    assert means[-1] == pytest.approx(0.8 * what.count("ran") / len(what))
    assert means[0] in (0.8, 0.0)


def test_what_is_not_known_is_not_made_up():
    bare = [frame(0, power_w=None, temp_c=None, met_deadline=None)]
    figures = figures_from_run(header(profile=None), bare)
    known = (figures.accuracy, figures.energy_j, figures.frame_j, figures.temp_max_c)
    assert known == (None,) * 4
    assert accuracy_so_far(PROFILE, [frame(0, configuration="gone")]) == []
    nothing = figures_from_run(header(), [])
    assert (nothing.frames, nothing.duration_s, nothing.accuracy) == (0, 0.0, None)
    assert msgspec.json.encode(nothing)
