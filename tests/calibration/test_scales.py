import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.calibration.scales import find_scales, scale_from_histogram
from edgert.calibration.value_ranges import BINS, Histogram
from edgert.errors import CalibrationError, PreconditionError
from edgert.surgery.quantize import quantize
from tests.skeletons import skeleton
from tests.surgery.graphs_linear import difference, graph_from_text, head_graph, outputs_of


def histogram_of(array):
    largest = float(np.abs(array).max())
    counts = np.histogram(np.abs(array), bins=BINS, range=(0, largest))[0]
    return Histogram(counts, largest)


def error_of(array, scale):
    return float(((np.clip(np.rint(array / scale), -127, 127) * scale - array) ** 2).mean())


def test_max_clips_nothing():
    assert scale_from_histogram(histogram_of(np.array([-254.0, 3.0])), "max") == 2.0


def test_zeros_alone_have_a_scale():
    counts = np.zeros(BINS, np.int64)
    counts[0] = 10
    for method in ("max", "mse"):
        assert scale_from_histogram(Histogram(counts, 0.0), method) > 0


def test_rare_outlier_is_clipped_and_a_full_range_is_not():
    random = np.random.default_rng(0)
    flat = random.uniform(-1, 1, 100_000)
    assert scale_from_histogram(histogram_of(flat), "mse") > 0.99 / 127
    outlier = np.append(random.standard_normal(1_000_000), 100.0)
    scale = scale_from_histogram(histogram_of(outlier), "mse")
    assert scale < 0.6 * 100 / 127
    assert error_of(outlier, scale) < 0.6 * error_of(outlier, 100 / 127)


@given(st.integers(0, 2**32 - 1), st.floats(1e-6, 1e6), st.sampled_from((1, 3, 9)))
def test_mean_square_error_is_no_larger_than_without_clipping(seed, size, power):
    array = size * np.random.default_rng(seed).standard_normal(5000) ** power
    found = histogram_of(array)
    best, most = (error_of(array, scale_from_histogram(found, m)) for m in ("mse", "max"))
    assert best <= 1.02 * most  # bins are finer than steps, but they are bins


def frames_of(graph, count=3):
    shapes = [tuple(v.shape) for v in graph.inputs]
    return [
        np.random.default_rng(seed).standard_normal(shapes[0]).astype(np.float32)
        for seed in range(count)
    ]


def two_maps(body='["a"] h = Conv(x, w) ["r"] r = Relu(h) ["b"] y = Conv(r, w)'):
    weight = np.random.default_rng(0).standard_normal((4, 4, 1, 1)).astype(np.float32)
    return graph_from_text(
        f"agraph (float[1,4,6,6] x) => (float[1,4,6,6] y) {{ {body} }}", {"w": weight}
    )


def test_scales_are_found_for_all_places_and_quantise_the_graph():
    graph = two_maps()
    frames = frames_of(graph)
    found = find_scales(graph, frames, method="max")
    assert [(each.node, each.input) for each in found.inputs] == [("a", 0), ("b", 0)]
    assert (found.method, found.frames) == ("max", 3)
    expected = max(np.abs(frame).max() for frame in frames) / 127
    assert found.inputs[0].scale == pytest.approx(expected, rel=1e-6)
    assert difference(graph, quantize(graph, found)) < 0.02


def test_scales_are_the_same_every_time():
    graph = two_maps()
    assert find_scales(graph, frames_of(graph)) == find_scales(graph, frames_of(graph))


def test_kept_nodes_have_none():
    graph = two_maps()
    found = find_scales(graph, frames_of(graph), keep=["b"])
    assert [each.node for each in found.inputs] == ["a"]


def test_wrong_requests_are_refused():
    graph = two_maps()
    with pytest.raises(CalibrationError, match="a frame or more"):
        find_scales(graph, [])
    with pytest.raises(PreconditionError, match="nearest are"):
        find_scales(graph, frames_of(graph), keep=["Konv"])
    with pytest.raises(PreconditionError, match="none that is not kept"):
        find_scales(graph, frames_of(graph), keep=["Conv"])


def test_residual_network_is_quantised_whole():
    graph = skeleton("mobilenet_v3_dynamo")
    frames = frames_of(graph, 1)
    quantised = quantize(graph, find_scales(graph, frames))
    kinds = [node.op_type for node in quantised.nodes]
    # 62 convolutions, 2 Gemm; each with a weight of its own
    assert kinds.count("DequantizeLinear") - kinds.count("QuantizeLinear") == 64
    for array in outputs_of(quantised):
        assert np.isfinite(array).all()


def test_graph_with_several_inputs_is_refused():
    with pytest.raises(CalibrationError, match="one input, got x0, x1, x2"):
        find_scales(head_graph(), frames_of(head_graph()))
