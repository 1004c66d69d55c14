"""Emulated boards for tests of `edgert profile --energy`, and the flags that keep it short."""

from pathlib import Path

# Its sensor is exact but for its own mean, and leakage is left out.
_BOARD = """\
name: test-board
description: steady from the start
power: {idle_w: 3.0, compute_w: 8.0, memory_w: 2.0, leakage_per_k: 0}
thermal:
  ambient_c: 30
  die_j_per_k: 0.1
  sink_j_per_k: 1.0
  die_to_sink_k_per_w: HEAT
  sink_to_ambient_k_per_w: HEAT
  fan_stopped_k_per_w: 0.5
throttle:
  {trip_c: TRIP, release_c: 20, clock_step_ratio: 0.1, clock_floor_ratio: 0.5, poll_s: 0.25}
sensor: {averaging_s: 0.2}
"""

# Frames at a pace, so that engines of some microseconds make few runs in virtual time.
SHORT = [
    "--rounds", "2", "--frame-count", "2", "--windows", "2", "--window-s", "2", "--idle-s", "2",
    "--warm-up-s", "2", "--paced-fps", "200",
]  # fmt: skip


def board_file(folder: Path, *, trip_c: float = 99, heat_k_per_w: float = 1e-3) -> Path:
    """Write the board and return its file; in air of 30 °C it throttles from the trip point on."""
    file = folder / "test-board.yaml"
    file.write_text(_BOARD.replace("TRIP", str(trip_c)).replace("HEAT", str(heat_k_per_w)))
    return file
