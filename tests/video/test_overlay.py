"""What is drawn over a frame, and the strip below."""

import numpy as np
import pytest

from edgert.video.overlay import Overlay, StripText
from edgert.video.palette import palette_from_labels
from tests.video.test_palette import CAMVID

TEXT = StripText("full", 61.0, 70.0, 8.0, 10.0, 0.030, 0.040, "emulated")
SIZES = [(160, 120), (320, 240), (480, 272), (640, 360), (1280, 720), (321, 241)]


def scores_of(labels, classes=11):
    """(1, C, h, w) whose best class is `labels`."""
    return (np.arange(classes)[:, None, None] == labels).astype(np.float32)[None]


def has(rows, color):
    return bool((rows == color).all(-1).any())


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_picture_has_even_sides_and_the_strip_below(width, height):
    overlay = Overlay(CAMVID, width, height)
    image = np.full((height, width, 3), 100, np.uint8)
    drawn = overlay.draw(image, scores_of(np.zeros((6, 8), int)), TEXT)
    assert drawn.shape == (overlay.height, overlay.width, 3)
    assert drawn.dtype == np.uint8
    assert overlay.height % 2 == overlay.width % 2 == 0
    assert overlay.height > height
    assert drawn[height + height % 2 :].any()


def test_half_the_frame_and_half_the_colour_of_the_nearest_label():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 11, (9, 12))
    image = rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)
    overlay = Overlay(CAMVID, 128, 96)  # too small for a legend
    drawn = overlay.draw(image, scores_of(labels), TEXT)[:96, :128].astype(int)
    colors = palette_from_labels(CAMVID).astype(int)
    for y in range(0, 96, 5):
        for x in range(0, 128, 7):
            color = colors[labels[y * 9 // 96, x * 12 // 128]]
            if not has(drawn[y : y + 1, x : x + 1], (18, 20, 24)):
                wanted = image[y, x].astype(int) // 2 + color // 2
                assert np.abs(drawn[y, x] - wanted).max() <= 1, (y, x)


def test_another_result_gives_another_picture_and_the_frame_is_left_alone():
    overlay = Overlay(CAMVID, 320, 240)
    image = np.full((240, 320, 3), 100, np.uint8)
    first = overlay.draw(image, scores_of(np.zeros((6, 8), int)), TEXT).copy()
    second = overlay.draw(image, scores_of(np.full((6, 8), 3)), TEXT)
    assert np.abs(first[:240].astype(int) - second[:240]).mean() > 10
    assert (image == 100).all()


def test_the_buffer_is_reused_and_scores_may_change_their_resolution():
    overlay = Overlay(CAMVID, 320, 240)
    image = np.zeros((240, 320, 3), np.uint8)
    first = overlay.draw(image, scores_of(np.zeros((6, 8), int)), TEXT)
    second = overlay.draw(image, scores_of(np.zeros((240, 320), int)), TEXT)
    assert first is second
    again = Overlay(CAMVID, 320, 240).draw(image, scores_of(np.zeros((6, 8), int)), TEXT)
    assert np.array_equal(second, again)


def test_a_legend_is_drawn_where_it_has_room_only():
    flat = scores_of(np.zeros((6, 8), int))

    def colors_seen(labels, width, height):
        overlay = Overlay(labels, width, height)
        drawn = overlay.draw(
            np.zeros((height, width, 3), np.uint8),
            scores_of(np.zeros((6, 8), int), len(labels)) if len(labels) != 11 else flat,
            TEXT,
        )
        palette = palette_from_labels(labels)
        return sum(has(drawn[:height], tuple(color)) for color in palette)

    assert colors_seen(CAMVID, 640, 360) == 11
    assert colors_seen([f"class {k}" for k in range(150)], 640, 360) == 0


def test_classification_names_the_best_label():
    labels = ["cat", "dog", "a very long name of a kind that leaves the picture" * 5]
    overlay = Overlay(labels, 320, 240, task="classification")
    image = np.full((240, 320, 3), 100, np.uint8)
    pictures = [
        overlay.draw(image, np.eye(3, dtype=np.float32)[k : k + 1], TEXT).copy() for k in range(3)
    ]
    assert (pictures[0][:240] != 100).any()
    assert not np.array_equal(pictures[0], pictures[1])
    assert (pictures[0][200:240, 200:] == 100).all()


def test_a_frame_of_another_size_is_misuse():
    with pytest.raises(ValueError, match="overlay is for"):
        Overlay(CAMVID, 64, 48).draw(
            np.zeros((64, 48, 3), np.uint8), scores_of(np.zeros((6, 8), int)), TEXT
        )


@pytest.mark.parametrize("task", ["segmentation", "classification"])
@pytest.mark.parametrize("classes", [10, 12])
def test_scores_for_other_labels_are_misuse(task, classes):
    overlay = Overlay(CAMVID, 64, 48, task=task)
    scores = np.zeros((1, classes, 6, 8) if task == "segmentation" else (1, classes), np.float32)
    with pytest.raises(ValueError, match="11 labels"):
        overlay.draw(np.zeros((48, 64, 3), np.uint8), scores, TEXT)


def test_only_where_labels_differ_does_the_picture():
    overlay = Overlay(CAMVID, 128, 96)  # too small for a legend
    image = np.full((96, 128, 3), 90, np.uint8)
    labels = np.zeros((6, 8), int)
    before = overlay.draw(image, scores_of(labels), TEXT).copy()
    labels[2:4, 5:7] = 8
    after = overlay.draw(image, scores_of(labels), TEXT)
    changed = (before != after).any(-1)
    assert changed[32:64, 80:112].all()
    changed[32:64, 80:112] = False
    assert not changed.any()


# ------------------------------------------------------------- boxes


def detected(*rows):
    return np.array([rows], np.float32)


def test_boxes_are_drawn_where_they_are_and_nowhere_else():
    overlay = Overlay(["car", "person"], 160, 120, task="detection", input_size=(320, 240))
    image = np.full((120, 160, 3), 90, np.uint8)
    drawn = overlay.draw(image, detected((40, 80, 200, 200, 0.9, 1)), StripText("full"))[
        :120, :160
    ]
    changed = (drawn != image).any(axis=2)
    rows, columns = np.nonzero(changed[40:])  # the label stands above the box
    assert (rows.min() + 40, columns.min()) == (40, 20)
    assert (rows.max() + 41, columns.max() + 1) == (100, 100)
    assert not changed[45:95, 25:95].any()  # its inside is left as it is
    color = palette_from_labels(["car", "person"])[1]
    assert (drawn[70, 20] == color).all()
    assert (drawn[99, 60] == color).all()
    other = overlay.draw(image, detected((40, 80, 200, 200, 0.9, 0)), StripText("full"))
    assert not (other[70, 20] == color).all()


def test_boxes_that_are_weak_outside_or_thin_draw_nothing():
    overlay = Overlay(["car"], 160, 120, task="detection")
    image = np.full((120, 160, 3), 90, np.uint8)
    rows = ((10, 10, 50, 50, 0.1, 0), (300, 300, 400, 400, 0.9, 0), (20, 20, 20.2, 90, 0.9, 0),
            (-90, -90, -10, -10, 0.9, 0), (np.nan, 0, 50, 50, 0.9, 0))  # fmt: skip
    assert (overlay.draw(image, detected(*rows), StripText("full"))[:120, :160] == image).all()


def test_boxes_that_reach_over_the_edge_are_cut_there():
    overlay = Overlay([], 160, 120, task="detection")
    image = np.full((120, 160, 3), 90, np.uint8)
    drawn = overlay.draw(image, detected((-50, -50, 500, 500, 0.9, 3)), StripText("full"))
    assert (drawn[60, 0] != 90).any()
    assert (drawn[60, 159] != 90).any()
    assert (drawn[119, 80] != 90).any()


def test_what_is_no_boxes_is_misuse():
    overlay = Overlay(["car"], 160, 120, task="detection")
    with pytest.raises(ValueError, match="boxes need"):
        overlay.draw(np.zeros((120, 160, 3), np.uint8), np.zeros((1, 1)), StripText("full"))
