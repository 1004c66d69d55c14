"""What a loop keeps does not grow with the frames that it has served.

Counted in blocks of the interpreter's allocator, each a small object; those of the windows that
are full after a while (latencies, a minute of an emulated board's power) are there at both counts.
"""

import gc
import sys

import msgspec
import numpy as np
import pytest

from edgert.clock import VirtualClock
from edgert.control import open_controller
from edgert.emulator.board import EmulatedBoard, loads_from_profile
from edgert.records import Limits, RunHeader, Wanted
from edgert.runtime.decision_log import DecisionLog
from edgert.runtime.shadow import ShadowRuns
from edgert.runtime.stream import Stream
from edgert.video.frame import Frame
from tests.runtime.fakes import PROFILE, SPEC
from tests.runtime.stream_fakes import NAMES, FakeStreamSource, Rig, TimedEngines, serving_of

FRAMES = 700  # 140 s on the board's clock
LIMITS = Limits(deadline_s=0.5, period_s=0.2, temp_c=70.0)
IMAGE = np.zeros((6, 8, 3), np.uint8)


class Endless(FakeStreamSource):
    """A frame whenever one is asked for, until so many were taken."""

    def __init__(self, clock):
        super().__init__()
        self.clock, self.left = clock, 0

    def poll(self):
        if not self.left:
            return None
        self.left -= 1
        self.index += 1
        return Frame(self.index, self.index / 5, IMAGE, self.clock.now_s())


class Year:
    """A loop on an emulated board, with a log, limits that change and shadow runs."""

    def __init__(self, folder, *, listener=lambda _: None, controller="predictive"):
        self.clock = VirtualClock(100.0)
        self.board = EmulatedBoard(SPEC, self.clock, loads=loads_from_profile(PROFILE))
        header = RunHeader(
            family="f", source="one stream", device="cpu", controller=controller, limits=LIMITS,
            configurations=list(NAMES), profile=PROFILE,
        )  # fmt: skip
        serving = serving_of(
            TimedEngines(self.clock), open_controller(controller, PROFILE, LIMITS),
            board=self.board, header=header, limits=LIMITS, clock=self.clock,
            stopwatch=self.clock.now_s,
        )  # fmt: skip
        self.shadow = ShadowRuns(
            0.5, full="full", names=NAMES, task="segmentation", profile=PROFILE, clock=self.clock
        )
        self.source = Endless(self.clock)
        self.loop = Rig(
            serving=serving,
            streams=[Stream("a", self.source)],
            clock=self.clock,
            limits=LIMITS,
            listener=listener,
            shadow=self.shadow,
            shadow_decides=True,
            log=DecisionLog(folder, self.header, max_bytes=20_000, files=2),
        ).loop
        self.loop._begin()

    def header(self) -> RunHeader:
        return self.loop.header()

    def serve(self, frames: int) -> None:
        """In this thread, turn by turn: nothing of a test's own waits or is woken meanwhile."""
        for number in range(frames):
            if number % 50 == 0:
                deadline_s = (0.04, 0.06, 0.5)[number // 50 % 3]
                limits = msgspec.structs.replace(LIMITS, deadline_s=deadline_s)
                self.loop.change(Wanted(limits=limits))
            self.source.left = 1
            while self.source.left:
                self.loop._turn()
                self.clock.sleep(0.05)
            self.loop.figures()
            self.clock.sleep(0.15)

    def blocks(self) -> int:
        self.board.history._prune()
        gc.collect()
        return sys.getallocatedblocks()


def grown(year: Year) -> float:
    """Blocks a frame, from N frames to 3 N."""
    try:
        year.serve(FRAMES)
        before = year.blocks()
        year.serve(2 * FRAMES)
        return (year.blocks() - before) / (2 * FRAMES)
    finally:
        year.loop._end()


@pytest.mark.parametrize("controller", ["predictive", "ladder", "alert", "pi"])
def test_nothing_is_kept_of_a_frame_for_ever(tmp_path, controller):
    year = Year(tmp_path, controller=controller)
    growth = grown(year)
    figures = year.loop.figures()
    assert figures.frames == 3 * FRAMES
    assert figures.switches > 3
    assert figures.shadow.runs > 10
    assert growth < 0.1


def test_what_is_kept_of_a_frame_is_seen(tmp_path):
    """The control: one line a frame."""
    kept = []
    assert grown(Year(tmp_path, listener=lambda told: kept.append(told.line))) > 1
