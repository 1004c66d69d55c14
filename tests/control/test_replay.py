"""A log's inputs once more: the same controller decides the same, and whoever meddles is told."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.control import CONTROLLERS, open_controller
from edgert.control.replay import controller_from_header, is_replayable, replay_run
from edgert.errors import SettingsError
from edgert.records import (
    PICTURE,
    Decision,
    FrameLog,
    FrameOutcome,
    Limits,
    RunHeader,
    TelemetrySample,
)
from tests.control.three_engines import PROFILE

LIMITS = Limits(deadline_s=0.1, period_s=0.1, power_w=20.0, temp_c=70.0)


def header(**values):
    plain = {
        "family": "f", "source": "s", "device": "cpu", "controller": "ladder", "limits": LIMITS,
        "configurations": ["full"], "profile": PROFILE, "provenance": "emulated",
    }  # fmt: skip
    return RunHeader(**{**plain, **values})


def logged(controller, steps, *, limits=LIMITS):
    """What the frame loop would have written, through JSON as the log is.

    A step is (power_w, temp_c, latency_s); a power of None stands for no telemetry at all.
    """
    lines, shown = [], False
    for frame, (power_w, temp_c, latency_s) in enumerate(steps):
        now_s = 5.0 + frame * 0.1
        changed = None
        if frame == len(steps) // 2:
            changed = msgspec.structs.replace(limits, power_w=9.0)
            controller.limits = changed
        sample = None
        if power_w is not None:
            sample = TelemetrySample(
                time_s=now_s - 0.03, source="x", provenance="emulated", power_w=power_w,
                temp_c=temp_c, throttled=temp_c > 90, clock_ratio=1.0,
            )  # fmt: skip
        decision = controller.decide(now_s, sample)
        skip = decision.skip and shown
        met = latency_s <= 0.1
        if not skip:
            controller.observe(
                FrameOutcome(
                    configuration=decision.configuration, latency_s=latency_s, met_deadline=met,
                    power_w=power_w, preprocess_s=0.002,
                )
            )  # fmt: skip
            shown = True
        line = FrameLog(
            frame=frame, time_s=now_s - 5.0, now_s=now_s, configuration=decision.configuration,
            reason=decision.reason, skip=skip, latency_s=None if skip else latency_s,
            met_deadline=None if skip else met, power_w=power_w,
            temp_c=None if power_w is None else temp_c,
            throttled=None if sample is None else sample.throttled,
            clock_ratio=None if sample is None else 1.0,
            sample_s=None if sample is None else sample.time_s, limits=changed,
            numbers={**decision.numbers, **({} if skip else {"preprocess_s": 0.002})},
        )  # fmt: skip
        lines.append(msgspec.json.decode(msgspec.json.encode(line), type=FrameLog))
    return lines


STEPS = [(8.0 + 0.1 * k, 55.0 + 0.3 * k, 0.05 + 0.001 * (k % 30)) for k in range(80)]
step = st.tuples(
    st.one_of(st.none(), st.floats(0, 30)), st.floats(20, 99), st.floats(1e-3, 0.5)
)  # fmt: skip


@pytest.mark.parametrize("name", CONTROLLERS)
@settings(max_examples=30, deadline=None)
@given(steps=st.lists(step, min_size=1, max_size=60))
def test_every_controller_decides_the_same_again(name, steps):
    told = header(controller=name)
    lines = logged(open_controller(name, PROFILE, LIMITS), steps)
    replay = replay_run(told, lines, controller_from_header(told))
    assert replay.differences == []
    assert replay.same == len(lines)


def test_the_log_that_is_replayed_has_something_to_decide():
    """Else the test above could not fail."""
    lines = logged(open_controller("ladder", PROFILE, LIMITS), STEPS)
    assert len({line.configuration for line in lines}) > 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("temp_c", 99.0), ("power_w", 25.0), ("sample_s", None), ("throttled", True)],
)
def test_another_reading_is_told(field, value):
    lines = logged(open_controller("ladder", PROFILE, LIMITS), STEPS)
    lines[30] = msgspec.structs.replace(lines[30], **{field: value})
    replay = replay_run(header(), lines, controller_from_header(header()))
    assert replay.differences
    assert replay.differences[0].frame == 30
    assert replay.same < len(lines)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"configuration": "other"}, "configuration"),
        ({"reason": "because"}, "reason"),
        ({"numbers": {"slowdown": 77.0}}, "numbers.slowdown"),
    ],
)
def test_another_decision_is_told_with_both_sides(change, field):
    lines = logged(open_controller("fixed-dearest", PROFILE, LIMITS), STEPS)
    lines[-1] = msgspec.structs.replace(lines[-1], **change)
    told = header(controller="fixed-dearest")
    [difference] = replay_run(told, lines, controller_from_header(told)).differences
    assert (difference.frame, difference.field) == (79, field)
    assert difference.logged == next(iter(change.values())) or difference.logged == 77.0
    assert difference.replayed != difference.logged


def test_the_smallest_difference_of_a_number_counts():
    lines = logged(open_controller("ladder", PROFILE, LIMITS), STEPS[:3])
    numbers = dict(lines[2].numbers)
    numbers["slowdown"] *= 1 + 2**-52
    lines[2] = msgspec.structs.replace(lines[2], numbers=numbers)
    [difference] = replay_run(header(), lines, controller_from_header(header())).differences
    assert difference.field == "numbers.slowdown"


def test_limits_that_changed_on_the_way_are_changed_again():
    lines = logged(open_controller("ladder", PROFILE, LIMITS), STEPS)
    [place] = [k for k, line in enumerate(lines) if line.limits is not None]
    lines[place] = msgspec.structs.replace(lines[place], limits=None)
    assert replay_run(header(), lines, controller_from_header(header())).differences


class Skipper:
    limits = LIMITS

    def decide(self, now_s, telemetry):
        return Decision(configuration="full", reason="rest", skip=True)

    def observe(self, outcome):
        self.seen = outcome


def test_what_can_not_be_skipped_yet_is_no_difference():
    first = FrameLog(
        frame=0, time_s=0, now_s=1, configuration="full", reason="rest", latency_s=0.05
    )
    second = FrameLog(frame=1, time_s=1, now_s=2, configuration="full", reason="rest", skip=True)
    skipper = Skipper()
    assert replay_run(header(), [first, second], skipper).differences == []
    assert skipper.seen.latency_s == 0.05
    both = [first, msgspec.structs.replace(first, frame=1)]
    [difference] = replay_run(header(), both, Skipper()).differences
    assert (difference.field, difference.logged, difference.replayed) == ("skip", False, True)


def test_what_a_stream_has_not_shown_yet_is_not_skipped_whatever_others_have():
    first = FrameLog(
        frame=0, time_s=0, now_s=1, configuration="full", reason="rest", latency_s=0.05, stream="a"
    )
    other = msgspec.structs.replace(first, stream="b", now_s=2)
    skipped = FrameLog(
        frame=1, time_s=1, now_s=3, configuration="full", reason="rest", skip=True, stream="a"
    )
    picture = msgspec.structs.replace(first, stream=PICTURE, now_s=4)
    again = msgspec.structs.replace(picture, now_s=5)
    lines = [first, other, skipped, picture, again]
    assert replay_run(header(), lines, Skipper()).differences == []
    lines.append(msgspec.structs.replace(other, now_s=6))  # b has a result by now
    [difference] = replay_run(header(), lines, Skipper()).differences
    assert difference.field == "skip"


def test_a_pin_on_the_way_is_pinned_again():
    told = header(controller="predictive")
    lines = logged(controller_from_header(told), STEPS)
    controller = controller_from_header(told)
    chosen = replay_run(told, lines, controller).decisions
    place = next(k for k, each in enumerate(chosen) if each.configuration != "c50")
    pinned = [*lines]
    pinned[place] = msgspec.structs.replace(lines[place], pinned="c50")
    pinned[place + 1] = msgspec.structs.replace(lines[place + 1], pinned=None)
    pinned = [msgspec.json.decode(msgspec.json.encode(each), type=FrameLog) for each in pinned]
    assert pinned[place + 1].pinned is None
    assert pinned[place].pinned == "c50"
    decisions = replay_run(told, pinned, controller_from_header(told)).decisions
    assert decisions[place].reason.startswith("c50 is pinned")
    assert not decisions[place + 1].reason.startswith("c50 is pinned")


def test_a_controller_learns_from_its_own_deadline_not_from_what_was_asked_for():
    """With several streams a frame is late by the one, and the controller is told by the other."""
    told = header(limits=msgspec.structs.replace(LIMITS, deadline_s=0.02))
    line = FrameLog(
        frame=0, time_s=0, now_s=1, configuration="full", reason="rest", latency_s=0.05,
        met_deadline=True,
    )  # fmt: skip
    skipper = Skipper()
    skipper.limits = told.limits
    replay_run(told, [line], skipper)
    assert skipper.seen.met_deadline is False


def test_of_a_log_that_goes_on_only_configurations_are_compared():
    told = header(controller="predictive")
    lines = logged(controller_from_header(told), STEPS)
    other = [msgspec.structs.replace(line, reason="another") for line in lines]
    assert replay_run(told, other, controller_from_header(told)).differences
    goes_on = header(controller="predictive", goes_on=True)
    assert replay_run(goes_on, other, controller_from_header(goes_on)).differences == []
    wrong = [msgspec.structs.replace(lines[0], configuration="none"), *lines[1:]]
    found = replay_run(goes_on, wrong, controller_from_header(goes_on)).differences
    assert (found[0].frame, found[0].field) == (0, "configuration")
    assert {difference.field for difference in found} <= {"configuration", "skip"}


def test_a_substitute_is_held_against_what_was_asked_for():
    told = header(controller="fixed-dearest")
    decision = controller_from_header(told).decide(1.0, None)
    line = FrameLog(
        frame=0, time_s=0, now_s=1, configuration="c30", asked="full", latency_s=0.02,
        reason=f"{decision.reason}; asked for full, not loaded yet",
    )  # fmt: skip
    assert replay_run(told, [line], controller_from_header(told)).differences == []
    other = msgspec.structs.replace(line, asked="c50")
    fields = [d.field for d in replay_run(told, [other], controller_from_header(told)).differences]
    assert fields == ["configuration", "reason"]


def test_a_log_of_before_is_not_replayable():
    line = FrameLog(frame=0, time_s=0.0, configuration="full", reason="r", latency_s=0.1)
    assert not is_replayable(header(), [line])
    assert not is_replayable(header(profile=None), [])
    assert is_replayable(header(), [msgspec.structs.replace(line, now_s=0.0)])
    with pytest.raises(ValueError, match="without the times"):
        replay_run(header(), [line], Skipper())
    with pytest.raises(ValueError, match="without its profile"):
        controller_from_header(header(profile=None))


def test_a_frame_that_ran_in_no_time_is_refused():
    line = FrameLog(frame=3, time_s=0.0, now_s=0.0, configuration="full", reason="r")
    with pytest.raises(ValueError, match="frame 3 ran and has no latency"):
        replay_run(header(), [line], Skipper())


def test_another_controller_by_name_and_an_unknown_one():
    other = controller_from_header(header(), "fixed-cheapest")
    assert other.decide(0.0, None).configuration == "c30"
    with pytest.raises(SettingsError, match="choose a controller"):
        controller_from_header(header(), "magic")
