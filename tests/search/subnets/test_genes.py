"""Subnets as whole numbers and back."""

import random

from hypothesis import given
from hypothesis import strategies as st

from edgert.families.ofa_cost import macs_of_subnet
from edgert.families.ofa_space import Space
from edgert.search.subnets.genes import GeneSpace, word_of
from tests.families.ofa_networks import SMALL

GENES = GeneSpace(SMALL, SMALL.image_sizes)
drawn = st.integers(0, 2**32).map(lambda seed: GENES.sample(random.Random(seed)))


@given(drawn)
def test_there_and_back_again(genes):
    subnet = GENES.subnet(genes)
    SMALL.check(subnet)
    assert GENES.genes(subnet) == genes
    assert GENES.canonical(genes) == genes


@given(drawn, st.integers(0, 2**32))
def test_what_makes_no_difference_has_one_form(genes, seed):
    subnet = GENES.subnet(genes)
    kept = {block.index for block in SMALL.kept_blocks(subnet)}
    draw = random.Random(seed)
    other = list(genes)
    first = len(genes) - SMALL.blocks
    for index in range(SMALL.blocks):
        if index not in kept:
            other[first + index] = draw.randrange(2)
    assert GENES.canonical(tuple(other)) == genes
    assert word_of(SMALL, GENES.subnet(tuple(other))) == word_of(SMALL, subnet)


@given(drawn, drawn)
def test_words_tell_subnets_apart(one, other):
    same = word_of(SMALL, GENES.subnet(one)) == word_of(SMALL, GENES.subnet(other))
    assert same == (one == other)


def test_a_word_can_be_read():
    word = word_of(Space(), Space().smallest(224))
    assert word == "r224-d00000-w000000-e00__00__0000__00__"
    assert word_of(Space(), Space().largest()) == "r256-d12222-w222222-e" + "2" * 18


def test_corners_have_both_ends_and_one_thing_alone():
    corners = GENES.corners()
    subnets = [GENES.subnet(genes) for genes in corners]
    assert len(set(corners)) == len(corners) == 10
    macs = [macs_of_subnet(SMALL, subnet) for subnet in subnets]
    assert macs[0] == max(macs) == macs_of_subnet(SMALL, SMALL.largest())
    assert macs[1] == min(macs) == macs_of_subnet(SMALL, SMALL.smallest())
    small = SMALL.smallest()
    assert any(s.width == (2,) * 5 and s.depth == small.depth for s in subnets)


def test_uniform_ones_are_all_there_once():
    found = GENES.uniform()
    assert len(found) == len(set(found)) == 3 * 3 * 3 * 2
    assert all(len(set(GENES.subnet(genes).width)) == 1 for genes in found)


def test_image_sizes_may_be_fewer_than_the_spaces():
    genes = GeneSpace(SMALL, SMALL.image_sizes[:1])
    draw = random.Random(0)
    assert {genes.subnet(genes.sample(draw)).image_size for _ in range(50)} == {20}
