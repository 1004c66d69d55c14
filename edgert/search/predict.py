"""What single edits do, and what that says about several at once.

Drops of score are taken to add up. So are savings, times one factor that what was measured of
combinations gives: edits that meet in one layer save less together than alone.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from edgert.search.choice import Choice, Level
from edgert.search.latency import Cost
from edgert.search.space import Knob, Space

_PRIOR = 0.02  # squared saving that the factor 1 is worth before anything was measured
_FACTORS = (0.3, 1.5)


@dataclass(frozen=True)
class Single:
    """One knob at one level, everything else as in the full model."""

    level: Level
    drop: float
    saving: float


@dataclass
class SingleEdits:
    """Single edits by knob, and what they predict.

    Attributes:
        space: Whose knobs they are.
        singles: For each knob, its levels that were tried.
        factor: What predicted savings are multiplied with.
    """

    space: Space
    singles: dict[str, list[Single]] = field(default_factory=dict)
    factor: float = 1.0

    def __post_init__(self) -> None:
        self._moment, self._square = _PRIOR, _PRIOR

    def note(self, knob: str, level: Level, *, drop: float, saving: float) -> None:
        """Keep what a single edit did; what was known of the same one is replaced."""
        others = [single for single in self.singles.get(knob, []) if single.level != level]
        self.singles[knob] = [*others, Single(level, drop, saving)]

    def levels(self, knob: Knob, *, max_drop: float) -> list[Level]:
        """Levels that are worth a trial: between tried ones, and not worse than allowed alone.

        Without what was tried of a knob it has none.
        """
        tried = self.singles.get(knob.name, [])
        if not tried:
            return []
        if not knob.units:
            return [s.level for s in self._by_depth(knob) if s.drop <= max_drop]
        deepest = min(int(single.level) for single in tried)
        return [
            level
            for level in knob.levels
            if int(level) >= deepest and self.drop(knob.name, level) <= max_drop
        ]

    def drop(self, knob: str, level: Level) -> float:
        """How much score a knob at a level loses alone; between levels as a straight line."""
        return self._at(knob, level, "drop")

    def saving(self, knob: str, level: Level) -> float:
        """What it saves of the full model's cost alone, before the factor."""
        return self._at(knob, level, "saving")

    def predicted_drop(self, choice: Choice) -> float:
        """The sum of drops; infinite where a knob was never tried."""
        return sum(self.drop(knob, level) for knob, level in choice.items())

    def predicted_cost(self, choice: Choice) -> float:
        """Of the full model's cost, at least a hundredth."""
        saved = sum(self.saving(knob, level) for knob, level in choice.items())
        return max(0.01, 1.0 - self.factor * saved)

    def learn(self, choice: Choice, cost: Cost) -> None:
        """Correct the factor by what a combination was measured to cost."""
        if len(choice) < 2:
            return
        predicted = sum(self.saving(knob, level) for knob, level in choice.items())
        if not math.isfinite(predicted):
            return
        self._moment += (1.0 - cost.ratio) * predicted
        self._square += predicted * predicted
        low, high = _FACTORS
        self.factor = min(high, max(low, self._moment / self._square))

    def _by_depth(self, knob: Knob) -> list[Single]:
        order = {level: index for index, level in enumerate(knob.levels)}
        return sorted(self.singles.get(knob.name, []), key=lambda single: order[single.level])

    def _at(self, name: str, level: Level, what: str) -> float:
        knob = self.space.knob(name)
        tried = self._by_depth(knob)
        known = {single.level: float(getattr(single, what)) for single in tried}
        if level in known:
            return known[level]
        if not knob.units or not tried:
            return math.inf if what == "drop" else 0.0
        kept = [int(single.level) for single in reversed(tried)]
        values = [known[single.level] for single in reversed(tried)]
        return float(np.interp(int(level), [*kept, knob.units], [*values, 0.0]))
