"""Time some, model the rest, breed, time what looks best; again; keep what was measured."""

import dataclasses
import random
from collections.abc import Sequence

import numpy as np

from edgert.families.ofa_space import Subnet
from edgert.search.frontier import Point, non_dominated, thinned
from edgert.search.subnets.evolve import Member, evolve, fronts
from edgert.search.subnets.genes import Genes, GeneSpace
from edgert.search.subnets.latency_model import LatencyModel, cross_validated
from edgert.search.subnets.ledger import SubnetLedger
from edgert.search.subnets.options import SubnetOptions
from edgert.search.subnets.result import ModelCheck

TIMING, SEARCH, CANDIDATES = "timing", "search", "candidates"
# Shares of the minutes after which a stage starts nothing new; the rest is for the last stage.
_TIMED_UNTIL = 0.3
_BRED_UNTIL = (0.55, 0.67, 0.75)  # round by round; all at once where nothing is timed
_SETTLED_UNTIL = 0.85
_SETTLING = 4  # more rounds of timing, without breeding, while the frontier has untimed members
_LEAST_TIMED = 12  # whatever the minutes say
_BATCH = 6  # timed between two looks at the clock
_CANDIDATES = 12  # timed in a round
_POPULATION, _POPULATION_FREE = 24, 100
_FREE_PER_ROUND = 4000  # subnets, where a score costs nothing


class FrontierSearch:
    """Finds the subnets that no other beats in cost and score.

    Args:
        ledger: Of the search.
        options: What the operator asks.
    """

    def __init__(self, ledger: SubnetLedger, options: SubnetOptions) -> None:
        self._ledger, self._options = ledger, options
        self._genes = GeneSpace(ledger.supernet.space, ledger.supernet.image_sizes)
        # as the model sees it: without sizes that the input does not allow
        self._space = dataclasses.replace(self._genes.space, image_sizes=self._genes.image_sizes)
        self._model: LatencyModel | None = None
        self._members: list[Member] = []
        self._drawn = self._draw()
        self.timed: list[Subnet] = []
        self.check: ModelCheck | None = None

    def run(self) -> list[Subnet]:
        """The whole way.

        Returns:
            The frontier by measured (or counted) cost and the score that chooses, dearest first,
            the whole supernet not among them.
        """
        self._time_first()
        until = _BRED_UNTIL if self._ledger.is_timed else _BRED_UNTIL[-1:]
        for number, share in enumerate(until):
            self._breed(number, share)
            self._time_candidates()
        for _ in range(_SETTLING):
            if self._ledger.budget.is_past(_SETTLED_UNTIL) or not self._time_candidates():
                break
        return self._measured_front()

    # ------------------------------------------------------------ timing

    def _draw(self) -> list[Genes]:
        """Corners, then random ones: what is timed before anything is known."""
        draw = random.Random(self._options.seed)
        found = dict.fromkeys(self._genes.corners())
        for _ in range(100 * self._options.timed):
            if len(found) >= self._options.timed:
                break
            found[self._genes.sample(draw)] = None
        return list(found)

    def _time_first(self) -> None:
        if not self._ledger.is_timed:
            return
        subnets = [self._genes.subnet(genes) for genes in self._drawn]
        for start in range(0, len(subnets), _BATCH):
            if start >= _LEAST_TIMED and self._ledger.budget.is_past(_TIMED_UNTIL):
                break
            self._time(subnets[start : start + _BATCH], TIMING)
            self._ledger.progress(TIMING, start, len(subnets), "subnets timed on this device")
        self._fit()
        ratios = [self._ratio(subnet) for subnet in self.timed]
        error = cross_validated(self._space, self.timed, ratios, seed=self._options.seed)
        self.check = ModelCheck(**dataclasses.asdict(error), candidates=[])

    def _time(self, subnets: Sequence[Subnet], stage: str) -> None:
        self._ledger.time(subnets, stage=stage)
        self.timed += [subnet for subnet in subnets if subnet != self._ledger.supernet.full]

    def _fit(self) -> None:
        full = self._ledger.supernet.full
        ratios = [1.0, *(self._ratio(subnet) for subnet in self.timed)]
        self._model = LatencyModel(self._space, [full, *self.timed], ratios)

    def _ratio(self, subnet: Subnet) -> float:
        cost = self._ledger.cost(subnet)
        if cost is None:
            raise ValueError("a subnet that was not timed")
        return cost.ratio

    def _costs(self, subnets: Sequence[Subnet]) -> list[float]:
        """Measured or counted where that is known, else modelled."""
        known = [self._ledger.cost(subnet) for subnet in subnets]
        unknown = [s for s, cost in zip(subnets, known, strict=True) if cost is None]
        modelled = iter(self._model(unknown).tolist() if self._model and unknown else [])
        return [float(next(modelled)) if cost is None else cost.ratio for cost in known]

    def _time_candidates(self) -> int:
        """Time what the model puts forward and nobody timed; how many these were."""
        if not self._ledger.is_timed:
            return 0
        self._members = self._with_costs(self._members)
        front = next(fronts(self._members), [])
        points = [Point(str(i), m.cost, m.score) for i, m in enumerate(front)]
        untimed = [
            point for point in points if self._ledger.cost(self._subnet(front, point)) is None
        ]
        subnets = [self._subnet(front, point) for point in thinned(untimed, _CANDIDATES)]
        if not subnets:
            return 0
        predicted = np.array(self._costs(subnets))
        self._time(subnets, CANDIDATES)
        measured = np.array([self._ratio(subnet) for subnet in subnets])
        if self.check is not None:
            self.check.candidates.append(float(np.median(np.abs(predicted / measured - 1))))
        self._fit()
        return len(subnets)

    def _subnet(self, front: Sequence[Member], point: Point) -> Subnet:
        return self._genes.subnet(front[int(point.key)].genes)

    # ------------------------------------------------------------ breeding

    def _breed(self, number: int, until: float) -> None:
        ledger, options = self._ledger, self._options
        free = ledger.scorer.is_free
        left = _FREE_PER_ROUND
        if not free:
            left = 10**9 if options.scored is None else max(0, options.scored - ledger.scored)

        def evaluate(asked: Sequence[Genes]) -> list[tuple[float, float]]:
            subnets = [self._genes.subnet(genes) for genes in asked]
            scores = ledger.score(subnets, stage=SEARCH, total=options.scored or 0)
            return list(zip(self._costs(subnets), scores, strict=True))

        self._members = evolve(
            self._genes.counts,
            self._genes.canonical,
            evaluate,
            first=self._first() if number == 0 else (),
            known=self._with_costs(self._members),
            population=_POPULATION_FREE if free else _POPULATION,
            evaluations=left,
            seed=options.seed + number,
            is_over=lambda: ledger.scored > 0 and not free and ledger.budget.is_past(until),
        )

    def _first(self) -> list[Genes]:
        """The first generation: corners, what one would try by hand, what was timed anyway."""
        corners, uniform = self._genes.corners(), self._genes.uniform()
        if not self._ledger.scorer.is_free:
            step = max(1, len(uniform) // _POPULATION)
            uniform = uniform[::step]
        return [*corners, *uniform, *self._drawn]

    def _with_costs(self, members: Sequence[Member]) -> list[Member]:
        """The same with what is known about their costs by now."""
        costs = self._costs([self._genes.subnet(member.genes) for member in members])
        return [
            Member(member.genes, cost, member.score)
            for member, cost in zip(members, costs, strict=True)
        ]

    def _measured_front(self) -> list[Subnet]:
        known = [m for m in self._members if self._ledger.cost(self._genes.subnet(m.genes))]
        members = self._with_costs(known)
        points = [Point(str(i), m.cost, m.score) for i, m in enumerate(members) if m.cost < 1]
        return [self._subnet(members, point) for point in reversed(non_dominated(points))]
