"""Scores from counts of single frames, and how sure they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.profiling.accuracy import measure_miou
from edgert.search.score import drop_error, frame_counts, score_of


def frames(count: int, seed: int = 0):
    random = np.random.default_rng(seed)
    return [
        (
            random.standard_normal((1, 4, 6, 8), dtype=np.float32),
            random.integers(0, 5, (12, 16)),
        )
        for _ in range(count)
    ]


def counts_of(pairs, metric="miou"):
    return np.stack(
        [frame_counts(a, b, metric=metric, classes=4, ignore_label=4) for a, b in pairs]
    )


@given(st.integers(1, 6), st.integers(0, 9))
def test_the_sum_over_frames_gives_the_score_of_all(count: int, seed: int):
    pairs = frames(count, seed)
    expected, number = measure_miou(lambda logits: logits, pairs, classes=4, ignore_label=4)
    assert score_of(counts_of(pairs).sum(axis=0)) == pytest.approx(expected, abs=1e-12)
    assert number == count


def test_agreement_counts_places_and_top1_counts_frames():
    logits = np.zeros((1, 3, 2, 2), np.float32)
    logits[0, 1, 0, :] = 1
    same = frame_counts(
        logits, np.array([[[1, 1], [0, 2]]]), metric="agreement", classes=3, ignore_label=None
    )
    assert same.tolist() == [3, 4]
    scores = np.array([[0.1, 0.9]], np.float32)
    right = frame_counts(scores, np.array([1]), metric="top1", classes=2, ignore_label=None)
    wrong = frame_counts(scores, np.array([0]), metric="top1", classes=2, ignore_label=None)
    assert score_of(right + wrong) == 0.5
    assert score_of(np.zeros(2, np.int64)) == 0


def test_a_drop_against_oneself_is_certain():
    counts = counts_of(frames(20))
    assert drop_error(counts, counts) == 0


def test_frames_that_agree_on_a_drop_make_it_surer_than_the_score_itself():
    random = np.random.default_rng(0)
    right = random.integers(20, 100, 60)
    full = np.stack([right, np.full(60, 100)], axis=1)
    nothing = np.stack([np.zeros(60, np.int64), np.full(60, 100)], axis=1)
    alike = np.stack([right - 5, np.full(60, 100)], axis=1)  # five points on every frame
    assert drop_error(full, alike) == pytest.approx(0, abs=1e-9)
    # Against nothing, what varies is the full model's own score: 12 blocks of five neighbours.
    blocks = right.reshape(12, 5).mean(axis=1) / 100
    expected = blocks.std() / 12**0.5
    assert drop_error(full, nothing) == pytest.approx(expected, rel=0.2)


def test_one_frame_tells_nothing_about_its_error():
    counts = counts_of(frames(1))
    assert drop_error(counts, counts) is None
