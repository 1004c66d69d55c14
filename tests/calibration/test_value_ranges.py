import numpy as np
import pytest

from edgert.calibration import value_ranges
from edgert.calibration.value_ranges import BINS, histograms, largest_values
from edgert.errors import CalibrationError
from tests.surgery.graphs_linear import graph_from_text

SHAPE = (1, 4, 3, 3)
FRAMES = [np.full(SHAPE, 0.5, np.float32), np.full(SHAPE, -2.0, np.float32)]


def graph_of(body, output="float[1,4,3,3] y"):
    return graph_from_text(
        f"agraph (float[1,4,3,3] x) => ({output}) {{ {body} }}",
        {"three": np.full(1, 3, np.float32), "zero": np.zeros(1, np.float32)},
    )


def test_largest_values_are_absolute_and_over_all_frames():
    graph = graph_of("a = Mul(x, three) b = Relu(a) i = Cast<to=7>(b) y = Cast<to=1>(i)")
    assert largest_values(graph, FRAMES) == {"x": 2.0, "a": 6.0, "b": 1.5, "y": 1.0}


def test_values_are_computed_in_groups_that_fit(monkeypatch):
    graph = graph_of("a = Mul(x, three) b = Relu(a) y = Neg(b)")
    whole = largest_values(graph, FRAMES)
    monkeypatch.setattr(value_ranges, "_CHUNK_BYTES", 1)
    assert largest_values(graph, FRAMES) == whole


def test_value_that_is_not_finite_is_named():
    graph = graph_of('a = Mul(x, zero) ["n"] y = Div(x, a)')
    with pytest.raises(CalibrationError, match="measure y on calibration frames"):
        largest_values(graph, FRAMES)


def test_histograms_count_every_number_once():
    graph = graph_of("a = Mul(x, three) y = Relu(a)")
    [x] = graph.inputs
    a, y = (node.outputs[0] for node in graph.nodes)
    found = histograms(graph, [x, a, y], FRAMES)
    assert {value: each.largest for value, each in found.items()} == {x: 2.0, a: 6.0, y: 1.5}
    assert all(each.counts.sum() == 2 * 36 for each in found.values())
    # 0.5 of 2 lies a quarter up, the largest in the last bin
    assert found[x].counts[BINS // 4] == found[x].counts[-1] == 36
    assert found[y].counts[0] == found[y].counts[-1] == 36


def test_value_that_is_always_zero_has_a_histogram():
    graph = graph_of("y = Mul(x, zero)")
    [y] = graph.outputs
    found = histograms(graph, [y], FRAMES)[y]
    assert found.largest == 0
    assert found.counts[0] == 72
