"""Latency, accuracy, agreement and energy of every engine of a set, as one profile."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.artifacts import cut_of
from edgert.errors import BackendError
from edgert.profiling.accuracy import (
    label_agreement,
    measure_miou,
    measure_top1,
)
from edgert.profiling.journal import ProfileJournal
from edgert.profiling.labelled import ScoringFrames
from edgert.profiling.latency import measure_latencies
from edgert.profiling.scores import (
    Score,
    card_score,
    measured_score,
    metric_of,
    refuse_other_classes,
)
from edgert.records import (
    EnergyFigure,
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
    """What an engine draws while it runs back to back, and what one run costs.

    `figure` is there where it was taken from samples, by the whole procedure.
    """

    power_w: float
    energy_j: float
    provenance: Provenance
    figure: EnergyFigure | None = None


# From each engine's latency_s and MACs to its power and energy; the board answers for all at once.
EnergyOf = Callable[[Mapping[str, tuple[float, int]]], Mapping[str, EngineEnergy]]
Conditions = Callable[[], Mapping[str, str]]


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
    labelled: ScoringFrames | None = None,
    energy_of: EnergyOf | None = None,
    board: str = "",
    conditions: Conditions = dict,
    rounds: int = 10,
    progress: Progress | None = None,
    journal: ProfileJournal | None = None,
    method: str = "",
) -> Profile:
    """Measure every engine.

    Args:
        engines: What to measure.
        device: Name of the device, for the profile.
        frames: Pictures (H, W, 3) uint8 RGB, at least one; the first is what latency is timed
            on, all of them are what agreement with the dearest engine is taken over.
        labelled: Where given, accuracy is measured on it; else family.yaml's figures are
            carried over, with their source, if all engines have one of the same data; else
            agreement takes their place.
        energy_of: What an engine draws and costs on the board; None leaves energy out.
        board: Name of the board that the energy is of.
        conditions: What measurements depend on besides the engines, `Backend.conditions`.
        rounds: Rounds of latency measurement.
        progress: Called before each step.
        journal: Where finished parts are kept, and taken from; None: nowhere.
        method: How figures came about that are not measured as they stand, for the profile.

    Raises:
        BackendError: The conditions changed on the way, as the power mode.
        ArtifactError: A labelled frame can't be read, or does not fit the family.
    """
    if labelled is not None:
        for output in engines.manifest.outputs[:1]:
            refuse_other_classes(engines.family, output)
    say = progress or (lambda *_: None)
    before = dict(conditions())
    tensor = engines.preprocess(frames[0]).copy()
    kept = journal or ProfileJournal(None, {})
    latencies = measure_latencies(
        {name: functools.partial(run, tensor) for name, run in engines.runs.items()},
        rounds=rounds,
        progress=lambda done, total, _: say(done, total, "latency"),
        finished=kept.parts.rounds[:rounds],
        keep=lambda times: kept.update(rounds=[*kept.parts.rounds, dict(times)]),
    )
    if not kept.parts.agreements:
        kept.update(agreements=measure_agreements(engines, frames, progress=say))
    agreements = kept.parts.agreements
    accuracies: Mapping[str, tuple[float, int]] = {}
    if labelled is not None:
        accuracies = measure_accuracies(engines, labelled, progress=say, journal=kept)
    energies: Mapping[str, EngineEnergy] = {}
    if energy_of is not None:
        macs = {engine.name: engine.cost.macs for engine in engines.manifest.engines}
        energies = energy_of({name: (latencies[name].median_s, macs[name]) for name in macs})
    _refuse_change(before, conditions(), engines.family.name)
    entries = []
    for engine in engines.manifest.engines:
        name = engine.name
        score = _unlabelled_score(engines, name, agreements[name])
        if labelled is not None:
            score = measured_score(engines.family, *accuracies[name], dataset=labelled.name)
        energy = energies.get(name)
        entries.append(
            ProfileEntry(
                name=name,
                engine_sha256=engine.sha256,
                graph_sha256=engine.graph_sha256,
                latency_s=latencies[name].median_s,
                power_w=energy.power_w if energy else None,
                energy_j=energy.energy_j if energy else None,
                energy_from=energy.provenance if energy else None,
                energy=energy.figure if energy else None,
                accuracy=score.value,
                accuracy_from=score.source,
                accuracy_frames=score.frames,
                accuracy_interval=score.interval,
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
        measured_under={**before, **cut_of(engines.manifest)},
        baselines_macs=engines.manifest.baselines_macs,
        method=method,
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
    engines: EngineSet,
    labelled: ScoringFrames,
    *,
    progress: Progress,
    journal: ProfileJournal | None = None,
) -> dict[str, tuple[float, int]]:
    """The task's score of every engine on labelled frames, with the number of frames.

    For segmentation mean IoU, for classification the share of right answers (top-1).

    Engines that the journal has a score of are not measured again.
    """
    family = engines.family
    kept = journal or ProfileJournal(None, {})
    results = dict(kept.parts.accuracies)
    total = len(engines.runs) * len(labelled)
    for index, (name, run) in enumerate(engines.runs.items()):
        if name in results:
            continue

        def counted(start: int = index * len(labelled)) -> Any:
            for done, (picture, labels) in enumerate(labelled.read()):
                progress(start + done, total, "accuracy")
                yield engines.preprocess(picture), labels

        if metric_of(family) == "top1":
            results[name] = measure_top1(run, counted())
        else:
            results[name] = measure_miou(
                run, counted(), classes=len(family.labels), ignore_label=family.ignore_label
            )
        kept.update(accuracies=dict(results))
    progress(total, total, "accuracy")
    return results


def _refuse_change(then: Mapping[str, str], now: Mapping[str, str], family: str) -> None:
    """Figures from before and after a change are not of one thing."""
    changed = [key for key in sorted({*then, *now}) if then.get(key) != now.get(key)]
    if changed:
        key = changed[0]
        raise BackendError(
            f"profile {family}",
            expected=f"one {key.replace('_', ' ')} from start to end",
            got=f"{then.get(key, 'none')}, then {now.get(key, 'none')}",
            advice="Measure again, and change nothing meanwhile",
        )


def _unlabelled_score(engines: EngineSet, name: str, agreement: float) -> Score:
    """The family's own figure where all engines have one of the same data, else agreement.

    A controller compares them: a score beside shares of agreement would make it choose wrongly.
    """
    stated = {c.name: c.accuracy for c in engines.family.configurations}
    cards = [stated.get(engine.name) for engine in engines.manifest.engines]
    alike = len({(card.metric, card.dataset) if card else None for card in cards}) == 1
    if alike and (card := stated.get(name)) is not None:
        return card_score(card)
    return Score(agreement, f"agreement with {engines.manifest.engines[0].name}")
