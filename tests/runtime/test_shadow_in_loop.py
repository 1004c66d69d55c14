"""Shadow runs behind the frames of one video: in its free time, in its log, on its board."""

import numpy as np
import pytest

from edgert.artifacts import read_run
from edgert.clock import MonotonicClock, VirtualClock
from edgert.control import Controller
from edgert.control.replay import replay_run
from edgert.errors import InferenceError
from edgert.records import Limits, Profile, ProfileEntry, RunHeader
from edgert.runtime import FrameLoop
from edgert.runtime.shadow import ShadowRuns
from tests.runtime.fakes import (
    PROFILE,
    FakeOverlay,
    FakePool,
    FakeSink,
    FakeSource,
    Rig,
    Stopwatch,
)

NAMES = [entry.name for entry in PROFILE.entries]
KNOWN = Profile(
    family="f", device="cpu",
    entries=[
        ProfileEntry(
            name=e.name, latency_s=e.latency_s, power_w=e.power_w, macs=e.macs, accuracy=accuracy,
            agreement=agreement,
        )
        for e, accuracy, agreement in zip(
            PROFILE.entries, (0.7, 0.66, 0.62, 0.58), (1.0, 0.95, 0.9, 0.85), strict=True
        )
    ],
)  # fmt: skip


def rig(policy="c30", *, share=1.0, frames=30, period_s=0.2, **parts):
    clock = parts.pop("clock", None) or VirtualClock()
    stopwatch = Stopwatch()
    pool = parts.pop("pool", None) or FakePool(stopwatch)
    shadow = ShadowRuns(
        share, full="full", names=NAMES, task="segmentation", profile=KNOWN, clock=clock,
        stopwatch=stopwatch,
    )  # fmt: skip
    parts.setdefault("limits", Limits(period_s=period_s, deadline_s=0.1))
    made = Rig(
        policy, frames=frames, pool=pool, clock=clock, shadow=shadow, profile=KNOWN, **parts
    )
    # one stopwatch for all that works
    made.stopwatch = made.loop._serving._stopwatch = pool.stopwatch = stopwatch
    return made, shadow


def test_frames_keep_their_times_and_lines_have_what_came(tmp_path):
    without = Rig("c30", frames=30, limits=Limits(period_s=0.2, deadline_s=0.1))
    without.run()
    made, shadow = rig(log=tmp_path / "d.jsonl")
    summary = made.run()
    assert summary.shadow == shadow.status()
    assert summary.agreements == shadow.agreements()
    assert [line.time_s for line in made.lines] == [line.time_s for line in without.lines]
    assert [line.latency_s for line in made.lines] == pytest.approx([0.024] * 30)
    looked = [line for line in made.lines if line.shadow is not None]
    assert len(looked) == shadow.status().runs >= 28
    assert looked[0].shadow.latency_s == pytest.approx(0.060)
    assert looked[0].shadow.agreement == 1.0  # every label is the first of equals
    assert read_run(tmp_path / "d.jsonl")[1] == made.lines
    assert shadow.status().delayed_frames == 0
    assert without.pool.active == made.pool.active == "c30"


def test_without_free_time_nothing_is_run():
    made, shadow = rig(period_s=0.09)  # 24 ms and 60 ms with a margin are more
    made.run()
    assert shadow.status().runs == 0
    assert shadow.status().refused["no time"] >= 28


def test_late_frames_leave_no_room():
    made, shadow = rig("c30", limits=Limits(period_s=0.2, deadline_s=0.02))
    made.run()
    assert shadow.status().refused == {"late": pytest.approx(29, abs=1)}


def test_the_picture_of_a_skipped_frame_is_the_served_result_not_the_shadow_s():
    script = [step for _ in range(10) for step in ("c30", ("c30", True))]
    from tests.runtime.fakes import ScriptedPolicy

    made, _ = rig(ScriptedPolicy(*script), frames=20, overlay=FakeOverlay())
    made.run()
    assert made.pool.beside
    shown = [image[0, 0, 0] for image in made.sink.images]
    # Run 1 is shown twice, then run 2 twice...: -1 (255) would be the full one's logits.
    assert shown == [1 + frame // 2 for frame in range(20)]


class OneBuffer(FakePool):
    """Engines that write each output into the same memory."""

    def __init__(self, stopwatch):
        super().__init__(stopwatch)
        self.buffer = np.zeros((1, 2, 3, 4), np.float32)

    def run(self, tensor):
        self.buffer[:] = super().run(tensor)
        return self.buffer

    def run_beside(self, name, tensor):
        self.buffer[:] = super().run_beside(name, tensor)
        return self.buffer


def test_a_result_is_the_served_configuration_s_not_the_shadow_s():
    told = []
    made, _ = rig(
        frames=10, pool=OneBuffer(Stopwatch()),
        on_result=lambda frame, line, logits: told.append((frame.index, float(logits.min()))),
    )  # fmt: skip
    made.run()
    assert made.pool.beside
    assert told == [(index, index + 1.0) for index in range(10)]


def test_a_failed_run_is_in_the_log_and_the_run_goes_on():
    made, shadow = rig()
    made.pool.beside_error = InferenceError("run full", expected="a", got="b", advice="c")
    summary = made.run()
    assert summary.frames == 30
    assert "run full" in next(line for line in made.lines if line.shadow).shadow.failure
    assert shadow.status().failed >= 28


def test_one_that_takes_too_long_delays_the_next_frame_and_is_counted():
    made, shadow = rig(period_s=0.11, frames=12)
    made.pool.latencies_s["full"] = 0.1  # the profile says 60 ms
    made.run()
    status = shadow.status()
    assert status.runs == status.delayed_frames == 1  # once seen, there is no time for it
    assert status.delay_s == pytest.approx(0.024 + 0.1 - 0.11)
    times_s = np.diff([line.time_s for line in made.lines])
    assert sorted(times_s)[-1] == pytest.approx(0.124)


def test_without_a_period_no_frame_is_expected_and_time_passes_all_the_same():
    made, shadow = rig(period_s=None)
    summary = made.run()
    runs = shadow.status().runs
    assert runs >= 28
    assert summary.duration_s == pytest.approx(30 * 0.024 + runs * 0.060)


def test_a_real_clock_has_what_is_left_until_the_next_frame():
    clock = MonotonicClock()
    for paced, runs in ((True, 0), (False, 1)):
        shadow = ShadowRuns(
            1.0, full="full", names=NAMES, task="segmentation", profile=KNOWN, clock=clock
        )
        limits = Limits(period_s=0.004)  # shorter than the full one takes by the profile
        loop = FrameLoop(
            FakeSource(4), FakePool(Stopwatch()), Rig("c30").policy, sink=FakeSink(),
            preprocess=lambda _: np.zeros((1, 3, 2, 2), np.float32), clock=clock, limits=limits,
            header=RunHeader(family="f", source="s", device="d", controller="test",
                             limits=limits, configurations=NAMES),
            shadow=shadow, paced=paced,
        )  # fmt: skip
        loop.run()
        assert (shadow.status().runs > 0) == bool(runs)


def test_an_emulated_board_pays_for_shadow_runs():
    drawn = []
    for share in (1.0, 1e-9):
        made, _ = rig(share=share, frames=100, board=True)
        summary = made.run()
        drawn.append(summary.energy_j)
    assert drawn[0] > 1.2 * drawn[1]


class Disagreeing(FakePool):
    """c70 says what the full one says on half of the places, c50 on nearly all."""

    def run(self, tensor):
        super().run(tensor)
        logits = np.zeros((1, 2, 3, 4), np.float32)
        logits[0, 1].ravel()[: {"c70": 6, "c50": 1}.get(self.active, 0)] = 1.0
        return logits

    def run_beside(self, name, tensor):
        super().run_beside(name, tensor)
        return np.zeros((1, 2, 3, 4), np.float32)


@pytest.mark.parametrize("decides", [False, True])
def test_the_controller_goes_by_agreement_only_where_it_is_asked_to(decides, tmp_path):
    limits = Limits(period_s=0.2, deadline_s=0.056)  # the full one does not fit, c70 does
    made, _ = rig(
        Controller(KNOWN, limits), frames=200, limits=limits, pool=Disagreeing(Stopwatch()),
        shadow_decides=decides, log=tmp_path / "d.jsonl",
    )  # fmt: skip
    made.run()
    ran = [line.configuration for line in made.lines]
    assert ran[20] == "c70"
    told = [line for line in made.lines if line.believed is not None]
    assert bool(told) == decides
    assert ran[-1] == ("c50" if decides else "c70")
    if decides:
        assert told[0].believed["c70"] == pytest.approx(0.7 * 0.5)
        assert told[0].frame >= 30
    header, lines = read_run(tmp_path / "d.jsonl")
    fresh = Controller(header.profile, header.limits)
    assert replay_run(header, lines, fresh).differences == []


def test_a_live_source_says_when_frames_came():
    """Its next frame is a period after the last one came, however late that was served."""
    made, shadow = rig(frames=5, source=FakeSource(5))
    made.source.live = True
    made.run()
    assert shadow.status().delayed_frames == 0
