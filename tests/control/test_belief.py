"""Accuracies believed in place of the profile's: from the next decision on, and replayed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.control import Controller, open_controller
from edgert.control.base import BelievingPolicy
from edgert.control.options import Options
from edgert.control.replay import replay_run
from edgert.records import (
    FrameLog,
    FrameOutcome,
    Limits,
    Profile,
    ProfileEntry,
    RunHeader,
    TelemetrySample,
)
from tests.control.three_engines import PROFILE

LIMITS = Limits(deadline_s=0.045, period_s=0.1)  # the full one does not fit


def options(**accuracies):
    made = Options(PROFILE, idle_w=5.0)
    made.believe(accuracies)
    return made


class Run:
    """A controller on frames that take as long as the profile says, with the log of it."""

    def __init__(self, limits=LIMITS):
        self.controller, self.now_s, self.lines = Controller(PROFILE, limits), 10.0, []
        self.limits = limits
        self.believed = None

    def believe(self, **accuracies):
        self.believed = accuracies
        self.controller.believe(accuracies)

    def frames(self, count):
        for _ in range(count):
            sample = TelemetrySample(
                time_s=self.now_s, source="x", provenance="emulated", power_w=8.0, temp_c=40.0
            )
            decision = self.controller.decide(self.now_s, sample)
            latency_s = PROFILE.entry(decision.configuration).latency_s
            self.controller.observe(
                FrameOutcome(
                    configuration=decision.configuration,
                    latency_s=latency_s,
                    met_deadline=True,
                    power_w=8.0,
                )
            )
            self.lines.append(
                FrameLog(
                    frame=len(self.lines),
                    time_s=self.now_s - 10,
                    now_s=self.now_s,
                    configuration=decision.configuration,
                    reason=decision.reason,
                    latency_s=latency_s,
                    met_deadline=True,
                    power_w=8.0,
                    temp_c=40.0,
                    sample_s=self.now_s,
                    numbers=decision.numbers,
                    believed=self.believed,
                )
            )
            self.believed = None
            self.now_s += 0.1
        return self.lines[-1].configuration


def test_rows_and_what_is_better_follow_what_is_believed():
    swapped = options(c50=0.40)
    assert [row.name for row in swapped.rows] == ["c30", "full"]  # dominated by c30 now
    assert [row.name for row in swapped.better["c30"]] == ["full"]
    assert swapped.all_rows["c50"].accuracy == 0.40
    assert [row.name for row in swapped.better["c50"]] == ["full", "c30"]
    assert swapped.all_rows["full"].accuracy == 0.70  # not named


def test_the_profile_s_come_back():
    made = options(c50=0.40)
    made.believe({})
    plain = Options(PROFILE, idle_w=5.0)
    assert made.rows == plain.rows
    assert made.better == plain.better
    assert made.all_rows == plain.all_rows


@given(st.dictionaries(st.sampled_from(["full", "c50", "c30"]), st.floats(0, 1)))
def test_believing_is_as_if_the_profile_said_so(accuracies):
    entries = [
        ProfileEntry(
            name=e.name,
            latency_s=e.latency_s,
            power_w=e.power_w,
            accuracy=accuracies.get(e.name, e.accuracy),
        )
        for e in PROFILE.entries
    ]
    told = Options(Profile(family="f", device="cpu", entries=entries), idle_w=5.0)
    made = options(**accuracies)
    assert made.rows == told.rows
    assert made.better == told.better


def test_nonsense_is_refused_and_changes_nothing():
    made = options()
    rows = made.rows
    with pytest.raises(KeyError, match="c99"):
        made.believe({"c99": 0.5})
    for wrong in (1.5, -0.1, float("nan")):
        with pytest.raises(ValueError, match="share from 0 to 1"):
            made.believe({"c30": 0.9, "c50": wrong})
    assert made.rows is rows
    run = Run()
    with pytest.raises(KeyError, match="c99"):
        run.controller.believe({"c99": 0.5})
    assert run.frames(3) == "c50"


def test_the_choice_follows_with_dwell_and_back_again():
    run = Run()
    assert run.frames(50) == "c50"
    run.believe(full=0.7, c50=0.5, c30=0.6)
    first = run.frames(1)
    assert first == "c50" or "up to c30" in run.lines[-1].reason
    assert run.frames(100) == "c30"
    run.believe()
    assert run.frames(100) == "c50"
    names = [line.configuration for line in run.lines]
    assert sum(one != other for one, other in pairwise(names)) == 2


def test_what_is_dominated_by_belief_is_left_with_care_not_at_once():
    run = Run()
    run.frames(1)  # c50 has only just begun
    run.believe(full=0.7, c50=0.5, c30=0.6)
    run.frames(1)
    assert run.lines[-1].configuration == "c50"
    assert "only just begun" in run.lines[-1].reason
    assert not any(line.reason.startswith("start with") for line in run.lines[1:])
    assert run.frames(100) == "c30"


def test_a_pin_on_what_is_dominated_holds_and_afterwards_it_chooses_again():
    run = Run()
    run.frames(20)
    run.believe(full=0.7, c50=0.4, c30=0.6)
    run.controller.pin("c50")
    assert run.frames(5) == "c50"
    run.controller.pin(None)
    assert run.frames(1) == "c30"
    assert run.lines[-1].reason.startswith("start with")


def test_the_same_again_does_nothing():
    run = Run()
    run.frames(5)
    run.believe(c50=0.55)
    rows = run.controller._options.rows
    run.believe(c50=0.55)
    assert run.controller._options.rows is rows


def test_a_log_replays_with_what_was_believed_and_differs_without():
    run = Run()
    run.frames(40)
    run.believe(full=0.7, c50=0.5, c30=0.6)
    run.frames(60)
    run.believe()
    run.frames(60)
    header = RunHeader(
        family="f",
        source="s",
        device="cpu",
        controller="predictive",
        limits=LIMITS,
        configurations=["full", "c50", "c30"],
        profile=PROFILE,
        provenance="emulated",
        telemetry="x",
    )
    assert replay_run(header, run.lines, Controller(PROFILE, LIMITS)).differences == []
    forgotten = [
        FrameLog(**{**{f: getattr(line, f) for f in line.__struct_fields__}, "believed": None})
        for line in run.lines
    ]
    replayed = replay_run(header, forgotten, Controller(PROFILE, LIMITS))
    assert replayed.differences
    # One that can't believe is fed the rest.
    assert replay_run(header, run.lines, open_controller("ladder", PROFILE, LIMITS)).decisions


def test_which_controllers_believe():
    assert isinstance(open_controller("predictive", PROFILE, LIMITS), BelievingPolicy)
    assert not isinstance(open_controller("ladder", PROFILE, LIMITS), BelievingPolicy)
