"""Memory of engines that are resident together, and what switching and loading ahead take.

Memory is the proportional set size (PSS) of a fresh process in which each engine has run a few
times, against the same graphs in sessions of onnxruntime with its defaults. A switch is measured
as what the frame after it takes over the engine's next frame; frames scatter without a switch
too, so what the third frame takes over the second is printed beside it.

What the pool's plan says beforehand is compared with what the process grew by. Its first engine
brings the activations too, which this backend can't state and the plan doesn't count, so what the
others add is given by itself. Loading ahead is measured with room for the cheapest engine and one
more: the cheapest runs frame after frame, in turns with and without another one being loaded.
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
from edgert.pool import Pool, plan_built
from edgert.units import text_from_bytes, text_from_duration

_AHEAD = 2  # engines there is room for where loading ahead is measured
_PATIENCE_S = 60.0
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
    parser.add_argument(
        "--loads", type=int, default=20, metavar="N", help="ahead, to measure (20)"
    )
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
        one = _in_fresh_process(_pool_memory, built, 1, threads, runs)
        every = _in_fresh_process(_pool_memory, built, None, threads, runs)
        memory = {
            "pool_one_bytes": one["after_bytes"],
            "pool_all_bytes": every["after_bytes"],
            "plain_one_bytes": _in_fresh_process(_plain_memory, graphs[:1], threads, runs),
            "plain_all_bytes": _in_fresh_process(_plain_memory, graphs, threads, runs),
        }
    return {
        "backend": built.manifest.built_for,
        "engines": [engine.name for engine in built.manifest.engines],
        "weights_bytes": built.weights_path.stat().st_size if built.weights_path else 0,
        "runs": runs,
        "threads": threads,
        "memory": memory,
        "planned": {"one": one, "all": every},
        "switching": _in_fresh_process(_switching, built, threads, arguments.switches),
        "load_ahead": _in_fresh_process(_load_ahead, built, threads, arguments.loads)
        if len(built.manifest.engines) > _AHEAD
        else None,
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
            "",
            *_planned_lines(result["planned"], count),
            *_load_ahead_lines(result["load_ahead"], count),
        ]
    )


def _planned_lines(planned: dict[str, Any], count: int) -> list[str]:
    """The plan's figures beside what the process grew by."""
    lines = [f"{'memory':<27}{'planned':>12}{'measured':>12}"]
    one, every = (
        {
            "planned": planned[key]["planned_bytes"],
            "measured": planned[key]["after_bytes"] - planned[key]["before_bytes"],
        }
        for key in ("one", "all")
    )
    for label, row in (
        ("one engine", one),
        (f"{count} engines", every),
        ("what the others add", {key: every[key] - one[key] for key in one}),
    ):
        cells = "".join(f"{text_from_bytes(row[key]):>12}" for key in ("planned", "measured"))
        lines.append(f"{label:<27}{cells}")
    return lines


def _load_ahead_lines(found: dict[str, Any] | None, count: int) -> list[str]:
    if found is None:
        return []
    return [
        "",
        f"with room for {_AHEAD} of {count}         planned "
        f"{text_from_bytes(found['planned_bytes'])}, measured "
        f"{text_from_bytes(found['grown_bytes'])} when opened, "
        f"{text_from_bytes(found['grown_after_bytes'])} after {found['loads']} loads",
        f"a load takes               median {text_from_duration(found['load_median_s'])}, longest "
        f"{text_from_duration(found['load_max_s'])}",
        "frame of the cheapest      median "
        f"{text_from_duration(found['quiet_median_s'])}, p95 "
        f"{text_from_duration(found['quiet_p95_s'])} ({found['quiet_frames']} frames)",
        "while another is loaded    median "
        f"{text_from_duration(found['busy_median_s'])}, p95 "
        f"{text_from_duration(found['busy_p95_s'])} ({found['busy_frames']} frames)",
        f"frames lost                {found['frames_lost']}",
    ]


def _in_fresh_process(measure: Callable[..., Any], *arguments: Any) -> Any:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as executor:
        return executor.submit(measure, *arguments).result()


def _derived(built: BuiltSet, folder: Path) -> list[Path]:
    """The graphs that the set's engines were compiled from, derived anew."""
    from edgert.build.derive import derive_configuration
    from edgert.build.family_graphs import FamilyGraphs
    from edgert.surgery.graph import save_graph

    family = load_family(built.path.parent.parent)
    graphs = FamilyGraphs(family)
    paths = []
    for configuration in family.family.configurations:
        path = folder / f"{configuration.name}.onnx"
        subject = f"derive {configuration.name}"
        graph = derive_configuration(family, configuration, base=graphs, subject=subject)
        save_graph(graph, path, weights=f"{configuration.name}.weights")
        paths.append(path)
    return paths


# ---------------------------------------------------------------- in a process of its own


def _pool_memory(
    built: BuiltSet, count: int | None, threads: int | None, runs: int
) -> dict[str, int]:
    """Before the pool is opened, after it ran, and what its plan says."""
    manifest = msgspec.structs.replace(built.manifest, engines=built.manifest.engines[:count])
    backend = open_backend(manifest.backend, threads=threads)
    backend.identity()  # the runtime itself is loaded, and no part of the plan
    before_bytes = _pss_bytes()
    with Pool.open(BuiltSet(built.path, manifest), backend, all_resident=True) as pool:
        frame = _frame(pool.input.shape)
        for name in pool.names:
            pool.activate(name)
            for _ in range(runs):
                pool.run(frame)
        return {
            "before_bytes": before_bytes,
            "after_bytes": _pss_bytes(),
            "planned_bytes": pool.plan.needed_bytes if pool.plan else 0,
        }


def _load_ahead(built: BuiltSet, threads: int | None, loads: int) -> dict[str, Any]:
    """The cheapest engine's frames in turns with and without another one being loaded."""
    backend = open_backend(built.manifest.backend, threads=threads)
    backend.identity()
    before_bytes = _pss_bytes()
    whole = plan_built(built, backend, memory_bytes=None)
    dearest = sorted((cost.own_bytes for cost in whole.costs), reverse=True)
    budget_bytes = whole.shared.all_bytes + sum(dearest[:_AHEAD])
    quiet_s: list[float] = []
    busy_s: list[float] = []
    loads_s: list[float] = []
    lost = 0
    with Pool.open(built, backend, memory_bytes=budget_bytes) as pool:
        frame, cheapest = _frame(pool.input.shape), pool.names[-1]
        pool.activate(cheapest)
        pool.wait(_PATIENCE_S)
        expected = pool.run(frame).copy()
        grown_bytes = _pss_bytes() - before_bytes

        def run_frame(times_s: list[float]) -> None:
            nonlocal lost
            taken_s, answer = _timed(pool.run, frame)
            times_s.append(taken_s)
            lost += not np.abs(answer - expected).max() <= _SAME * np.abs(expected).max()

        for turn in range(loads):
            for _ in range(5):
                run_frame(quiet_s)
            name = pool.names[turn % (len(pool.names) - _AHEAD)]  # none that is there already
            start_s = time.perf_counter()
            while pool.activate(name) == cheapest and not pool.failures:
                run_frame(busy_s)
            loads_s.append(time.perf_counter() - start_s)
            pool.wait(_PATIENCE_S)
            pool.activate(cheapest)
            pool.wait(_PATIENCE_S)
        return {
            "planned_bytes": pool.plan.needed_bytes if pool.plan else 0,
            "grown_bytes": grown_bytes,
            "grown_after_bytes": _pss_bytes() - before_bytes,
            "loads": loads,
            "load_median_s": statistics.median(loads_s),
            "load_max_s": max(loads_s),
            "quiet_median_s": statistics.median(quiet_s),
            "quiet_p95_s": float(np.quantile(quiet_s, 0.95)),
            "quiet_frames": len(quiet_s),
            "busy_median_s": statistics.median(busy_s),
            "busy_p95_s": float(np.quantile(busy_s, 0.95)),
            "busy_frames": len(busy_s),
            "frames_lost": int(lost),
        }


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
    backend = open_backend(built.manifest.backend, threads=threads)
    with Pool.open(built, backend, all_resident=True) as pool:
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
