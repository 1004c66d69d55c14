"""Fitted numbers from a file, and how a file for another graph is refused."""

import numpy as np
import pytest

from edgert.errors import PreconditionError
from edgert.surgery.compensate import compensate, with_numbers
from edgert.surgery.replace_residuals import replace_residuals
from tests.calibration.graphs import conv_net, frames, run, token_net


def test_weight_and_bias_of_a_product_are_written(tmp_path):
    weight, bias = np.zeros((3, 6)), np.array([1.0, 2.0, 3.0])
    path = tmp_path / "c.npz"
    np.savez(path, **{"head/MatMul.weight": weight, "head/MatMul.bias": bias})
    output = run(compensate(token_net(), fitted=path), frames(1)[0])
    np.testing.assert_allclose(output[0], np.tile(bias, (16, 1)), atol=1e-6)


def test_weight_and_bias_of_a_convolution_are_written():
    tensors = {"head/Conv.weight": np.zeros((3, 8, 3, 3)), "head/Conv.bias": np.arange(3.0)}
    output = run(with_numbers(conv_net(), tensors, subject="test"), frames(1)[0])
    np.testing.assert_allclose(output[0, :, 0, 0], [0, 1, 2], atol=1e-6)


def test_a_convolution_without_a_bias_gets_one():
    graph = conv_net()
    weight = graph.node("mix.two/Conv").inputs[1].const_value.numpy()
    tensors = {"mix.two/Conv.weight": weight, "mix.two/Conv.bias": np.full(8, 0.25)}
    edited = with_numbers(graph, tensors, subject="test")
    assert len(edited.node("mix.two/Conv").inputs) == 3
    assert not np.allclose(run(edited, frames(1)[0]), run(graph, frames(1)[0]), atol=1e-4)


def test_statistics_of_a_normalisation_are_written():
    tensors = {
        "stem.norm/BatchNormalization.mean": np.full(8, 0.1),
        "stem.norm/BatchNormalization.var": np.full(8, 0.8),
    }
    x = frames(1)[0]
    same = with_numbers(conv_net(), tensors, subject="test")
    np.testing.assert_allclose(run(same, x), run(conv_net(), x), atol=1e-6)
    tensors["stem.norm/BatchNormalization.var"] = np.full(8, 8.0)
    assert not np.allclose(
        run(with_numbers(conv_net(), tensors, subject="test"), x), run(conv_net(), x), atol=1e-3
    )


def test_factor_and_shift_of_a_stand_in_are_written():
    graph = replace_residuals(token_net(), branches=["block1"], by="scale")
    tensors = {"block1/stand_in.factor": np.zeros(6), "block1/stand_in.shift": np.full(6, 2.0)}
    edited = with_numbers(graph, tensors, subject="test")
    assert not np.allclose(run(edited, frames(1)[0]), run(graph, frames(1)[0]), atol=1e-3)


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"nothing.weight": np.zeros(3)}, "expected a node nothing, got none of that name"),
        ({"head/MatMul.weight": np.zeros((3, 5))}, r"of shape \(3, 5\), got \(3, 6\)"),
        ({"head/MatMul.colour": np.zeros(3)}, "got colour"),
        ({"block1.act/Relu.weight": np.zeros((2, 2))}, "got no linear map"),
        ({"block1.act/Relu.mean": np.zeros(6)}, "with 6 numbers at input 3, got no constant"),
    ],
)
def test_numbers_for_another_graph_are_refused_in_one_line(tensors, told):
    with pytest.raises(PreconditionError, match=told) as error:
        with_numbers(token_net(), tensors, subject="compensate")
    assert "fitted for other edits" in str(error.value)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut short", b"no file at all"])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, content):
    path = tmp_path / "c.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PreconditionError, match=r"expected an \.npz file") as error:
        compensate(token_net(), fitted=path)
    assert "\n" not in str(error.value)


def test_a_file_of_pickled_objects_is_refused(tmp_path):
    np.savez(tmp_path / "c.npz", **{"head/MatMul.weight": np.array([{}], dtype=object)})
    with pytest.raises(PreconditionError):
        compensate(token_net(), fitted=tmp_path / "c.npz")
