"""`edgert profile FAMILY`: latency, accuracy and energy of a family's engines on this device."""

import argparse
import sys
from pathlib import Path

from edgert.cli.arguments import positive_float, positive_int
from edgert.cli.families import add_family_argument
from edgert.cli.output import print_json
from edgert.cli.profile_table import print_profile, print_sustained
from edgert.errors import MissingDependencyError, UsageError
from edgert.optional import needs

__all__ = ["add_arguments", "print_profile", "run"]

# Flags that only mean something where energy is measured, and what stands without them.
_ENERGY_DEFAULTS = {"windows": 5, "window_s": 10.0, "idle_s": 30.0, "warm_up_s": 30.0}
_SUSTAINED_MINUTES = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    add_family_argument(parser)
    parser.add_argument(
        "--frames",
        metavar="SOURCE",
        help="video or folder of pictures; agreement with the dearest engine is taken over them "
        "(default: of the dataset, else a generated pattern)",
    )
    parser.add_argument(
        "--frame-count",
        type=positive_int,
        default=20,
        metavar="N",
        help="how many (default: %(default)s)",
    )
    parser.add_argument(
        "--dataset",
        type=Path,
        metavar="DIR",
        help="labelled frames, DIR/images and DIR/labels, or for a classifier a folder of "
        "pictures for each class; without, the family's own figures stand",
    )
    parser.add_argument(
        "--dataset-count", type=positive_int, metavar="N", help="use N of its frames"
    )
    parser.add_argument(
        "--board",
        default="",
        metavar="NAME",
        help="emulated board whose energy is computed or, with --energy, measured in virtual time",
    )
    parser.add_argument(
        "--rounds",
        type=positive_int,
        default=10,
        metavar="N",
        help="of timing (default: %(default)s)",
    )
    parser.add_argument(
        "--build",
        action="store_true",
        help="build the engines first where they are missing or stale, as edgert build does",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the profile")
    parser.add_argument(
        "--plots",
        choices=("png", "svg", "none"),
        help="draw them beside the profile (default: png where energy is measured)",
    )
    parser.add_argument(
        "--restart",
        action="store_true",
        help="throw away what a broken-off measurement left, instead of going on from there",
    )
    _add_energy_arguments(parser.add_argument_group("energy"))


def _add_energy_arguments(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--energy", action="store_true", help="measure it: idle, warm-up, windows in turns, idle"
    )
    group.add_argument(
        "--sustained",
        type=positive_float,
        nargs="?",
        const=_SUSTAINED_MINUTES,
        metavar="MINUTES",
        help="play the dearest engine for so long, and show what heat does (default: "
        "%(const)g); alone, or after --energy",
    )
    group.add_argument(
        "--source", metavar="NAME", help="of power: sysfs, jtop, nvml or rapl (default: found)"
    )
    group.add_argument(
        "--root", type=Path, metavar="DIR", help="where /sys and /proc lie (default: /)"
    )
    for name, kind, what in (
        ("windows", positive_int, "windows of each engine"),
        ("window-s", positive_float, "length of a window"),
        ("idle-s", positive_float, "idle before and after"),
        ("warm-up-s", positive_float, "least time until the board may count as steady"),
    ):
        default = _ENERGY_DEFAULTS[name.replace("-", "_")]
        metavar = "S" if name.endswith("-s") else "N"
        group.add_argument(
            f"--{name}", type=kind, metavar=metavar, help=f"{what} (default: {default:g})"
        )
    group.add_argument(
        "--paced-fps", type=positive_float, metavar="F", help="frames a second, not back to back"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, write the profile, and print it."""
    from edgert.cli.profile_session import measure, sustain

    fill_in(arguments)
    written: dict[str, object] = {}
    if arguments.energy or arguments.sustained is None:
        measured = measure(arguments)
        written["profile"] = measured.profile
        if not arguments.json:
            profile = measured.profile
            print(
                f"{measured.output}: {len(profile.entries)} engines of {profile.family} on "
                f"{profile.device}"
            )
            print_profile(profile)
            _print_files(measured.files)
    if arguments.sustained is not None:
        played, files = sustain(arguments)
        written["sustained"] = played
        if not arguments.json:
            print_sustained(played)
            _print_files(files)
    if arguments.json:
        print_json(written if len(written) > 1 else next(iter(written.values())))
    return 0


def fill_in(arguments: argparse.Namespace) -> None:
    """Put defaults in for what was not given.

    Raises:
        UsageError: Flags that don't go together.
    """
    wants_sensors = arguments.energy or arguments.sustained is not None
    given = [
        name
        for name in ("source", "root", "paced_fps", *_ENERGY_DEFAULTS)
        if getattr(arguments, name) is not None
    ]
    if given and not wants_sensors:
        raise UsageError(
            f"--{given[0].replace('_', '-')}",
            expected="--energy or --sustained beside it",
            got="neither",
            advice="Add --energy",
        )
    if arguments.board and (arguments.source or arguments.root):
        raise UsageError(
            "--board and --source or --root",
            expected="an emulated board or sensors",
            got="both",
            advice="Leave one of them out",
        )
    for name, value in _ENERGY_DEFAULTS.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    arguments.source = arguments.source or ""
    arguments.root = arguments.root or Path("/")
    arguments.plots = _plots(arguments.plots, wanted=wants_sensors)


def _plots(asked: str | None, *, wanted: bool) -> str:
    """What plots are drawn as; asked for, a missing matplotlib is an error before all the work."""
    if asked == "none" or (asked is None and not wanted):
        return "none"
    try:
        needs("matplotlib", "report", "to draw plots")
    except MissingDependencyError as error:
        if asked is not None:
            raise
        print(f"profile: no plots: {error}", file=sys.stderr)
        return "none"
    return asked or "png"


def _print_files(files: list[Path]) -> None:
    if files:
        print(f"files: {', '.join(str(file) for file in files)}", file=sys.stdout)
