"""Energy per inference: how far it is off, and how often its 95 % interval holds the truth.

Against emulated boards, whose true energy is known, over many measurements in virtual time. The
sensor is an INA3221 as the Linux driver sets it up, looking at the rail for 1.1 ms of every
6.6 ms in steps of 40 mW, or averaging 64 looks. It is exact but for its steps, or (`drawn`) has
gains and offsets anywhere within its data sheet's bounds.

With --zeus the same board as a tree of files in real time, read by Zeus and by edgert at once.
"""

import argparse
import time
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.energy_coverage import LOADS, Look, coverage, measure_many
from benchmarks.energy_ratio import line_of as ratio_line
from benchmarks.energy_ratio import ratio_row
from benchmarks.energy_zeus import compare_with_zeus, text_from_zeus
from edgert.boards import board_file
from edgert.emulator.spec import read_board_spec
from edgert.errors import UsageError

_BOARD = "emulated-orin-nano-slow"
_WINDOWS_S = [5.0, 10.0, 30.0, 60.0]
_LOOKS = [Look(interval_s, samples) for samples in (1, 64) for interval_s in (0.02, 0.1)]
_FIXED = Look(0.1, dithered=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much is measured."""
    parser.add_argument("--runs", type=int, default=400, metavar="N", help="measurements (400)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the first (0)")
    parser.add_argument(
        "--windows-s", type=float, nargs="+", default=_WINDOWS_S, metavar="S",
        help="lengths of the five windows of a measurement (5 10 30 60)",
    )  # fmt: skip
    parser.add_argument(
        "--loads", nargs="+", default=[*LOADS], choices=[*LOADS], metavar="LOAD",
        help=f"among {', '.join(LOADS)} (all)",
    )  # fmt: skip
    parser.add_argument(
        "--zeus", type=Path, metavar="PYTHON",
        help="instead: side by side with Zeus, which this Python has (pip install zeus)",
    )  # fmt: skip
    parser.add_argument(
        "--minutes", type=float, default=4.0, metavar="N", help="that --zeus takes (4)"
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """The coverage table, or Zeus beside edgert."""
    if arguments.zeus is not None:
        return {"zeus": compare_with_zeus(arguments.zeus, minutes=arguments.minutes)}
    if arguments.runs < 2:
        raise UsageError(
            "benchmark energy --runs",
            expected="2 or more",
            got=str(arguments.runs),
            advice="At 400 a share of 95 % is known to 2 %",
        )
    path = board_file(_BOARD)
    if path is None:
        raise UsageError(
            f"find {_BOARD}",
            expected="its file",
            got="none",
            advice="Run this in a clone of edgert",
        )
    spec = read_board_spec(path)
    begun_s = time.perf_counter()
    rows = []
    for load in arguments.loads:
        for window_s in arguments.windows_s:
            # Fixed sampling is the negative control: dither is what makes the interval hold.
            looks = [*_LOOKS, _FIXED] if load == "30 fps" else _LOOKS
            outcomes = measure_many(
                spec, load, looks, window_s=window_s, runs=arguments.runs, seed=arguments.seed
            )
            rows += [
                {
                    "load": load,
                    "window_s": window_s,
                    **look._asdict(),
                    "exact": coverage(found),
                    "drawn": coverage(found, drawn=True),
                }
                for look, found in zip(looks, outcomes, strict=True)
            ]
    ratios = [
        ratio_row(spec, paced=paced, turns=turns, runs=arguments.runs, seed=arguments.seed)
        for paced in (False, True)
        for turns in (True, False)
    ]
    return {
        "board": _BOARD,
        "provenance": "emulated",
        "runs": arguments.runs,
        "seed": arguments.seed,
        "windows": 5,
        "rows": rows,
        "ratios": ratios,
        "took_s": round(time.perf_counter() - begun_s, 1),
    }


def text_from(result: dict[str, Any]) -> str:
    """The result as two tables."""
    if "zeus" in result:
        return text_from_zeus(result["zeus"])
    lines = [
        f"{result['provenance']} board {result['board']}, {result['runs']} measurements of "
        f"{result['windows']} windows each, seeds from {result['seed']}, {result['took_s']:g} s",
        "error: median and 95th percentile; ±: half the interval, mean; holds: share of 95 %",
        "intervals that hold the truth, with its own 95 % interval; exact: the same for a sensor",
        "without gain and offset errors, total and marginal",
        "",
        f"{'':<35}{'total energy':<53}{'marginal energy':<36}exact",
        f"{'load':<19}{'window':>6}{'every':>7} of{'bias':>8}{'error':>14}{'±':>8}  holds"
        f"{'':<20}{'bias':>8}{'±':>8}  holds{'':<17}holds",
        *(_line(row) for row in result["rows"]),
        "",
        *_sum_lines(result["rows"]),
        "",
        "ratio of two engines, six pairs of 10 s windows, on a board that is warming up",
        f"{'load':<19}{'order':<7}{'bias':>8}{'error':>8}   holds{'':<16}{'±':>8}",
        *(ratio_line(row) for row in result["ratios"]),
    ]
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    total, marginal = row["drawn"]["total"], row["drawn"]["marginal"]
    exact = [row["exact"][name]["coverage"] for name in ("total", "marginal")]
    name = row["load"] if row["dithered"] else f"{row['load']}, no dither"
    return (
        f"{name:<19}{row['window_s']:>4.0f} s{row['interval_s'] * 1e3:>4.0f} ms{row['samples']:>3}"
        f"{total['bias_ratio']:>+8.2%}{total['error_median_ratio']:>7.2%}"
        f"{total['error_p95_ratio']:>7.2%}{total['half_width_ratio']:>8.2%}  {_held(total):<25}"
        f"{marginal['bias_ratio']:>+8.2%}{marginal['half_width_ratio']:>8.2%}  "
        f"{_held(marginal):<22}{exact[0]:.1%} {exact[1]:.1%}"
    )


def _held(found: dict[str, Any]) -> str:
    low, high = found["coverage_interval"]
    return f"{found['coverage']:.1%} ({low:.1%}-{high:.1%})"


def _sum_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Coverage over all rows in which a load moves and instants are dithered."""
    lines = []
    for sensor in ("drawn", "exact"):
        for energy in ("total", "marginal"):
            found = [
                row[sensor][energy]["coverage"]
                for row in rows
                if row["dithered"] and row["load"] != "constant"
            ]
            if found:
                lines.append(
                    f"{sensor}, {energy}: {fmean(found):.1%} over {len(found)} rows, "
                    f"{min(found):.1%} to {max(found):.1%}, "
                    f"{sum(0.93 <= share <= 0.97 for share in found)} within 93 to 97 %"
                )
    return lines
