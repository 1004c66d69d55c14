"""A daemon's log replays to the last digit, whatever was asked of the loop meanwhile.

Time is virtual: an engine lets its profile's time pass, and sleeps pass at once. So a minute of a
board that heats takes a moment here.
"""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgert.artifacts import read_run
from edgert.clock import VirtualClock
from edgert.control import open_controller
from edgert.control.replay import controller_from_header, replay_run
from edgert.emulator.board import EmulatedBoard, loads_from_profile
from edgert.errors import InferenceError
from edgert.records import PICTURE, Limits, RunHeader, Wanted
from edgert.runtime.decision_log import DecisionLog
from edgert.runtime.stream import Stream
from tests.runtime.fakes import PROFILE, SPEC
from tests.runtime.stream_fakes import (
    NAMES,
    FakeStreamSource,
    Rig,
    TimedEngines,
    serving_of,
    until,
)

LIMITS = Limits(deadline_s=0.5, period_s=0.1, power_w=12.0, temp_c=70.0)
PICTURE_S = 2.0  # after so long without a frame a picture has a decision of its own


class Day:
    """A loop of two streams on an emulated board, its log, and what is asked of it."""

    def __init__(self, folder: Path, *, state=None, limits=LIMITS):
        self.clock, self.folder = VirtualClock(100.0), folder
        self.board = EmulatedBoard(SPEC, self.clock, loads=loads_from_profile(PROFILE))
        self.engines = TimedEngines(self.clock)
        self.serving = self.make_serving(state, limits)
        self.sources = [FakeStreamSource(), FakeStreamSource()]
        log = DecisionLog(folder, self.header, max_bytes=10**7, files=9)
        self.rig = Rig(
            serving=self.serving,
            streams=[Stream(name, one) for name, one in zip("ab", self.sources, strict=True)],
            log=log,
            clock=self.clock,
            limits=limits,
        )
        self.wanted = Wanted(limits=limits)

    def header(self):
        return self.rig.loop.header()

    def make_serving(self, state=None, limits=LIMITS):
        controller = open_controller("predictive", PROFILE, limits)
        if state is not None:
            controller.restore(state)
        header = RunHeader(
            family="f", source="two streams", device="cpu", controller="predictive",
            limits=limits, configurations=list(NAMES), profile=PROFILE, state=state,
            telemetry=self.board.name, provenance="emulated",
        )  # fmt: skip
        return serving_of(
            self.engines, controller, board=self.board, header=header, limits=limits,
            clock=self.clock, stopwatch=self.clock.now_s,
        )  # fmt: skip

    def frames(self, count):
        """Serve so many more of each stream."""
        for _ in range(count):
            told = self.counted()
            for source in self.sources:
                source.push(arrived_s=self.clock.now_s())
            until(lambda told=told: self.counted() >= told + len(self.sources) or self.rig.error)
            self.clock.sleep(max(0.05, self.wanted.limits.period_s or 0.0))  # streams rest

    def counted(self):
        return len(self.rig.told) + self.rig.loop.figures().lost_frames

    def ask(self, **changes):
        self.wanted = msgspec.structs.replace(self.wanted, **changes)
        self.rig.loop.change(self.wanted)

    def picture(self):
        self.rig.loop.submit(np.zeros((4, 4, 3), np.uint8)).result(10)

    def run(self, asked):
        with self.rig.running():
            asked(self)
        if self.rig.error:
            raise self.rig.error
        return self.logs()

    def logs(self):
        return [read_run(path) for path in sorted(self.folder.iterdir())]


def differences(log):
    header, lines = log
    assert not header.goes_on
    return replay_run(header, lines, controller_from_header(header)).differences


def test_the_first_file_of_a_start_with_nothing_learned_replays(tmp_path):
    [log] = Day(tmp_path).run(lambda day: day.frames(60))
    assert log[0].state is None  # as the controller began, not as it is
    assert any("ambient_c" in line.numbers for line in log[1])
    assert differences(log) == []


def test_what_is_asked_half_way_replays(tmp_path):
    def asked(day):
        day.frames(30)
        day.ask(pinned="c50")
        day.frames(30)
        day.ask(paused=True)
        for source in day.sources:
            source.push(arrived_s=day.clock.now_s())
        until(lambda: day.rig.loop.figures().streams[1].source.dropped.get("paused"))
        day.clock.sleep(PICTURE_S)
        day.picture()
        day.picture()
        day.ask(paused=False, pinned=None)
        day.frames(30)
        day.ask(limits=Limits(deadline_s=0.08, period_s=0.1, temp_c=40.0))
        day.frames(30)
        day.sources[1].set_state("offline")
        day.clock.sleep(1.0)
        day.sources.pop()
        day.frames(1)

    [log] = Day(tmp_path).run(asked)
    lines = log[1]
    assert {line.stream for line in lines} == {"a", "b", PICTURE}
    assert [line.pinned for line in lines if line.pinned is not msgspec.UNSET] == ["c50", None]
    assert len([line for line in lines if line.limits is not None]) >= 2
    assert differences(log) == []


def test_a_start_with_a_state_replays_from_that_state(tmp_path):
    before = Day(tmp_path / "before")
    before.run(lambda day: (day.ask(pinned="c30"), day.frames(100)))
    state = before.serving.controller.state()
    assert state.thermal_corrections != (1.0, 1.0, 1.0)
    [log] = Day(tmp_path / "after", state=state).run(lambda day: day.frames(60))
    assert log[0].state == state  # and not what a controller makes of it: logarithms and back
    assert differences(log) == []


def test_a_pin_of_a_state_that_nobody_asks_for_any_more_is_let_go(tmp_path):
    before = Day(tmp_path / "before")
    before.run(lambda day: (day.ask(pinned="c30"), day.frames(5)))
    state = before.serving.controller.state()
    assert state.pinned == "c30"
    [log] = Day(tmp_path / "after", state=state, limits=Limits()).run(lambda day: day.frames(5))
    assert log[1][0].pinned is None
    assert not any("pinned" in line.reason for line in log[1])
    assert differences(log) == []


def test_other_engines_begin_a_file_that_replays(tmp_path):
    def asked(day):
        day.frames(30)
        day.ask(pinned="c70")
        future = day.rig.loop.swap(day.make_serving())
        day.frames(30)
        future.result(10)
        day.frames(30)

    logs = Day(tmp_path).run(asked)
    assert len(logs) == 2
    for log in logs:
        assert differences(log) == []


@pytest.mark.parametrize("fail", ["an engine", "a picture's engine", "a preprocessor"])
def test_a_frame_that_is_lost_has_its_line_and_replays(tmp_path, fail):
    refused = InferenceError("run full", expected="an output", got="none", advice="Look")

    def asked(day):
        day.frames(30)
        # What the lost frame's line has to hold: without it the next one begins elsewhere.
        day.ask(pinned="c50", limits=Limits(deadline_s=0.4, power_w=11.5, temp_c=60.0))
        if fail == "a preprocessor":
            before, day.serving._preprocess = day.serving._preprocess, broken
            day.frames(1)
            day.serving._preprocess = before
        elif fail == "an engine":
            day.engines.error, day.engines.errors_left = refused, 2
            day.frames(1)
        else:
            day.clock.sleep(PICTURE_S)
            day.engines.error, day.engines.errors_left = refused, 1
            with pytest.raises(InferenceError):
                day.picture()
        day.frames(30)

    def broken(image):
        raise ValueError("no such size")

    [log] = Day(tmp_path).run(asked)
    lost = [line for line in log[1] if line.lost]
    assert lost
    assert all(line.skip and line.latency_s is None for line in lost)
    assert lost[0].pinned == "c50"
    assert differences(log) == []


def test_a_line_that_is_missing_is_seen(tmp_path):
    """Otherwise the tests above would see nothing."""
    [(header, lines)] = Day(tmp_path).run(lambda day: day.frames(60))
    del lines[20]
    found = replay_run(header, lines, controller_from_header(header)).differences
    assert any(each.field == "numbers.ambient_c" for each in found)


def test_a_reading_that_is_off_by_little_is_seen(tmp_path):
    [(header, lines)] = Day(tmp_path).run(lambda day: day.frames(60))
    lines[20:] = [msgspec.structs.replace(one, temp_c=one.temp_c + 1e-6) for one in lines[20:]]
    assert replay_run(header, lines, controller_from_header(header)).differences
