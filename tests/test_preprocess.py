"""Pictures to tensors, against a plain float64 computation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgert.preprocess import Preprocessor
from edgert.records import InputSpec

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
# A grey level is 1/255 of the range; the filter's coefficients are rounded to less than that.
ONE_LEVEL = 1 / 255 / min(IMAGENET["std"])


def spec(height, width, **values):
    return InputSpec(name="x", shape=(1, 3, height, width), **{**IMAGENET, **values})


def picture(height, width, seed=0):
    """Random, and smooth enough that a resized one keeps its range."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3))
    return np.repeat(np.repeat(coarse, 4, 0), 4, 1)[:height, :width].astype(np.uint8)


def normalised(image, wanted):
    """(1, 3, H, W) float64 of an RGB image that has the model's size."""
    planes = image.astype(np.float64)[..., :: 1 if wanted.color_order == "rgb" else -1]
    planes = (planes * wanted.scale - np.array(wanted.mean)) / np.array(wanted.std)
    return planes.transpose(2, 0, 1)[None]


def triangle_weights(size, wanted):
    """Bilinear weights; when reducing, the triangle is as wide as the reduction."""
    ratio = size / wanted
    reach = max(ratio, 1.0)
    centers = (np.arange(wanted) + 0.5) * ratio - 0.5
    weights = np.zeros((wanted, size))
    for row, center in enumerate(centers):
        taps = np.arange(int(np.floor(center - reach)), int(np.ceil(center + reach)) + 1)
        shares = np.maximum(0, 1 - np.abs(taps - center) / reach)
        np.add.at(weights[row], np.clip(taps, 0, size - 1), shares)
    return weights / weights.sum(1, keepdims=True)


def resized(image, height, width):
    rows = triangle_weights(image.shape[0], height)
    columns = triangle_weights(image.shape[1], width)
    planes = image.astype(np.float64).transpose(2, 0, 1)
    return (rows @ planes @ columns.T).transpose(1, 2, 0)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize("scale", [1 / 255, 1.0])
def test_same_size_is_exact_but_for_rounding(order, scale):
    wanted = spec(12, 20, color_order=order, scale=scale)
    image = picture(12, 20)
    tensor = Preprocessor(wanted)(image)
    assert (tensor.shape, tensor.dtype) == ((1, 3, 12, 20), np.float32)
    np.testing.assert_allclose(tensor, normalised(image, wanted), rtol=2e-6, atol=2e-6)


def test_the_comparison_sees_exchanged_colours_and_another_mean():
    image, wanted = picture(12, 20), spec(12, 20)
    tensor = Preprocessor(wanted)(image)
    for wrong in (spec(12, 20, color_order="bgr"), spec(12, 20, mean=(0.485, 0.457, 0.406))):
        assert not np.allclose(tensor, normalised(image, wrong), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("size", [(68, 160), (36, 48), (200, 300), (180, 240), (45, 61)])
def test_another_size_is_resized_bilinearly(size):
    """Within a grey level anywhere, half a level on average, up and down, colours and all."""
    wanted, image = spec(90, 120), picture(*size)
    tensor = Preprocessor(wanted)(image)
    reference = normalised(resized(image, 90, 120), wanted)
    difference = np.abs(tensor - reference)
    assert difference.max() < ONE_LEVEL
    assert difference.mean() < 0.5 * ONE_LEVEL


@pytest.mark.parametrize("size", [(180, 240), (240, 426), (60, 80)])
def test_another_size_is_close_to_pillow(size):
    """Pillow rounds to whole levels between its two passes, hence one level more.

    Not at the border: there swscale repeats the edge, and Pillow narrows the filter.
    """
    wanted, image = spec(90, 120), picture(*size)
    small = Image.fromarray(image).resize((120, 90), Image.Resampling.BILINEAR)
    difference = np.abs(Preprocessor(wanted)(image) - normalised(np.asarray(small), wanted))
    assert difference[..., 2:-2, 2:-2].max() < 1.5 * ONE_LEVEL
    assert difference.mean() < 0.5 * ONE_LEVEL


def test_the_resize_comparison_sees_a_shift_of_half_a_pixel():
    wanted, image = spec(90, 120), picture(180, 240)
    shifted = np.roll(image, 1, axis=1)
    reference = normalised(resized(shifted, 90, 120), wanted)
    assert np.abs(Preprocessor(wanted)(image) - reference).max() > 2 * ONE_LEVEL


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 70), st.integers(2, 70), st.integers(0, 255))
def test_a_flat_picture_stays_flat_at_any_size(height, width, level):
    wanted = spec(24, 32)
    tensor = Preprocessor(wanted)(np.full((height, width, 3), level, np.uint8))
    flat = normalised(np.full((24, 32, 3), level, np.uint8), wanted)
    assert np.abs(tensor - flat).max() <= 1.01 * ONE_LEVEL


def test_the_buffer_is_reused_and_the_picture_left_alone():
    preprocess = Preprocessor(spec(12, 20))
    image = picture(12, 20)
    before = image.copy()
    first = preprocess(image)
    assert preprocess(picture(30, 40)) is first
    assert np.array_equal(image, before)


def test_pictures_that_are_views_or_read_only_do_as_well():
    preprocess, image = Preprocessor(spec(12, 20)), picture(60, 80)
    view = image[::2, ::2]
    wanted = preprocess(np.ascontiguousarray(view)).copy()
    view.flags.writeable = False
    assert np.array_equal(preprocess(view), wanted)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32),
     np.zeros((0, 4, 3), np.uint8)],
)  # fmt: skip
def test_what_is_no_picture_is_misuse(wrong):
    with pytest.raises(ValueError, match="needs"):
        Preprocessor(spec(12, 20))(wrong)
