"""Before the first trial: frames are read, checked and dealt out, and the work folder is filled.

What is there already, from a start that was killed, is used as it is: each part is written whole
or not at all, and the journal has made sure that it belongs to this search.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

import edgert
from edgert.artifacts import FamilyFolder, staged_folder
from edgert.backends.base import Backend
from edgert.backends.onnxruntime import session_from_bytes
from edgert.calibration.frames import calibration_files, read_calibration_frames
from edgert.calibration.reference import Reference
from edgert.errors import ArtifactError, PreconditionError, UsageError
from edgert.preprocess import Preprocessor
from edgert.profiling.dataset import evenly
from edgert.profiling.labelled import ScoringFrames, open_scoring_frames
from edgert.search.holdout import split_by_blocks
from edgert.search.options import SearchOptions
from edgert.search.score import Metric
from edgert.search.trial import serialised
from edgert.search.workspace import (
    FINAL_REFERENCE,
    SCORING,
    SEARCH_REFERENCE,
    Setup,
    save_setup,
)
from edgert.surgery.graph import Graph, static_shape
from edgert.surgery.load import load_graph
from edgert.surgery.merge_linear import merge_linear

Array = NDArray[Any]
Progress = Callable[[str, int, int, str], None]
STAGE = "frames"
# Without labels: half of the frames fit, a quarter chooses, a quarter reports.
_TURNS = ("fit", "choose", "fit", "report")


@dataclass(frozen=True)
class Frames:
    """Which frames do what.

    Attributes:
        calibration: All calibration frames that are used, in the order of their names.
        fit: Of these, what configurations are fitted on in the end.
        labelled: Where scores are taken with labels; None: on held-out calibration frames.
        choose: Scoring frames that the search chooses by.
        report: Scoring frames that are only reported on.
    """

    calibration: list[Path]
    fit: list[int]
    labelled: ScoringFrames | None
    choose: list[int]
    report: list[int]


def find_frames(family: FamilyFolder, options: SearchOptions) -> Frames:
    """Find all frames and deal them out.

    Raises:
        CalibrationError: The calibration folder can't be used.
        ArtifactError: The labelled frames do not fit the family.
        UsageError: There are too few, or some calibrate and score at once.
    """
    paths = evenly(calibration_files(Path(options.calibration)), options.frames)
    if options.labels is None:
        _refuse_few(
            len(paths), len(_TURNS), f"--calibration {options.calibration}", "; add labels"
        )
        parts = split_by_blocks(len(paths), _TURNS)
        return Frames(paths, parts["fit"], None, parts["choose"], parts["report"])
    labelled = open_scoring_frames(Path(options.labels), family.family, limit=options.label_frames)
    _refuse_few(len(paths), 2, f"--calibration {options.calibration}", "")
    _refuse_few(len(labelled), 2, f"--labels {options.labels}", "")
    _refuse_overlap(paths, labelled)
    parts = split_by_blocks(len(labelled), ("choose", "report"))
    return Frames(paths, list(range(len(paths))), labelled, parts["choose"], parts["report"])


def identity_of(
    family: FamilyFolder, frames: Frames, options: SearchOptions, backend: Backend
) -> dict[str, str]:
    """Everything that a result depends on, in words."""
    base = family.family.base
    labels = frames.labelled.files if frames.labelled else ()
    found = {
        "base model": hashlib.sha256(f"{base.sha256}{base.weights_sha256}".encode()).hexdigest(),
        "input": hashlib.sha256(msgspec.json.encode(family.family.input)).hexdigest(),
        "calibration frames": digest_of(frames.calibration),
        "labelled frames": digest_of(labels) if labels else "none",
        "fit frames": str(options.fit_frames),
        "cost": options.cost,
        "largest drop": f"{options.max_drop:g}",
        "align": str(options.align),
        "only": ", ".join(options.only),
        "exclude": ", ".join(options.exclude),
        "seed": str(options.seed),
        "edgert": edgert.__version__,
    }
    if options.cost == "latency":
        found["device"] = hashlib.sha256(msgspec.json.encode(backend.identity())).hexdigest()
        found["threads"] = str(options.threads or "one for each core")
    if options.sizes:
        found["sizes"] = ", ".join(f"{share:g}" for share in options.sizes)
    return found


def full_graph(family: FamilyFolder) -> tuple[Graph, bool]:
    """The base model after the lossless merge, and whether there was anything to merge."""
    base = load_graph(family.graph_path)
    try:
        return merge_linear(base), True
    except PreconditionError:
        return base, False


def metric_of(family: FamilyFolder, frames: Frames) -> Metric:
    """What scores count."""
    if frames.labelled is None:
        return "agreement"
    return "miou" if family.family.task == "segmentation" else "top1"


def fill_workspace(
    work: Path,
    family: FamilyFolder,
    graph: Graph,
    frames: Frames,
    options: SearchOptions,
    *,
    identity: str,
    progress: Progress,
) -> Setup:
    """Write what workers need and is not there yet.

    Raises:
        ArtifactError: Labels or outputs do not fit, or the disk is full.
        CalibrationError: A frame can't be used.
    """
    metric = metric_of(family, frames)
    setup = Setup(
        identity=identity,
        metric=metric,
        classes=len(family.family.labels),
        ignore_label=family.family.ignore_label,
        choose=frames.choose,
        report=frames.report,
    )
    _check_output(graph, family, metric)
    tensors = read_calibration_frames(
        Path(options.calibration), family.family.input, count=options.frames
    )
    references = {
        FINAL_REFERENCE: frames.fit,
        SEARCH_REFERENCE: evenly(frames.fit, options.fit_frames),
    }
    for name, chosen in references.items():
        if not (work / name).is_dir():
            Reference.make(
                work / name,
                graph,
                [tensors[index] for index in chosen],
                threads=options.threads,
                progress=lambda done, total, what: progress(STAGE, done, total, what),
            )
    if not (work / SCORING).is_dir():
        pairs = _scored(family, frames) if frames.labelled else _agreeing(graph, tensors, options)
        total = len(frames.labelled) if frames.labelled else len(tensors)
        with staged_folder(work / SCORING) as staging:
            for index, (tensor, labels) in enumerate(pairs):
                progress(STAGE, index, total, "frames to score on")
                np.save(staging / f"{index:05d}.input.npy", tensor)
                np.save(staging / f"{index:05d}.labels.npy", labels)
    for name in ("counts", "timing", "final/fitted", "final/graphs"):
        (work / name).mkdir(parents=True, exist_ok=True)
    save_setup(work, setup)
    return setup


def _scored(family: FamilyFolder, frames: Frames) -> Iterator[tuple[Array, Array]]:
    preprocess: Callable[[Array], Array] = Preprocessor(family.family.input)
    for image, labels in frames.labelled.read() if frames.labelled else ():
        yield preprocess(image), labels


def _agreeing(
    graph: Graph, tensors: Sequence[Array], options: SearchOptions
) -> Iterator[tuple[Array, Array]]:
    session = session_from_bytes(serialised(graph), threads=options.threads)
    for tensor in tensors:
        logits = next(iter(session.run({graph.inputs[0].name: tensor}).values()))
        yield tensor, logits.argmax(axis=1)
    session.close()


def _check_output(graph: Graph, family: FamilyFolder, metric: Metric) -> None:
    shape = static_shape(graph.outputs[0]) or ()
    classes, ranks = len(family.family.labels), {"miou": (4,), "top1": (2,)}.get(metric, (2, 3, 4))
    if len(shape) not in ranks or (metric != "agreement" and shape[1] != classes):
        raise ArtifactError(
            f"score {graph.outputs[0].name} of {family.graph_path}",
            expected=f"logits of {classes} classes along axis 1"
            + (", at every place of a map" if metric == "miou" else ""),
            got=f"shape {shape}",
            advice="Correct the task or the labels in family.yaml",
        )


def _refuse_few(count: int, least: int, subject: str, more: str) -> None:
    if count < least:
        raise UsageError(
            subject,
            expected=f"{least} frames or more",
            got=str(count),
            advice=f"Name more frames; 20 to 60 spread over different scenes work well{more}",
        )


def _refuse_overlap(paths: Sequence[Path], labelled: ScoringFrames) -> None:
    scored = {digest_of([path]) for path in labelled.pictures}
    both = [path for path in paths if digest_of([path]) in scored]
    if both:
        raise UsageError(
            "search",
            expected="calibration frames that are not among the labelled ones",
            got=f"{len(both)} of {len(paths)} that are, such as {both[0].name}",
            advice="Calibrate on other frames: scores on frames that were fitted on flatter",
        )


def digest_of(paths: Sequence[Path]) -> str:
    """Of the contents of files, and of their names where there are several."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0".encode() if len(paths) > 1 else b"")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
