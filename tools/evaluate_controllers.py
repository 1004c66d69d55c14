"""Hold controllers against each other, and against an oracle, on simulated days.

    python tools/evaluate_controllers.py --output results.jsonl --table out.md --plots folder
    python tools/evaluate_controllers.py --quick

No device has a part in it: every figure is simulated. Seeds 0 to 19 are for tuning, 100 to 139
are reported. What the results file has already is not run again, as long as the code of
edgert/control, edgert/evaluation and edgert/emulator is the same.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from edgert.artifacts import sha256_from_file, write_atomically
from edgert.artifacts.trace import read_trace
from edgert.cli.arguments import positive_int
from edgert.control import CONTROLLERS
from edgert.errors import EdgertError, UsageError
from edgert.evaluation.campaign import (
    NOMINAL,
    Campaign,
    has_oracle,
    keys_of,
    open_day,
    run_campaign,
)
from edgert.evaluation.family import FAMILIES, open_family
from edgert.evaluation.plots import day_plot, shares_plot
from edgert.evaluation.results import ORACLE, ResultLine, Results
from edgert.evaluation.run import BEST_STATIC, drive
from edgert.evaluation.scenarios import REPORTED_SEEDS, SCENARIOS
from edgert.evaluation.table import markdown_from_rows, rows_of
from edgert.evaluation.targets import markdown_from_verdicts, verdicts_of
from edgert.evaluation.variants import VARIANTS, open_variant

QUICK_SEEDS, QUICK_DURATION_S = range(2), 120
DAY_OF, DAY_CONTROLLERS = "both", ("predictive", "alert", "ladder")


def main(argv: Sequence[str] | None = None) -> int:
    """Run, tell, draw; the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return _evaluate(arguments)
    except EdgertError as error:
        print(f"evaluate_controllers: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("evaluate_controllers: interrupted; what is done is kept", file=sys.stderr)
        return 130


def _evaluate(arguments: argparse.Namespace) -> int:
    campaign = _campaign(arguments)
    campaign.check()
    if ORACLE not in campaign.controllers:
        print("no oracle: scipy is missing (pip install 'edgert[evaluate]')", file=sys.stderr)
    with Results(arguments.output) as results:
        run_campaign(campaign, results, jobs=arguments.jobs, on_unit=_progress)
        lines = [results.lines[key] for keys in keys_of(campaign) for key in keys]
    text = _text(campaign, lines)
    if arguments.table is not None:
        write_atomically(arguments.table, text)
    print(text, end="")
    if arguments.plots is not None:
        _plot(campaign, lines, arguments.plots)
    return 0


def _campaign(arguments: argparse.Namespace) -> Campaign:
    asked = arguments.controllers or [*CONTROLLERS, BEST_STATIC]
    names = [name for name in asked if name != ORACLE] + [ORACLE] * has_oracle()
    traces = dict(_trace(path) for path in arguments.trace)
    return Campaign(
        controllers=names,
        scenarios=list(traces) or arguments.scenarios or list(SCENARIOS),
        variants=arguments.variants or [NOMINAL, "wrong"],
        seeds=arguments.seeds or list(QUICK_SEEDS if arguments.quick else REPORTED_SEEDS),
        family=arguments.family,
        duration_s=arguments.duration or (QUICK_DURATION_S if arguments.quick else 900),
        traces=traces,
    )


def _trace(path: Path) -> tuple[str, str]:
    """The name that stands for a recorded day: another one when the file changes."""
    read_trace(path)
    return f"trace-{path.stem}-{sha256_from_file(path)[:8]}", str(path)


def _text(campaign: Campaign, lines: list[ResultLine]) -> str:
    rows = rows_of(lines)
    seeds = list(campaign.seeds)
    days = "recorded days" if campaign.traces else f"days of {campaign.duration_s} s"
    note = (
        f"Simulated, no device: family {campaign.family}, seeds "
        f"{seeds[0]} to {seeds[-1]} ({len(seeds)}), {days}. Means over seeds, ± one "
        "standard error. Late, dropped and skipped frames score zero."
    )
    text = markdown_from_rows(rows, note=note)
    verdicts = verdicts_of(rows)
    return f"{text}\n### targets\n\n{markdown_from_verdicts(verdicts)}" if verdicts else text


def _plot(campaign: Campaign, lines: list[ResultLine], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = rows_of(lines)
    for variant in campaign.variants:
        if any(row.share is not None and row.variant == variant for row in rows):
            write_atomically(folder / f"shares-{variant}.png", shares_plot(rows, variant))
    shown = [name for name in DAY_CONTROLLERS if name in campaign.controllers]
    keys = [keys[0] for keys in keys_of(campaign)]
    key = next((key for key in keys if key.scenario == DAY_OF), keys[0])
    day, profile = open_day(key, campaign.traces.get(key.scenario)), open_family(key.family)
    tallies = {name: drive(name, day, profile, open_variant(key.variant)) for name in shown}
    if tallies:
        write_atomically(folder / f"day-{key.scenario}-{key.seed}.png", day_plot(day, tallies))


def _progress(done: int, of: int) -> None:
    """One line that changes on a terminal; elsewhere a line for each tenth."""
    if sys.stderr.isatty():
        end = "\n" if done == of else ""
        print(f"\r{done} of {of} days", end=end, file=sys.stderr, flush=True)
    elif done == of or done * 10 // of > (done - 1) * 10 // of:
        print(f"{done} of {of} days", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    controllers = ", ".join([*CONTROLLERS, BEST_STATIC])
    parser = argparse.ArgumentParser(
        description="Hold controllers against each other and an oracle on simulated days."
    )
    add = parser.add_argument
    add(
        "--scenarios",
        type=_names,
        metavar="NAMES",
        help=f"of {', '.join(SCENARIOS)} (default: all)",
    )
    add(
        "--variants",
        type=_names,
        metavar="NAMES",
        help=f"of {', '.join(VARIANTS)} (default: nominal,wrong)",
    )
    add("--controllers", type=_names, metavar="NAMES", help=f"of {controllers} (default: all)")
    add(
        "--seeds",
        type=_seeds,
        metavar="FROM:TO",
        help="first and one after the last, or numbers with commas (default: 100:140)",
    )
    add("--family", choices=FAMILIES, default="wide")
    add("--duration", type=positive_int, metavar="S", help="of a day (default: 900)")
    add(
        "--trace",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a recorded day in place of the scenarios; may be repeated",
    )
    add(
        "--output",
        type=Path,
        default=Path("results.jsonl"),
        metavar="FILE",
        help="results so far; gone on with (default: results.jsonl)",
    )
    add("--table", type=Path, metavar="FILE", help="the table, as Markdown")
    add("--plots", type=Path, metavar="FOLDER", help="pictures")
    add("--jobs", type=positive_int, default=2, metavar="N", help="worker processes (default: 2)")
    add("--quick", action="store_true", help="a smoke run: 2 seeds, days of 120 s")
    return parser


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _seeds(text: str) -> list[int]:
    first, colon, after = text.partition(":")
    try:
        found = (
            list(range(int(first), int(after)))
            if colon
            else [int(seed) for seed in text.split(",")]
        )
    except ValueError:
        found = []
    if not found or min(found) < 0:
        raise argparse.ArgumentTypeError(f"expected FROM:TO or numbers with commas, got {text!r}")
    return found


if __name__ == "__main__":
    sys.exit(main())
