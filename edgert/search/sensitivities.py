"""Stage 2: what each knob does alone, at the levels that tell something.

A branch is replaced first, and skipped only if that hurt little: a map can always be zero, so
skipping can't hurt less. A group starts at half its units and goes down while it hurts little,
else up. Groups inside a branch that can be replaced for nothing are not tried at all.
"""

import math
from collections.abc import Iterator, Mapping

from edgert.search.choice import BRANCH, CHANNELS, Level
from edgert.search.ledger import Ledger, Trial
from edgert.search.predict import Single, SingleEdits
from edgert.search.space import Knob, Space

STAGE = "single edits"
_WAVES = 4
_LITTLE = 0.5  # of the largest drop: what is below it leaves room to go on
_NOTHING = 0.1
_CHUNK = 8  # trials of each worker between two looks at the time
Wanted = tuple[Knob, Level]


def measure_single_edits(ledger: Ledger, *, max_drop: float, deadline: float) -> SingleEdits:
    """Try every knob alone.

    Args:
        ledger: Of the search.
        max_drop: Largest loss of score that is looked into.
        deadline: Share of the budget after which no further trials start.

    Returns:
        What was learnt; knobs that failed are not in it.
    """
    edits = SingleEdits(ledger.space)
    tried: dict[str, dict[Level, Trial]] = {knob.name: {} for knob in ledger.space.knobs}
    for _ in range(_WAVES):
        wave = [
            (knob, level)
            for knob in _worth_trying(ledger.space, tried, max_drop)
            if (level := next_level(knob, tried[knob.name], max_drop=max_drop)) is not None
        ]
        for some in _chunks(wave, _CHUNK * ledger.workers):
            if any(tried.values()) and ledger.budget.is_past(deadline):
                return edits
            trials = ledger.evaluate(({k.name: level} for k, level in some), stage=STAGE)
            ledger.measure([t for t in trials if t.drop <= max_drop], stage=STAGE)
            for (knob, level), trial in zip(some, trials, strict=True):
                tried[knob.name][level] = trial
                if not trial.failed:
                    edits.note(knob.name, _single(ledger, level, trial))
    return edits


def _chunks(wave: list[Wanted], size: int) -> Iterator[list[Wanted]]:
    """A wave in parts, so that time is looked at in between."""
    for start in range(0, len(wave), size):
        yield wave[start : start + size]


def _single(ledger: Ledger, level: Level, trial: Trial) -> Single:
    macs = 1 - trial.macs / max(ledger.full.macs, 1)
    cost = ledger.cost(trial)
    if cost is None:  # not measured, since it loses too much to be wanted
        return Single(level, trial.drop, 0.0, error=math.inf, macs=macs)
    return Single(level, trial.drop, 1 - cost.ratio, error=cost.error, macs=macs)


def _worth_trying(
    space: Space, tried: Mapping[str, Mapping[Level, Trial]], max_drop: float
) -> list[Knob]:
    """Branches first; then also the groups that replacing a branch for nothing leaves there."""
    branches = [knob for knob in space.knobs if knob.name.startswith(BRANCH)]
    if branches and not any(tried[knob.name] for knob in branches):
        return branches
    free = [
        knob.name
        for knob in branches
        if any(trial.drop <= _NOTHING * max_drop for trial in tried[knob.name].values())
    ]
    return [
        knob
        for knob in space.knobs
        if knob in branches or not any(space.within(knob.name, branch) for branch in free)
    ]


def next_level(knob: Knob, tried: Mapping[Level, Trial], *, max_drop: float) -> Level | None:
    """The level of a knob to try next, or None where enough is known."""
    if not tried:
        return knob.nearest(0.5) if knob.name.startswith(CHANNELS) else knob.levels[0]
    depth = {level: index for index, level in enumerate(knob.levels)}
    harmless = [lv for lv, trial in tried.items() if trial.drop <= _LITTLE * max_drop]
    if not knob.units:
        deepest = max(depth[level] for level in tried)
        further = knob.levels[deepest + 1 :]
        return further[0] if further and len(harmless) == len(tried) else None
    low = max((depth[level] for level in harmless), default=-1)
    high = min((depth[lv] for lv in tried if lv not in harmless), default=len(knob.levels))
    between = knob.levels[low + 1 : high]
    if not between:
        return None
    return between[(len(between) - 1) // 2 if harmless else len(between) // 2]
