"""Stage 3: step by step, whatever saves most for what it loses.

Steps are ranked by what single edits say, corrected by what they did where they were tried; the
first few, and some of them together, are scored at the same time, and the best is taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from edgert.search.choice import Level, with_step
from edgert.search.ledger import Ledger, Trial
from edgert.search.predict import SingleEdits

STAGE = "greedy"
_SINGLE_STEPS = 3
_BUNDLES = (2, 4, 8)
_LEAST_DROP = 0.001  # a smaller loss is noise, and would make a tiny saving look like a bargain
_LEAST_SAVING = 0.001
_PATIENCE = 3  # rounds of candidates that all lose too much


@dataclass(frozen=True)
class _Step:
    knob: str
    level: Level
    saving: float
    drop: float

    @property
    def rate(self) -> float:
        """Cost saved for score lost."""
        return self.saving / max(self.drop, _LEAST_DROP)


@dataclass
class _Walk:
    """Where the walk stands."""

    at: Trial
    path: list[Trial] = field(default_factory=list)
    blocked: set[tuple[str, Level]] = field(default_factory=set)
    surcharge: dict[tuple[str, Level], float] = field(default_factory=dict)


def walk_greedily(
    ledger: Ledger, edits: SingleEdits, *, max_drop: float, deadline: float
) -> list[Trial]:
    """Take steps until the score is too low, nothing saves any more, or time is up.

    Args:
        ledger: Of the search.
        edits: What single edits do; its factor is corrected on the way.
        max_drop: Largest loss of score.
        deadline: Share of the budget after which no further step is taken.

    Returns:
        The choices taken, one after the other; the full model is not among them.
    """
    walk = _Walk(ledger.full)
    failures = 0
    while failures < _PATIENCE and not ledger.budget.is_past(deadline):
        steps = sorted(_steps(ledger, edits, walk, max_drop), key=lambda s: s.rate, reverse=True)
        if not steps:
            break
        bundles = list(_bundles(steps, max_drop - walk.at.drop))
        choices = [with_step(walk.at.choice, [(s.knob, s.level) for s in b]) for b in bundles]
        trials = ledger.evaluate(choices, stage=STAGE)
        taken = _best(edits, walk, trials, max_drop)
        _note(walk, bundles, trials, max_drop)
        if taken is None:
            failures += 1
            continue
        failures = 0
        ledger.measure([taken], stage=STAGE)
        cost = ledger.cost(taken)
        if cost is not None:
            edits.learn(taken.choice, cost)
        walk.at = taken
        walk.path.append(taken)
        saved = 1 - (cost.ratio if cost else edits.predicted_cost(taken.choice))
        said = f"{saved:.0%} saved, {100 * taken.drop:.1f} points lost"
        ledger.progress(STAGE, round(1000 * max(0.0, taken.drop)), round(1000 * max_drop), said)
    return walk.path


def _steps(ledger: Ledger, edits: SingleEdits, walk: _Walk, max_drop: float) -> Iterator[_Step]:
    """For each knob the step with the best rate from where the walk stands."""
    choice = walk.at.choice
    cost = edits.predicted_cost(choice)
    for knob in ledger.space.knobs:
        levels = edits.levels(knob, max_drop=max_drop)
        now = choice.get(knob.name)
        further = levels[levels.index(now) + 1 :] if now in levels else levels
        if now is not None and now not in levels:
            further = []
        known = 0.0 if now is None else edits.drop(knob.name, now)
        found = []
        for level in further:
            target = ledger.space.canonical(with_step(choice, [(knob.name, level)]))
            if (knob.name, level) in walk.blocked or target == choice:
                continue
            saving = cost - edits.predicted_cost(target)
            drop = edits.drop(knob.name, level) - known
            drop += walk.surcharge.get((knob.name, level), 0.0)
            if saving > _LEAST_SAVING:
                found.append(_Step(knob.name, level, saving, drop))
        if found:
            yield max(found, key=lambda step: step.rate)


def _bundles(steps: Sequence[_Step], room: float) -> Iterator[list[_Step]]:
    """The best steps one by one, then several of them together where they should fit."""
    for step in steps[:_SINGLE_STEPS]:
        yield [step]
    for size in _BUNDLES:
        bundle = list(steps[:size])
        if len(bundle) < size or sum(max(0.0, step.drop) for step in bundle) > room:
            return
        yield bundle


def _best(
    edits: SingleEdits, walk: _Walk, trials: Sequence[Trial], max_drop: float
) -> Trial | None:
    """The trial with the best rate among those that do not lose too much."""
    cost = edits.predicted_cost(walk.at.choice)

    def rate(trial: Trial) -> float:
        saving = cost - edits.predicted_cost(trial.choice)
        return saving / max(trial.drop - walk.at.drop, _LEAST_DROP)

    allowed = [t for t in trials if not t.failed and t.drop <= max_drop]
    return max(allowed, key=rate, default=None)


def _note(
    walk: _Walk, bundles: Sequence[Sequence[_Step]], trials: Sequence[Trial], max_drop: float
) -> None:
    """Remember what single steps really lost here, and which lose too much."""
    for bundle, trial in zip(bundles, trials, strict=True):
        if len(bundle) > 1:
            continue
        [step] = bundle
        place = (step.knob, step.level)
        if trial.failed or trial.drop > max_drop:
            walk.blocked.add(place)
        else:
            worse = trial.drop - walk.at.drop - step.drop
            walk.surcharge[place] = walk.surcharge.get(place, 0.0) + worse
