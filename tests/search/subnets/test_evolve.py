"""Breeding: no dominated member in a front, the optimum of what can be counted out, no luck."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from edgert.families.ofa_cost import macs_of_subnet
from edgert.families.ofa_space import Space
from edgert.search.frontier import Point, hypervolume
from edgert.search.subnets.evolve import Member, evolve, fronts, survivors
from edgert.search.subnets.genes import GeneSpace
from tests.search.subnets.supernet_family import TINY

numbers = st.integers(0, 12).map(float)
members = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=30).map(
    lambda pairs: [Member((i,), cost, score) for i, (cost, score) in enumerate(pairs)]
)


def dominates(one, other):
    at_least = one.cost <= other.cost and one.score >= other.score
    return at_least and (one.cost, one.score) != (other.cost, other.score)


@given(members)
def test_a_front_has_no_dominated_member_and_none_is_lost(given_members):
    layers = list(fronts(given_members))
    assert sorted(m.genes for layer in layers for m in layer) == [m.genes for m in given_members]
    for layer in layers:
        assert not any(dominates(a, b) for a, b in itertools.permutations(layer, 2))
    for above, below in itertools.pairwise(layers):
        for member in below:
            equal = any((m.cost, m.score) == (member.cost, member.score) for m in above)
            assert equal or any(dominates(m, member) for m in above)


@given(members, st.integers(1, 20))
def test_the_first_front_survives_first(given_members, count):
    kept = survivors(given_members, count)
    assert len(kept) == min(count, len(given_members))
    first = next(fronts(given_members))
    assert set(kept[: len(first)]) <= set(first)


def accuracy(space, subnet):
    """Made up: each thing helps, the later the less, and stages help each other."""
    kept = space.kept_blocks(subnet)
    wide = sum((i + 1) ** 0.5 * w for i, w in enumerate(subnet.width))
    deep = sum(block.inside**0.5 * (1 + 0.2 * block.stage) for block in kept)
    sharp = subnet.image_size**0.5
    return 1 - 1 / (1 + 1e-4 * sharp * (deep + 2 * wide + 3 * space.keeps_stem_residual(subnet)))


class Counted:
    """Costs in MACs and a made-up accuracy, counting how often it is asked."""

    def __init__(self, space):
        self.genes = GeneSpace(space, space.image_sizes)
        self.space, self.asked = space, []
        self._full = macs_of_subnet(space, space.largest())

    def __call__(self, asked):
        self.asked += asked
        subnets = [self.genes.subnet(genes) for genes in asked]
        return [
            (macs_of_subnet(self.space, s) / self._full, accuracy(self.space, s)) for s in subnets
        ]


def area(found, space):
    """Share of the room between the smallest subnet's accuracy and the largest's."""
    points = [Point(str(i), m.cost, m.score) for i, m in enumerate(found)]
    low, high = accuracy(space, space.smallest()), accuracy(space, space.largest())
    return hypervolume(points, worst_cost=1.001, worst_score=low) / (high - low)


def bred(evaluate, *, evaluations, seed=0, population=40, **more):
    genes = evaluate.genes
    return evolve(
        genes.counts, genes.canonical, evaluate, first=genes.corners(), population=population,
        evaluations=evaluations, seed=seed, **more,
    )  # fmt: skip


def test_the_optimum_of_a_space_that_can_be_counted_out_is_found():
    evaluate = Counted(TINY)
    every = {
        evaluate.genes.canonical(g): None
        for g in itertools.product(*map(range, evaluate.genes.counts))
    }
    answers = evaluate(list(every))
    best = [Member(g, *answer) for g, answer in zip(every, answers, strict=True)]
    assert len(best) > 1000
    evaluate = Counted(TINY)
    found = bred(evaluate, evaluations=len(best) // 3)
    assert len(found) == len(set(evaluate.asked)) == len(evaluate.asked) <= len(best) // 3
    assert area(found, TINY) > 0.995 * area(best, TINY)
    for limit in (0.2, 0.5, 0.8):
        most = max(m.score for m in best if m.cost <= limit)
        assert max(m.score for m in found if m.cost <= limit) > 0.998 * most


def test_as_many_at_random_find_less_in_a_larger_space():
    for seed in range(3):
        evaluate = Counted(Space())
        found = bred(evaluate, evaluations=600, seed=seed)
        draw = random.Random(seed)
        drawn = list(dict.fromkeys(evaluate.genes.sample(draw) for _ in range(600)))
        asked = [*evaluate.genes.corners(), *drawn][:600]
        at_random = [Member(g, *a) for g, a in zip(asked, evaluate(asked), strict=True)]
        assert len(found) == len(at_random) == 600
        assert area(found, Space()) > 1.05 * area(at_random, Space())


def test_the_same_seed_breeds_the_same_and_another_one_does_not():
    one, same, other = (bred(Counted(Space()), evaluations=200, seed=s) for s in (1, 1, 2))
    assert one == same
    assert one != other


def test_known_members_are_bred_from_and_not_asked_again():
    evaluate = Counted(TINY)
    before = bred(evaluate, evaluations=60)
    asked = list(evaluate.asked)
    after = bred(evaluate, evaluations=50, seed=1, known=before)
    assert after[: len(before)] == before
    assert len(after) == len(before) + 50
    assert not set(asked) & set(evaluate.asked[len(asked) :])


def test_it_ends_when_it_is_told_to_and_when_nothing_new_is_left():
    evaluate = Counted(TINY)
    assert len(bred(evaluate, evaluations=500, is_over=lambda: len(evaluate.asked) > 50)) < 120
    small = Counted(
        Space(
            stage_widths=(8,), base_depths=(1,), depths=(0, 1), expands=(1.0,),
            width_multipliers=(1.0,), strides=(1,), image_sizes=(16,),
        )
    )  # fmt: skip
    assert len(bred(small, evaluations=500)) == 4  # the stem and one block, there or not
