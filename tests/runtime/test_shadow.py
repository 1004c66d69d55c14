"""Shadow runs: how often, where there is room, what they compare, what they cost, what if not."""

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.clock import VirtualClock
from edgert.emulator.board import EmulatedBoard, loads_from_profile
from edgert.errors import BackendError, InferenceError
from edgert.pool import Pool
from edgert.records import FrameLog, Profile, ProfileEntry, TensorSpec
from edgert.runtime.shadow import ShadowRuns
from tests.runtime.fakes import SPEC, Stopwatch

PROFILE = Profile(
    family="f",
    device="cpu",
    entries=[
        ProfileEntry(name="full", latency_s=0.060, macs=8_000, power_w=13.0, agreement=1.0),
        ProfileEntry(name="c50", latency_s=0.030, macs=4_000, power_w=9.0, agreement=0.9),
        ProfileEntry(name="c30", latency_s=0.020, macs=2_400, power_w=7.0, agreement=0.8),
    ],
)
TENSOR = np.zeros((1, 3, 4, 5), np.float32)


class Session:
    """An engine that labels as it is told and, as real ones do, writes into one buffer."""

    def __init__(self, labels, stopwatch, buffer, *, error=None, classes=3):
        self.labels, self.stopwatch, self.buffer, self.error = labels, stopwatch, buffer, error
        self.runs = 0
        self.inputs = (TensorSpec(name="x", shape=(1, 3, 4, 5)),)
        self.outputs = (TensorSpec(name="y", shape=(1, classes, 4, 5)),)

    def run(self, feed):
        self.runs += 1
        self.stopwatch.now_s += 0.066
        if self.error:
            raise self.error
        self.buffer[:] = 0
        for place, label in enumerate(self.labels):
            self.buffer[0, label, place // 5, place % 5] = 5.0
        return {"y": self.buffer}

    def close(self):
        pass


class Rig:
    """A pool of three whose c50 agrees with the full one on 18 of 20 places, c30 on 12."""

    def __init__(self, share=1.0, *, error=None, task="segmentation", **how):
        self.stopwatch, self.clock = Stopwatch(), VirtualClock(100.0)
        buffer = np.zeros((1, 3, 4, 5), np.float32)
        labels = [0] * 10 + [1] * 10
        self.sessions = {
            "full": Session(labels, self.stopwatch, buffer, error=error),
            "c50": Session([2] * 2 + labels[2:], self.stopwatch, buffer),
            "c30": Session([2] * 8 + labels[8:], self.stopwatch, buffer),
        }
        self.pool = Pool(self.sessions)
        self.shadow = ShadowRuns(
            share, full="full", names=list(self.sessions), task=task, profile=PROFILE,
            clock=self.clock, stopwatch=self.stopwatch, **how,
        )  # fmt: skip
        self.frame = 0

    def serve(self, name="c50", *, free_s=1.0, room="", book=None, **line):
        """One frame as a loop serves it."""
        self.pool.activate(name)
        logits = self.pool.run(TENSOR)
        plain = {
            "frame": self.frame, "time_s": self.frame * 0.1, "configuration": name, "reason": "r",
            "latency_s": PROFILE.entry(name).latency_s, "now_s": self.clock.now_s(),
        }  # fmt: skip
        self.frame += 1
        log = FrameLog(**{**plain, **line})
        run = self.shadow.after_frame(
            self.pool, TENSOR, logits, log, free_s=free_s, room=room, book=book
        )
        self.clock.sleep(0.1)
        return run


def test_a_shadow_run_compares_labels_and_hands_the_served_logits_back():
    rig = Rig()
    run = next(filter(None, (rig.serve() for _ in range(9))))
    assert run.outcome.agreement == pytest.approx(18 / 20)
    assert run.outcome.latency_s == pytest.approx(0.066)
    assert not run.outcome.failure
    # The engines share one buffer, as on a device: what was served is a copy from before.
    assert (run.logits.argmax(axis=1).ravel() == rig.sessions["c50"].labels).all()
    assert rig.pool.active == "c50"


def test_each_configuration_has_its_own_figure_and_the_full_one_needs_none():
    rig = Rig()
    for _ in range(20):
        rig.serve("c50")
        rig.serve("c30")
    assert rig.shadow.agreement("full") is None  # it has served nothing so far
    runs = rig.sessions["full"].runs
    for _ in range(10):
        assert rig.serve("full") is None
    assert rig.sessions["full"].runs == runs + 10  # served, and nothing besides
    assert rig.shadow.agreement("c50").mean == pytest.approx(0.9)
    assert rig.shadow.agreement("c30").mean == pytest.approx(0.6)
    full = rig.shadow.agreement("full")
    assert (full.mean, full.low, full.high, full.frames) == (1.0, 1.0, 1.0, 10)
    assert rig.shadow.agreement("never") is None
    assert set(rig.shadow.agreements()) == {"full", "c50", "c30"}


def test_classification_compares_the_best_label():
    rig = Rig(task="classification")
    scores = {"full": [0.0, 2.0, 1.0], "c50": [0.5, 0.9, 0.1], "c30": [9.0, 2.0, 1.0]}
    for name, session in rig.sessions.items():
        session.run = lambda feed, name=name: {"y": np.array([scores[name]], np.float32)}
    for _ in range(10):
        rig.serve("c50")
        rig.serve("c30")
    assert rig.shadow.agreement("c50").mean == 1.0
    assert rig.shadow.agreement("c50").low < 0.9  # ten right answers prove little
    assert rig.shadow.agreement("c30").mean == 0.0


@settings(max_examples=40, deadline=None)
@given(st.floats(0.005, 1.0), st.integers(0, 1000), st.lists(st.booleans(), min_size=50))
def test_never_more_than_the_share_whatever_has_room(share, seed, rooms):
    rig = Rig(share, seed=seed)
    runs = 0
    for served, room in enumerate(rooms * 3, start=1):
        runs += rig.serve(room="" if room else "late") is not None
        assert runs <= share * served + 1e-6


@pytest.mark.parametrize("share", [0.02, 0.05, 0.3])
def test_the_share_is_used_up_where_there_is_room(share):
    rig = Rig(share)
    runs = sum(rig.serve() is not None for _ in range(2000))
    assert 2000 * share - 2 <= runs <= 2000 * share


def places(seed, frames=4000, share=0.05):
    rig = Rig(share, seed=seed)
    return [frame for frame in range(frames) if rig.serve() is not None]


def test_the_places_are_spread_by_chance_and_repeat_with_the_seed():
    drawn = places(1)
    assert drawn == places(1) != places(2)
    gaps = np.diff(drawn)
    assert gaps.min() >= 1
    assert gaps.max() <= 2 * 20
    # A video of 20 frames in a loop, as long as the time between two runs: all of it is seen.
    assert len({place % 20 for place in drawn}) == 20
    assert np.bincount(np.array(drawn) % 20).max() < 3 * len(drawn) / 20


def test_what_is_not_used_is_not_saved_up():
    rig = Rig(0.1)
    for _ in range(1000):
        assert rig.serve(room="late") is None
    assert sum(rig.serve() is not None for _ in range(20)) <= 3


def test_what_was_refused_is_counted_by_its_reason():
    rig = Rig()
    for _ in range(5):
        rig.serve(room="too hot")
    for _ in range(3):
        rig.serve(free_s=0.070)  # 60 ms by the profile, and a quarter more
    status = rig.shadow.status()
    assert status.runs == 0
    assert status.refused["no time"] == 3
    assert status.refused["too hot"] in (4, 5)  # the first may not have been due
    assert status.energy_j is None


def test_a_slow_board_needs_more_free_time_and_what_runs_took_is_learned():
    rig = Rig()
    numbers = {"slowdown": 2.0}
    for _ in range(3):
        assert rig.serve(free_s=0.149, numbers=numbers) is None
    assert rig.serve(free_s=0.151, numbers=numbers) is not None
    for _ in range(10):
        rig.serve(book=lambda _, took_s: 3 * took_s)  # 198 ms for 60
    assert rig.serve(free_s=0.2) is None
    assert rig.serve(free_s=0.3) is not None


def test_a_full_engine_that_is_not_loaded_is_neither_run_nor_asked_for():
    rig = Rig()
    del rig.pool._sessions["full"]
    asked = []
    rig.pool.absence = lambda name: "not loaded yet"
    rig.pool.run_beside = lambda *given: asked.append(given)
    assert all(rig.serve() is None for _ in range(5))
    assert not asked
    assert rig.shadow.status().refused["not loaded"] >= 4


@pytest.mark.parametrize(
    "error",
    [
        InferenceError("run full", expected="a result", got="none", advice="Build it anew"),
        RuntimeError("out of memory"),
        ValueError("bad shape"),
    ],
)
def test_a_failed_run_is_told_and_serving_goes_on(error, caplog):
    rig = Rig(error=error)
    with caplog.at_level(logging.WARNING):
        runs = [run for run in (rig.serve() for _ in range(6)) if run is not None]
    assert len(runs) >= 4
    assert all(run.outcome.agreement is None for run in runs)
    assert runs[0].outcome.failure == str(error)
    assert rig.pool.active == "c50"
    assert (runs[0].logits.argmax(axis=1).ravel() == rig.sessions["c50"].labels).all()
    status = rig.shadow.status()
    assert status.failed == status.runs == len(runs)
    assert status.failure == str(error)
    assert rig.shadow.agreement("c50") is None
    assert "shadow run of full failed" in caplog.text
    rig.sessions["full"].error = None
    assert rig.serve().outcome.agreement == pytest.approx(0.9)


def test_an_output_of_another_shape_or_without_numbers_is_a_failure():
    rig = Rig()
    for wrong, words in (
        (np.zeros((1, 3, 2, 2)), "labels are"),
        (np.full((1, 3, 4, 5), np.nan), "finite"),
    ):
        rig.pool.run_beside = lambda *_, wrong=wrong: wrong
        run = next(filter(None, (rig.serve() for _ in range(3))))
        assert words in run.outcome.failure


def test_skipped_frames_are_no_served_frames():
    rig = Rig(0.5)
    assert all(rig.serve(skip=True, latency_s=None) is None for _ in range(50))
    assert rig.shadow.status().refused == {}
    assert rig.serve() is None  # nothing was owed from before


def test_frames_that_come_meanwhile_wait_and_are_counted():
    rig = Rig()
    run = None
    while run is None:
        began_s = rig.clock.now_s() + 0.030  # after the frame's own work
        run = rig.serve()
    rig.shadow.saw_frame(began_s - 0.001)  # before it
    rig.shadow.saw_frame(began_s + 0.070)  # after it: 66 ms
    assert rig.shadow.status().delayed_frames == 0
    rig.shadow.saw_frame(began_s + 0.046)
    rig.shadow.saw_frame(began_s + 0.056)
    status = rig.shadow.status()
    assert status.delayed_frames == 2
    assert status.delay_s == pytest.approx(0.020 + 0.010)


def test_what_it_takes_is_added_up():
    rig = Rig()
    runs = sum(rig.serve(power_w=6.0) is not None for _ in range(10))
    status = rig.shadow.status()
    assert status.runs == runs >= 8
    assert status.busy_s == pytest.approx(runs * 0.066)
    assert status.energy_from == "profile"  # nobody knows what of the 6 W is idle
    assert status.energy_j == pytest.approx(runs * (13.0 - 0.3 * 7.0) * 0.066)


@pytest.mark.parametrize(
    ("idle_w", "source"), [(SPEC.power.idle_w, "telemetry"), (None, "profile")]
)
def test_an_emulated_board_pays_for_it(idle_w, source):
    """Two boards, the same frames, one with shadow runs: it draws more, by about what is told."""
    drawn, told = [], None
    for share in (0.2, None):
        rig = Rig(share or 1.0, idle_w=idle_w)
        board = EmulatedBoard(SPEC, rig.clock, loads=loads_from_profile(PROFILE))

        def book(name, measured_s, board=board):
            board.run_engine(name, measured_s)
            return measured_s

        for _ in range(300):
            board.run_engine("c50", 0.030)
            sample = board.read()
            room = "" if share else "off"
            rig.serve(book=book, room=room, power_w=sample.power_w)
        board.read()
        drawn.append(board.energy_j)
        told = told or rig.shadow.status()
    assert told.runs in (58, 59, 60)
    more_j = drawn[0] - drawn[1]
    assert more_j > 0
    assert told.energy_from == source
    assert told.energy_j == pytest.approx(more_j, rel=0.35)


def test_nonsense_is_refused_at_once():
    for share in (0.0, -0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="share of frames"):
            Rig(share)
    rig = Rig()
    with pytest.raises(ValueError, match="not among"):
        ShadowRuns(
            0.1, full="none", names=["c50"], task="segmentation", profile=PROFILE, clock=rig.clock
        )


def test_a_pool_runs_only_what_is_loaded_beside_the_active_one():
    rig = Rig()
    rig.pool.activate("c30")
    rig.pool.run_beside("full", TENSOR)
    assert rig.pool.active == "c30"
    with pytest.raises(BackendError, match="one that is loaded"):
        rig.pool.run_beside("c99", TENSOR)
    rig.pool.close()
    with pytest.raises(ValueError, match="closed"):
        rig.pool.run_beside("full", TENSOR)
