"""The plot of a search, drawn and looked at pixel by pixel."""

import io

import numpy as np
import pytest

from edgert.report.frontier import PlottedTrial, png_from_search

image_module = pytest.importorskip("PIL.Image")
FULL = PlottedTrial(1.0, 0.66, 0.0)
TRIALS = [PlottedTrial(0.3 + 0.05 * n, 0.6 + 0.004 * n) for n in range(12)]
FRONTIER = [PlottedTrial(0.5, 0.63, 0.004), PlottedTrial(0.7, 0.65, 0.003)]


def drawn(trials=TRIALS, marked=None, frontier=FRONTIER, **more) -> np.ndarray:
    words = {"title": "tiny", "cost": "latency", "score": "miou", "lowest": 0.58, **more}
    png = png_from_search(trials, marked or {}, frontier, FULL, **words)
    with image_module.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def reddish(pixels: np.ndarray) -> int:
    red, green, blue = (pixels[..., k] for k in range(3))
    return int(((red > 150) & (green < 120) & (blue < 120)).sum())


def test_the_frontier_is_a_red_line_with_error_bars():
    with_bars = reddish(drawn())
    without = [PlottedTrial(t.cost, t.score) for t in FRONTIER]
    assert with_bars > reddish(drawn(frontier=without)) > reddish(drawn(frontier=[])) > 0


def test_each_way_of_searching_has_a_mark_of_its_own():
    plain = drawn()
    names = {"greedy": TRIALS[:3], "multi-objective": TRIALS[3:6], "uniform": TRIALS[6:9]}
    marked = drawn(marked=names)
    assert (plain != marked).any()
    swapped = drawn(marked=dict(zip(names, reversed(names.values()), strict=True)))
    assert (marked != swapped).any()


def test_the_same_search_is_the_same_picture():
    assert (drawn() == drawn()).all()


def test_what_is_below_the_lower_edge_is_not_shown():
    hidden = [*TRIALS, PlottedTrial(0.1, 0.05)]
    assert np.abs(drawn(trials=hidden) - drawn()).max() == 0


def test_a_search_that_found_nothing_still_has_a_plot():
    assert drawn(trials=[], frontier=[]).shape[2] == 3


def test_names_are_text_and_no_formulas():
    drawn(title="a_b$c^d", cost="$x", score="y_")
