"""`edgert replay LOG`: a run's decisions once more, from what its log says was known."""

import argparse
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgert.artifacts import read_run
from edgert.cli.output import print_json, print_table
from edgert.control.replay import (
    Difference,
    Replay,
    controller_from_header,
    is_replayable,
    replay_run,
)
from edgert.errors import ArtifactError
from edgert.records import FrameLog, RunHeader

_LISTED = 10  # differences; --json has all
_GOES_ON = (
    "The log goes on from an earlier file, and its controller knew more than the header holds: "
    "only configurations are compared, and they may differ until that is made up for."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument("log", type=Path, metavar="LOG", help="a run's decisions.jsonl")
    parser.add_argument(
        "--controller",
        metavar="NAME",
        help="what another one would have chosen (default: the run's own)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay a log; 1 where the run's own controller decides otherwise."""
    header, lines = read_run(arguments.log)
    if not is_replayable(header, lines):
        raise ArtifactError(
            f"replay {arguments.log}",
            expected="a log with its profile and the time of every decision",
            got="one without, as runs wrote them before",
            advice="Run again",
        )
    name = arguments.controller or header.controller
    controller = controller_from_header(header, name)
    replay = replay_run(header, lines, controller)
    own = name == header.controller
    if arguments.json:
        print_json(
            {
                "controller": name,
                "open_loop": not own,
                "frames": len(lines),
                "same": replay.same,
                "differences": replay.differences if own else [],
                "decisions": [] if own else replay.decisions,
            }
        )
    elif own:
        _print_verdict(replay)
        if header.goes_on:
            print(_GOES_ON)
    else:
        _print_other(header, lines, replay, name)
    return 1 if own and replay.differences and not header.goes_on else 0


def _print_verdict(replay: Replay) -> None:
    print(f"{replay.same} of {len(replay.decisions)} decisions are the same")
    print_table([_row(difference) for difference in replay.differences[:_LISTED]], left=_LEFT)
    more = len(replay.differences) - _LISTED
    if more > 0:
        print(f"and {more} more differences: --json lists them")


_LEFT = ("field", "logged", "replayed")


def _row(difference: Difference) -> dict[str, str]:
    return {
        "frame": str(difference.frame),
        "field": difference.field,
        "logged": str(difference.logged),
        "replayed": str(difference.replayed),
    }


def _print_other(header: RunHeader, lines: Sequence[FrameLog], replay: Replay, name: str) -> None:
    print(
        f"{name} on the inputs of {header.controller}'s run, open loop: it is told what came of "
        "decisions that were not its own."
    )
    logged = [line.asked or line.configuration for line in lines]
    chosen = [decision.configuration for decision in replay.decisions]
    ran, would = Counter(logged), Counter(chosen)
    rows = [
        {"name": entry.name, header.controller: str(ran[entry.name]), name: str(would[entry.name])}
        for entry in (header.profile.entries if header.profile else ())
    ]
    rows += [
        {
            "name": "skipped",
            header.controller: str(sum(line.skip for line in lines)),
            name: str(sum(decision.skip for decision in replay.decisions)),
        },
        {
            "name": "changes of configuration",
            header.controller: str(_changes(logged)),
            name: str(_changes(chosen)),
        },
    ]
    print_table(rows)
    same = sum(before == after for before, after in zip(logged, chosen, strict=True))
    print(f"{same} of {len(lines)} frames would have run the same configuration")


def _changes(names: Sequence[str]) -> int:
    return sum(before != after for before, after in itertools.pairwise(names))
