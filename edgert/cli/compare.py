"""`edgert compare LOG LOG …`: runs side by side, as a table and as a page."""

import argparse
import sys
from pathlib import Path

from edgert.artifacts import read_run
from edgert.artifacts.trace import read_trace
from edgert.cli.output import print_json, print_table
from edgert.errors import ArtifactError, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument(
        "logs", type=Path, nargs="+", metavar="LOG", help="decisions.jsonl of each run"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="a page (.html) or its plot (.png)"
    )
    parser.add_argument(
        "--trace", type=Path, metavar="FILE.jsonl", help="what happened meanwhile, to be drawn"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the table, write the page."""
    from edgert.report.comparison import comparison_rows, unlike, write_comparison
    from edgert.report.run_figures import figures_from_run

    output: Path | None = arguments.output
    if output is not None and output.suffix not in (".html", ".png"):
        raise UsageError(
            "write a comparison",
            expected="a path ending in .html or .png",
            got=str(output),
            advice="Name the file so",
        )
    runs = [read_run(log) for log in arguments.logs]
    for log, (header, frames) in zip(arguments.logs, runs, strict=True):
        if header.profile is None or not frames:
            raise ArtifactError(
                f"compare {log}",
                expected="a log with its profile and at least one frame",
                got="one without a profile" if frames else "no frame",
                advice="Run again",
            )
    figures = [figures_from_run(header, frames) for header, frames in runs]
    differences = unlike([header for header, _ in runs], figures)
    if arguments.json:
        print_json({"runs": figures, "unlike": differences})
    else:
        print_table(comparison_rows(figures), left=("controller",))
    for line in differences:
        print(line, file=sys.stderr)
    trace = read_trace(arguments.trace) if arguments.trace is not None else []
    if output is not None and output.suffix == ".html":
        write_comparison(output, runs, trace=trace)
    elif output is not None:
        from edgert.artifacts import write_atomically
        from edgert.report.comparison_plot import comparison_plot

        write_atomically(output, comparison_plot(runs, trace=trace))
    return 0
