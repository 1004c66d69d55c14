"""`edgert search FAMILY --calibration FRAMES`: the configurations that are worth having."""

import argparse
import shlex
from pathlib import Path
from typing import Any

from edgert.cli.arguments import positive_int, seed_number
from edgert.cli.output import StageBars, print_json, print_table
from edgert.opening.families import find_family
from edgert.units import text_from_count, text_from_duration

_POINTS = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument(
        "family", metavar="FAMILY", help="a family's folder, or its name under engines/"
    )
    parser.add_argument(
        "--calibration", type=Path, required=True, metavar="FRAMES",
        help="folder of unlabelled pictures, or .npy inputs, that fits are made on",
    )  # fmt: skip
    parser.add_argument(
        "--labels", type=Path, metavar="DIR",
        help="labelled frames: DIR/images and DIR/labels, or a folder for each class; half of "
        "them choose, half report. Without: agreement with the full model on held-out frames",
    )  # fmt: skip
    parser.add_argument(
        "--cost", choices=("latency", "macs"), default="latency",
        help="what is saved: time measured on this device, or multiply-accumulates "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--max-drop", type=float, default=5.0, metavar="POINTS",
        help="largest loss of score, in points of 100 (default: %(default)s)",
    )  # fmt: skip
    _add_effort(parser)
    _add_space(parser)
    _add_workers(parser)
    _add_output(parser)


def _add_effort(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--minutes", type=float, default=35.0, metavar="N",
        help="for everything, over all starts (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--trials", type=int, metavar="N",
        help="at most N in the multi-objective search (default: as the minutes allow)",
    )  # fmt: skip
    parser.add_argument(
        "--frame-count", type=positive_int, default=40, metavar="N",
        help="calibration frames for what is written (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--fit-frames", type=positive_int, default=16, metavar="N",
        help="of them, for a trial (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--label-count", type=positive_int, metavar="N", help="use N of the labelled frames"
    )
    parser.add_argument(
        "--rounds", type=positive_int, default=12, metavar="N",
        help="of timing for what is written, at least 2 (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=seed_number, default=0, metavar="N", help="(default: %(default)s)"
    )


def _add_space(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only", action="append", default=[], metavar="PATTERN",
        help="change only branches and groups of these names, as 'stage3.*'; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN",
        help="leave these as they are; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--align", type=positive_int, default=8, metavar="N",
        help="keep channels in multiples of N (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--sizes", default="", metavar="SHARES",
        help="let the network see the picture smaller, too: shares of each side, as 0.75,0.5",
    )  # fmt: skip


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs", type=positive_int, metavar="N",
        help="worker processes (default: one for each core)",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=positive_int, metavar="N",
        help="of an engine that is timed (default: one for each core)",
    )  # fmt: skip
    parser.add_argument(
        "--dask", metavar="ADDRESS",
        help="use the workers of a Dask scheduler, as tcp://host:8786; they have to see the work "
        "folder under the same path, and only this machine is timed",
    )  # fmt: skip


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--work", type=Path, metavar="DIR",
        help="work folder, where a killed search goes on (default: FAMILY/search)",
    )  # fmt: skip
    parser.add_argument("--restart", action="store_true", help="forget what the work folder has")
    parser.add_argument(
        "--configurations", type=positive_int, default=12, metavar="N",
        help="at most N come out, full among them (default: %(default)s)",
    )  # fmt: skip
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="write a new family there"
    )
    target.add_argument(
        "--write",
        action="store_true",
        help="replace the base model's configurations in FAMILY/family.yaml",
    )


def run(arguments: argparse.Namespace) -> int:
    """Search, write what was asked for, and print the frontier."""
    from edgert.clock import MonotonicClock
    from edgert.search.run import search_family
    from edgert.search.write import new_family_name, replace_family, write_new_family

    if arguments.output is not None:
        new_family_name(arguments.output)  # refused before the search, not after it
    options = _options(arguments)
    folder = find_family(arguments.family)
    work = arguments.work or folder.path / "search"
    with StageBars("search") as progress:
        result = search_family(
            folder, options, work=work, clock=MonotonicClock(),
            restart=arguments.restart, progress=progress,
        )  # fmt: skip
    written, dataset = None, _dataset(arguments, result)
    if arguments.output is not None:
        written = write_new_family(arguments.output, folder, result, work, dataset=dataset)
    elif arguments.write:
        written = replace_family(folder, result, work, dataset=dataset)
    plot = _plot(result, work, options.max_drop)
    if arguments.json:
        print_json(
            {
                "result": result,
                "written": str(written.path if written else ""),
                "left_out": written.left_out if written else {},
                "plot": str(plot),
            }
        )
    else:
        _print(result)
        print(f"plot: {plot}")
        for name, reason in (written.left_out if written else {}).items():
            print(f"left out, {name} of another model: {reason}")
        print(_next(arguments, written.path if written else None))
    return 0


def _options(arguments: argparse.Namespace) -> Any:
    from edgert.errors import UsageError
    from edgert.schema import record_from_object
    from edgert.search.options import SearchOptions

    given = {
        "calibration": str(arguments.calibration),
        "labels": None if arguments.labels is None else str(arguments.labels),
        "max_drop": arguments.max_drop / _POINTS,
        "frames": arguments.frame_count,
        "label_frames": arguments.label_count,
        "sizes": _shares(arguments.sizes),
    }
    same = (
        "cost", "minutes", "trials", "configurations", "align", "only", "exclude", "fit_frames",
        "rounds", "seed", "threads", "jobs", "dask",
    )  # fmt: skip
    given.update({name: getattr(arguments, name) for name in same})
    return record_from_object(given, SearchOptions, UsageError, subject="read the options")


def _shares(text: str) -> list[float]:
    from edgert.errors import UsageError

    try:
        return [float(share) for share in text.split(",") if share.strip()]
    except ValueError as error:
        raise UsageError(
            "--sizes",
            expected="shares between 0 and 1 with commas between them",
            got=repr(text),
            advice="Write --sizes 0.75,0.5",
        ) from error


def _dataset(arguments: argparse.Namespace, result: Any) -> str:
    if arguments.labels is None:
        return ""
    name = "/".join(arguments.labels.resolve().parts[-2:])
    return f"{name}, the {result.frames['report']} frames that did not choose"


def _print(result: Any) -> None:
    rows = [_row(result, found) for found in [result.full, *result.frontier]]
    print_table(rows)
    print(
        f"{result.metric} on frames that did not choose ({result.frames['report']}; "
        f"{result.frames['choose']} chose), fitted on {result.frames['fitted on']} frames; "
        f"{result.trials['all']} trials, {len(result.failed)} of them failed, in "
        f"{text_from_duration(60 * result.minutes)}"
    )
    drawn = result.flattery.random
    other = (
        "no others to compare with"
        if drawn is None
        else f"{_POINTS * drawn:+.2f} for as many at random"
    )
    print(
        f"flattered: the drop is {_POINTS * result.flattery.frontier:+.2f} points larger on them "
        f"than on the frames that chose; {other}"
    )
    print_table([_method_row(name, method) for name, method in result.methods.items()])


def _row(result: Any, found: Any) -> dict[str, str]:
    row = {"name": found.name, "MACs": text_from_count(found.macs)}
    row["of full"] = f"{found.macs / max(result.full.macs, 1):.1%}"
    if result.cost == "latency":
        row["latency of full"] = f"{found.cost:.1%}"
        row["±"] = f"{found.cost_error:.1%}"
    row["chosen by"] = f"{found.choose:.2%}"
    row[result.metric] = f"{found.report:.2%}"
    row["lost"] = f"{_POINTS * found.report_drop:.2f}"
    error = found.report_error
    row["± points"] = "unknown" if error is None else f"{_POINTS * error:.2f}"
    plain = found.uncompensated
    row["won by compensation"] = "" if plain is None else f"{_POINTS * (found.report - plain):.2f}"
    return row


def _method_row(name: str, method: Any) -> dict[str, str]:
    row = {"name": name, "trials": str(method.trials)}
    row["hypervolume, choosing"] = f"{method.hypervolume_choose:.4f}"
    row["reporting"] = f"{method.hypervolume_report:.4f}"
    for cost, score in method.at_cost.items():
        row[f"at {float(cost):.0%}"] = "-" if score is None else f"{score:.2%}"
    return row


def _plot(result: Any, work: Path, max_drop: float) -> Path:
    from edgert.artifacts import write_atomically
    from edgert.report.frontier import PlottedTrial, png_from_search

    def plotted(stage: str | None) -> list[PlottedTrial]:
        return [
            PlottedTrial(spot.cost, spot.score, spot.error)
            for spot in result.spots
            if stage in (None, spot.stage)
        ]

    png = png_from_search(
        plotted(None),
        {name: plotted(name) for name in result.methods},
        plotted("frontier"),
        PlottedTrial(1.0, result.full.choose, 0.0),
        title=f"{result.family}: {result.trials['all']} trials on {result.device}",
        cost=result.cost,
        score=f"{result.metric} on the frames that chose",
        lowest=result.full.choose - 1.5 * max_drop,
    )
    path = work / "frontier.png"
    write_atomically(path, png)
    return path


def _next(arguments: argparse.Namespace, written: Path | None) -> str:
    if written is None:
        return "nothing written: add -o DIR for a new family, or --write to replace this one's"
    return f"{written}: written. Build it: edgert build {shlex.quote(str(written.parent))}"
