"""A model that is a formula: what a search finds can be compared with what there is to find."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgert.clock import VirtualClock
from edgert.search.budget import Budget
from edgert.search.choice import BRANCH, CHANNELS, SIZE, key_of
from edgert.search.journal import Journal
from edgert.search.ledger import Ledger
from edgert.search.space import Knob, Space
from edgert.search.structure import Structure
from edgert.search.trial import evaluate

FULL_MACS, FULL_SCORE = 1_000_000, 0.8
TRIAL_S = 10.0
OPENED: list[Journal] = []  # the tests close them


def make_space(
    branches: int = 3, groups: int = 4, units: int = 16, sizes: tuple[str, ...] = ()
) -> Space:
    """Branches b0, b1 … that hold groups g0, g1 … as far as there are as many, and free groups.

    Last the size of the picture, where there are other ones.
    """
    knobs = [Knob(f"{BRANCH}b{i}", ("linear", "skip")) for i in range(branches)]
    levels = tuple(units * n // 8 for n in range(7, 0, -1))
    knobs += [Knob(f"{CHANNELS}g{i}", levels, units) for i in range(groups)]
    sources: dict[str, tuple[str, ...]] = {"out": (f"add{branches - 1}",)}
    maps = {}
    for i in range(groups):
        before = "stem" if i >= branches else (f"add{i - 1}" if i else "stem")
        sources[f"fc1_{i}"], sources[f"fc2_{i}"] = (before,), (f"fc1_{i}",)
        maps[f"{CHANNELS}g{i}"] = ((f"fc1_{i}",), (f"fc2_{i}",))
        if i >= branches:
            sources["out"] = (*sources["out"], f"fc2_{i}")
    sources["stem"] = ()
    for i in range(branches):
        own = (f"fc2_{i}",) if i < groups else ()
        sources[f"add{i}"] = (f"add{i - 1}" if i else "stem", *own)
    cut = {f"b{i}": (f"add{i}", f"fc2_{i}") for i in range(branches)}
    knobs += [Knob(SIZE, sizes)] if sizes else []
    return Space(tuple(knobs), Structure(sources, ("out",), cut), maps, {})


class SyntheticWorkers:
    """Workers that look a trial's result up in two formulas, and note what they were asked.

    Args:
        drop_of: From a canonical choice to its loss of score; None for one that fails.
        saving_of: From a canonical choice to the share of MACs that it saves.
        clock: Ten seconds go by with each trial.
    """

    count = 2

    def __init__(
        self,
        drop_of: Callable[[Mapping[str, Any]], float | None],
        saving_of: Callable[[Mapping[str, Any]], float],
        clock: VirtualClock,
    ) -> None:
        self._drop_of, self._saving_of, self._clock = drop_of, saving_of, clock
        self.asked: list[tuple[dict[str, Any], bool]] = []

    def run(self, function, arguments, on_result=None):
        assert function is evaluate
        results = []
        for _, _, choice, final in arguments:
            self.asked.append((dict(choice), final))
            self._clock.sleep(TRIAL_S)
            result = {"key": key_of(choice), "choice": dict(choice), "seconds": TRIAL_S}
            drop = self._drop_of(choice)
            if drop is None:
                result["failed"] = "derive: expected a graph, got none. Try another."
            else:
                scores = {"choose": FULL_SCORE - drop}
                if final:
                    scores["report"] = FULL_SCORE - drop - (0.01 if choice else 0.0)
                result["scores"] = scores
                result["errors"] = dict.fromkeys(scores, 0.002)
                result["macs"] = round(FULL_MACS * (1 - self._saving_of(choice)))
                result["parameters"] = 1
            if on_result is not None:
                on_result(result)
            results.append(result)
        return results


def make_ledger(
    folder: Path, space: Space, drop_of, saving_of, *, minutes: float = 1e6
) -> tuple[Ledger, SyntheticWorkers, list[tuple[str, int, int, str]]]:
    """A ledger on synthetic workers, these, and what it says of its progress."""
    clock, said = VirtualClock(), []
    workers = SyntheticWorkers(drop_of, saving_of, clock)
    journal = Journal(folder / "journal.jsonl", {"model": "synthetic"})
    OPENED.append(journal)
    ledger = Ledger(
        folder,
        "identity",
        space=space,
        journal=journal,
        workers=workers,
        timer=None,
        budget=Budget(60 * minutes, spent_s=journal.elapsed_s, clock=clock),
        progress=lambda *words: said.append(words),
    )
    return ledger, workers, said


def depth(space: Space, knob: str, level: Any) -> float:
    """How far down a knob stands, 0..1."""
    levels = space.knob(knob).levels
    return (levels.index(level) + 1) / len(levels)


def additive(space: Space, weights: Mapping[str, float], power: float = 1.0):
    """A formula: the sum over knobs of a weight times how far down the knob stands."""

    def value(choice: Mapping[str, Any]) -> float:
        return sum(weights.get(k, 0.0) * depth(space, k, v) ** power for k, v in choice.items())

    return value
