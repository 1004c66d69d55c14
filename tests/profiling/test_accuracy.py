import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgert.profiling.accuracy import (
    confusion_matrix,
    label_agreement,
    mean_iou,
    measure_miou,
    measure_top1,
    segmentation_labels,
    top1_interval,
)

CLASSES = 4
LABEL_MAPS = arrays.arrays(np.uint8, (6, 7), elements=st.integers(0, CLASSES - 1))


def iou_by_sets(labels: np.ndarray, predicted: np.ndarray, ignore: int) -> float:
    """The definition, class by class: what the fast way is held against."""
    scores = []
    valid = labels != ignore
    for c in range(CLASSES):
        in_labels, in_predicted = (labels == c) & valid, (predicted == c) & valid
        if union := (in_labels | in_predicted).sum():
            scores.append((in_labels & in_predicted).sum() / union)
    return float(np.mean(scores)) if scores else 0.0


@given(
    labels=arrays.arrays(np.uint8, (6, 7), elements=st.sampled_from([0, 1, 2, 3, 11])),
    predicted=LABEL_MAPS,
)
def test_miou_is_its_definition(labels: np.ndarray, predicted: np.ndarray):
    matrix = confusion_matrix(labels, predicted, classes=CLASSES, ignore_label=11)
    assert mean_iou(matrix) == pytest.approx(iou_by_sets(labels, predicted, 11))


@given(labels=LABEL_MAPS)
def test_perfect_prediction_scores_one_and_one_wrong_pixel_less(labels: np.ndarray):
    assert mean_iou(confusion_matrix(labels, labels, classes=CLASSES)) == 1
    wrong = labels.copy()
    wrong[0, 0] = (wrong[0, 0] + 1) % CLASSES
    assert mean_iou(confusion_matrix(labels, wrong, classes=CLASSES)) < 1


@given(first=LABEL_MAPS, second=LABEL_MAPS, predicted=LABEL_MAPS)
def test_matrices_of_parts_add_up_to_that_of_the_whole(first, second, predicted):
    whole = confusion_matrix(
        np.stack([first, second]), np.stack([predicted, predicted]), classes=CLASSES
    )
    parts = [confusion_matrix(part, predicted, classes=CLASSES) for part in (first, second)]
    np.testing.assert_array_equal(whole, sum(parts))


def test_ignored_pixels_count_nowhere():
    labels = np.array([[0, 255], [255, 1]])
    predicted = np.array([[0, 3], [2, 1]])
    assert confusion_matrix(labels, predicted, classes=CLASSES, ignore_label=255).sum() == 2


@pytest.mark.parametrize("label", [CLASSES, 200, -1])
def test_a_label_out_of_range_is_an_error_not_a_class(label: int):
    with pytest.raises(ValueError, match="classes are 4"):
        confusion_matrix(np.array([label]), np.array([0]), classes=CLASSES)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="labels are"):
        confusion_matrix(np.zeros((2, 2), int), np.zeros((2, 3), int), classes=CLASSES)


def test_classes_that_never_occur_are_left_out():
    assert mean_iou(np.diag([5, 0, 3])) == 1
    assert mean_iou(np.zeros((3, 3))) == 0


def test_labels_are_taken_at_full_size():
    logits = np.zeros((1, 2, 1, 2), np.float32)
    logits[0, 0, 0, 0], logits[0, 1, 0, 1] = 3, 1  # class 0 left and strong, class 1 right
    labels = segmentation_labels(logits, 2, 8)
    np.testing.assert_array_equal(labels[0], labels[1])
    np.testing.assert_array_equal(labels[0], [0, 0, 0, 0, 0, 1, 1, 1])


def test_miou_over_frames_sums_before_it_divides():
    logits = np.zeros((1, CLASSES, 6, 7), np.float32)
    logits[:, 2] = 1
    frames = [(logits, np.full((6, 7), 2)), (logits, np.full((6, 7), 3))]
    score, count = measure_miou(lambda x: x, frames, classes=CLASSES, ignore_label=None)
    assert count == 2
    assert score == pytest.approx((42 / 84 + 0) / 2)


def test_agreement_is_the_share_of_equal_labels():
    one = np.zeros((1, 2, 2, 2))
    other = one.copy()
    other[0, 1, 0, 0] = 1
    assert label_agreement(one, one) == 1
    assert label_agreement(one, other) == 0.75


@given(
    logits=arrays.arrays(np.float32, (9, CLASSES), elements=st.integers(-5, 5), unique=False),
    labels=arrays.arrays(np.int64, 9, elements=st.integers(0, CLASSES - 1)),
)
def test_top1_is_the_share_of_pictures_whose_best_class_is_their_label(logits, labels):
    frames = [(row[None], label[None]) for row, label in zip(logits, labels, strict=True)]
    score, count = measure_top1(lambda x: x, frames)
    best = [max(range(CLASSES), key=lambda c, row=row: row[c]) for row in logits]
    assert count == 9
    assert score == pytest.approx(np.mean([a == b for a, b in zip(best, labels, strict=True)]))


def test_no_pictures_are_no_score():
    assert measure_top1(lambda x: x, []) == (0.0, 0)


@given(st.integers(1, 2000), st.data())
def test_the_interval_of_top1_holds_it_and_stays_a_share(count: int, data):
    share = data.draw(st.integers(0, count)) / count
    low, high = top1_interval(share, count)
    assert 0 <= low <= share <= high <= 1
    assert low < high  # also where all are right, or none
    wider = top1_interval(share, count * 4)
    assert wider[1] - wider[0] < high - low


def test_the_interval_of_top1_is_wilson_s():
    # 81 of 263: 25.5 % to 36.6 %, the example of Newcombe, Statistics in Medicine 17 (1998)
    assert top1_interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_interval_of_top1_holds_the_truth_as_often_as_it_says(share: float):
    random = np.random.default_rng(int(share * 10))
    found = [top1_interval(right / 100, 100) for right in random.binomial(100, share, 4000)]
    assert 0.93 < np.mean([low <= share <= high for low, high in found]) < 0.97
