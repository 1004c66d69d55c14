"""`edgert run FAMILY SOURCE`: a video through the engines, switching between frames."""

import argparse
from pathlib import Path

from edgert.artifacts import read_run
from edgert.cli.arguments import positive_float, positive_int
from edgert.cli.families import add_family_argument
from edgert.cli.output import print_json
from edgert.cli.run_session import play
from edgert.cli.run_summary import print_summary
from edgert.errors import UsageError
from edgert.settings import Settings, load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    add_family_argument(parser)
    parser.add_argument(
        "source",
        help="a path, file://, rtsp(s)://, http(s)://, v4l2:///dev/videoN, csi://N or test://",
    )
    parser.add_argument(
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="WHERE",
        help="annotated video: FILE.mp4, http://HOST:PORT/ (motion JPEG), rtsp://HOST:PORT/PATH; "
        "FILE.jsonl: what the model said of each frame; may be given several times",
    )
    parser.add_argument(
        "--decoder",
        choices=["pyav", "gstreamer"],
        default="",
        help="what decodes the video (default: hardware where there is some, else pyav)",
    )
    parser.add_argument("--log", type=Path, metavar="FILE.jsonl", help="one line for each frame")
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="plots; needs --log")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="of the family's engines")
    parser.add_argument(
        "--board", metavar="NAME", help="emulated board that power and heat are of"
    )
    parser.add_argument(
        "--telemetry",
        metavar="NAME",
        help="what power and heat are read with (default: the first that there is)",
    )
    parser.add_argument("--controller", metavar="NAME", help="what decides (default: predictive)")
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
        "--max-s", type=positive_float, metavar="S", help="stop after S seconds of the run's time"
    )
    parser.add_argument(
        "--latency-scale",
        type=positive_float,
        metavar="X",
        help="with --virtual-time: how many times slower the board is than this machine",
    )
    parser.add_argument(
        "--trace",
        type=Path,
        metavar="FILE.jsonl",
        help="what happens meanwhile: air, fan and contention of the emulated board, limits",
    )
    parser.add_argument(
        "--state",
        metavar="FILE",
        help="what the controller learns: read at the start, written every 30 s and at the end",
    )
    parser.add_argument(
        "--thermal",
        type=Path,
        metavar="FILE",
        help="how the board heats (default: what `edgert calibrate` left beside the profile)",
    )
    parser.add_argument(
        "--shadow-share",
        type=float,
        metavar="SHARE",
        help="of the frames, at most: the full configuration runs on them too, where there is "
        "room, and how often both agree is kept (default: 0, none)",
    )
    parser.add_argument(
        "--virtual-time",
        action="store_true",
        help="let the board's time pass frame by frame, not on the clock on the wall",
    )


def run(arguments: argparse.Namespace) -> int:
    """Play the source and print what came of it."""
    settings = _settings(arguments)
    summary, header, profile = play(arguments, settings)
    if arguments.report is not None:
        from edgert.report import write_report

        logged, frames = read_run(arguments.log)
        write_report(arguments.report, logged, frames, profile)
    if arguments.json:
        print_json({"header": header, "summary": summary})
    else:
        print_summary(summary, header)
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
            "telemetry.source": arguments.telemetry,
            "backend": arguments.backend,
            "threads": arguments.threads,
            "state_file": arguments.state,
            "latency_scale": arguments.latency_scale,
            "shadow.share": arguments.shadow_share,
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
