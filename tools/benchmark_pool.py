"""Memory of engines that are resident together, and what a switch between them takes.

Memory is the proportional set size (PSS) of a fresh process in which each engine has run a few
times, against the same graphs in sessions of onnxruntime with its defaults. A switch is measured
as what the frame after it takes over the engine's next frame; frames scatter without a switch
too, so what the third frame takes over the second is printed beside it.
"""

import argparse
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgert.artifacts import BuiltSet, load_built, load_family
from edgert.backends import open_backend
from edgert.errors import UsageError
from edgert.pool import Pool
from edgert.units import text_from_bytes, text_from_duration

_SAME = 1e-4  # of the largest output: one engine's runs differ by less, two engines' by far more


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The set, and how much is run."""
    parser.add_argument("built", type=Path, metavar="BUILT", help="folder of a built set")
    parser.add_argument(
        "--graphs", type=Path, nargs="+", metavar="ONNX",
        help="the engines' graphs, in the set's order (default: derived from the set's family)",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="of each engine (3)")
    parser.add_argument("--switches", type=int, default=40, metavar="N", help="to measure (40)")
    parser.add_argument("--threads", type=int, metavar="N", help="of an engine (every core)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure each case in a process of its own."""
    built = load_built(arguments.built)
    threads, runs = arguments.threads, arguments.runs
    with tempfile.TemporaryDirectory() as folder:
        graphs = arguments.graphs or _derived(built, Path(folder))
        if len(graphs) != len(built.manifest.engines):
            raise UsageError(
                "benchmark pool --graphs",
                expected=f"{len(built.manifest.engines)} graphs, one for each engine",
                got=str(len(graphs)),
                advice="List them in the order of the manifest",
            )
        memory = {
            "pool_one_bytes": _in_fresh_process(_pool_memory, built, 1, threads, runs),
            "pool_all_bytes": _in_fresh_process(_pool_memory, built, None, threads, runs),
            "plain_one_bytes": _in_fresh_process(_plain_memory, graphs[:1], threads, runs),
            "plain_all_bytes": _in_fresh_process(_plain_memory, graphs, threads, runs),
        }
    return {
        "backend": built.manifest.built_for,
        "engines": [engine.name for engine in built.manifest.engines],
        "weights_bytes": built.weights_path.stat().st_size,
        "runs": runs,
        "threads": threads,
        "memory": memory,
        "switching": _in_fresh_process(_switching, built, threads, arguments.switches),
    }


def text_from(result: dict[str, Any]) -> str:
    """The result as two small tables."""
    memory, switching, count = result["memory"], result["switching"], len(result["engines"])
    lines = [
        f"{'memory (PSS) of a process':<27}{'one engine':>12}{f'{count} engines':>12}{'ratio':>8}"
    ]
    for label, key in (("shared, in one pool", "pool"), ("each by itself", "plain")):
        one, every = memory[f"{key}_one_bytes"], memory[f"{key}_all_bytes"]
        cells = f"{text_from_bytes(one):>12}{text_from_bytes(every):>12}"
        lines.append(f"{label:<27}{cells}{every / one:>8.2f}")
    return "\n".join(
        [
            *lines,
            f"weights file {text_from_bytes(result['weights_bytes'])}, "
            f"{result['runs']} runs of each engine",
            "",
            "switch takes               median "
            f"{text_from_duration(switching['activate_median_s'])}, longest "
            f"{text_from_duration(switching['activate_max_s'])}",
            f"frame after a switch       median {switching['after_switch_median_ratio']:+.1%}, "
            f"p95 {switching['after_switch_p95_ratio']:+.1%} over the engine's next frame",
            f"frame without a switch     median {switching['no_switch_median_ratio']:+.1%}, "
            f"p95 {switching['no_switch_p95_ratio']:+.1%}",
            f"frames lost                {switching['frames_lost']} of {switching['frames']}, "
            f"{switching['switches']} switches",
        ]
    )


def _in_fresh_process(measure: Callable[..., Any], *arguments: Any) -> Any:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as executor:
        return executor.submit(measure, *arguments).result()


def _derived(built: BuiltSet, folder: Path) -> list[Path]:
    """The graphs that the set's engines were compiled from, derived anew."""
    from edgert.build.derive import derive_configuration
    from edgert.surgery.graph import save_graph
    from edgert.surgery.load import load_graph

    family = load_family(built.path.parent.parent)
    base = load_graph(family.graph_path)
    paths = []
    for configuration in family.family.configurations:
        path = folder / f"{configuration.name}.onnx"
        subject = f"derive {configuration.name}"
        graph = derive_configuration(family, configuration, base=base, subject=subject)
        save_graph(graph, path, weights=f"{configuration.name}.weights")
        paths.append(path)
    return paths


# ---------------------------------------------------------------- in a process of its own


def _pool_memory(built: BuiltSet, count: int | None, threads: int | None, runs: int) -> int:
    manifest = msgspec.structs.replace(built.manifest, engines=built.manifest.engines[:count])
    backend = open_backend(manifest.backend, threads=threads)
    with Pool.open(BuiltSet(built.path, manifest), backend) as pool:
        frame = _frame(pool.input.shape)
        for name in pool.names:
            pool.activate(name)
            for _ in range(runs):
                pool.run(frame)
        return _pss_bytes()


def _plain_memory(graphs: Sequence[Path], threads: int | None, runs: int) -> int:
    """What a program takes that opens every graph as the runtime's introduction shows it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    sessions = [
        onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        for graph in graphs
    ]
    for session in sessions:
        edge = session.get_inputs()[0]
        for _ in range(runs):
            session.run(None, {edge.name: _frame(tuple(edge.shape))})
    return _pss_bytes()


def _switching(built: BuiltSet, threads: int | None, switches: int) -> dict[str, Any]:
    """Three frames after each of many switches, compared in pairs as the load may change."""
    order = random.Random(0)
    activations, after, without, lost = [], [], [], 0
    with Pool.open(built, open_backend(built.manifest.backend, threads=threads)) as pool:
        frame = _frame(pool.input.shape)
        answers: dict[str, Any] = {}
        for name in pool.names:
            pool.activate(name)
            answers[name] = pool.run(frame).copy()
        for _ in range(switches):
            name = order.choice([other for other in pool.names if other != pool.active])
            activations.append(_timed(pool.activate, name)[0])
            taken = []
            for _ in range(3):
                taken_s, answer = _timed(pool.run, frame)
                taken.append(taken_s)
                difference = np.abs(answer - answers[name]).max()
                lost += not difference <= _SAME * np.abs(answers[name]).max()
            after.append(taken[0] / taken[1] - 1)
            without.append(taken[2] / taken[1] - 1)
    return {
        "activate_median_s": statistics.median(activations),
        "activate_max_s": max(activations),
        "after_switch_median_ratio": statistics.median(after),
        "after_switch_p95_ratio": float(np.quantile(after, 0.95)),
        "no_switch_median_ratio": statistics.median(without),
        "no_switch_p95_ratio": float(np.quantile(without, 0.95)),
        "switches": switches,
        "frames": 3 * switches,
        "frames_lost": int(lost),
    }


def _timed(call: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call(*arguments)
    return time.perf_counter() - start, result


def _frame(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def _pss_bytes() -> int:
    """This process's proportional set size.

    Not the resident set: that counts a page of the weights once for each engine that maps it.
    """
    for line in Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    sys.exit("benchmark pool: this kernel does not report a proportional set size")
