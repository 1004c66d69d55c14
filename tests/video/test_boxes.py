"""Boxes out of a detector's output."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgert.video.boxes import LEAST_SCORE, boxes_from_logits

LABELS = ["car", "person"]


def rows(*found):
    return np.array([found], np.float32)


def test_boxes_come_best_first_with_label_and_corners():
    logits = rows((0, 0, 4, 4, 0.3, 0), (1, 2, 3, 5, 0.9, 1), (0, 0, 1, 1, 0.1, 0))
    boxes = boxes_from_logits(logits, LABELS, most=10)
    assert [(box.label, round(box.score, 2), box.corners) for box in boxes] == [
        ("person", 0.9, (1.0, 2.0, 3.0, 5.0)),
        ("car", 0.3, (0.0, 0.0, 4.0, 4.0)),
    ]


def test_rows_that_fill_up_are_no_boxes():
    filling = rows((0, 0, 0, 0, 0, 0), (1, 1, 2, 2, np.nan, 0), (np.inf, 0, 1, 1, 0.9, 0))
    assert boxes_from_logits(filling, LABELS, most=10) == []
    assert boxes_from_logits(np.zeros((1, 0, 6), np.float32), LABELS, most=10) == []


def test_a_number_without_a_label_is_shown_as_a_number():
    assert boxes_from_logits(rows((0, 0, 1, 1, 0.9, 7)), LABELS, most=1)[0].label == "7"
    assert boxes_from_logits(rows((0, 0, 1, 1, 0.9, -1)), LABELS, most=1)[0].label == "-1"


@pytest.mark.parametrize("shape", [(1, 6), (2, 3, 6), (1, 3, 5), (1, 12, 8, 8)])
def test_another_shape_is_misuse(shape):
    with pytest.raises(ValueError, match="boxes need"):
        boxes_from_logits(np.zeros(shape, np.float32), LABELS, most=1)


@given(
    logits=arrays.arrays(np.float32, (1, 12, 6), elements=st.floats(width=32)),
    most=st.integers(0, 12),
)
def test_whatever_a_model_says_boxes_are_few_sound_and_sorted(logits, most):
    boxes = boxes_from_logits(logits, LABELS, most=most)
    assert len(boxes) <= most
    scores = [box.score for box in boxes]
    assert scores == sorted(scores, reverse=True)
    assert all(score >= LEAST_SCORE for score in scores)
    for x1, y1, x2, y2 in (box.corners for box in boxes):
        assert x1 <= x2
        assert y1 <= y2
