"""Weights that are handed over are the weights that are computed with."""

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from edgert.surgery.graph import add_initializer
from tests.surgery.graphs_linear import graph_from_text
from tests.surgery.sessions import session_of

BODY = "agraph (float[1,40] x) => (float[1,8] y) { h = MatMul(x, w) y = Add(h, b) }"
WEIGHTS = {
    "w": np.random.default_rng(0).standard_normal((40, 8), dtype=np.float32),
    "b": np.arange(8, dtype=np.float32),
}
X = np.linspace(-1, 1, 40, dtype=np.float32)[None]


@pytest.mark.parametrize("handed_over_bytes", [0, 100, 4096])
def test_large_and_small_weights_give_what_the_written_model_gives(handed_over_bytes, monkeypatch):
    monkeypatch.setattr("tests.surgery.sessions._HANDED_OVER_BYTES", handed_over_bytes)
    graph = graph_from_text(BODY, WEIGHTS)
    plain = onnxruntime.InferenceSession(ir.to_proto(graph.model).SerializeToString())
    [expected] = plain.run(None, {"x": X})
    [got] = session_of(graph).run(None, {"x": X})
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_allclose(got, X @ WEIGHTS["w"] + WEIGHTS["b"], rtol=1e-5, atol=1e-5)
    assert graph.model.graph.initializers["w"].const_value.numpy().nbytes == 40 * 8 * 4  # its own


def test_a_changed_weight_shows(monkeypatch):
    monkeypatch.setattr("tests.surgery.sessions._HANDED_OVER_BYTES", 100)
    one, other = (
        session_of(graph_from_text(BODY, WEIGHTS | {"w": WEIGHTS["w"] * factor}))
        for factor in (1.0, 1.01)
    )
    assert not np.array_equal(one.run(None, {"x": X})[0], other.run(None, {"x": X})[0])


def test_a_weight_that_is_an_input_too_can_be_fed(monkeypatch):
    monkeypatch.setattr("tests.surgery.sessions._HANDED_OVER_BYTES", 100)
    graph = graph_from_text(BODY, WEIGHTS).copy()
    graph.model.graph.inputs.append(graph.model.graph.initializers["w"])
    [y] = session_of(graph).run(None, {"x": X, "w": np.zeros((40, 8), np.float32)})
    np.testing.assert_array_equal(y, WEIGHTS["b"][None])


def test_a_weight_that_nothing_reads_is_no_harm(monkeypatch):
    monkeypatch.setattr("tests.surgery.sessions._HANDED_OVER_BYTES", 0)
    graph = graph_from_text(BODY, WEIGHTS).copy()
    add_initializer(graph, "unread", np.zeros(9000, np.float32))
    [expected] = session_of(graph_from_text(BODY, WEIGHTS)).run(None, {"x": X})
    np.testing.assert_array_equal(session_of(graph).run(None, {"x": X})[0], expected)
