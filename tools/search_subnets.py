"""Search the subnets of a once-for-all supernet: depth, expansion, width and image size.

    python tools/search_subnets.py engines/NAME --calibration DIR --labels DIR -o engines/NEW
    python tools/search_subnets.py engines/NAME --calibration DIR --predictor FILE --cost macs
    python tools/search_subnets.py engines/NAME --calibration DIR

engines/NAME was made from a supernet's checkpoint by tools/import_ofa.py. Subnets are chosen by
measured latency (or MACs) against top-1 on labelled pictures, the published accuracy predictor's
word, or, without either, agreement with the largest subnet. Statistics of BatchNormalization are
taken anew for each on the calibration pictures. Latency is measured on this device; a model of
it only says what to measure next. Stopped or killed, the same command goes on.
"""

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from one_line import status_of

from edgert.cli.arguments import positive_int, seed_number
from edgert.cli.output import StageBars, print_json, print_table
from edgert.clock import MonotonicClock
from edgert.errors import UsageError
from edgert.schema import record_from_object
from edgert.search.subnets.options import SubnetOptions
from edgert.search.subnets.result import SubnetResult
from edgert.search.subnets.run import search_subnets
from edgert.search.subnets.supernet import Supernet, open_supernet
from edgert.search.subnets.table import lines_of, rows_of
from edgert.search.subnets.write import replace_subnets, write_subnet_family
from edgert.search.write import new_family_name

_SAME_NAMES = (
    "cost", "minutes", "configurations", "timed", "scored", "images", "search_images",
    "label_images", "rounds", "seed", "threads",
)  # fmt: skip


def main(words: list[str] | None = None) -> int:
    """Search; the table goes to stdout, progress and errors to stderr."""
    arguments = _parser().parse_args(words)
    stopped = "stopped; the same command goes on"
    return status_of(lambda: _run(arguments), "search_subnets", stopped=stopped)


def _run(arguments: argparse.Namespace) -> None:
    if arguments.output is not None:
        new_family_name(arguments.output)  # refused before the search, not after it
    options = _options(arguments)
    supernet = open_supernet(arguments.family)
    work = arguments.work or supernet.folder.path / "search" / "subnets"
    with StageBars("search") as progress:
        result = search_subnets(
            supernet,
            options,
            work=work,
            clock=MonotonicClock(),
            restart=arguments.restart,
            progress=progress,
        )
    written = _written(arguments, supernet, result, work)
    if arguments.json:
        print_json({"result": result, "written": str(written or "")})
        return
    print_table(rows_of(result), left=("name", "subnet"))
    for line in lines_of(result):
        print(line)
    if written is None:
        print("nothing written: add -o DIR for a new family, or --write to replace this one's")
    else:
        folder = shlex.quote(str(written.parent))
        print(f"{written}: written. Build it: edgert build {folder}")


def _written(
    arguments: argparse.Namespace, supernet: Supernet, result: SubnetResult, work: Path
) -> Path | None:
    dataset = ""
    if arguments.labels is not None:
        name = "/".join(arguments.labels.resolve().parts[-2:])
        dataset = f"{name}, the {result.images['report']} pictures that did not choose"
    if arguments.output is not None:
        return write_subnet_family(arguments.output, supernet, result, work, dataset=dataset)
    if arguments.write:
        return replace_subnets(supernet, result, work, dataset=dataset)
    return None


def _options(arguments: argparse.Namespace) -> SubnetOptions:
    given = {name: getattr(arguments, name) for name in _SAME_NAMES}
    for name in ("calibration", "labels", "predictor"):
        path = getattr(arguments, name)
        given[name] = None if path is None else str(path)
    return record_from_object(given, SubnetOptions, UsageError, subject="read the options")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="search_subnets", description="Search the subnets of a once-for-all supernet."
    )
    parser.add_argument("family", type=Path, help="its folder, as tools/import_ofa.py made it")
    parser.add_argument(
        "--calibration", type=Path, required=True, metavar="DIR",
        help="unlabelled pictures that BatchNorm statistics are taken on",
    )  # fmt: skip
    by = parser.add_mutually_exclusive_group()
    by.add_argument(
        "--labels", type=Path, metavar="DIR",
        help="a folder of pictures for each class: half of them choose, half report",
    )  # fmt: skip
    by.add_argument(
        "--predictor", type=Path, metavar="FILE",
        help="the published accuracy predictor of OFA-ResNet50 chooses; its accuracies are "
        "modelled. Without both: agreement with the largest subnet",
    )  # fmt: skip
    parser.add_argument("--cost", choices=("latency", "macs"), default="latency")
    _add_effort(parser)
    parser.add_argument(
        "--work", type=Path, metavar="DIR",
        help="work folder, where a stopped search goes on (default: FAMILY/search/subnets)",
    )  # fmt: skip
    parser.add_argument("--restart", action="store_true", help="forget what the work folder has")
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="write a new family there"
    )
    target.add_argument(
        "--write", action="store_true", help="replace the configurations in FAMILY/family.yaml"
    )
    parser.add_argument("--json", action="store_true", help="print JSON on stdout")
    return parser


def _add_effort(parser: argparse.ArgumentParser) -> None:
    defaults = {
        "minutes": "for everything, over all starts",
        "configurations": "at most N come out, full among them",
        "timed": "subnets timed before the search",
        "images": "calibration pictures for what comes out",
        "search_images": "of these, for a subnet that is only tried",
        "rounds": "of timing for what comes out, at least 2",
        "seed": "of everything that is drawn",
    }
    fields = {field: getattr(SubnetOptions(calibration=""), field) for field in defaults}
    for name, text in defaults.items():
        kinds: dict[str, Callable[[str], float]] = {"minutes": float, "seed": seed_number}
        kind = kinds.get(name, positive_int)
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=kind, default=fields[name], metavar="N",
            help=f"{text} (default: %(default)s)",
        )  # fmt: skip
    for name, text in {
        "scored": "subnets scored on pictures at most (default: as the minutes allow)",
        "label-images": "use N of the labelled pictures (default: all)",
        "threads": "of an engine (default: one for each core)",
    }.items():
        parser.add_argument(f"--{name}", type=positive_int, metavar="N", help=text)


if __name__ == "__main__":
    sys.exit(main())
