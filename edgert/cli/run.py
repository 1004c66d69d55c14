"""`edgert run FAMILY SOURCE`: a video through the engines, switching between frames."""

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edgert.artifacts import load_profile, read_run
from edgert.backends import open_backend
from edgert.cli.arguments import positive_int
from edgert.cli.families import add_family_argument, find_family, open_built, profile_path
from edgert.cli.output import ProgressBar, print_json
from edgert.clock import MonotonicClock, VirtualClock
from edgert.errors import ArtifactError, UsageError
from edgert.records import Family, Profile, RunHeader
from edgert.settings import Settings, load_settings
from edgert.units import text_from_duration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    add_family_argument(parser)
    parser.add_argument(
        "source", help="a path, file://, rtsp://, http(s)://, v4l2:///dev/videoN or test://"
    )
    parser.add_argument(
        "-o", "--output", default="none", metavar="FILE.mp4", help="annotated video"
    )
    parser.add_argument("--log", type=Path, metavar="FILE.jsonl", help="one line for each frame")
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="plots; needs --log")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="of the family's engines")
    parser.add_argument("--settings", type=Path, metavar="FILE.yaml", help="limits and the rest")
    parser.add_argument(
        "--board", metavar="NAME", help="emulated board that power and heat are of"
    )
    parser.add_argument("--controller", metavar="NAME", help="what decides (default: ladder)")
    for name, what in (
        ("deadline-s", "a frame's result is late after this many seconds"),
        ("period-s", "seconds from one frame to the next"),
        ("power-w", "power budget in watts"),
        ("temp-c", "temperature limit in degrees Celsius"),
    ):
        parser.add_argument(f"--{name}", type=float, metavar=name[-1].upper(), help=what)
    parser.add_argument(
        "--loops", type=positive_int, default=1, metavar="N", help="play a file N times"
    )
    parser.add_argument("--max-frames", type=positive_int, metavar="N", help="stop after N frames")
    parser.add_argument(
        "--virtual-time",
        action="store_true",
        help="let the board's time pass frame by frame, not on the clock on the wall",
    )


def run(arguments: argparse.Namespace) -> int:
    """Play the source and print what came of it."""
    settings = _settings(arguments)
    summary, header = _play(arguments, settings)
    if arguments.report is not None:
        from edgert.report import write_report

        logged, frames = read_run(arguments.log)
        write_report(arguments.report, logged, frames, _profile(arguments, settings))
    if arguments.json:
        print_json({"header": header, "summary": summary})
    else:
        _print_summary(summary)
    return 0


def _settings(arguments: argparse.Namespace) -> Settings:
    if arguments.report is not None and arguments.log is None:
        arguments.log = arguments.report.with_suffix(".jsonl")
    settings = load_settings(
        arguments.settings,
        flags={
            "limits.deadline_s": arguments.deadline_s,
            "limits.period_s": arguments.period_s,
            "limits.power_w": arguments.power_w,
            "limits.temp_c": arguments.temp_c,
            "controller": arguments.controller,
            "board": arguments.board,
            "backend": arguments.backend,
            "threads": arguments.threads,
        },
    )
    if settings.latency_scale != 1 and not arguments.virtual_time:
        raise UsageError(
            "settings latency_scale",
            expected="1 on the clock on the wall",
            got=f"{settings.latency_scale:g}",
            advice="Add --virtual-time, or leave latency_scale out",
        )
    return settings


def _profile_file(arguments: argparse.Namespace, settings: Settings) -> Path:
    if arguments.profile is not None:
        return Path(arguments.profile)
    folder = find_family(arguments.family, verify=False)
    return profile_path(folder, open_backend(settings.backend), settings.board)


def _profile(arguments: argparse.Namespace, settings: Settings) -> Profile:
    file = _profile_file(arguments, settings)
    if not file.is_file():
        raise ArtifactError(
            f"read {file}",
            expected="a profile of the family's engines on this device",
            got="no such file",
            advice=f"Measure one: edgert profile {arguments.family}"
            + (f" --board {settings.board}" if settings.board else ""),
        )
    return load_profile(file)


def _play(arguments: argparse.Namespace, settings: Settings) -> tuple[Any, RunHeader]:
    from edgert.control import open_controller
    from edgert.pool import Pool
    from edgert.preprocess import Preprocessor
    from edgert.runtime import FrameLoop, install_signal_handlers

    family = (folder := find_family(arguments.family)).family
    backend = open_backend(settings.backend, threads=settings.threads)
    built = open_built(folder, backend)
    profile = _profile(arguments, settings)
    controller = open_controller(settings.controller, profile, settings.limits)
    clock = VirtualClock() if arguments.virtual_time else MonotonicClock()
    board = _board(settings.board, clock, profile)
    with Pool.open(built, backend) as pool, ProgressBar("run") as progress, ExitStack() as undo:
        source, sink, overlay = _open_video(arguments, family, undo)
        header = RunHeader(
            family=family.name,
            source=source.uri,
            device=backend.device(),
            board=settings.board,
            controller=settings.controller,
            limits=settings.limits,
            provenance="emulated" if board is not None else None,
            configurations=list(pool.names),
        )
        loop = FrameLoop(
            source,
            pool,
            controller,
            preprocess=Preprocessor(family.input),
            sink=sink,
            overlay=overlay,
            board=board,
            clock=clock,
            limits=settings.limits,
            log=arguments.log,
            header=header,
            on_frame=lambda line: progress(line.frame + 1, arguments.max_frames or 0, "frames"),
            latency_scale=settings.latency_scale,
        )
        with install_signal_handlers(loop):
            return loop.run(), header


def _open_video(
    arguments: argparse.Namespace, family: Family, undo: ExitStack
) -> tuple[Any, Any, Any]:
    """Source, sink and overlay; `undo` closes the source if what comes after it fails."""
    from edgert.video.overlay import Overlay
    from edgert.video.sink import open_sink
    from edgert.video.source import open_source

    source = open_source(arguments.source, loops=arguments.loops, max_frames=arguments.max_frames)
    undo.callback(source.close)
    overlay = Overlay(family.labels, source.width, source.height, task=family.task)
    sink = open_sink(arguments.output, fps=source.fps, width=overlay.width, height=overlay.height)
    return source, sink, overlay if arguments.output != "none" else None


def _board(name: str, clock: Any, profile: Any) -> Any:
    if not name:
        return None
    from edgert.cli.boards import find_board_spec
    from edgert.emulator.board import EmulatedBoard, loads_from_profile

    return EmulatedBoard(find_board_spec(name), clock, loads=loads_from_profile(profile))


def _print_summary(summary: Any) -> None:
    print(
        f"{summary.frames} frames in {text_from_duration(summary.duration_s)}: "
        f"{summary.misses} late, {summary.skipped} skipped, {summary.dropped} dropped, "
        f"{summary.switches} switches" + (" (stopped)" if summary.stopped else "")
    )
    shares = ", ".join(f"{name} {share:.0%}" for name, share in summary.shares.items())
    print(f"  ran           {shares}")
    if summary.latency_median_s is not None and summary.latency_p95_s is not None:
        print(
            f"  latency       {text_from_duration(summary.latency_median_s)} median, "
            f"{text_from_duration(summary.latency_p95_s)} p95"
        )
    if summary.switch_max_s is not None:
        print(f"  switching     {text_from_duration(summary.switch_max_s)} at most")
    if summary.temp_max_c is not None:
        print(
            f"  temperature   {summary.temp_max_c:.1f} °C at most, "
            f"{text_from_duration(summary.over_temp_s)} over the limit, "
            f"{text_from_duration(summary.throttled_s)} throttled ({summary.energy_from})"
        )
    if summary.energy_j is not None:
        print(
            f"  energy        {summary.energy_j:.1f} J, "
            f"{summary.energy_j / max(summary.frames, 1):.2f} J a frame ({summary.energy_from})"
        )
    if summary.damage:
        print(f"  source        {summary.damage}")
