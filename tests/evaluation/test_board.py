"""The true board: plausible constants, powers off the profile, the emulator's formulas."""

import statistics

import pytest

from edgert.emulator.power import EngineLoad, PowerModel, PowerSpec
from edgert.evaluation.board import HOTTEST_C, draw_board, with_trip_above
from edgert.evaluation.family import IDLE_W, wide_profile
from edgert.records import ProfileEntry
from tests.evaluation.days import board_of, entry

BOARDS = [draw_board(seed, ambient_c=24.0) for seed in range(60)]


def test_time_constants_are_those_of_a_module_with_a_heat_sink():
    for board, _ in BOARDS:
        thermal = board.thermal
        assert 2 <= thermal.die_j_per_k * thermal.die_to_sink_k_per_w <= 6
        assert 60 <= thermal.sink_j_per_k * thermal.sink_to_ambient_k_per_w <= 150
        assert board.fan_stopped_k_per_w > thermal.sink_to_ambient_k_per_w
        assert thermal.idle_w == pytest.approx(IDLE_W, rel=0.031)
        assert thermal.provenance == "modelled"


def test_limit_is_what_a_middling_power_leads_to_in_the_hottest_air():
    for board, limit_c in BOARDS:
        for power_w, below in ((6.3, True), (7.5, False)):
            die_c, _ = board.physics(HOTTEST_C).steady_state(power_w)
            assert (die_c < limit_c) == below


def test_powers_are_off_by_a_few_percent_and_fixed_for_a_day():
    entries = wide_profile().entries
    ratios = [board.power_w(each) / each.power_w for board, _ in BOARDS for each in entries]
    assert all(0.9199 <= ratio <= 1.0801 for ratio in ratios)
    assert 0.02 < statistics.stdev(ratios) < 0.04
    board = BOARDS[0][0]
    assert [board.power_w(each) for each in entries] == [board.power_w(each) for each in entries]
    assert len({round(board.power_w(each) / each.power_w, 9) for each in entries}) == len(entries)


def test_power_is_never_below_idle_and_idle_where_it_is_unknown():
    board = board_of(power_spread_ratio=0.03)
    assert board.power_w(entry("little", 0.01, 3.0)) == board.idle_w
    unknown = ProfileEntry(name="unknown", latency_s=0.01)
    assert board.power_w(unknown) >= board.idle_w


@pytest.mark.parametrize("temp_c", [-200.0, 20.0, 50.0, 80.0])
def test_leakage_is_the_emulators(temp_c):
    spec = PowerSpec(idle_w=3.5, compute_w=6.5, memory_w=0.0)
    model = PowerModel(spec, EngineLoad(latency_s=0.01))
    draw = model.draw(1.0, 0.0, 1.0, temp_c)
    assert board_of(leakage_per_k=0.006).leakage(temp_c) * 6.5 == pytest.approx(draw.compute_w)


def test_fan_changes_the_resistance_to_the_air():
    board = board_of()
    assert board.sink_to_ambient_k_per_w(fan_running=True) == 2.0
    assert board.sink_to_ambient_k_per_w(fan_running=False) == 3.0


def test_trip_point_lies_above_a_limit():
    board = with_trip_above(board_of(), 60.0)
    assert 60 < board.throttle.release_c < board.throttle.trip_c < 70
