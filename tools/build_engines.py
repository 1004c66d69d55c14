"""Build the engines of every family for this device, or of the ones named, and say what they are.

    python tools/build_engines.py                       every family under engines/
    python tools/build_engines.py FAMILY --backend tensorrt --frames VIDEO

Each engine is compiled, held against its graph and listed; at the end they are loaded together
and timed in turns. A family that fails is told in one line and the next one is built all the same.
Families that were written down without weights are named and passed over.
"""

import argparse
import functools
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgert.artifacts import BuiltSet, load_family
from edgert.backends.base import Backend
from edgert.build.compile import build_family
from edgert.cli.arguments import positive_int
from edgert.cli.build import add_build_arguments, gate_frames
from edgert.cli.families import add_backend_arguments, settings_from
from edgert.cli.output import ProgressBar, print_json, print_table
from edgert.errors import EdgertError, UsageError
from edgert.opening.families import backend_from_settings, find_family, trusted_keys_from
from edgert.pool import Pool
from edgert.profiling.latency import measure_latencies
from edgert.records import Engine, LatencyStatistics
from edgert.settings import Settings
from edgert.units import text_from_bytes, text_from_duration


def main() -> int:
    """Build and report; 1 if a family failed."""
    arguments = _parser().parse_args()
    try:
        families = arguments.families or _every_family()
        settings = settings_from(arguments)
        backend = backend_from_settings(settings)
    except EdgertError as error:
        print(f"build_engines: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    reports: list[dict[str, Any]] = []
    failed = 0
    for name in families:
        try:
            reports.append(_build(name, backend, settings, arguments))
        except EdgertError as error:
            failed += 1
            print(f"build_engines: {name}: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            print("build_engines: stopped; started again it goes on from here", file=sys.stderr)
            return 130
    if arguments.json:
        print_json(reports)
    else:
        for report in reports:
            _print(report)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Build the engines of every family for this device, or of the ones named."
    )
    parser.add_argument(
        "families", nargs="*", metavar="FAMILY", help="default: every one under ./engines"
    )
    add_backend_arguments(parser)
    parser.add_argument("--force", action="store_true", help="build even what is up to date")
    add_build_arguments(parser)
    parser.add_argument(
        "--rounds",
        type=positive_int,
        default=5,
        metavar="N",
        help="of timing (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON on stdout")
    return parser


def _every_family() -> list[str]:
    """The families under ./engines that have their weights; the others are told."""
    found = []
    files = sorted(Path("engines").glob("*/family.yaml"))
    for file in files:
        if _unfilled(file):
            print(f"build_engines: {file.parent}: not filled yet, passed over", file=sys.stderr)
        else:
            found.append(str(file.parent))
    if not found:
        raise UsageError(
            "build every family",
            expected="families under ./engines",
            got="none with its weights" if files else "none",
            advice="Start in the folder that holds engines/, or name a family's folder",
        )
    return found


def _unfilled(file: Path) -> bool:
    try:
        return bool(load_family(file, verify=False).unfilled)
    except EdgertError:
        return False  # told when its turn comes


def _build(
    name: str, backend: Backend, settings: Settings, arguments: argparse.Namespace
) -> dict[str, Any]:
    folder = find_family(name)
    with ProgressBar(f"build {folder.family.name}") as progress:
        result = build_family(
            folder,
            backend,
            device=backend.device(),
            force=arguments.force,
            frames=gate_frames(arguments, folder),
            signing_key=arguments.sign,
            trusted_keys=trusted_keys_from(settings),
            progress=progress,
        )
    latencies = _latencies(result.built, backend, arguments.rounds)
    weights = result.built.weights_path
    return {
        "family": folder.family.name,
        "path": str(result.built.path),
        "rebuilt": result.rebuilt,
        "reasons": result.reasons,
        "weights_bytes": weights.stat().st_size if weights else 0,
        "built_for": result.built.manifest.built_for,
        "engines": result.built.manifest.engines,
        "latencies": latencies,
    }


def _latencies(built: BuiltSet, backend: Backend, rounds: int) -> dict[str, LatencyStatistics]:
    """Seconds of a run of each engine, on noise, all loaded together and taking turns."""
    with (
        Pool.open(built, backend, all_resident=True) as pool,
        ProgressBar("time engines") as progress,
    ):
        tensor = np.random.default_rng(0).standard_normal(pool.input.shape, np.float32)

        def run(name: str) -> None:
            pool.activate(name)
            pool.run(tensor)

        runs = {name: functools.partial(run, name) for name in pool.names}
        return measure_latencies(runs, rounds=rounds, progress=progress)


def _print(report: dict[str, Any]) -> None:
    state = "built" if report["rebuilt"] else "up to date"
    print(f"{report['path']}: {state}")
    for reason in report["reasons"]:
        print(f"  because {reason}")
    latencies = report["latencies"]
    rows = [_row(engine, latencies[engine.name]) for engine in report["engines"]]
    print_table(rows, left=("configuration", "precision"))
    if report["weights_bytes"]:
        print(f"and weights that they share: {text_from_bytes(report['weights_bytes'])}")
    built_for = report["built_for"]
    device = built_for.get("cpu") or built_for.get("device") or "this device"
    runs = next(iter(latencies.values())).runs
    print(
        f"latency on {device}: median of {runs} runs in turns ± half of the middle half's spread"
    )


def _row(engine: Engine, latency: LatencyStatistics) -> dict[str, str]:
    task = engine.parity.task
    return {
        "configuration": engine.name,
        "precision": engine.precision,
        "size": text_from_bytes(engine.size_bytes),
        "build time": text_from_duration(engine.build_s),
        "largest difference": f"{engine.parity.max_abs_difference:.1e}",
        "same labels": f"{engine.parity.label_agreement:.2%}",
        **({f"{task.metric} lost": f"{task.graph - task.engine:.2%}"} if task else {}),
        "latency": f"{text_from_duration(latency.median_s)} "
        f"± {text_from_duration(latency.iqr_s / 2)}",
    }


if __name__ == "__main__":
    sys.exit(main())
