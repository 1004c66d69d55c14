"""Runs of a family of a few kilobytes through the real command line, in virtual time."""

import os
import shutil
from pathlib import Path

from edgert.cli.main import main
from tests.tiny_family import make_tiny_family

BOARD = Path(__file__).resolve().parents[2] / "profiles" / "boards" / "emulated-orin-nano.yaml"
SOURCE = "test://?width=64&height=48&fps=25&frames=40"
# A budget that falls and comes back, half a second without sensors, an event.
TRACE_LINES = """\
{"time_s": 0, "ambient_c": 31}
{"time_s": 0.95, "power_limit_w": 3, "slowdown": 1.2}
{"time_s": 1.25, "telemetry": false}
{"time_s": 1.55, "telemetry": true, "over_current_events": {"oc3": 1}}
{"time_s": 1.95, "power_limit_w": 20, "ambient_c": 60}
"""


def profiled_family(folder: Path) -> Path:
    """A folder with the family `tiny`, built and profiled on the emulated board."""
    before, threads = Path.cwd(), os.environ.get("EDGERT_THREADS")
    os.environ["EDGERT_THREADS"] = "1"  # of all verbs: with another number figures are stale
    os.chdir(folder)
    try:
        make_tiny_family(folder / "tiny")
        shutil.rmtree(folder / "tiny" / "built", ignore_errors=True)
        assert main(["build", "tiny"]) == 0
        words = ["profile", "tiny", "--rounds", "2", "--frame-count", "3", "--frames", SOURCE]
        assert main([*words, "--board", str(BOARD)]) == 0
    finally:
        os.chdir(before)
        if threads is None:
            del os.environ["EDGERT_THREADS"]
        else:
            os.environ["EDGERT_THREADS"] = threads
    return folder


def run_words(*words: str) -> list[str]:
    """A run of 40 frames, a tenth of a second each, that has limits to keep."""
    return [
        "run", "tiny", SOURCE, "--board", str(BOARD), "--virtual-time", "--period-s", "0.1",
        "--deadline-s", "0.1", "--power-w", "20", "--temp-c", "70", *words,
    ]  # fmt: skip
