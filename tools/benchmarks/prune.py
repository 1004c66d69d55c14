"""edgert beside onnxsim's pruning and plain skipping: one model, one run, the same frames.

Each maker gets the family's exported graph, or that graph after merge_linear, and the same
unlabelled calibration frames; each works in a process of its own. What it made is counted,
compiled by the same runtime and scored on the same labelled frames; then all of it is timed in
rounds that take turns. A row that changed nothing, that the runtime refuses or that failed says
so. Merging is in the time of edgert's rows, and not of those that begin with the merged graph.

To each of onnxsim's rows edgert answers with at most its MACs: with the uniform choice (see
`pruning.uniform`), and with that configuration of the family which family.yaml gives the best
score.
"""

import argparse
import fnmatch
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.pruning.bench import Bench
from benchmarks.pruning.comparison import PEER_ROWS, Comparison
from benchmarks.pruning.table import text_from
from edgert.artifacts import load_family
from edgert.errors import UsageError

__all__ = ["add_arguments", "run", "text_from"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The family, the frames, and how much is run."""
    parser.add_argument("family", type=Path, metavar="FAMILY", help="a family's folder")
    parser.add_argument(
        "--calibration", type=Path, required=True, metavar="DIR", help="unlabelled frames"
    )
    parser.add_argument(
        "--dataset", type=Path, required=True, metavar="DIR", help="holds images/ and labels/"
    )
    parser.add_argument(
        "--frames", type=int, default=41, metavar="N", help="calibration frames to use (41)"
    )
    parser.add_argument(
        "--dataset-count", type=int, metavar="N", help="labelled frames to use (all)"
    )
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="of timing (7)")
    parser.add_argument(
        "--rows", nargs="+", default=["*"], metavar="NAME",
        help=f"onnxsim's rows, * for any: {PEER_ROWS[0]}, 'merged/*', '*/wanda-50' (all)",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, metavar="N", help="of an engine (every core)")
    parser.add_argument(
        "--timeout", type=float, default=600.0, metavar="S", help="of each step in seconds (600)"
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make every model, check it, then time all of them together."""
    names = _chosen_rows(arguments)
    folder = load_family(arguments.family)
    if folder.family.task != "segmentation":
        raise UsageError(
            f"benchmark prune {arguments.family}",
            expected="a family for segmentation, whose mIoU can be measured",
            got=folder.family.task,
            advice="Name another family",
        )
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), folder, arguments)
        bench.read_frames()
        comparison = Comparison(bench)
        comparison.prepare()
        for row in names:
            comparison.peer(row)
        comparison.plain()
        comparison.answer()
        bench.time()
        return comparison.result()


def _chosen_rows(arguments: argparse.Namespace) -> list[str]:
    for option in ("frames", "dataset_count", "rounds"):
        value = getattr(arguments, option)
        least = 2 if option == "frames" else 1
        if value is not None and value < least:
            raise UsageError(
                f"benchmark prune --{option.replace('_', '-')}",
                expected=f"{least} or more", got=str(value), advice="Leave it out",
            )  # fmt: skip
    for pattern in arguments.rows:
        if not fnmatch.filter(PEER_ROWS, pattern):
            raise UsageError(
                "benchmark prune --rows",
                expected=f"some of {', '.join(PEER_ROWS)}",
                got=f"'{pattern}'",
                advice="Correct the name",
            )
    return [row for row in PEER_ROWS if any(fnmatch.fnmatch(row, p) for p in arguments.rows)]
