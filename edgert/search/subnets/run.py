"""The search over subnets, from a supernet's folder to the frontier."""

import hashlib
import shutil
from pathlib import Path

import msgspec

import edgert
from edgert.artifacts import make_folder, sha256_from_file, write_atomically
from edgert.backends.onnxruntime import OnnxRuntimeBackend
from edgert.calibration.picture_batches import Batches
from edgert.clock import Clock
from edgert.families.ofa_space_file import SPACE_FILE
from edgert.search.budget import Budget
from edgert.search.journal import Journal
from edgert.search.prepare import Frames, digest_of
from edgert.search.subnets.finish import Finisher
from edgert.search.subnets.ledger import Progress, SubnetLedger
from edgert.search.subnets.options import SubnetOptions
from edgert.search.subnets.pictures import (
    calibration_batches,
    deal_pictures,
    write_scoring_inputs,
)
from edgert.search.subnets.predictor import read_predictor
from edgert.search.subnets.result import SubnetResult
from edgert.search.subnets.scoring import PictureScore, PredictedScore, Recalibrator, Scorer
from edgert.search.subnets.selection import selected
from edgert.search.subnets.supernet import Supernet
from edgert.search.subnets.timing import SubnetTimer

STAGES = ("pictures", "timing", "search", "candidates", "frontier")
JOURNAL, FINAL, SCORING, RESULT = "journal.jsonl", "final", "scoring", "result.json"


def search_subnets(
    supernet: Supernet,
    options: SubnetOptions,
    *,
    work: Path,
    clock: Clock,
    restart: bool = False,
    progress: Progress | None = None,
) -> SubnetResult:
    """Find the subnets of a supernet that are worth having.

    Args:
        supernet: As `open_supernet` gives it.
        options: What the operator asks.
        work: The work folder; a search that was killed there goes on.
        clock: Tells how much of the minutes is spent.
        restart: Forget what is in the work folder.
        progress: Called with each result.

    Returns:
        What was found; also in the work folder as result.json.

    Raises:
        EdgertError: Pictures, predictor or work folder can't be used.
    """
    frames = deal_pictures(supernet.folder, options)
    backend = OnnxRuntimeBackend(options.threads)
    predicted = None
    if options.predictor is not None:
        predicted = PredictedScore(read_predictor(Path(options.predictor)), supernet.space)
    work = work.resolve()
    make_folder(work)
    if restart:
        _clear(work)
    identity = _identity(supernet, frames, options, backend)
    with Journal(work / JOURNAL, identity) as journal:
        budget = Budget(60 * options.minutes, spent_s=journal.elapsed_s, clock=clock)
        say = progress or (lambda *_: None)
        ledger = _ledger(
            supernet, frames, options, work, journal=journal, budget=budget, scorer=predicted,
            progress=say,
        )  # fmt: skip
        result = selected(ledger, frames, options, backend.device())
    write_atomically(work / RESULT, msgspec.json.format(msgspec.json.encode(result)))
    return result


def _ledger(
    supernet: Supernet,
    frames: Frames,
    options: SubnetOptions,
    work: Path,
    *,
    journal: Journal,
    budget: Budget,
    scorer: Scorer | None,
    progress: Progress,
) -> SubnetLedger:
    batches = calibration_batches(supernet.folder, frames, options)
    recalibrate = Recalibrator(supernet, threads=options.threads)
    if scorer is None:
        scorer = PictureScore(
            recalibrate,
            write_scoring_inputs(work / SCORING, supernet.folder, frames, progress=progress),
            batches,
            choose=frames.choose,
            report=frames.report,
            threads=options.threads,
        )
    [[probe]] = Batches(batches.final.paths[:1], supernet.folder.family.input, 1)
    timer = None
    if options.cost == "latency":
        timer = SubnetTimer(supernet, tensor=probe, threads=options.threads, rounds=options.rounds)
    finish = Finisher(
        work / FINAL, recalibrate=recalibrate, batches=batches.final, scorer=scorer, probe=probe
    )
    return SubnetLedger(
        supernet, journal=journal, scorer=scorer, timer=timer, finish=finish, budget=budget,
        progress=progress,
    )  # fmt: skip


def _identity(
    supernet: Supernet, frames: Frames, options: SubnetOptions, backend: OnnxRuntimeBackend
) -> dict[str, str]:
    """Everything that a result depends on, in words."""
    family = supernet.folder.family
    labels = frames.labelled.files if frames.labelled else ()
    predictor = options.predictor
    found = {
        "base model": hashlib.sha256(
            f"{family.base.sha256}{family.base.weights_sha256}".encode()
        ).hexdigest(),
        "input": hashlib.sha256(msgspec.json.encode(family.input)).hexdigest(),
        "space": sha256_from_file(supernet.folder.path / SPACE_FILE),
        "calibration pictures": digest_of(frames.calibration),
        "labelled pictures": digest_of(labels) if labels else "none",
        "predictor": "none" if predictor is None else sha256_from_file(Path(predictor)),
        "pictures for a trial": str(options.search_images),
        "cost": options.cost,
        "timed subnets": str(options.timed),
        "seed": str(options.seed),
        "edgert": edgert.__version__,
    }
    if options.cost == "latency":
        found["device"] = hashlib.sha256(msgspec.json.encode(backend.identity())).hexdigest()
        found["threads"] = str(options.threads or "one for each core")
    return found


def _clear(work: Path) -> None:
    """Remove what a search over subnets wrote, and nothing else."""
    for name in (JOURNAL, RESULT):
        (work / name).unlink(missing_ok=True)
    for name in (FINAL, SCORING):
        shutil.rmtree(work / name, ignore_errors=True)
