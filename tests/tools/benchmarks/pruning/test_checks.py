import numpy as np
import onnx
import pytest
from benchmarks.pruning import checks
from onnx import numpy_helper

from edgert.preprocess import Preprocessor
from edgert.profiling.dataset import open_labelled_frames
from edgert.surgery.cost import cost_of
from edgert.surgery.load import load_graph
from tests.tools.attention_family import OUTPUT_SHAPE, SPEC, attention_model, make_frames


@pytest.fixture
def validation(tmp_path):
    """Six frames, labelled by the full model itself."""
    folder = tmp_path / "validation"
    labelled = open_labelled_frames(make_frames(tmp_path / "pictures"))
    preprocess = Preprocessor(SPEC)
    pairs = [(preprocess(picture).copy(), labels) for picture, labels in labelled]
    folder.mkdir()
    np.save(folder / "inputs.npy", np.stack([tensor for tensor, _ in pairs]))
    np.savez(folder / "labels.npz", **{str(i): labels for i, (_, labels) in enumerate(pairs)})
    return folder


def check(tmp_path, validation, model, **changed):
    path = tmp_path / "model.onnx"
    onnx.save(model, str(path))
    parameters = {
        "classes": 3, "ignore_label": 255, "output_shape": list(OUTPUT_SHAPE), "unchanged": None,
        "threads": 1, **changed,
    }  # fmt: skip
    return checks.check(tmp_path, model=str(path), validation=str(validation), **parameters)


def weight(model, name):
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def test_a_model_is_counted_and_scored(tmp_path, validation):
    model = attention_model()
    found = check(tmp_path, validation, model)
    assert found["miou"] == 1.0
    assert found["frames"] == 6
    assert found["output_shape"] == list(OUTPUT_SHAPE)
    assert found["macs"] == cost_of(load_graph(tmp_path / "model.onnx")).macs
    assert found["unknown"] == []
    assert found["file_bytes"] == len(model.SerializeToString())
    assert check(tmp_path, validation, attention_model(seed=1))["miou"] < 0.9


def test_a_model_that_cost_the_same_before_is_not_measured(tmp_path, validation):
    model = attention_model()
    found = check(tmp_path, validation, model)
    counts = [found["macs"], found["parameters"]]
    again = check(tmp_path, validation, model, unchanged=counts)
    assert again["same"]
    assert "miou" not in again
    other = check(tmp_path, validation, model, unchanged=[found["macs"], found["parameters"] + 1])
    assert other["miou"] == 1.0


def test_a_model_that_does_not_run_says_why(tmp_path, validation):
    broken = attention_model()
    # a weight that does not fit: the file is well-formed, the runtime refuses it
    tensor = weight(broken, "head.predict.weight")
    tensor.CopyFrom(numpy_helper.from_array(np.zeros((3, 7, 1, 1), np.float32), tensor.name))
    found = check(tmp_path, validation, broken)
    assert found["invalid"]
    assert "\n" not in found["invalid"]
    assert "miou" not in found


def test_another_output_and_numbers_that_are_not_finite_are_invalid(tmp_path, validation):
    wide = check(tmp_path, validation, attention_model(), output_shape=[1, 3, 12, 16])
    assert wide["invalid"] == "its output is [1, 3, 6, 8], not [1, 3, 12, 16]"
    model = attention_model()
    tensor = weight(model, "block1.ffn.fc2.weight")
    array = numpy_helper.to_array(tensor).copy()
    array[0, 0] = np.nan
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    found = check(tmp_path, validation, model)
    assert found["invalid"] == "its output has numbers that are not finite"


def test_shapes_that_are_left_over_from_before_do_not_change_the_count(tmp_path):
    model = attention_model()
    right = onnx.shape_inference.infer_shapes(model)
    stale = onnx.ModelProto.FromString(right.SerializeToString())
    for value in stale.graph.value_info:
        if value.name == "head.fuse/Conv.out":
            value.type.tensor_type.shape.dim[1].dim_value = 48
    costs = []
    for proto in (right, stale):
        onnx.save(proto, str(tmp_path / "stated.onnx"))
        costs.append(checks.count(tmp_path / "stated.onnx", tmp_path))
    assert costs[0] == costs[1]
    assert costs[0].unknown_operators == []
    assert stale.graph.value_info  # there was something to leave aside


def test_latencies_are_ratios_within_each_round(tmp_path, validation):
    engines = {}
    for name in ("full", "same"):
        folder = tmp_path / name
        folder.mkdir()
        check(folder, validation, attention_model())
        engines[name] = str(folder / checks.ENGINE)
    found = checks.latencies(
        tmp_path, engines=engines, baseline="full", frames=str(validation / "inputs.npy"),
        rounds=3, threads=1,
    )  # fmt: skip
    assert found["full"]["latency_ratio"] == 1.0
    assert found["full"]["latency_ratio_range"] == [1.0, 1.0]
    low, high = found["same"]["latency_ratio_range"]
    assert 0 < low <= found["same"]["latency_ratio"] <= high
    assert found["same"]["latency_s"] > 0


def test_ratios_pair_what_ran_in_the_same_round():
    figures = checks._figures([1.0, 4.0, 3.0], [2.0, 4.0, 12.0])
    assert figures["latency_s"] == 3.0
    assert figures["latency_ratio"] == 0.5  # of 0.5, 1, 0.25; of the medians it would be 0.75
    assert figures["latency_ratio_range"] == [0.25, 1.0]
