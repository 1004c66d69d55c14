"""tools/benchmark.py energy: what it prints, and how windows of Zeus and edgert are judged."""

import json
import sys

import benchmark
import numpy as np
import pytest
from benchmarks.energy_zeus import LOADS, _rows, text_from_zeus

from edgert.clock import VirtualClock
from edgert.emulator import namespace
from edgert.emulator.board import EmulatedBoard, read_board_spec

SMALL = ["energy", "--runs", "3", "--windows-s", "5", "--loads", "30 fps"]


def test_the_table_has_a_row_for_every_look_and_the_control(capsys):
    assert benchmark.main(SMALL) == 0
    text = capsys.readouterr().out
    rows = [line for line in text.splitlines() if line.startswith("30 fps")]
    assert len(rows) == 4 + 1 + 2  # four looks, no dither, two ratios
    assert "emulated board emulated-orin-nano-slow, 3 measurements of 5 windows" in text
    assert "seeds from 0" in text
    assert "drawn, total: " in text


def test_as_json(capsys):
    assert benchmark.main([*SMALL, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["provenance"] == "emulated"
    assert result["machine"]["cores"] >= 1
    assert [row["dithered"] for row in result["rows"]] == [True, True, True, True, False]
    for row in result["rows"]:
        for sensor in ("exact", "drawn"):
            assert 0 <= row[sensor]["total"]["coverage"] <= 1
    assert {row["order"] for row in result["ratios"]} == {"ABBA", "AA BB"}


def test_one_measurement_is_too_few(capsys):
    assert benchmark.main(["energy", "--runs", "1"]) == 2
    assert "expected 2 or more, got 1" in capsys.readouterr().err


@pytest.mark.parametrize("python", ["/nowhere/python", sys.executable])
def test_without_zeus_it_says_how_to_get_it(capsys, python):
    assert benchmark.main(["energy", "--zeus", python]) == 1
    line = capsys.readouterr().err
    if namespace.why_not():
        assert "expected a mount namespace" in line
    else:
        assert f"run Zeus with {python}: expected a Python that has it" in line
        assert "pip install zeus" in line


def test_windows_are_judged_by_the_board_s_own_energy():
    clock = VirtualClock(10.0)
    spec = read_board_spec("profiles/boards/emulated-orin-nano-slow.yaml")
    board = EmulatedBoard(spec, clock, history_s=100.0)
    clock.sleep(30.0)
    board.read()
    time_s = np.arange(10.0, 40.0, 0.02)
    samples = {"time_s": time_s.tolist(), "power_w": [3.5 * 1.01] * len(time_s)}
    windows = [
        {"zeus": "0.16.0"},
        *(
            {
                "length_s": length_s,
                "from_s": 20.0,
                "to_s": 20.0 + length_s,
                "energy": {"total_energy_mj": 3500.0 * length_s * 0.9},
            }
            for length_s in (0.05, 5.0, 5.0)
        ),
        # Ours had ended before this one did.
        {"length_s": 5.0, "from_s": 38.0, "to_s": 43.0, "energy": {"total_energy_mj": 1.0}},
    ]
    short, long = _rows("idle", windows, samples, board)
    assert (short["windows"], long["windows"]) == (1, 2)
    assert long["zeus"] == pytest.approx([-0.1, -0.1])
    assert long["edgert"] == pytest.approx([0.01, 0.01])
    # Two samples are no interval; here a constant error of 1 % lies outside the sensor's steps.
    assert (short["intervals"], long["intervals"], long["held"]) == (0, 2, 0)
    text = text_from_zeus(
        {
            "version": "0.16.0",
            "refresh_hz": 150.0,
            "interval_s": 0.02,
            "zeus_fields": ["total_energy_mj=yes"],
            "rows": [short, long],
        }
    )
    assert "-10.00% (-10.0% to -10.0%)" in text
    assert "none" in text


def test_loads_are_shorter_than_their_periods():
    assert all(0 < busy_s < period_s for busy_s, period_s in LOADS.values())
