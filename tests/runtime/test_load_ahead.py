"""A run whose pool does not have every engine loaded: what really ran is what is told."""

import threading

import pytest

from edgert.artifacts import read_run
from edgert.pool import Pool
from edgert.records import Limits
from edgert.runtime.loop import FrameLoop
from tests.pool.built_sets import paper_set
from tests.pool.fakes import PATIENCE_S, FakeBackend
from tests.runtime.fakes import FakePool, FakeSource, Rig, ScriptedPolicy, controlled

NAMES = ("full", "c70", "c50", "c30")


def pool_without(*names):
    pool = FakePool(None)
    pool.missing = set(names)
    return pool


def test_what_really_ran_is_logged_counted_and_told_to_the_controller(tmp_path):
    policy = ScriptedPolicy("full", "c70", "c70", "full")
    rig = Rig(policy, frames=4, pool=pool_without("c70"), log=tmp_path / "log", board=True)
    booked = []
    rig.board.run_engine = lambda name, busy_s: booked.append(name)
    summary = rig.run()
    ran = ["full", "c30", "c30", "full"]
    assert rig.pool.runs == booked == ran
    assert rig.pool.asked == ["full", "c70", "c70", "full"]
    lines = read_run(tmp_path / "log")[1]
    assert [line.configuration for line in lines] == ran
    assert [line.reason for line in lines] == [
        "as told: full",
        "as told: c70; asked for c70, not loaded yet",
        "as told: c70; asked for c70, not loaded yet",
        "as told: full",
    ]
    assert [line.switched for line in lines] == [False, True, False, True]
    assert [outcome.configuration for outcome in policy.outcomes] == ran
    assert (summary.substitutes, summary.switches) == (2, 2)
    assert summary.shares == {"full": 0.5, "c30": 0.5}
    assert [line.numbers.get("switch_s") for line in lines] == [
        None, pytest.approx(0.0002), None, pytest.approx(0.0002),
    ]  # fmt: skip


def test_a_run_with_every_engine_loaded_has_no_substitutes():
    summary = Rig(ScriptedPolicy("full", "c70"), frames=3).run()
    assert summary.substitutes == 0


def test_the_pool_is_asked_before_every_frame_that_runs():
    rig = Rig(ScriptedPolicy("full", ("c30", True), "full", "full"), frames=4)
    rig.run()
    assert rig.pool.asked == ["full", "full", "full"]


def test_the_ladder_does_not_blame_a_rung_for_frames_that_another_ran():
    """c30 runs in time in place of every rung, so there is no miss to go down for."""
    limits = Limits(deadline_s=0.05, period_s=0.069)
    rig = Rig(
        controlled("ladder", limits),
        limits=limits,
        source=FakeSource(50),
        pool=pool_without("full", "c70", "c50"),
    )
    summary = rig.run()
    assert summary.misses == 0
    assert (summary.substitutes, summary.frames) == (50, 50)
    assert summary.shares == {"c30": 1.0}
    assert not any("over 50.0 ms" in line.reason for line in rig.lines)


def test_frames_go_on_while_an_engine_is_loaded_and_it_takes_over_between_two(tmp_path):
    gate, backend = threading.Event(), FakeBackend(NAMES)
    backend.gates["c50"] = gate
    pool = Pool.open(paper_set(tmp_path, NAMES), backend, memory_bytes=30)
    rig = Rig(ScriptedPolicy("full", "c50"), frames=20, pool=pool, limits=Limits(period_s=0.1))

    def on_frame(line):
        rig.lines.append(line)
        if line.frame == 10:  # ten frames ran while it was loading; now the load may end
            assert backend.begun.wait(PATIENCE_S)
            gate.set()
            assert pool.wait(PATIENCE_S)

    rig.loop._on_frame = on_frame
    with pool:
        summary = rig.run()
    assert isinstance(rig.loop, FrameLoop)
    ran = [line.configuration for line in rig.lines]
    assert ran == ["full"] + ["c30"] * 10 + ["c50"] * 9
    assert summary.substitutes == 10
    assert rig.lines[1].reason.endswith("; asked for c50, not loaded yet")
    assert rig.lines[11].reason == "as told: c50"
    assert backend.live == set()
