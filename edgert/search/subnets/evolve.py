"""NSGA-II over whole numbers: less cost against more score.

It knows neither subnets nor how they are scored. Everything is drawn from one seed: with the same
answers it breeds the same members, so a search that was killed goes the same way again.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgert.search.subnets.genes import Genes

MUTATION = 0.1  # of each gene, as Cai et al.
_MUTATED = 0.5  # of the children; the others have two parents, as Cai et al.
_TRIES = 30  # for a child that is new


@dataclass(frozen=True)
class Member:
    """Genes with what they cost, smaller is better, and their score, larger is better."""

    genes: Genes
    cost: float
    score: float


Answer = tuple[float, float]  # cost and score
Evaluate = Callable[[Sequence[Genes]], Sequence[Answer]]


def evolve(
    counts: Sequence[int],
    canonical: Callable[[Genes], Genes],
    evaluate: Evaluate,
    *,
    first: Iterable[Genes],
    known: Iterable[Member] = (),
    population: int,
    evaluations: int,
    seed: int,
    is_over: Callable[[], bool] = lambda: False,
) -> list[Member]:
    """Breed members until the evaluations are used up or nothing new comes.

    Args:
        counts: How many values each gene has.
        canonical: Gives the one form of genes that mean the same.
        evaluate: Costs and scores of members that it has not been asked before.
        first: The first generation, canonical.
        known: Members that were evaluated before, and are bred from too.
        population: Members that are bred from, and children of each generation.
        evaluations: At most this many, the first generation among them, `known` not.
        seed: Of everything that is drawn.
        is_over: Asked before each generation, and within the first.

    Returns:
        `known` and every member that was evaluated, in that order.

    Source:
        Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Trans.
        Evol. Comp. 6(2), 2002; mutation and the children's shares from Cai et al.,
        "Once-for-All", ICLR 2020, arXiv 1908.09791, which breeds for one limit at a time. Differs:
        a member is evaluated once, and a mutation always moves a gene.
    """
    draw = random.Random(seed)
    members = {member.genes: member for member in known}
    most = len(members) + evaluations

    def answer(asked: Sequence[Genes]) -> None:
        new = [genes for genes in asked if genes not in members][: most - len(members)]
        for genes, (cost, score) in zip(new, evaluate(new) if new else (), strict=True):
            members[genes] = Member(genes, cost, score)

    waiting = list(dict.fromkeys(first))
    while len(members) < most and not is_over():
        if waiting:
            asked, waiting = waiting[:population], waiting[population:]
        else:
            parents = survivors(list(members.values()), population)
            asked = _children(parents, counts, canonical, members, size=population, draw=draw)
        if not asked:
            break
        answer(asked)
    return list(members.values())


def survivors(members: Sequence[Member], count: int) -> list[Member]:
    """The best by front, and within the last front the loneliest; best first."""
    kept: list[Member] = []
    for front in fronts(members):
        room = count - len(kept)
        if room <= 0:
            break
        alone = _loneliness(front)
        kept += sorted(front, key=lambda member: -alone[member.genes])[:room]
    return kept


def fronts(members: Iterable[Member]) -> Iterator[list[Member]]:
    """Members by how many layers of better ones lie over them; each front cheapest first."""
    left = sorted(members, key=lambda m: (m.cost, -m.score, m.genes))
    while left:
        front: list[Member] = []
        behind: list[Member] = []
        for member in left:
            beaten = front and member.score <= front[-1].score
            (behind if beaten else front).append(member)
        yield front
        left = behind


def _loneliness(front: Sequence[Member]) -> dict[Genes, float]:
    """The crowding distance of each member of a front; endless at the ends."""
    cost_range = (front[-1].cost - front[0].cost) or 1.0
    score_range = (front[-1].score - front[0].score) or 1.0
    alone = {front[0].genes: float("inf"), front[-1].genes: float("inf")}
    for before, member, after in zip(front, front[1:], front[2:], strict=False):
        alone[member.genes] = (after.cost - before.cost) / cost_range + (
            after.score - before.score
        ) / score_range
    return alone


def _children(
    parents: Sequence[Member],
    counts: Sequence[int],
    canonical: Callable[[Genes], Genes],
    known: Mapping[Genes, Member],
    *,
    size: int,
    draw: random.Random,
) -> list[Genes]:
    """Up to `size` new ones; fewer where the space around the parents is used up."""
    made: dict[Genes, None] = {}
    for _ in range(size * _TRIES):
        if len(made) == size:
            break
        if draw.random() < _MUTATED:
            child = _mutated(_parent(parents, draw), counts, draw)
        else:
            pairs = zip(_parent(parents, draw), _parent(parents, draw), strict=True)
            child = _mutated(tuple(draw.choice(pair) for pair in pairs), counts, draw, least=0)
        child = canonical(child)
        if child not in known:
            made[child] = None
    return list(made)


def _parent(parents: Sequence[Member], draw: random.Random) -> Genes:
    """The better of two; parents are in order."""
    return parents[min(draw.randrange(len(parents)), draw.randrange(len(parents)))].genes


def _mutated(genes: Genes, counts: Sequence[int], draw: random.Random, *, least: int = 1) -> Genes:
    movable = [place for place, count in enumerate(counts) if count > 1]
    rate = MUTATION if least else MUTATION / 4
    places = [place for place in movable if draw.random() < rate]
    if len(places) < least and movable:
        places = [draw.choice(movable)]
    changed = list(genes)
    for place in places:
        others = [value for value in range(counts[place]) if value != genes[place]]
        changed[place] = draw.choice(others)
    return tuple(changed)
