"""Stage 5: what one would try by hand, to compare with: every group at the same ratio.

With no branch replaced, with all of them, and with those that could be replaced alone at little
loss; the last is a strong baseline, as it knows what single edits told. It is tried at each size
of the picture too, where the search has any.
"""

from edgert.search.choice import BRANCH, CHANNELS, SIZE, Level
from edgert.search.ledger import Ledger, Trial
from edgert.search.predict import SingleEdits
from edgert.search.space import EIGHTHS

STAGE = "uniform"
_LITTLE = 0.2  # of the largest drop


def evaluate_uniform(ledger: Ledger, edits: SingleEdits, *, max_drop: float) -> list[Trial]:
    """Score the uniform choices, for each ratio in eighths."""
    space = ledger.space
    groups = [knob for knob in space.knobs if knob.name.startswith(CHANNELS)]
    branches = [knob for knob in space.knobs if knob.name.startswith(BRANCH)]
    harmless = [
        knob for knob in branches if edits.drop(knob.name, knob.levels[0]) <= _LITTLE * max_drop
    ]
    choices: list[dict[str, Level]] = []
    for replaced in ([], branches, harmless):
        gone = {knob.name: knob.levels[0] for knob in replaced}
        narrow = [{knob.name: knob.nearest(n / 8) for knob in groups} for n in EIGHTHS]
        choices += [{**gone, **widths} for widths in ({}, *narrow)]
    strongest = choices[-1 - len(EIGHTHS) :]
    sizes = [level for knob in space.knobs if knob.name == SIZE for level in knob.levels]
    choices += [{**choice, SIZE: level} for level in sizes for choice in strongest]
    unique = {tuple(sorted(c.items())): c for c in map(space.canonical, choices) if c}
    return ledger.evaluate(unique.values(), stage=STAGE, total=len(unique))
