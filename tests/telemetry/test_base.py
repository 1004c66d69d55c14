"""The telemetry protocol and what fulfils it."""

from pathlib import Path

from edgert.clock import VirtualClock
from edgert.emulator.board import EmulatedBoard, read_board_spec
from edgert.telemetry.base import TelemetrySource

SPEC = read_board_spec(Path(__file__).parents[2] / "profiles/boards/emulated-orin-nano.yaml")


def test_an_emulated_board_is_a_telemetry_source():
    source: TelemetrySource = EmulatedBoard(SPEC, VirtualClock())
    assert source.name == "emulated-orin-nano"
    sample = source.read()
    assert sample is not None
    assert sample.power_w is not None
    source.close()
    source.close()
