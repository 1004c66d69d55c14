"""Pictures cut to their centre, against Pillow: the whole resized, then its centre cut out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgert.preprocess import Preprocessor, Window, window_of
from tests.test_preprocess import ONE_LEVEL, normalised, picture, spec

PUBLISHED = 0.875
# Portrait, landscape, square, smaller than the input, and as small as pictures get.
SIZES = [(130, 90), (83, 175), (100, 100), (300, 400), (20, 31), (7, 5), (1, 1), (1, 2), (2, 1)]


def window_as_published(size, height, width):
    """What torchvision's Resize(ceil(size / 0.875)) and CenterCrop(size) come to, in floats."""
    shorter = math.ceil(size / PUBLISHED)
    longer = int(shorter * max(height, width) / min(height, width))
    rows, columns = (longer, shorter) if height >= width else (shorter, longer)
    return rows, columns, round((rows - size) / 2.0), round((columns - size) / 2.0)


def by_pillow(image, rows, columns, top, left, height, width):
    whole = Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR)
    return np.asarray(whole)[top : top + height, left : left + width]


def difference(image, wanted, window):
    reference = normalised(by_pillow(image, *window, wanted.height, wanted.width), wanted)
    return np.abs(Preprocessor(wanted)(image) - reference)


# ---------------------------------------------------------------- where the cut lies


@given(
    st.sampled_from([20, 36, 128, 144, 160, 176, 192, 208, 224, 240, 256, 299]),
    st.integers(1, 3000),
    st.integers(1, 3000),
)
def test_square_windows_are_those_of_the_published_evaluation(size, height, width):
    wanted = spec(size, size, crop=PUBLISHED)
    assert window_of(wanted, height, width) == window_as_published(size, height, width)


@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    st.floats(0.1, 1.0),
)
def test_a_window_covers_the_larger_box_keeps_proportions_and_is_in_the_middle(inner, outer, crop):
    (rows, columns), (height, width) = inner, outer
    window = window_of(spec(rows, columns, crop=crop), height, width)
    assert window.rows >= rows / crop - 0.011
    assert window.columns >= columns / crop - 0.011
    box = [math.ceil(rows / crop - 0.01), math.ceil(columns / crop - 0.01)]
    assert window.rows == box[0] or window.columns == box[1]  # no larger than it has to be
    # Proportions hold to the pixel that the longer side is rounded down by.
    apart = window.rows * width - window.columns * height
    assert abs(apart) < max(width, height)
    for whole, used, start in zip(window[:2], inner, window[2:], strict=True):
        assert 0 <= start <= whole - used
        assert abs(whole - used - 2 * start) <= 1


@pytest.mark.parametrize("shorter", [224, 232, 235, 236, 246, 248, 249, 256, 292, 320])
def test_a_ratio_of_two_sizes_asks_for_that_size(shorter):
    """torchvision's own classifiers name the shorter side, 232 for 224 and the like."""
    for crop in (224 / shorter, round(224 / shorter, 5)):
        assert window_of(spec(224, 224, crop=crop), 500, 375)[1] == shorter


def test_without_a_crop_the_whole_is_stretched():
    assert window_of(spec(24, 32), 500, 375) == Window(24, 32, 0, 0)


# ---------------------------------------------------------------- what comes out


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(48, 48), (36, 60), (60, 36)])
def test_a_cut_picture_is_close_to_pillow(size, shape):
    wanted, image = spec(*shape, crop=PUBLISHED), picture(*size)
    away = difference(image, wanted, window_of(wanted, *size))
    assert away.max() < 1.5 * ONE_LEVEL
    assert away.mean() < 0.5 * ONE_LEVEL


@pytest.mark.parametrize("size", [(375, 500), (500, 333), (256, 256), (1080, 1920), (256, 400)])
def test_pictures_as_imagenet_s_and_a_camera_s_at_the_published_size(size):
    wanted, image = spec(224, 224, crop=PUBLISHED), picture(*size)
    away = difference(image, wanted, window_as_published(224, *size))
    assert away.max() < 1.5 * ONE_LEVEL
    assert away.mean() < 0.5 * ONE_LEVEL


@pytest.mark.slow
def test_a_huge_picture_is_close_to_pillow():
    wanted, image = spec(224, 224, crop=PUBLISHED), picture(3000, 4000)
    assert difference(image, wanted, window_of(wanted, 3000, 4000)).max() < 1.5 * ONE_LEVEL


@pytest.mark.parametrize("size", [(30, 700), (700, 30), (3, 200), (90, 800)])
def test_long_and_narrow_pictures_are_close_to_pillow(size):
    wanted, image = spec(36, 36, crop=PUBLISHED), picture(*size)
    window = window_of(wanted, *size)
    assert window.rows * window.columns > 8 * 36 * 36  # this is the other way of making it
    away = difference(image, wanted, window)
    assert away.max() < 1.5 * ONE_LEVEL
    assert away.mean() < 0.1 * ONE_LEVEL


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1)])
def test_of_the_longest_pictures_what_is_used_alone_is_made(size):
    """The whole would take 15 GB."""
    wanted, image = spec(224, 224, crop=PUBLISHED), np.full((*size, 3), 77, np.uint8)
    image[size[0] // 2 - 2 : size[0] // 2 + 2, size[1] // 2 - 2 : size[1] // 2 + 2] = 200
    tensor = Preprocessor(wanted)(image)
    flat = normalised(np.full((224, 224, 3), 200, np.uint8), wanted)
    assert np.abs(tensor - flat).max() < 1.01 * ONE_LEVEL


@pytest.mark.parametrize("size", [(83, 175), (30, 700), (54, 54)])
@pytest.mark.parametrize("wrong", ["stretched", "moved", "less", "corner"])
def test_the_comparison_sees_another_cut(size, wrong):
    wanted, image = spec(48, 48, crop=PUBLISHED), picture(*size)
    window = window_of(wanted, *size)
    other = {
        "stretched": Window(48, 48),
        "moved": window._replace(top=window.top + 1),
        "less": window_of(spec(48, 48, crop=0.8), *size),
        "corner": window._replace(top=0, left=0),
    }[wrong]
    assert difference(image, wanted, other).max() > 20 * ONE_LEVEL


def test_a_picture_of_the_enlarged_size_is_cut_without_a_resize():
    wanted, image = spec(28, 28, crop=PUBLISHED), picture(32, 40)
    tensor = Preprocessor(wanted)(image)
    exact = normalised(image[2:30, 6:34], wanted)
    np.testing.assert_allclose(tensor, exact, rtol=2e-6, atol=2e-6)


def test_blue_green_red_and_views_are_cut_as_well():
    wanted = spec(24, 24, crop=PUBLISHED, color_order="bgr")
    image = picture(60, 80)
    exact = Preprocessor(wanted)(np.ascontiguousarray(image[::-1, ::2])).copy()
    assert np.array_equal(Preprocessor(wanted)(image[::-1, ::2]), exact)
    red_first = spec(24, 24, crop=PUBLISHED, color_order="rgb", mean=wanted.mean[::-1],
                     std=wanted.std[::-1])  # fmt: skip
    assert np.array_equal(Preprocessor(red_first)(image[::-1, ::2])[:, ::-1], exact)


@given(
    st.integers(1, 400), st.integers(1, 400), st.integers(0, 255), st.sampled_from([0.5, 0.875, 1])
)
def test_a_flat_picture_of_any_size_is_cut_to_a_flat_one(height, width, level, crop):
    wanted = spec(24, 32, crop=crop)
    tensor = Preprocessor(wanted)(np.full((height, width, 3), level, np.uint8))
    assert tensor.shape == (1, 3, 24, 32)
    flat = normalised(np.full((24, 32, 3), level, np.uint8), wanted)
    assert np.abs(tensor - flat).max() <= 1.01 * ONE_LEVEL


@given(st.integers(80, 400), st.integers(80, 400), st.sampled_from([0.75, 0.875, 1.0]))
def test_a_square_in_the_middle_stays_one(height, width, crop):
    """Stretched it does not, in a picture that is not square itself."""
    side = min(height, width) // 2
    image = np.zeros((height, width, 3), np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    image[top : top + side, left : left + side] = 255

    def sides(**cut):
        plain = spec(60, 60, mean=(0, 0, 0), std=(1, 1, 1), **cut)
        plane = Preprocessor(plain)(image)[0, 0]
        return plane.sum(0).max(), plane.sum(1).max()  # rows and columns that are lit

    rows, columns = sides(crop=crop)
    assert abs(rows - columns) < 1.0
    # The shorter side is brought to 60 / crop, and half of it is lit.
    assert abs(rows - side / min(height, width) * math.ceil(60 / crop - 0.01)) < 1.0
    rows, columns = sides()
    assert rows / columns == pytest.approx(width / height, rel=0.1)
