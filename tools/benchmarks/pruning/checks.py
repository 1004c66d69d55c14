"""What a made model costs and computes: steps of `own_process` for `benchmark.py prune`."""

import functools
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.backends import open_backend
from edgert.backends.base import Session, load_own
from edgert.errors import BackendError
from edgert.optional import needs
from edgert.profiling.accuracy import measure_miou
from edgert.profiling.latency import measure_latencies
from edgert.records import Cost
from edgert.surgery.cost import cost_of
from edgert.surgery.load import load_graph

ENGINE = "engine.onnx"
_RUNS = 3  # timed in a turn
_WARMUP = 2

Array = NDArray[Any]


def check(
    folder: Path,
    *,
    model: str,
    validation: str,
    classes: int,
    ignore_label: int | None,
    output_shape: list[int] | None,
    unchanged: list[int] | None,
    threads: int | None,
) -> dict[str, Any]:
    """Count a model, compile it, and measure its accuracy.

    Args:
        folder: Takes the engine.
        model: An ONNX file.
        validation: Folder with inputs.npy and labels.npz.
        classes: Number of classes.
        ignore_label: Label of pixels that do not count.
        output_shape: What its first output has to have; None takes what comes.
        unchanged: MACs and parameters of the graph that it was made of. A model with the same is
            not measured again.
        threads: Of the engine.

    Returns:
        What was counted, and either "miou" or why there is none: "same" or "invalid".
    """
    cost = count(Path(model), folder)
    counted = {
        "macs": cost.macs,
        "parameters": cost.parameters,
        "unknown": cost.unknown_operators,
        "file_bytes": Path(model).stat().st_size,
    }
    if unchanged == [cost.macs, cost.parameters]:
        return {**counted, "same": True}
    backend = open_backend("onnxruntime", threads=threads)
    try:
        backend.compile(Path(model), folder / ENGINE)
        session = load_own(backend, folder / ENGINE)
        shape = list(session.outputs[0].shape)
        if output_shape is not None and shape != output_shape:
            return {**counted, "invalid": f"its output is {shape}, not {output_shape}"}
        miou, frames = _accuracy(session, Path(validation), classes, ignore_label)
    except BackendError as error:
        return {**counted, "invalid": error.got}
    if miou is None:
        return {**counted, "invalid": "its output has numbers that are not finite"}
    return {**counted, "miou": miou, "frames": frames, "output_shape": shape}


def count(model: Path, folder: Path) -> Cost:
    """The cost of a model by its weights' shapes.

    Shapes that the file states of what is computed are dropped before: onnxsim leaves those of
    the unpruned model there, and what contradicts them could not be counted.
    """
    onnx = needs("onnx", "build", "to count a model")
    proto = onnx.load(str(model))
    del proto.graph.value_info[:]
    bare = folder / "counted.onnx"
    onnx.save(proto, str(bare))
    cost = cost_of(load_graph(bare))
    bare.unlink()
    return cost


def _accuracy(
    session: Session, validation: Path, classes: int, ignore_label: int | None
) -> tuple[float | None, int]:
    """Mean IoU and number of frames; None where an output has numbers that are not finite."""
    name, finite = session.inputs[0].name, True

    def run(tensor: Array) -> Array:
        nonlocal finite
        logits = next(iter(session.run({name: tensor}).values()))
        finite = finite and bool(np.isfinite(logits).all())
        usable: Array = np.nan_to_num(logits)
        return usable

    miou, frames = measure_miou(
        run, _labelled(validation), classes=classes, ignore_label=ignore_label
    )
    return (miou if finite else None), frames


def _labelled(validation: Path) -> Iterator[tuple[Array, Array]]:
    tensors = np.load(validation / "inputs.npy", mmap_mode="r")
    with np.load(validation / "labels.npz") as labels:
        for index, tensor in enumerate(tensors):
            yield np.asarray(tensor), labels[str(index)]


def latencies(
    folder: Path,
    *,
    engines: dict[str, str],
    baseline: str,
    frames: str,
    rounds: int,
    threads: int | None,
) -> dict[str, Any]:
    """Time all engines against each other on one frame, in rounds that take turns.

    Returns:
        For each name the median of its seconds, and of its ratios to the baseline's in the same
        round, with the least and the most of these.
    """
    backend = open_backend("onnxruntime", threads=threads)
    tensor = np.asarray(np.load(frames, mmap_mode="r")[0])
    runs = {}
    for name, engine in engines.items():
        session = load_own(backend, Path(engine))
        runs[name] = functools.partial(session.run, {session.inputs[0].name: tensor})
    measured: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds):
        warmup = 0 if turn else _WARMUP
        found = measure_latencies(runs, rounds=1, runs_per_round=_RUNS, warmup_runs=warmup)
        for name, statistic in found.items():
            measured[name].append(statistic.median_s)
    return {name: _figures(times, measured[baseline]) for name, times in measured.items()}


def _figures(times: list[float], baseline: list[float]) -> dict[str, Any]:
    ratios = [own / other for own, other in zip(times, baseline, strict=True)]
    return {
        "latency_s": statistics.median(times),
        "latency_ratio": statistics.median(ratios),
        "latency_ratio_range": [min(ratios), max(ratios)],
    }
