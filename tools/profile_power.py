"""Energy per inference of several families, or by several sources of power, in one table.

    python tools/profile_power.py FAMILY                              the board's own sensors
    python tools/profile_power.py FAMILY --sources sysfs jtop         one behind the other
    python tools/profile_power.py FAMILY --boards emulated-orin-nano-slow      in virtual time
    python tools/profile_power.py FAMILY … --claims                   the papers' beside it
    python tools/profile_power.py --read P.json …                     what was measured before

What stands behind `--` goes to `edgert profile` as it is, such as --window-s 60 --paced-fps 30.
A figure is told with what it is: measured, modelled or emulated figures share no column.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from edgert.artifacts import load_profile
from edgert.cli import profile
from edgert.cli.output import print_json, print_table
from edgert.cli.profile_session import Measured, measure
from edgert.cli.profile_table import energy_cells, energy_lines, text_from_latency
from edgert.errors import EdgertError, UsageError
from edgert.profiling.claims import load_claims
from edgert.profiling.savings import ClaimCheck, check_claims
from edgert.profiling.savings_table import lines_of, rows_of
from edgert.records import Profile, ProfileEntry
from edgert.units import text_from_duration


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure or read, and print; returns 1 for an error that the operator can act on."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    passed: list[str] = []
    if "--" in words:
        words, passed = words[: words.index("--")], words[words.index("--") + 1 :]
    parsed = _parser().parse_args(words)
    try:
        found = _found(parsed, passed)
        claims = load_claims() if parsed.claims else []
        checks = [check_claims(claims, one.profile, baseline=parsed.baseline) for one in found]
    except EdgertError as error:
        print(f"profile_power: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("profile_power: stopped", file=sys.stderr)
        return 130
    if parsed.json:
        print_json([one.profile for one in found])
        return 0
    _print(found)
    if parsed.claims:
        for one, checked in zip(found, checks, strict=True):
            _print_claims(one.profile, checked)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        epilog="What stands behind -- goes to `edgert profile`.",
    )
    parser.add_argument("families", nargs="*", metavar="FAMILY")
    parser.add_argument(
        "--sources", nargs="+", default=[], metavar="NAME", help="of power (default: found)"
    )
    parser.add_argument(
        "--boards", nargs="+", default=[], metavar="NAME", help="emulated ones, instead"
    )
    parser.add_argument(
        "--read", nargs="+", type=Path, default=[], metavar="FILE", help="profiles to show, too"
    )
    parser.add_argument("--claims", action="store_true", help="hold the papers' claims against it")
    parser.add_argument(
        "--baseline",
        metavar="NAME",
        help="that --claims is against (default: the claim's size, else the dearest)",
    )
    parser.add_argument("--json", action="store_true", help="print the profiles as JSON")
    return parser


def _found(parsed: argparse.Namespace, passed: Sequence[str]) -> list[Measured]:
    if not parsed.families and not parsed.read:
        raise UsageError(
            "profile_power",
            expected="a family, or profiles behind --read",
            got="neither",
            advice="Name one",
        )
    if parsed.sources and parsed.boards:
        raise UsageError(
            "profile_power",
            expected="--sources or --boards",
            got="both",
            advice="Measure them one after the other",
        )
    if len(parsed.families) * len(places := _places(parsed)) > 1 and {"-o", "--output"} & {
        *passed
    }:
        raise UsageError(
            "profile_power -- --output",
            expected="one family in one place",
            got=f"{len(parsed.families)} in {len(places)}",
            advice="Leave it out; each profile has a place of its own",
        )
    found = [Measured(load_profile(file), file) for file in parsed.read]
    for family in parsed.families:
        found += [_measure(family, [*flags, *passed]) for flags in places]
    return found


def _places(parsed: argparse.Namespace) -> list[list[str]]:
    """Flags of `edgert profile` for every place that is measured in."""
    if parsed.boards:
        return [["--board", name] for name in parsed.boards]
    if not parsed.sources:
        return [[]]
    return [["--source", name] for name in parsed.sources]


def _measure(family: str, flags: Sequence[str]) -> Measured:
    parser = argparse.ArgumentParser(prog="edgert profile")
    profile.add_arguments(parser)
    parsed = parser.parse_args([family, "--energy", *flags])
    profile.fill_in(parsed)
    # Several sources on one device: each has a file of its own.
    return measure(parsed, tag=parsed.source)


def _print(found: Sequence[Measured]) -> None:
    several = len(found) > 1
    rows = [
        ({"family": _place(one.profile)} if several else {}) | _row(entry)
        for one in found
        for entry in one.profile.entries
    ]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    print_table(
        [{column: row.get(column, "") for column in columns} for row in rows],
        left=("family", "configuration"),
    )
    for one in found:
        print(f"{_place(one.profile)}: accuracy: {one.profile.entries[0].accuracy_from}")
        for line in energy_lines(one.profile):
            print(f"  {line}")
        print(f"  files: {', '.join(str(file) for file in [one.output, *one.files])}")


def _row(entry: ProfileEntry) -> dict[str, str]:
    latency = f"latency ({entry.latency_from})"
    cells = {
        "configuration": entry.name,
        latency: text_from_latency(entry.latency)
        if entry.latency is not None
        else text_from_duration(entry.latency_s),
        "accuracy": "" if entry.accuracy is None else f"{entry.accuracy:.2%}",
    }
    return cells | energy_cells(entry)


def _place(profile: Profile) -> str:
    figure = profile.entries[0].energy
    source = "" if figure is None or figure.source == figure.board else f" by {figure.source}"
    board = figure.board if figure is not None else profile.board
    return f"{profile.family} on {board or profile.device}{source}"


def _print_claims(profile: Profile, checks: Sequence[ClaimCheck]) -> None:
    print(f"\nclaims against {_place(profile)}")
    print_table(rows_of(checks), left=("claim", "configuration", "verdict"))
    for line in lines_of(checks):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
