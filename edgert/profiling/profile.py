"""Latency, accuracy, agreement and energy of every engine of a set, as one profile."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.profiling.accuracy import label_agreement, measure_miou
from edgert.profiling.dataset import LabelledFrames
from edgert.profiling.latency import measure_latencies
from edgert.records import (
    EngineManifest,
    Family,
    Profile,
    ProfileEntry,
    Provenance,
)

Array = NDArray[Any]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class EngineEnergy:
    """What an engine draws while it runs back to back, and what one run costs."""

    power_w: float
    energy_j: float
    provenance: Provenance


# From each engine's latency_s and MACs to its power and energy; the board answers for all at once.
EnergyOf = Callable[[Mapping[str, tuple[float, int]]], Mapping[str, EngineEnergy]]


@dataclass(frozen=True)
class EngineSet:
    """The engines of a set, ready to run: dearest first, each from input to logits.

    `runs[name]` takes the model's input (1, 3, H, W) and returns the first output; its array may
    be reused by the next run.
    """

    family: Family
    manifest: EngineManifest
    runs: Mapping[str, Callable[[Array], Array]]
    preprocess: Callable[[Array], Array]  # picture (H, W, 3) uint8 RGB to input (1, 3, H, W)


def profile_engines(
    engines: EngineSet,
    *,
    device: str,
    frames: Sequence[Array],
    labelled: LabelledFrames | None = None,
    energy_of: EnergyOf | None = None,
    board: str = "",
    rounds: int = 10,
    progress: Progress | None = None,
) -> Profile:
    """Measure every engine.

    Args:
        engines: What to measure.
        device: Name of the device, for the profile.
        frames: Pictures (H, W, 3) uint8 RGB, at least one; the first is what latency is timed
            on, all of them are what agreement with the dearest engine is taken over.
        labelled: Where given, accuracy is measured on it; else family.yaml's figure is
            carried over, with its source; else agreement takes its place.
        energy_of: What an engine draws and costs on the board; None leaves energy out.
        board: Name of the board that the energy is of.
        rounds: Rounds of latency measurement.
        progress: Called before each step.
    """
    say = progress or (lambda *_: None)
    tensor = engines.preprocess(frames[0]).copy()
    latencies = measure_latencies(
        {name: functools.partial(run, tensor) for name, run in engines.runs.items()},
        rounds=rounds,
        progress=lambda done, total, _: say(done, total, "latency"),
    )
    agreements = measure_agreements(engines, frames, progress=say)
    accuracies = {}
    if labelled is not None:
        accuracies = measure_accuracies(engines, labelled, progress=say)
    energies: Mapping[str, EngineEnergy] = {}
    if energy_of is not None:
        macs = {engine.name: engine.cost.macs for engine in engines.manifest.engines}
        energies = energy_of({name: (latencies[name].median_s, macs[name]) for name in macs})
    entries = []
    for engine in engines.manifest.engines:
        name = engine.name
        accuracy, source = _accuracy(engines, name, accuracies.get(name), agreements[name])
        energy = energies.get(name)
        entries.append(
            ProfileEntry(
                name=name,
                latency_s=latencies[name].median_s,
                power_w=energy.power_w if energy else None,
                energy_j=energy.energy_j if energy else None,
                energy_from=energy.provenance if energy else None,
                accuracy=accuracy,
                accuracy_from=source,
                latency=latencies[name],
                agreement=agreements[name],
                macs=engine.cost.macs,
            )
        )
    return Profile(
        family=engines.family.name,
        device=device,
        backend=engines.manifest.backend,
        board=board,
        baselines_macs=engines.manifest.baselines_macs,
        entries=entries,
    )


def measure_agreements(
    engines: EngineSet, frames: Sequence[Array], *, progress: Progress
) -> dict[str, float]:
    """Share of labels that equal the dearest engine's, over all frames; no labels needed."""
    shares: dict[str, list[float]] = {name: [] for name in engines.runs}
    for done, frame in enumerate(frames):
        progress(done, len(frames), "agreement with the dearest engine")
        tensor = engines.preprocess(frame)
        reference: Array | None = None
        for name, run in engines.runs.items():
            logits = run(tensor)
            reference = logits.copy() if reference is None else reference
            shares[name].append(label_agreement(logits, reference))
    progress(len(frames), len(frames), "agreement with the dearest engine")
    return {name: float(np.mean(values)) for name, values in shares.items()}


def measure_accuracies(
    engines: EngineSet, labelled: LabelledFrames, *, progress: Progress
) -> dict[str, tuple[float, int]]:
    """Mean IoU of every engine on labelled frames, with the number of frames."""
    family = engines.family
    results = {}
    total = len(engines.runs) * len(labelled)
    for index, (name, run) in enumerate(engines.runs.items()):

        def counted(start: int = index * len(labelled)) -> Any:
            for done, (picture, labels) in enumerate(labelled):
                progress(start + done, total, "accuracy")
                yield engines.preprocess(picture), labels

        results[name] = measure_miou(
            run, counted(), classes=len(family.labels), ignore_label=family.ignore_label
        )
    progress(total, total, "accuracy")
    return results


def _accuracy(
    engines: EngineSet, name: str, measured: tuple[float, int] | None, agreement: float
) -> tuple[float, str]:
    """The best figure there is for an engine, and where it comes from."""
    if measured is not None:
        return measured[0], f"mIoU measured on {measured[1]} labelled frames"
    card = {c.name: c.accuracy for c in engines.family.configurations}.get(name)
    if card is not None:
        metric = {"miou": "mIoU", "top1": "top-1"}[card.metric]
        return card.value, f"{metric} on {card.frames} frames of {card.dataset}"
    return agreement, f"agreement with {engines.manifest.engines[0].name}"
