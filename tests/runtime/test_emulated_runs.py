"""Whole runs in virtual time: heat without control, and heat held by the ladder."""

import pytest

from edgert.records import Limits
from tests.runtime.fakes import FakeSource, Rig, controlled

LIMITS = Limits(deadline_s=0.068, period_s=0.069, temp_c=70)
TWO_MINUTES = 1740  # frames of 69 ms


def run(controller, *, limits=LIMITS, frames=TWO_MINUTES, prepare=lambda board: None, **parts):
    rig = Rig(
        controlled(controller, limits),
        limits=limits,
        source=FakeSource(frames),
        board=True,
        **parts,
    )
    prepare(rig.board)
    return rig, rig.run()


def test_without_control_the_board_heats_over_the_limit_and_throttles():
    rig, summary = run("fixed-dearest")
    first_over = next(line.time_s for line in rig.lines if line.temp_c > 70)
    assert 20 <= first_over <= 32
    assert summary.over_temp_s > 80
    assert summary.temp_max_c > 79
    assert summary.throttled_s > 0
    assert summary.misses > 100  # the lowered clock makes frames late


def test_the_ladder_holds_the_limit_with_most_of_the_work_done_by_dear_engines():
    rig, summary = run("ladder", frames=5 * TWO_MINUTES)
    assert summary.over_temp_s == 0
    assert summary.temp_max_c <= 70
    assert summary.misses == summary.skipped == 0
    assert summary.shares["full"] + summary.shares["c70"] > 0.3
    minutes = summary.duration_s / 60
    assert summary.switches / minutes < 10
    assert rig.lines[0].configuration == "full"


def test_the_ladder_holds_a_power_budget():
    _, summary = run("ladder", limits=Limits(deadline_s=0.068, period_s=0.069, power_w=10))
    assert summary.over_power_s < 2
    assert summary.shares.get("c30", 0) < 0.5


def test_when_even_the_cheapest_is_too_hot_frames_are_skipped():
    def hot(board):
        board.ambient_c = 52.0

    _, summary = run("ladder", frames=3 * TWO_MINUTES, prepare=hot)
    assert 0 < summary.skipped / summary.frames < 0.76
    assert summary.over_temp_s < 0.1 * summary.duration_s


def test_the_ladder_recovers_when_a_stopped_fan_turns_again():
    limits = Limits(period_s=0.069, temp_c=75)
    rig = Rig(controlled("ladder", limits), limits=limits, source=FakeSource(4000), board=True)

    def fan(line):
        rig.lines.append(line)
        if line.frame in (500, 1500):
            rig.board.fan_running = line.frame == 1500
            rig.board.ambient_c = 31.0 if line.frame == 500 else 15.0

    rig.loop._on_frame = fan
    rig.run()
    assert rig.lines[499].configuration == "full"
    assert rig.lines[1499].configuration != "full"
    assert rig.lines[-1].configuration == "full"


def test_energy_is_the_board_s_own_count():
    rig, summary = run("fixed-dearest", frames=200)
    assert summary.energy_j == pytest.approx(rig.board.energy_j)
    assert summary.energy_from == "emulated"
    assert 10 < summary.energy_j / summary.duration_s < 14


def test_the_same_run_twice_is_the_same_run():
    first, second = (run("ladder", frames=900)[0].lines for _ in range(2))
    assert first == second
