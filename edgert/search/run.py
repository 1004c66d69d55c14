"""The search from the first frame to the frontier, stage by stage."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgert.artifacts import FamilyFolder, make_folder, write_atomically
from edgert.backends.onnxruntime import OnnxRuntimeBackend
from edgert.calibration.ranking import rank_units, save_ranking
from edgert.calibration.reference import Reference
from edgert.clock import Clock
from edgert.search.budget import Budget
from edgert.search.choice import CHANNELS, RANKING
from edgert.search.evolution import STAGE as MULTI_OBJECTIVE
from edgert.search.evolution import evolve, optuna_library
from edgert.search.executor import open_workers
from edgert.search.final import Finals, select_finals
from edgert.search.greedy import STAGE as GREEDY
from edgert.search.greedy import walk_greedily
from edgert.search.journal import Journal
from edgert.search.ledger import Ledger, Progress, Trial
from edgert.search.options import SearchOptions
from edgert.search.predict import SingleEdits
from edgert.search.prepare import (
    Frames,
    fill_workspace,
    find_frames,
    full_graph,
    identity_of,
    metric_of,
)
from edgert.search.result import Found, SearchResult, Spot
from edgert.search.sensitivities import measure_single_edits
from edgert.search.space import Space, find_space
from edgert.search.timer import Timer
from edgert.search.trial import GRAPHS
from edgert.search.uniform import STAGE as UNIFORM
from edgert.search.uniform import evaluate_uniform
from edgert.search.workspace import (
    JOURNAL,
    SEARCH_REFERENCE,
    Setup,
    Workspace,
    clear_workspace,
)
from edgert.search.write import names_of
from edgert.surgery.graph import Graph

STAGES = ("frames", "reference", "single edits", GREEDY, MULTI_OBJECTIVE, UNIFORM, "frontier")
# Shares of the minutes after which a stage starts nothing new; the rest is for what must come.
_SINGLES_UNTIL, _GREEDY_UNTIL, _BRED_UNTIL = 0.35, 0.55, 0.85
_LAST_TRIALS, _LAST_TRIAL_S = 50, 2.0  # uniform and final ones; the latter take longer


@dataclass(frozen=True)
class _Opened:
    """A search that can begin."""

    ledger: Ledger
    space: Space
    setup: Setup


def search_family(
    family: FamilyFolder,
    options: SearchOptions,
    *,
    work: Path,
    clock: Clock,
    restart: bool = False,
    progress: Progress | None = None,
) -> SearchResult:
    """Find the configurations of a family that are worth having.

    Args:
        family: Its base model is what is searched over; its configurations are not looked at.
        options: What the operator asks.
        work: The work folder; a search that was killed there goes on.
        clock: Tells how much of the minutes is spent.
        restart: Forget what is in the work folder.
        progress: Called with each result.

    Returns:
        What was found; also in the work folder as result.json.

    Raises:
        EdgertError: Frames, labels, work folder or workers can't be used.
    """
    say = progress or (lambda *_: None)
    optuna_library()  # not after half an hour
    backend = OnnxRuntimeBackend(options.threads)
    frames = find_frames(family, options)
    identity = identity_of(family, frames, options, backend)
    work = work.resolve()
    make_folder(work)
    if restart:
        clear_workspace(work)
    with Journal(work / JOURNAL, identity) as journal:
        budget = Budget(60 * options.minutes, spent_s=journal.elapsed_s, clock=clock)
        digest = hashlib.sha256(msgspec.json.encode(identity)).hexdigest()
        graph, _ = full_graph(family)
        setup = fill_workspace(work, family, graph, frames, options, identity=digest, progress=say)
        space = _space(work, graph, options, say)
        with open_workers(options.jobs, dask=options.dask) as workers:
            timer = None
            if options.cost == "latency":
                tensor, _ = Workspace(work, setup).scoring_frame(0)
                timer = Timer(
                    work,
                    digest,
                    tensor=tensor,
                    workers=workers,
                    threads=options.threads,
                    rounds=options.rounds,
                )
            ledger = Ledger(
                work,
                digest,
                space=space,
                journal=journal,
                workers=workers,
                timer=timer,
                budget=budget,
                progress=say,
            )
            result = _search(ledger, family, frames, options, backend.device())
    write_atomically(work / "result.json", msgspec.json.format(msgspec.json.encode(result)))
    return result


def _space(work: Path, graph: Graph, options: SearchOptions, say: Progress) -> Space:
    """The knobs, and the ranking of their groups in the work folder."""
    space = find_space(
        graph,
        align=options.align,
        only=options.only,
        exclude=options.exclude,
        sizes=options.sizes,
        progress=lambda done, total, what: say("reference", done, total, what),
    )
    if not (work / RANKING).is_file():
        groups = [
            k.name.removeprefix(CHANNELS) for k in space.knobs if k.name.startswith(CHANNELS)
        ]
        reference = Reference.open(work / SEARCH_REFERENCE, threads=options.threads)
        ranking = rank_units(
            reference,
            groups=groups,
            threads=options.threads,
            progress=lambda done, total, what: say("reference", done, total, what),
        )
        save_ranking(work / RANKING, ranking)
    return space


def _search(
    ledger: Ledger,
    family: FamilyFolder,
    frames: Frames,
    options: SearchOptions,
    device: str,
) -> SearchResult:
    max_drop = options.max_drop
    ledger.evaluate([{}], stage="reference")
    edits = measure_single_edits(ledger, max_drop=max_drop, deadline=_SINGLES_UNTIL)
    path = walk_greedily(ledger, edits, max_drop=max_drop, deadline=_GREEDY_UNTIL)
    bred = evolve(
        ledger,
        edits,
        path,
        max_drop=max_drop,
        trials=options.trials,
        deadline=_bred_until(ledger),
        seed=options.seed,
    )
    uniform = evaluate_uniform(ledger, edits, max_drop=max_drop)
    by_method = {GREEDY: path, MULTI_OBJECTIVE: bred, UNIFORM: uniform}
    finals = select_finals(
        ledger,
        edits,
        by_method,
        max_drop=max_drop,
        configurations=options.configurations - 1,
        seed=options.seed,
    )
    _remove_graphs(ledger.folder, {trial.key for trial in finals.frontier})
    names = names_of([trial.macs for trial in finals.frontier])
    trials = ledger.trials()
    return SearchResult(
        family=family.family.name,
        metric=metric_of(family, frames),
        cost=options.cost,
        device=device,
        frames={
            "fitted on": len(frames.fit),
            "choose": len(frames.choose),
            "report": len(frames.report),
        },
        full=_found(ledger, "full", finals.full),
        frontier=[_found(ledger, n, t) for n, t in zip(names, finals.frontier, strict=True)],
        methods=finals.methods,
        flattery=finals.flattery,
        trials=_counted(by_method, trials),
        failed={t.key: t.failed for t in trials if t.failed},
        left_out=ledger.space.left_out,
        minutes=ledger.budget.spent_s / 60,
        evaluated_now=ledger.evaluated,
        spots=_spots(ledger, edits, by_method, trials, finals),
    )


def _remove_graphs(work: Path, wanted: Collection[str]) -> None:
    """Remove the graphs of final trials that did not make it: each has all weights in it."""
    for path in (work / GRAPHS).glob("*.onnx"):
        if path.stem not in wanted:
            path.unlink()


def _bred_until(ledger: Ledger) -> float:
    """The share of the minutes that leaves enough for the stages that have to come."""
    last_s = _LAST_TRIALS * _LAST_TRIAL_S * ledger.trial_s / ledger.workers
    return min(_BRED_UNTIL, 1 - last_s / ledger.budget.limit_s)


def _found(ledger: Ledger, name: str, trial: Trial) -> Found:
    cost = ledger.cost(trial, final=True)
    ratio, error, median_s = (
        (1.0, 0.0, None) if cost is None else (cost.ratio, cost.error, cost.median_s)
    )
    return Found(
        name=name,
        key=trial.key,
        choice=trial.choice,
        macs=trial.macs,
        cost=ratio,
        cost_error=error,
        latency_s=median_s,
        choose=trial.score or 0.0,
        choose_drop=trial.drop,
        choose_error=trial.error,
        report=trial.report or 0.0,
        report_drop=trial.report_drop or 0.0,
        report_error=trial.report_error,
        uncompensated=trial.uncompensated,
    )


def _counted(by_method: Mapping[str, Sequence[Trial]], trials: Sequence[Trial]) -> dict[str, int]:
    counts = {name: len({trial.key for trial in made}) for name, made in by_method.items()}
    return {"all": len(trials), **counts}


def _spots(
    ledger: Ledger,
    edits: SingleEdits,
    by_method: Mapping[str, Sequence[Trial]],
    trials: Sequence[Trial],
    finals: Finals,
) -> list[Spot]:
    """Every trial for the plot; of several methods the one that counts is the last named."""
    stage = {t.key: name for name, made in reversed(list(by_method.items())) for t in made}
    spots = []
    for trial in trials:
        if trial.failed:
            continue
        cost = ledger.cost(trial)
        ratio = edits.predicted_cost(trial.choice) if cost is None else cost.ratio
        where = stage.get(trial.key, "other")
        spots.append(Spot(cost=ratio, score=trial.score or 0.0, error=trial.error, stage=where))
    for trial in finals.frontier:
        cost = ledger.cost(trial, final=True)
        if cost is not None:
            spots.append(
                Spot(
                    cost=cost.ratio,
                    score=trial.score or 0.0,
                    error=trial.error,
                    stage="frontier",
                )
            )
    return spots
