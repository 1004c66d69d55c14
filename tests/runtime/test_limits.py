"""Limits changed from outside while the loop runs, the run's length, and what a line holds."""

import math
import threading

import pytest

from edgert.records import Decision, Limits, TelemetrySample
from edgert.runtime.frame_line import finite
from tests.runtime.fakes import FakeSource, Rig, ScriptedPolicy, Telemetry

FIRST = Limits(deadline_s=0.07, period_s=0.1)


def changing(rig, changes):
    def on_frame(line):
        rig.lines.append(line)
        if line.frame in changes:
            rig.loop.change_limits(changes[line.frame])

    rig.loop._on_frame = on_frame


def test_new_limits_hold_from_the_next_frame_on():
    policy = ScriptedPolicy("full")
    policy.limits = FIRST
    rig = Rig(policy, limits=FIRST, frames=6)
    second = Limits(deadline_s=0.05, period_s=0.1)
    changing(rig, {2: second})
    summary = rig.run()
    assert [line.limits for line in rig.lines] == [None, None, None, second, None, None]
    assert [line.met_deadline for line in rig.lines] == [True] * 3 + [False] * 3
    assert summary.misses == 3
    assert policy.limits == second


def test_the_same_limits_again_are_no_change():
    rig = Rig(limits=FIRST, frames=4)
    changing(rig, {1: Limits(deadline_s=0.07, period_s=0.1)})
    rig.run()
    assert [line.limits for line in rig.lines] == [None] * 4
    assert not hasattr(rig.policy, "limits")  # nobody touched it


def test_a_new_period_changes_the_pace():
    rig = Rig(limits=FIRST, frames=5)
    changing(rig, {1: Limits(deadline_s=0.07, period_s=0.2)})
    rig.run()
    assert [line.time_s for line in rig.lines] == pytest.approx([0, 0.1, 0.2, 0.4, 0.6])


def test_no_deadline_from_now_on_judges_no_frame():
    rig = Rig(limits=FIRST, frames=4)
    changing(rig, {1: Limits(period_s=0.1)})
    rig.run()
    assert [line.met_deadline for line in rig.lines] == [True, True, None, None]


def test_another_thread_may_change_them_and_the_last_word_counts():
    rig = Rig(limits=FIRST, frames=3)
    last = Limits(power_w=3.0, period_s=0.1)

    def ask():
        for power_w in (1.0, 2.0, 3.0):
            rig.loop.change_limits(Limits(power_w=power_w, period_s=0.1))

    def on_frame(line):
        rig.lines.append(line)
        if line.frame == 0:
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()

    rig.loop._on_frame = on_frame
    rig.run()
    assert [line.limits for line in rig.lines] == [None, last, None]


def test_a_run_ends_after_its_seconds():
    rig = Rig(limits=FIRST, source=FakeSource(1000), max_s=0.75)
    summary = rig.run()
    assert summary.frames == 8
    assert rig.lines[-1].time_s == pytest.approx(0.7)
    assert not summary.stopped


def test_something_may_be_done_after_each_frame_at_its_time():
    times_s = []
    rig = Rig(limits=FIRST, frames=3, after_frame=times_s.append)
    rig.run()
    assert times_s == pytest.approx([0, 0.1, 0.2])


def test_a_line_has_what_the_controller_was_given_and_what_was_asked():
    sample = TelemetrySample(
        time_s=7.25, source="s", provenance="measured", power_w=5.0, temp_c=50.0,
        clock_ratio=0.9, throttled=True, over_current_events={"oc3": 4}, rails_w={"A": 5.0},
    )  # fmt: skip
    rig = Rig(ScriptedPolicy("c70"), frames=1, telemetry=Telemetry(sample))
    rig.clock.sleep(8.0)
    rig.pool.missing = {"c70"}
    rig.run()
    [line] = rig.lines
    assert (line.now_s, line.time_s, line.sample_s) == (8.0, 0.0, 7.25)
    assert (line.clock_ratio, line.throttled, line.over_current_events) == (0.9, True, {"oc3": 4})
    assert (line.configuration, line.asked) == ("c30", "c70")
    assert line.reason.endswith("; asked for c70, not loaded yet")


def test_what_ran_as_decided_asks_for_nothing_else():
    rig = Rig(frames=1)
    rig.run()
    assert (rig.lines[0].asked, rig.lines[0].sample_s) == ("", None)


def test_a_figure_that_is_none_is_absent_for_the_controller_and_in_the_log():
    broken = TelemetrySample(
        time_s=0.0, source="s", provenance="measured", power_w=math.nan, temp_c=math.inf
    )
    policy = ScriptedPolicy("full")
    policy.decide = lambda now_s, telemetry: (
        policy.samples.append(telemetry)
        or Decision(configuration="full", reason="r", numbers={"good": 1.0, "bad": math.nan})
    )
    rig = Rig(policy, frames=1, telemetry=Telemetry(broken))
    rig.run()
    [seen], [line] = policy.samples, rig.lines
    assert (seen.power_w, seen.temp_c) == (None, None)
    assert (line.power_w, line.temp_c, line.sample_s) == (None, None, 0.0)
    assert set(line.numbers) == {"good", "preprocess_s"}


def test_a_sample_without_fault_is_handed_on_as_it_is():
    whole = TelemetrySample(time_s=0.0, source="s", provenance="measured", power_w=1.0)
    assert finite(whole) is whole
