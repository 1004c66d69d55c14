"""What single edits do, and what that says about several at once.

Drops of score are taken to add up. So are savings, times one factor that what was measured of
combinations gives: edits that meet in one layer save less together than alone. A saving that the
device could hardly tell from noise is drawn to what its multiply-accumulates are worth there.
"""

import math
import operator
from dataclasses import dataclass, field

import numpy as np

from edgert.search.choice import Choice, Level
from edgert.search.latency import Cost
from edgert.search.space import Knob, Space

_PRIOR = 0.02  # squared saving that the factor 1 is worth before anything was measured
_FACTORS = (0.3, 1.5)
_WORTH = 0.02  # how far savings lie from what their MACs are worth, of the full model's cost


@dataclass(frozen=True)
class Single:
    """One knob at one level, everything else as in the full model.

    Attributes:
        level: Where the knob stands.
        drop: Loss of score.
        saving: Of the full model's cost, as measured.
        error: Standard error of the saving.
        macs: What it saves of the full model's multiply-accumulates.
    """

    level: Level
    drop: float
    saving: float
    error: float = 0.0
    macs: float = 0.0


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

    def note(self, knob: str, single: Single) -> None:
        """Keep what a single edit did; what was known of the same one is replaced."""
        others = [known for known in self.singles.get(knob, []) if known.level != single.level]
        self.singles[knob] = [*others, single]

    @property
    def worth(self) -> float:
        """Share of cost that a share of MACs is worth on this device, over all single edits."""
        known = [single for found in self.singles.values() for single in found]
        weights = [1 / (single.error**2 + _WORTH**2) for single in known]
        both = sum(w * s.macs * s.saving for w, s in zip(weights, known, strict=True))
        square = sum(w * s.macs * s.macs for w, s in zip(weights, known, strict=True))
        return both / square if square else 1.0

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

    def _believed(self, single: Single) -> float:
        """A measured saving, drawn to its worth in MACs as far as noise hides it."""
        doubt = 1 - _WORTH**2 / (single.error**2 + _WORTH**2)
        return single.saving + doubt * (self.worth * single.macs - single.saving)

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
        read = self._believed if what == "saving" else operator.attrgetter(what)
        known = {single.level: float(read(single)) for single in tried}
        if level in known:
            return known[level]
        if not knob.units or not tried:
            return math.inf if what == "drop" else 0.0
        kept = [int(single.level) for single in reversed(tried)]
        values = [known[single.level] for single in reversed(tried)]
        return float(np.interp(int(level), [*kept, knob.units], [*values, 0.0]))
