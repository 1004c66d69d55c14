"""What is drawn over a frame, and the strip below."""

import dataclasses

import numpy as np
import pytest

from edgert.video.overlay import Overlay, StripText
from edgert.video.palette import palette_from_labels
from edgert.video.strip import Strip
from tests.video.test_palette import CAMVID

TEXT = StripText("full", 61.0, 70.0, 8.0, 10.0, 0.030, 0.040, "emulated")
RED = (214, 66, 48)
SIZES = [(160, 120), (320, 240), (480, 272), (640, 360), (1280, 720), (321, 241)]


def scores_of(labels, classes=11):
    """(1, C, h, w) whose best class is `labels`."""
    return (np.arange(classes)[:, None, None] == labels).astype(np.float32)[None]


def strip_pixels(width, **values):
    strip = Strip(width)
    rows = np.zeros((strip.height, width, 3), np.uint8)
    strip.draw(rows, dataclasses.replace(TEXT, **values))
    return rows


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


# ------------------------------------------------------------- the strip


@pytest.mark.parametrize(
    "beyond", [{"temp_c": 70.1}, {"power_w": 10.1}, {"latency_s": 0.0401}]
)  # one at a time
def test_a_reading_beyond_its_limit_is_red(beyond):
    assert not has(strip_pixels(640), RED)
    assert has(strip_pixels(640, **beyond), RED)


def test_a_reading_at_its_limit_or_without_one_is_not_red():
    assert not has(strip_pixels(640, temp_c=70.0, power_w=10.0, latency_s=0.040), RED)
    none = {"temp_limit_c": None, "power_limit_w": None, "deadline_s": None}
    assert not has(strip_pixels(640, temp_c=99.0, power_w=99.0, latency_s=9.0, **none), RED)


def test_every_field_shows():
    """A changed field changes pixels; the whole strip is written every time."""
    plain = strip_pixels(640)
    changes = {
        "configuration": "c60", "temp_c": 62.0, "temp_limit_c": 75.0, "power_w": 8.1,
        "power_limit_w": 12.0, "latency_s": 0.031, "deadline_s": 0.050, "provenance": "measured",
    }  # fmt: skip
    for field, value in changes.items():
        assert not np.array_equal(strip_pixels(640, **{field: value}), plain), field


def test_a_longer_reading_has_a_longer_bar():
    def filled(power_w):
        return int((strip_pixels(640, power_w=power_w) == (70, 170, 110)).all(-1).sum())

    lengths = [filled(power_w) for power_w in (1.0, 5.0, 9.0)]
    assert lengths == sorted(set(lengths))


def test_nothing_read_is_no_error():
    nothing = dict.fromkeys(("temp_c", "power_w", "latency_s", "provenance"))
    assert strip_pixels(640, **nothing).shape[1] == 640


@pytest.mark.parametrize("width", [16, 64, 160, 4096])
def test_long_names_and_strange_letters_stay_inside(width):
    rows = strip_pixels(width, configuration="x" * 300 + "äß漢\N{PILE OF POO}")
    assert rows.shape[1] == width


def test_rendered_text_is_kept_and_bounded():
    strip = Strip(640)
    rows = np.zeros((strip.height, 640, 3), np.uint8)
    for step in range(700):
        strip.draw(rows, dataclasses.replace(TEXT, temp_c=float(step)))
    assert len(strip._texts) <= 512
