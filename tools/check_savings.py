"""Hold the papers' claims against a measured profile.

    python tools/check_savings.py profiles/measured/BOARD/FAMILY.json [--baseline CONFIGURATION]

Where a profile can't say anything about a claim, as one of other data or of another size, its own
ratio is shown all the same, and the commands that would check the claim itself.

Ends with 0 whatever the verdicts are: a claim that is not met is a result, not a failure.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from edgert.artifacts import load_profile
from edgert.cli.output import print_json, print_table
from edgert.errors import EdgertError
from edgert.profiling.claims import load_claims
from edgert.profiling.savings import check_claims
from edgert.profiling.savings_table import lines_of, plain, rows_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and print."""
    parsed = _parser().parse_args(arguments)
    try:
        profile = load_profile(parsed.profile)
        checks = check_claims(load_claims(parsed.claims), profile, baseline=parsed.baseline)
    except EdgertError as error:
        print(f"check_savings: {error}", file=sys.stderr)
        return 1
    if parsed.json:
        print_json(plain(checks))
        return 0
    board = f", {profile.board}" if profile.board else ""
    print(f"{profile.family} on {profile.device}{board}")
    print_table(rows_of(checks), left=("claim", "configuration", "verdict"))
    for line in lines_of(checks):
        print(line)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Hold the papers' claims against a profile.")
    parser.add_argument("profile", type=Path, metavar="PROFILE.json")
    parser.add_argument(
        "--baseline", metavar="NAME", help="the configuration that savings are stated against "
        "(default: the most accurate of the claim's size, else the profile's dearest)",
    )  # fmt: skip
    parser.add_argument(
        "--claims", type=Path, metavar="FILE", help="YAML with claims (default: edgert's own)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON on stdout")
    return parser


if __name__ == "__main__":
    sys.exit(main())
