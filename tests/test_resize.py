"""Scores enlarged, against one pixel at a time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.resize import bilinear_resize

sizes = st.integers(1, 9)


def one_by_one(scores, height, width):
    """Half-pixel centres, clamped at the edges, as align_corners=False says."""
    result = np.zeros((*scores.shape[:-2], height, width))
    for y in range(height):
        for x in range(width):
            v = min(max((y + 0.5) * scores.shape[-2] / height - 0.5, 0), scores.shape[-2] - 1)
            u = min(max((x + 0.5) * scores.shape[-1] / width - 0.5, 0), scores.shape[-1] - 1)
            top, left = math.floor(v), math.floor(u)
            bottom = min(top + 1, scores.shape[-2] - 1)
            right = min(left + 1, scores.shape[-1] - 1)
            upper = scores[..., top, left] * (1 - u + left) + scores[..., top, right] * (u - left)
            lower = scores[..., bottom, left] * (1 - u + left)
            lower = lower + scores[..., bottom, right] * (u - left)
            result[..., y, x] = upper * (1 - v + top) + lower * (v - top)
    return result


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, sizes, sizes, st.integers(0, 2**32 - 1))
def test_equals_one_pixel_at_a_time(height, width, out_height, out_width, seed):
    scores = np.random.default_rng(seed).normal(size=(2, height, width)).astype(np.float32)
    result = bilinear_resize(scores, out_height, out_width)
    assert (result.shape, result.dtype) == ((2, out_height, out_width), np.float32)
    np.testing.assert_allclose(result, one_by_one(scores, out_height, out_width), atol=1e-5)


def test_the_comparison_sees_aligned_corners():
    """The usual mistake: corners on corners instead of half-pixel centres."""
    scores = np.arange(4, dtype=np.float32).reshape(1, 1, 4)
    aligned = np.linspace(0, 3, 8)
    assert np.abs(bilinear_resize(scores, 1, 8)[0, 0] - aligned).max() > 0.1


def test_known_values():
    scores = np.array([[[0.0, 1.0]]], np.float32)
    assert bilinear_resize(scores, 1, 4)[0, 0] == pytest.approx([0, 0.25, 0.75, 1])


@given(sizes, sizes)
def test_the_same_size_changes_nothing(height, width):
    scores = np.random.default_rng(0).normal(size=(3, height, width)).astype(np.float32)
    assert np.array_equal(bilinear_resize(scores, height, width), scores)


@given(sizes, sizes, sizes, sizes)
def test_a_flat_map_stays_flat_and_nothing_leaves_the_range(height, width, out_h, out_w):
    flat = np.full((1, height, width), 3.5, np.float32)
    assert bilinear_resize(flat, out_h, out_w) == pytest.approx(np.full((1, out_h, out_w), 3.5))
    scores = np.random.default_rng(1).normal(size=(1, height, width)).astype(np.float32)
    result = bilinear_resize(scores, out_h, out_w)
    assert scores.min() - 1e-5 <= result.min()
    assert result.max() <= scores.max() + 1e-5
