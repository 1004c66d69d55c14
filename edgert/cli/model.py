"""`edgert model FAMILY --board BOARD`: modelled latency on a Jetson that is not at hand."""

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgert.cli.output import ProgressBar, print_json, print_table
from edgert.cli.profile import print_profile
from edgert.errors import PreconditionError
from edgert.opening.families import find_family
from edgert.units import text_from_duration

if TYPE_CHECKING:
    from edgert.artifacts import FamilyFolder
    from edgert.profiling.roofline.kernels import GraphWork
    from edgert.profiling.roofline.model import Roofline, RowError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument(
        "family", metavar="FAMILY", help="a family's folder, or its name under engines/"
    )
    parser.add_argument(
        "--board", required=True, metavar="NAME", help="a board among profiles/boards/jetson-*"
    )
    parser.add_argument(
        "--power-mode",
        required=True,
        metavar="NAME",
        help="of the board, as nvpmodel names it; NAME-before-super where Super raised its clocks",
    )
    parser.add_argument(
        "--precision",
        choices=("fp16", "int8"),
        default="fp16",
        help="what the engines would compute in (default: %(default)s)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write the profile, marked as modelled"
    )


def run(arguments: argparse.Namespace) -> int:
    """Model every configuration, print the figures, and how far such figures were off."""
    from edgert.artifacts import save_profile
    from edgert.boards import find_power_mode, load_board
    from edgert.profiling.roofline.model import fit_roofline
    from edgert.profiling.roofline.peaks import peaks_of
    from edgert.profiling.roofline.profile import modelled_profile
    from edgert.profiling.roofline.published import load_published

    folder = find_family(arguments.family)
    board = load_board(arguments.board)
    mode = find_power_mode(board, arguments.power_mode)
    peaks = peaks_of(board, mode, arguments.precision)  # refused before anything is derived
    roofline = fit_roofline(load_published())
    works, baselines_macs = _works(folder)
    profile = modelled_profile(
        folder.family,
        works,
        roofline,
        board,
        arguments.power_mode,
        precision=arguments.precision,
        baselines_macs=baselines_macs,
    )
    if arguments.output is not None:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        save_profile(arguments.output, profile)
    uncounted = sorted({name for work in works.values() for name in work.unknown_operators})
    if arguments.json:
        print_json(
            {
                "profile": profile,
                "parameters": vars(roofline.parameters),
                "published": _plain(roofline.errors),
                "checks": _plain(roofline.checks),
                "unknown_operators": uncounted,
            }
        )
        return 0
    print(
        f"{profile.family} on {profile.board} at {arguments.precision}: modelled, not measured. "
        f"Peaks {peaks.operations_per_s / 1e12:.1f} TOPS, {peaks.bytes_per_s / 1e9:.1f} GB/s"
    )
    print_profile(profile)
    if uncounted:
        print(f"NOT counted, so too fast: {', '.join(uncounted)}")
    _print_errors(roofline)
    return 0


def _works(folder: "FamilyFolder") -> "tuple[dict[str, GraphWork], dict[str, int]]":
    """What each configuration asks of a GPU, and the MACs that savings are stated against."""
    from edgert.build.derive import derive_configuration
    from edgert.build.family_graphs import FamilyGraphs
    from edgert.profiling.roofline.kernels import work_of
    from edgert.surgery.cost import cost_of
    from edgert.surgery.merge_linear import merge_linear

    graphs = FamilyGraphs(folder)
    base = graphs.base
    baselines_macs = {"exported": cost_of(base).macs}
    with contextlib.suppress(PreconditionError):  # nothing to merge
        baselines_macs["merged"] = cost_of(merge_linear(base)).macs
    works = {}
    configurations = folder.family.configurations
    with ProgressBar("model") as progress:
        for done, configuration in enumerate(configurations):
            progress(done, len(configurations), configuration.name)
            graph = derive_configuration(
                folder,
                configuration,
                base=graphs,
                subject=f"derive {configuration.name}",
            )
            works[configuration.name] = work_of(graph)
    return works, baselines_macs


def _print_errors(roofline: "Roofline") -> None:
    fitted = roofline.parameters
    print(
        f"\nthe model: {fitted.compute_ratio:.0%} of the peak rate, {fitted.memory_ratio:.0%} of "
        f"the bandwidth (both at most 100%),\nand {fitted.clocks_per_kernel:.0f} GPU clocks a "
        "kernel; fitted on these published figures"
    )
    print_table(_rows(roofline.errors), left=("graph", "board"))
    print("never fitted on, because their source doesn't state the power mode")
    print_table(_rows(roofline.checks), left=("graph", "board"))
    print(
        "errors: modelled over published, fitted without the row's graph, and without its whole\n"
        "architecture, which is where any other architecture stands. Good for an order of\n"
        "magnitude; not for deadlines, nor for choosing between configurations that are close.\n"
        "On a board: edgert profile"
    )


def _rows(errors: "Sequence[RowError]") -> list[dict[str, str]]:
    return [
        {
            "graph": error.case.row.graph,
            "board": f"{error.case.row.board} {error.case.row.power_mode}",
            "at": error.case.row.precision,
            "published": text_from_duration(error.case.row.published_s),
            "modelled": text_from_duration(error.graph_left_out_s),
            "error": f"{error.graph_error:+.0%}",
            "architecture left out": f"{error.architecture_error:+.0%}",
        }
        for error in errors
    ]


def _plain(errors: "Sequence[RowError]") -> list[dict[str, Any]]:
    return [
        {
            "row": error.case.row,
            "published_s": error.case.row.published_s,
            "graph_left_out_s": error.graph_left_out_s,
            "architecture_left_out_s": error.architecture_left_out_s,
        }
        for error in errors
    ]
