"""Frames are dealt out in blocks, and drawn in blocks."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.search.holdout import bootstrap_draws, split_by_blocks

TURNS = ("fit", "choose", "fit", "report")


@given(st.integers(2, 400), st.integers(1, 40))
def test_the_halves_are_all_frames_each_once_and_nearly_equal(count: int, blocks: int):
    parts = split_by_blocks(count, ("choose", "report"), blocks=blocks)
    assert sorted(parts["choose"] + parts["report"]) == list(range(count))
    assert all(part == sorted(part) and part for part in parts.values())
    longest = -(-count // max(2, min(blocks, count) // 2 * 2))
    assert abs(len(parts["choose"]) - len(parts["report"])) <= max(1, blocks // 2, longest)


@given(st.integers(4, 200))
def test_a_name_that_comes_twice_gets_twice_as_much(count: int):
    parts = split_by_blocks(count, TURNS, blocks=12)
    assert sorted(itertools.chain.from_iterable(parts.values())) == list(range(count))
    assert len(parts["fit"]) >= len(parts["choose"])
    assert len(parts["fit"]) >= len(parts["report"])


def test_frames_of_one_block_are_neighbours():
    parts = split_by_blocks(100, ("choose", "report"), blocks=10)
    assert parts["choose"][:10] == list(range(10))
    assert parts["report"][:10] == list(range(10, 20))
    edges = sum(b - a > 1 for a, b in zip(parts["choose"], parts["choose"][1:], strict=False))
    assert edges == 4  # five blocks; dealt out one by one it would be 49


def test_more_turns_than_frames_is_misuse():
    with pytest.raises(ValueError, match="3 frames for 4 turns"):
        split_by_blocks(3, TURNS)


@given(st.integers(2, 120), st.integers(0, 5))
def test_a_draw_counts_neighbours_alike_and_keeps_the_number_of_blocks(count: int, seed: int):
    draws = bootstrap_draws(count, draws=20, seed=seed)
    length = 5 if count >= 20 else max(1, count // 4)
    blocks = draws[:, ::length]
    assert (blocks.sum(axis=1) == blocks.shape[1]).all()
    assert (np.repeat(blocks, length, axis=1)[:, :count] == draws).all()


def test_one_frame_can_not_be_resampled():
    assert bootstrap_draws(1, draws=20, seed=0).shape == (0, 1)
    assert bootstrap_draws(0, draws=20, seed=0).shape == (0, 0)


def test_draws_depend_on_the_seed_alone():
    first, again = (bootstrap_draws(30, draws=9, seed=4) for _ in range(2))
    assert (first == again).all()
    assert (first != bootstrap_draws(30, draws=9, seed=5)).any()
