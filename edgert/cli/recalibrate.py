"""`edgert recalibrate FAMILY --images DIR`: BatchNorm statistics of cut configurations."""

import argparse
import shlex
from pathlib import Path

from edgert.cli.arguments import positive_int
from edgert.cli.output import ProgressBar, print_json, print_table
from edgert.opening.families import find_family
from edgert.units import text_from_bytes

COUNT = 2000
BATCH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument(
        "family", metavar="FAMILY", help="a family's folder, or its name under engines/"
    )
    parser.add_argument(
        "--images", type=Path, required=True, metavar="DIR",
        help="pictures like those that the model was trained on, without labels; or a folder of "
        "them for each class",
    )  # fmt: skip
    parser.add_argument(
        "--configurations", nargs="+", default=[], metavar="NAME",
        help="which of them (default: all that have the edit recalibrate_batchnorm)",
    )  # fmt: skip
    parser.add_argument(
        "--add", action="store_true",
        help="give the edit to configurations without it, where their edits change the model or "
        "they are named",
    )  # fmt: skip
    parser.add_argument(
        "--count", type=positive_int, default=COUNT, metavar="N",
        help="use N pictures, spread evenly over the folder (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--batch", type=positive_int, default=BATCH, metavar="N",
        help="normalise N pictures together; fewer take less memory (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=positive_int, metavar="N", help="use N (default: one for each core)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure what is not up to date, store it, and print what changed."""
    from edgert.build.recalibrate import recalibrate_family
    from edgert.clock import MonotonicClock

    folder = find_family(arguments.family)
    with _Bars() as progress:
        rows = recalibrate_family(
            folder,
            arguments.images,
            count=arguments.count,
            batch=arguments.batch,
            clock=MonotonicClock(),
            names=arguments.configurations,
            add=arguments.add,
            threads=arguments.threads,
            progress=progress,
        )
    if arguments.json:
        print_json({"family": str(folder.path), "count": arguments.count,
                    "batch": arguments.batch, "configurations": rows})  # fmt: skip
        return 0
    print_table(
        [
            {
                "configuration": row.name,
                "BatchNorm layers": str(row.layers),
                "file": text_from_bytes(row.size_bytes),
                "largest change": f"{row.largest_change:.2f}",
                "of": row.largest_at,
                "seconds": "up to date" if row.seconds is None else f"{row.seconds:.1f}",
            }
            for row in rows
        ],
        left=("configuration", "of"),
    )
    print("changes: of a mean in old standard deviations, of a variance in old variances")
    if any(row.seconds is not None for row in rows):
        if any(row.replaced for row in rows):
            print("accuracies that were measured with other statistics are out of family.yaml")
        print(f"next: edgert build {shlex.quote(arguments.family)}")
    return 0


class _Bars:
    """A progress bar for each configuration."""

    def __init__(self) -> None:
        self._name, self._bar = "", ProgressBar("recalibrate")

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.__exit__()

    def __call__(self, name: str, done: int, total: int) -> None:
        if name != self._name:
            self._bar.__exit__()
            self._name, self._bar = name, ProgressBar(f"recalibrate {name}")
        self._bar(done, total, "batches")
