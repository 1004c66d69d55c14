"""Colours of labels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgert.video.palette import palette_from_labels

CAMVID = ["Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car",
          "Pedestrian", "Bicyclist"]  # fmt: skip


def test_road_scenes_have_eleven_colours_that_differ_whatever_their_spelling():
    colors = palette_from_labels(CAMVID)
    assert (colors.shape, colors.dtype) == ((11, 3), np.uint8)
    assert len(np.unique(colors, axis=0)) == 11
    spelled = palette_from_labels(["sky", "building", "Sign Symbol", "sign_symbol"])
    assert np.array_equal(spelled, colors[[0, 1, 6, 6]])


def test_unknown_labels_get_colours_far_apart():
    colors = palette_from_labels([f"thing {k}" for k in range(20)]).astype(int)
    apart = np.abs(colors[:, None] - colors[None]).sum(-1) + 1000 * np.eye(20, dtype=int)
    assert apart.min() > 20


@given(st.lists(st.text(max_size=8), max_size=200))
def test_every_list_of_labels_has_its_colours(labels):
    colors = palette_from_labels(labels)
    assert (colors.shape, colors.dtype) == ((len(labels), 3), np.uint8)
    assert np.array_equal(colors, palette_from_labels(labels))
