"""Stage 6: the frontier, fitted anew on all frames and scored on the half that did not choose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgert.search.frontier import (
    Point,
    best_at_cost,
    hypervolume,
    non_dominated,
    thinned,
    without_noise,
)
from edgert.search.ledger import Ledger, Trial
from edgert.search.predict import SingleEdits
from edgert.search.result import Flattery, Method

STAGE = "frontier"
_OFFERED = 6  # configurations of each method that are refitted for the comparison
_COSTS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)


@dataclass(frozen=True)
class Finals:
    """What came of the last stage.

    Attributes:
        full: The full model, scored on both halves.
        frontier: What is worth having, dearest first; the full model is not among them.
        methods: How the ways of searching compare.
        flattery: How much the choosing half flatters.
        costs: Of each trial's key, as last measured: ratio, error.
    """

    full: Trial
    frontier: list[Trial]
    methods: dict[str, Method]
    flattery: Flattery


def select_finals(
    ledger: Ledger,
    edits: SingleEdits,
    by_method: Mapping[str, Sequence[Trial]],
    *,
    max_drop: float,
    configurations: int,
    seed: int,
) -> Finals:
    """Measure what looks best, refit it, and keep what no other beats.

    Args:
        ledger: Of the search.
        edits: Predicts costs that were not measured.
        by_method: What each way of searching evaluated.
        max_drop: Largest loss of score.
        configurations: At most this many come out.
        seed: Of the random comparison.
    """
    allowed = {
        t.key: t for t in ledger.trials() if t.choice and not t.failed and t.drop <= max_drop
    }
    fronts = {
        name: _measured_front(ledger, edits, [t for t in trials if t.key in allowed])
        for name, trials in {**by_method, "": list(allowed.values())}.items()
    }
    pool = {point.key: point for front in fronts.values() for point in front}
    # What noise hides is told from what is known better, after the last measurement.
    best = thinned(non_dominated(pool.values()), configurations)
    offered = {
        name: [point.key for point in thinned(front, _OFFERED)]
        for name, front in fronts.items()
        if name
    }
    drawn = _drawn(sorted(set(allowed) - set(pool)), len(best), seed)
    keys = dict.fromkeys([p.key for p in best] + [k for o in offered.values() for k in o] + drawn)
    full = ledger.evaluate([{}], stage=STAGE, final=True)[0]
    finals = ledger.evaluate(
        [allowed[key].choice for key in keys], stage=STAGE, final=True, total=len(keys)
    )
    ledger.measure([t for t in finals if t.key not in drawn], stage=STAGE, final=True)
    by_key = {trial.key: trial for trial in finals if not trial.failed}
    frontier = _frontier(ledger, [by_key[p.key] for p in best if p.key in by_key], max_drop)
    methods = {
        name: _method(ledger, full, [by_key[k] for k in kept if k in by_key], max_drop)
        for name, kept in offered.items()
    }
    counted = {name: {t.key for t in by_method[name]} for name in methods}
    return Finals(
        full=full,
        frontier=frontier,
        methods={n: _with_trials(m, len(counted[n])) for n, m in methods.items()},
        flattery=_flattery(frontier, [by_key[key] for key in drawn if key in by_key]),
    )


def _measured_front(ledger: Ledger, edits: SingleEdits, trials: Sequence[Trial]) -> list[Point]:
    """The non-dominated trials; twice, since what is measured differs from what was predicted."""
    by_key = {trial.key: trial for trial in trials}
    front: list[Point] = []
    for _ in range(2):
        points = [_point(ledger, edits, trial) for trial in by_key.values()]
        front = non_dominated(points)
        ledger.measure([by_key[point.key] for point in front], stage=STAGE)
    points = [_point(ledger, edits, by_key[point.key]) for point in front]
    return [point for point in non_dominated(points) if point.cost < 1.0]


def _point(ledger: Ledger, edits: SingleEdits, trial: Trial) -> Point:
    cost = ledger.cost(trial)
    if cost is None:
        return Point(trial.key, edits.predicted_cost(trial.choice), trial.score or 0.0)
    return Point(trial.key, cost.ratio, trial.score or 0.0, cost.error)


def _final_point(ledger: Ledger, trial: Trial, score: float | None) -> Point | None:
    cost = ledger.cost(trial, final=True)
    return None if cost is None else Point(trial.key, cost.ratio, score or 0.0, cost.error)


def _frontier(ledger: Ledger, finals: Sequence[Trial], max_drop: float) -> list[Trial]:
    """What still is worth having with its last numbers."""
    by_key = {trial.key: trial for trial in finals}
    points = [_final_point(ledger, t, t.score) for t in finals if t.drop <= max_drop]
    kept = without_noise(p for p in points if p is not None and p.cost < 1.0)
    return [by_key[point.key] for point in sorted(kept, key=lambda p: -p.cost)]


def _method(ledger: Ledger, full: Trial, finals: Sequence[Trial], max_drop: float) -> Method:
    halves = {}
    for half, best in (("choose", full.score or 0.0), ("report", full.report or 0.0)):
        scores = {t.key: t.score if half == "choose" else t.report for t in finals}
        points = [_final_point(ledger, t, scores[t.key]) for t in finals]
        known = [point for point in points if point is not None]
        area = hypervolume(known, worst_cost=1.0, worst_score=best - max_drop)
        halves[half] = (known, area / max_drop)
    reported = {point.key: point.score for point in halves["report"][0]}
    at_cost: dict[str, float | None] = {}
    for level in _COSTS:
        preferred = best_at_cost(halves["choose"][0], level)
        at_cost[f"{level:g}"] = None if preferred is None else reported[preferred.key]
    return Method(
        trials=0,
        offered=len(finals),
        hypervolume_choose=halves["choose"][1],
        hypervolume_report=halves["report"][1],
        at_cost=at_cost,
    )


def _with_trials(method: Method, trials: int) -> Method:
    return Method(
        trials=trials,
        offered=method.offered,
        hypervolume_choose=method.hypervolume_choose,
        hypervolume_report=method.hypervolume_report,
        at_cost=method.at_cost,
    )


def _flattery(frontier: Sequence[Trial], drawn: Sequence[Trial]) -> Flattery:
    return Flattery(
        frontier=_mean_gap(frontier) or 0.0,
        random=_mean_gap(drawn),
        configurations=len(frontier),
    )


def _mean_gap(trials: Sequence[Trial]) -> float | None:
    gaps = [t.report_drop - t.drop for t in trials if t.report_drop is not None]
    return float(np.mean(gaps)) if gaps else None


def _drawn(keys: Sequence[str], count: int, seed: int) -> list[str]:
    order = np.random.default_rng(seed).permutation(len(keys))[:count]
    return [keys[index] for index in sorted(order)]
