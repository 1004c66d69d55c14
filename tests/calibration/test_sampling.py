"""What a linear map reads at an output position, against running the map."""

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgert.calibration.sampling import read_features, sampled_positions
from edgert.calibration.sites import to_rows
from edgert.surgery.graph import Graph
from edgert.surgery.linear_maps import linear_map
from edgert.surgery.load import normalised


def _conv(attributes, kernel=(3, 3), size=(7, 9)):
    weight = np.random.default_rng(0).standard_normal((4, 2, *kernel)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv/Conv", **attributes)
    proto = helper.make_graph(
        [node],
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 2, *size))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return normalised(Graph(ir.from_proto(model))), model


@pytest.mark.parametrize(
    ("attributes", "kernel"),
    [
        ({}, (1, 1)),
        ({"pads": [1, 1, 1, 1]}, (3, 3)),
        ({"pads": [1, 1, 1, 1], "strides": [2, 2]}, (3, 3)),
        ({"pads": [3, 3, 3, 3], "strides": [4, 4]}, (7, 7)),
        ({"dilations": [2, 2], "pads": [2, 2, 2, 2]}, (3, 3)),
        ({"pads": [0, 1, 2, 1]}, (3, 3)),
        ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (3, 3)),
        ({"auto_pad": "SAME_LOWER", "strides": [2, 2]}, (2, 2)),
        ({"auto_pad": "VALID"}, (3, 2)),
        ({"strides": [8, 8]}, (1, 1)),
    ],
)
def test_features_times_weight_are_the_convolution(attributes, kernel):
    import onnxruntime as ort

    graph, model = _conv(attributes, kernel)
    x = np.random.default_rng(1).standard_normal((1, 2, 7, 9)).astype(np.float32)
    [y] = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    linear = linear_map(graph.nodes[0])
    rows = sampled_positions(0, y.shape[2] * y.shape[3], 20)
    weight = linear.weight.reshape(4, -1)
    got = read_features(linear, x, rows) @ weight.T
    np.testing.assert_allclose(got, to_rows(y, 1)[rows], atol=1e-5)
    if weight.size > 8:
        assert not np.allclose(got @ np.eye(4), to_rows(y, 1)[rows][::-1], atol=1e-3)


def test_positions_are_the_same_each_time_and_differ_between_frames():
    first = sampled_positions(3, 1000, 50)
    assert list(first) == list(sampled_positions(3, 1000, 50))
    assert list(first) != list(sampled_positions(4, 1000, 50))
    assert len(set(first)) == 50
    assert list(first) == sorted(first)


def test_few_positions_are_all_taken():
    assert list(sampled_positions(0, 5, 50)) == [0, 1, 2, 3, 4]
