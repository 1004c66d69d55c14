"""Stage 4: NSGA-II over what greedy leaves out, bred from where greedy went.

The library keeps the population and breeds; this module says what a knob is to it, feeds it, and
does not let it spend trials on what single edits already rule out.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from edgert.optional import needs
from edgert.profiling.dataset import evenly
from edgert.search.choice import Choice, Level, key_of
from edgert.search.ledger import Ledger, Trial
from edgert.search.predict import SingleEdits

STAGE = "multi-objective"
POPULATION = 16
_BATCH = 8
_ASKED_PER_TRIAL = 20  # what is ruled out or seen already costs no trial, but some time
_RULED_OUT = 1.5  # times the largest drop, as single edits predict it
# Where NSGA-II of optuna 3 to 5 reads a trial's generation. Trials that are merely enqueued get
# none, and are bred from by nobody.
_GENERATION = "NSGAIISampler:generation"


class Genes:
    """Choices as whole numbers, one for each knob that has a level worth a trial.

    Args:
        edits: What single edits did.
        max_drop: Largest loss of score.
    """

    def __init__(self, edits: SingleEdits, *, max_drop: float) -> None:
        self._space = edits.space
        found = {k.name: edits.levels(k, max_drop=max_drop) for k in edits.space.knobs}
        self.levels: dict[str, list[Level]] = {name: lv for name, lv in found.items() if lv}

    def distributions(self, optuna: Any) -> dict[str, Any]:
        """What the library draws from: 0 is the full model, then cheaper and cheaper."""
        integers = optuna.distributions.IntDistribution
        return {name: integers(0, len(levels)) for name, levels in self.levels.items()}

    def choice(self, numbers: dict[str, int]) -> dict[str, Level]:
        """The canonical choice of some numbers."""
        levels = self.levels
        return self._space.canonical(
            {name: levels[name][number - 1] for name, number in numbers.items() if number}
        )

    def numbers(self, choice: Choice) -> dict[str, int] | None:
        """The numbers of a choice; None where it has a level that is none of these."""
        if any(level not in self.levels.get(name, []) for name, level in choice.items()):
            return None
        return {
            name: levels.index(choice[name]) + 1 if name in choice else 0
            for name, levels in self.levels.items()
        }


def evolve(
    ledger: Ledger,
    edits: SingleEdits,
    seeds: Sequence[Trial],
    *,
    max_drop: float,
    trials: int | None,
    deadline: float,
    seed: int,
) -> list[Trial]:
    """Breed choices.

    Args:
        ledger: Of the search.
        edits: What single edits do.
        seeds: The first generation, in the order of preference; what does not fit is left out.
        max_drop: Largest loss of score.
        trials: At most this many.
        deadline: Share of the budget after which no further batch starts.
        seed: Of the library's generator.

    Returns:
        The trials made, in their order.

    Raises:
        MissingDependencyError: optuna is not installed.
    """
    optuna = optuna_library()
    genes = Genes(edits, max_drop=max_drop)
    if not genes.levels or trials == 0:
        return []
    distributions = genes.distributions(optuna)
    sampler = optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=seed)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    for parent in _first_generation(ledger, genes, seeds, max_drop):
        study.add_trial(
            optuna.trial.create_trial(
                params=genes.numbers(parent.choice),
                distributions=distributions,
                values=values_of(ledger, edits, parent, max_drop),
                system_attrs={_GENERATION: 0},
            )
        )
    failed = optuna.trial.TrialState.FAIL
    breeder = _Breeder(ledger, edits, genes, study, distributions=distributions, ruled_out=failed)
    made: list[Trial] = []
    while (trials is None or len(made) < trials) and not ledger.budget.is_past(deadline):
        size = _BATCH if trials is None else min(_BATCH, trials - len(made))
        batch = list(breeder.batch(size, max_drop))
        if not batch:
            break
        choices = [choice for _, choice in batch]
        results = ledger.evaluate(choices, stage=STAGE)
        for (asked, _), trial in zip(batch, results, strict=True):
            breeder.tell(asked, trial, max_drop)
        made += results
        ledger.progress(STAGE, len(made), trials or 0, "trials")
    return made


def optuna_library() -> Any:
    """Optuna, quiet: it logs each trial, and this program has a progress bar.

    Raises:
        MissingDependencyError: It is not installed.
    """
    optuna = needs("optuna", "search", "to search over combinations of edits")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def values_of(
    ledger: Ledger, edits: SingleEdits, trial: Trial, max_drop: float
) -> tuple[float, float]:
    """Cost and drop as the library minimises them; what loses too much is beaten by all else."""
    if trial.failed or trial.drop > max_drop:
        return 1.0 + trial.drop, trial.drop
    cost = ledger.cost(trial)
    return (edits.predicted_cost(trial.choice) if cost is None else cost.ratio), trial.drop


class _Breeder:
    """Asks the library for choices and answers at once where no trial is needed."""

    def __init__(
        self,
        ledger: Ledger,
        edits: SingleEdits,
        genes: Genes,
        study: Any,
        *,
        distributions: dict[str, Any],
        ruled_out: Any,
    ) -> None:
        self._ledger, self._edits, self._genes, self._study = ledger, edits, genes, study
        self._distributions = distributions
        self._ruled_out = ruled_out  # the state of a trial that no answer comes of
        self._seen: dict[str, Trial | None] = {}

    def batch(self, size: int, max_drop: float) -> Iterator[tuple[Any, dict[str, Level]]]:
        """Up to `size` choices that no trial of this study had; none where nothing new comes."""
        found = 0
        for _ in range(size * _ASKED_PER_TRIAL):
            if found == size:
                return
            asked = self._study.ask(self._distributions)
            choice = self._genes.choice(asked.params)
            key = key_of(choice)
            if key in self._seen:
                self._answer_again(asked, self._seen[key], max_drop)
            elif self._edits.predicted_drop(choice) > _RULED_OUT * max_drop:
                self._study.tell(asked, state=self._ruled_out)
            else:
                self._seen[key] = None
                found += 1
                yield asked, choice

    def tell(self, asked: Any, trial: Trial, max_drop: float) -> None:
        """Hand the library what came of a choice."""
        self._seen[trial.key] = trial
        self._study.tell(asked, values_of(self._ledger, self._edits, trial, max_drop))

    def _answer_again(self, asked: Any, trial: Trial | None, max_drop: float) -> None:
        if trial is None:  # in the same batch, not known yet
            self._study.tell(asked, state=self._ruled_out)
        else:
            self.tell(asked, trial, max_drop)


def _first_generation(
    ledger: Ledger, genes: Genes, seeds: Sequence[Trial], max_drop: float
) -> list[Trial]:
    """The walk, thinned where it is long; where it is short, what else was tried fills up."""

    def fitting(trials: Sequence[Trial]) -> list[Trial]:
        allowed = (trial for trial in trials if trial.drop <= max_drop)
        return [trial for trial in allowed if genes.numbers(trial.choice) is not None]

    walked = evenly([ledger.full, *fitting(seeds)], POPULATION)
    others = sorted(fitting(ledger.asked_so_far()), key=lambda trial: trial.drop)
    unique = {trial.key: trial for trial in [*walked, *others]}
    return list(unique.values())[:POPULATION]
