"""How much faster an export runs once its linear maps are merged, and that it computes the same.

The export runs as it came, the merged graph as `merge_linear` writes it, both compiled by the
onnxruntime backend, one run of each in turn. Rounds in which other processes took more than
`--quiet` of a core are left out of the figures: a graph of many small operators suffers more
from company than one of few large ones.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.backends import open_backend
from edgert.backends.base import Session, load_own
from edgert.errors import UsageError
from edgert.surgery.channels_first import channels_first
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import save_graph
from edgert.surgery.load import load_graph
from edgert.surgery.merge_linear import merge_linear
from edgert.units import text_from_count, text_from_duration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The export, and how much is run."""
    parser.add_argument("model", type=Path, metavar="MODEL.onnx", help="the export as it came")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="runs of each (7)")
    parser.add_argument("--threads", type=int, metavar="N", help="of an engine (every core)")
    parser.add_argument(
        "--channels-first", action="store_true", help="move layout operators as well"
    )
    parser.add_argument(
        "--quiet", type=float, default=0.15, metavar="CORES",
        help="a round counts where other processes took less (0.15)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Compile both graphs, compare their outputs, then run them in turn."""
    if arguments.rounds < 1:
        raise UsageError(
            "benchmark merge --rounds", expected="1 or more", got=str(arguments.rounds),
            advice="Leave it out for 7",
        )  # fmt: skip
    graph = load_graph(arguments.model)
    merged = merge_linear(graph)
    if arguments.channels_first:
        merged = channels_first(merged)
    backend = open_backend("onnxruntime", threads=arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_graph(merged, folder / "merged.onnx", weights="merged.weights")
        backend.compile(arguments.model, folder / "exported-engine.onnx")
        backend.compile(folder / "merged.onnx", folder / "merged-engine.onnx")
        exported_session = load_own(backend, folder / "exported-engine.onnx")
        merged_session = load_own(backend, folder / "merged-engine.onnx")
        difference = _difference(exported_session, merged_session)
        rounds = _rounds(exported_session, merged_session, arguments.rounds)
    quiet = [(a, b) for a, b, others in rounds if others <= arguments.quiet]
    return {
        "model": arguments.model.name,
        "exported_macs": cost_of(graph).macs,
        "merged_macs": cost_of(merged).macs,
        "difference_ratio": difference,
        "threads": arguments.threads or len(os.sched_getaffinity(0)),
        "rounds": len(rounds),
        "quiet_rounds": len(quiet),
        **_figures(quiet or [(a, b) for a, b, _ in rounds]),
    }


def text_from(result: dict[str, Any]) -> str:
    """The figures as a table."""
    low, high = result["speedup_range"]
    counted = f"{result['quiet_rounds']} quiet of {result['rounds']} rounds"
    if not result["quiet_rounds"]:
        counted = f"{result['rounds']} rounds, none of them quiet"
    return "\n".join(
        [
            f"{result['model']}: {counted}, {result['threads']} threads, medians",
            *(
                f"  {kind:9}{text_from_count(result[f'{kind}_macs'], 'MACs'):>12}"
                f"{text_from_duration(result[f'{kind}_s']):>12}"
                for kind in ("exported", "merged")
            ),
            f"  {result['speedup']:.2f} times as fast (rounds from {low:.2f} to {high:.2f})",
            f"  largest difference {result['difference_ratio']:.1e} of the largest output",
        ]
    )


def _feeds(session: Session, seed: int) -> dict[str, NDArray[Any]]:
    generator = np.random.default_rng(seed)
    return {
        spec.name: generator.standard_normal(spec.shape).astype(spec.dtype)
        for spec in session.inputs
    }


def _difference(exported: Session, merged: Session, inputs: int = 3) -> float:
    """Largest difference over random inputs, relative to the largest output."""
    worst = 0.0
    for seed in range(inputs):
        feeds = _feeds(exported, seed)
        theirs, ours = exported.run(feeds), merged.run(feeds)
        for name, array in theirs.items():
            worst = max(worst, float(np.abs(array - ours[name]).max() / np.abs(array).max()))
    return worst


def _rounds(exported: Session, merged: Session, rounds: int) -> list[tuple[float, float, float]]:
    """Seconds of each in each round, and the larger share of a core that others took."""
    feeds, measured = _feeds(exported, 0), []
    for _ in range(rounds):
        seconds, others = [], []
        for session in (exported, merged):
            busy_s, start_s = _others_busy_s(), time.perf_counter()
            session.run(feeds)
            seconds.append(time.perf_counter() - start_s)
            others.append((_others_busy_s() - busy_s) / seconds[-1])
        measured.append((seconds[0], seconds[1], max(others)))
    return measured


def _others_busy_s() -> float:
    """Core-seconds that processes other than this one have used since the machine started."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
    user, nice, system, _, _, *rest = (int(field) for field in fields)  # without idle and iowait
    own = os.times()
    total_s = (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")
    return total_s - own.user - own.system


def _figures(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    exported_s = statistics.median(a for a, _ in pairs)
    merged_s = statistics.median(b for _, b in pairs)
    ratios = [a / b for a, b in pairs]
    return {
        "exported_s": exported_s,
        "merged_s": merged_s,
        "speedup": exported_s / merged_s,
        "speedup_range": [min(ratios), max(ratios)],
    }
