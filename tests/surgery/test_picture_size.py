"""A picture or map of another size, against numpy and against our bilinear resizing."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgert.errors import PreconditionError
from edgert.resize import bilinear_resize
from edgert.surgery.graph import Graph, finished
from edgert.surgery.load import normalised
from edgert.surgery.picture_size import brought_to_size
from tests.surgery.sessions import session_of


def relu(shape: tuple[int, ...], opset: int = 18) -> Graph:
    edges = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    model = helper.make_model(
        helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", edges[:1], edges[1:]),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=9,
    )
    return normalised(Graph(ir.from_proto(model)))


def sized(graph: Graph, height: int, width: int, **more: bool) -> Graph:
    edited = graph.copy()
    [value] = edited.outputs
    new = brought_to_size(
        edited, value, height=height, width=width, scope="output", before=None, **more
    )
    edited.model.graph.outputs[0] = new
    return finished(edited, subject="test")


def run(graph: Graph, x: np.ndarray) -> np.ndarray:
    return session_of(graph, threads=1).run(None, {"x": x})[0]


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
def test_whole_factors_down_are_the_mean_of_what_falls_together(h, w, down: int, across: int):
    x = np.random.default_rng(h * w).random((1, 2, h * down, w * across), np.float32)
    graph = sized(relu(x.shape), h, w)
    want = x.reshape(1, 2, h, down, w, across).mean(axis=(3, 5))
    np.testing.assert_allclose(run(graph, x), want, atol=1e-6)
    expected = ["Relu"] if down == across == 1 else ["Relu", "AveragePool"]
    assert [node.op_type for node in graph.nodes] == expected


@pytest.mark.parametrize("size", [(12, 20), (9, 17), (6, 11)])
def test_larger_ones_are_bilinear_with_half_pixel_centres(size: tuple[int, int]):
    x = np.random.default_rng(0).random((1, 3, 6, 10), np.float32)
    graph = sized(relu(x.shape), *size)
    assert [node.op_type for node in graph.nodes] == ["Relu", "Resize"]
    np.testing.assert_allclose(run(graph, x)[0], bilinear_resize(x[0], *size), atol=1e-6)


def test_smaller_ones_by_other_factors_are_the_mean_of_a_larger_one():
    """By 2.5 down: nine places, of which bilinear resizing alone would leave some out."""
    x = np.random.default_rng(0).random((1, 3, 10, 20), np.float32)
    graph = sized(relu(x.shape), 4, 8)
    large = bilinear_resize(x[0], 12, 24)
    want = large.reshape(3, 4, 3, 8, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(run(graph, x)[0], want, atol=1e-6)
    alone = sized(relu(x.shape), 4, 8, antialias=False)
    assert [node.op_type for node in alone.nodes] == ["Relu", "Resize"]
    np.testing.assert_allclose(run(alone, x)[0], bilinear_resize(x[0], 4, 8), atol=1e-6)


def test_every_place_counts():
    x = np.zeros((1, 1, 10, 10), np.float32)
    session = session_of(sized(relu(x.shape), 4, 4), threads=1)
    for place in range(x.size):
        one = x.copy()
        one.flat[place] = 1
        assert session.run(None, {"x": one})[0].sum() > 0


@pytest.mark.parametrize(
    ("graph", "line"),
    [
        (
            relu((1, 3, 6)),
            r"bring y to 4 x 4: expected a value of static shape \(B, C, H, W\), got",
        ),
        (relu((1, 3, 6, 6), opset=10), "expected a graph of opset 11 or newer, got opset 10"),
    ],
)
def test_what_has_no_size_is_refused(graph: Graph, line: str):
    with pytest.raises(PreconditionError, match=line):
        sized(graph, 4, 4)
