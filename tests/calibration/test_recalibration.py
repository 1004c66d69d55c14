"""Statistics of every normalisation, against the published procedure written out in NumPy."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgert.build.derive import derive, files_of
from edgert.calibration.batch_statistics import takes_batches
from edgert.calibration.recalibration import measure_statistics
from edgert.errors import BuildError, CalibrationError, InferenceError, PreconditionError
from edgert.records import InputSpec
from edgert.surgery.batchnorm import (
    Statistics,
    bytes_of_statistics,
    read_statistics,
    statistics_of,
    with_statistics,
)
from edgert.surgery.graph import Graph
from edgert.surgery.load import normalised
from edgert.surgery.narrow_channels import narrow_channels
from tests.calibration.graphs import conv_net, frames, run, token_net
from tests.calibration.recalibrated_net import (
    FIRST,
    SECOND,
    as_frames,
    by_the_book,
    fixed_batch_net,
    graph_of,
    largest_difference,
    norm,
    pictures,
    pointwise_net,
    split,
    weight,
)
from tests.graph_builder import GraphBuilder

TOLERANCE = 1e-3
SPEC = InputSpec(name="pixels", shape=(1, 3, 8, 8))


def measured(graph, batches, **arguments):
    return measure_statistics(graph, as_frames(batches), threads=1, **arguments)


# ---------------------------------------------------------------- the procedure


@pytest.mark.parametrize("opset", [13, 17, 18, 20])
def test_statistics_are_those_of_the_published_procedure(opset):
    graph, batches = pointwise_net(opset=opset), split(pictures(23), 5)
    assert len(batches[-1]) == 3  # the last one counts by its size
    wanted = by_the_book(graph, batches)
    assert largest_difference(measured(graph, batches), wanted) < TOLERANCE / 100


def test_old_statistics_and_those_of_all_pictures_together_are_others():
    graph, batches = pointwise_net(), split(pictures(23), 5)
    wanted = by_the_book(graph, batches)
    together = by_the_book(graph, [np.concatenate(batches)])
    unweighted = [by_the_book(graph, [batch]) for batch in batches]
    averaged = {key: np.mean([one[key] for one in unweighted], axis=0) for key in wanted}
    for others in (statistics_of(graph), together, averaged):
        assert largest_difference(others, wanted) > 10 * TOLERANCE


@settings(max_examples=15)
@given(count=st.integers(2, 12), size=st.integers(1, 13), seed=st.integers(0, 99))
def test_any_split_into_batches_is_measured_by_the_book(count, size, seed):
    graph, batches = pointwise_net(seed), split(pictures(count, seed), size)
    assert largest_difference(measured(graph, batches), by_the_book(graph, batches)) < TOLERANCE


def test_a_graph_that_only_takes_one_picture_is_measured_all_the_same():
    graph, batches = fixed_batch_net(), split(pictures(11), 4)
    wanted = by_the_book(graph, batches, mix=True)
    assert largest_difference(measured(graph, batches), wanted) < TOLERANCE / 100


def test_a_large_mean_does_not_drown_a_small_variance():
    graph = pointwise_net()
    shifted = [batch / 10 + 300 for batch in split(pictures(12), 4)]
    wanted = by_the_book(graph, shifted)
    assert np.sqrt(wanted[f"{FIRST}.var"]).min() < np.abs(wanted[f"{FIRST}.mean"]).max() / 300
    assert largest_difference(measured(graph, shifted), wanted) < TOLERANCE


def test_reshapes_that_state_a_batch_of_one_take_more_in_one_run(monkeypatch):
    b = GraphBuilder(0)
    x = b.add("Conv", "one", ["pixels", b.weight("one.weight", 8, 3, 1, 1)])
    x = b.add("Relu", "one.act", [norm(b, "one.norm", x, 8)])
    x = b.add("Reshape", "flat", [x, b.shape("flat.shape", 1, 8, 64)])
    x = b.add("Reshape", "back", [x, b.shape("back.shape", 1, 8, 8, 8)])
    x = b.add("Conv", "two", [x, b.weight("two.weight", 6, 8, 1, 1)])
    b.add("Relu", "two.act", [norm(b, "two.norm", x, 6)], "logits")
    graph, batches = graph_of(b, (1, 6, 8, 8)), split(pictures(9), 4)
    monkeypatch.setattr(
        "edgert.calibration.batch_statistics.Activations", None
    )  # what runs layers one by one
    wanted = by_the_book(graph, batches)
    assert largest_difference(measured(graph, batches), wanted) < TOLERANCE / 100
    with pytest.raises(TypeError):  # and that is how the other kind runs
        measured(fixed_batch_net(), batches)


@pytest.mark.parametrize("op", ["mean", "softmax", "transpose"])
def test_what_would_mix_pictures_is_not_run_on_several(op):
    """With one picture each of these leaves it alone, or its own; with several it would not."""
    b = GraphBuilder(0)
    x = b.add("Conv", "one", ["pixels", b.weight("one.weight", 8, 3, 1, 1)])
    x = b.add("Relu", "one.act", [norm(b, "one.norm", x, 8)])
    if op == "mean":
        x = b.add("ReduceMean", "mean", [x, b.shape("axes", 0)], keepdims=1)
    elif op == "softmax":
        x = b.add("Add", "sum", [x, b.add("Softmax", "soft", [x], axis=0)])  # adds ones
    else:
        x = b.add("Transpose", "there", [x], perm=[1, 0, 2, 3])
        x = b.add("Transpose", "back", [x], perm=[1, 0, 2, 3])
    x = b.add("Conv", "two", [x, b.weight("two.weight", 6, 8, 1, 1)])
    b.add("Relu", "two.act", [norm(b, "two.norm", x, 6)], "logits")
    graph, batches = graph_of(b, (1, 6, 8, 8)), split(pictures(11), 4)
    assert takes_batches(graph, threads=1) == (op == "transpose")
    wanted = by_the_book(graph, batches)
    if op == "softmax":  # ones at each channel, through the second convolution
        shift = weight(graph, "two/Conv", 1)[:, :, 0, 0].sum(axis=1)
        wanted[f"{SECOND}.mean"] = wanted[f"{SECOND}.mean"] + shift
    assert largest_difference(measured(graph, batches), wanted) < TOLERANCE


def test_a_batch_that_the_runtime_refuses_is_one_line_that_says_so(monkeypatch):
    def refuse(*_, **__):
        raise InferenceError("run", expected="1 GB more", got="1 MB left", advice="Wait")

    monkeypatch.setattr("edgert.calibration.batch_statistics._session", refuse)
    with pytest.raises(CalibrationError, match="on 5 pictures at once") as error:
        measured(pointwise_net(), split(pictures(9), 5))
    assert str(error.value).endswith("got 1 MB left. Name a smaller batch.")


def test_vectors_are_normalised_too():
    b = GraphBuilder(0)
    x = b.add("GlobalAveragePool", "pool", ["pixels"])
    x = b.add("Flatten", "flat", [x])
    x = b.linear("fc", x, 3, 5)
    norm_of = norm(b, "one.norm", x, 5)
    b.add("Relu", "act", [norm_of], "logits")
    graph, batches = graph_of(b, (1, 5)), split(pictures(10), 4)
    weight = graph.node("fc/MatMul").inputs[1].const_value.numpy()
    bias = graph.node("fc.bias/Add").inputs[1].const_value.numpy()
    means, variances = 0.0, 0.0
    for batch in batches:
        rows = batch.astype(float).mean(axis=(2, 3)) @ weight + bias
        means += rows.mean(axis=0) * len(batch) / 10
        variances += rows.var(axis=0) * len(batch) / 10
    got = measured(graph, batches)
    np.testing.assert_allclose(got[f"{FIRST}.mean"], means, atol=1e-5)
    np.testing.assert_allclose(got[f"{FIRST}.var"], variances, rtol=1e-4)


@pytest.mark.parametrize("alone", [True, False])
def test_the_input_itself_may_be_normalised(alone):
    b = GraphBuilder(0)
    x = norm(b, "one.norm", "pixels", 3)
    if not alone:
        x = norm(b, "two.norm", b.add("Relu", "act", [x]), 3)
    b.add("Relu", "last", [x], "logits")
    graph, batches = graph_of(b, (1, 3, 8, 8)), split(pictures(9), 4)
    got = measured(graph, batches)
    wanted = sum(len(batch) / 9 * batch.astype(float).var(axis=(0, 2, 3)) for batch in batches)
    np.testing.assert_allclose(got[f"{FIRST}.var"], wanted, rtol=1e-5)
    assert len(got) == (2 if alone else 4)


def test_half_precision_in_front_of_a_normalisation_is_measured_in_single():
    """Squares of what half precision holds are more than it holds."""
    b = GraphBuilder(0)
    x = b.add("Conv", "one", ["pixels", b.weight("one.weight", 8, 3, 1, 1)])
    x = b.add("Cast", "half", [x], to=10)
    x = b.add("Relu", "one.act", [norm(b, "one.norm", x, 8, dtype=np.float16)])
    x = b.add("Conv", "two", [x, b.weight("two.weight", 6, 8, 1, 1, dtype=np.float16)])
    x = b.add("Relu", "two.act", [norm(b, "two.norm", x, 6, dtype=np.float16)])
    b.add("Cast", "single", [x], "logits", to=1)
    graph, batches = graph_of(b, (1, 6, 8, 8)), split(100 * pictures(10), 4)
    wanted = by_the_book(graph, batches)
    assert wanted[f"{FIRST}.var"].max() > np.finfo(np.float16).max / 2
    got = measured(graph, batches)
    assert largest_difference(got, wanted) < 5e-3  # float16 has 11 bits
    after = with_statistics(graph, statistics_of(pointwise_net()), subject="test")
    assert statistics_of(after)[f"{FIRST}.mean"].dtype == np.float16


def test_progress_counts_batches():
    told = []
    measured(pointwise_net(), split(pictures(9), 4), progress=told.append)
    assert told == [0, 1, 2, 3]


def test_statistics_measured_again_after_they_were_applied_stay_the_same():
    graph, batches = pointwise_net(), split(pictures(12), 4)
    first = measured(graph, batches)
    second = measured(with_statistics(graph, first, subject="test"), batches)
    for key, array in first.items():
        np.testing.assert_array_equal(second[key], array)


def test_a_cut_graph_gets_statistics_of_what_is_left():
    graph = narrow_channels(conv_net(), group="mix.one", keep=6)
    old = statistics_of(graph)
    tensors = measure_statistics(graph, [frames(6)], threads=1)
    assert {key: array.shape for key, array in tensors.items()} == {
        key: array.shape for key, array in old.items()
    }
    assert tensors["mix.norm/BatchNormalization.mean"].shape == (6,)
    after = with_statistics(graph, tensors, subject="test")
    x = frames(1, seed=4)[0]
    assert np.abs(run(after, x) - run(graph, x)).max() > 1e-3
    assert [node.name for node in after.nodes] == [node.name for node in graph.nodes]


@pytest.mark.parametrize(
    ("graph", "batches", "told"),
    [
        (token_net, [[]], "expected a graph with BatchNormalization nodes, got none"),
        (pointwise_net, [], "expected pictures, got none"),
        (pointwise_net, [[np.zeros((1, 3, 9, 8), np.float32)]], r"got shape \(1, 3, 9, 8\)"),
        (pointwise_net, [[np.full((1, 3, 8, 8), np.nan, np.float32)]], "not finite"),
        (pointwise_net, [[np.full((1, 3, 8, 8), 3e38, np.float32)]], f"numbers for {FIRST}"),
    ],
)
def test_what_can_not_be_measured_is_one_line(graph, batches, told):
    with pytest.raises(CalibrationError, match=told) as error:
        measure_statistics(graph(), batches, threads=1)
    assert "\n" not in str(error.value)


def test_a_graph_of_two_inputs_or_of_unknown_shapes_is_one_line():
    b = GraphBuilder(0)
    x = b.add("Add", "sum", ["pixels", "other"])
    b.add("Relu", "act", [norm(b, "one.norm", x, 3)], "logits")
    shape = (1, 3, 8, 8)
    model = b.model({"pixels": shape, "other": shape}, {"logits": shape})
    graph = normalised(Graph(ir.from_proto(model)))
    with pytest.raises(CalibrationError, match="one input, got pixels, other"):
        measure_statistics(graph, [], threads=1)
    graph = pointwise_net()
    graph.node(SECOND).inputs[0].shape = None  # as behind an operator of an own domain
    with pytest.raises(CalibrationError, match=f"a known shape in front of {SECOND}, got None"):
        measure_statistics(graph, [], threads=1)


# ---------------------------------------------------------------- the edit


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures of the model's size, in two folders as classes."""
    random = np.random.default_rng(0)
    for index in range(12):
        place = tmp_path / "pictures" / ("cat" if index < 6 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        level = 40 if index < 6 else 160
        pixels = random.integers(level, level + 80, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{index}.png")
    return tmp_path


def edited(graph, folder, **parameters):
    edits = [{"recalibrate_batchnorm": parameters}]
    return derive(graph, edits, subject="derive c1", folder=folder, input_spec=SPEC)


def test_measured_now_and_from_a_file_are_the_same_graph(folder):
    graph = pointwise_net()
    now = edited(graph, folder, calibration="pictures", images=12, batch=4)
    content = bytes_of_statistics(Statistics(statistics_of(now), {"batch": 4}))
    (folder / "c1.npz").write_bytes(content)
    stored = edited(graph, folder, statistics="c1.npz")
    for key, array in statistics_of(now).items():
        np.testing.assert_array_equal(statistics_of(stored)[key], array)
    assert largest_difference(statistics_of(now), statistics_of(graph)) > 0.01
    assert read_statistics(folder / "c1.npz").about == {"batch": 4}
    assert files_of([{"recalibrate_batchnorm": {"statistics": "c1.npz"}}], folder) == [
        folder / "c1.npz"
    ]


def test_a_batch_mixes_the_folders_of_classes(folder):
    """Sorted by class, no batch would see both, and the variance would lack what lies between."""
    paths = sorted((folder / "pictures").rglob("*.png"), key=lambda p: int(p.stem))
    arrays = np.stack([np.asarray(Image.open(p)) for p in paths]).astype(np.float32) / 255
    sorted_by_class = split(np.moveaxis(arrays, -1, 1), 6)
    graph = pointwise_net()
    mixed = statistics_of(edited(graph, folder, calibration="pictures", images=12, batch=6))
    apart = by_the_book(graph, sorted_by_class)
    assert (mixed[f"{FIRST}.var"] > 1.2 * apart[f"{FIRST}.var"]).sum() > 4


@pytest.mark.parametrize(
    ("parameters", "kind", "told"),
    [
        ({}, CalibrationError, "either 'statistics' or 'calibration', got neither"),
        ({"statistics": "a.npz", "calibration": "b"}, CalibrationError, "got both"),
        ({"calibration": "pictures"}, CalibrationError, "expected 2000 pictures, got 12"),
        ({"calibration": "pictures", "images": 1}, CalibrationError, "two pictures or more"),
        ({"calibration": "pictures", "images": 4, "batch": 0}, CalibrationError, "got 0"),
        ({"calibration": "nowhere"}, CalibrationError, "no such folder"),
        ({"statistics": "none.npz"}, PreconditionError, "an .npz file of BatchNorm statistics"),
        ({"statistic": "a.npz"}, BuildError, "got 'statistic'"),
        ({"calibration": "pictures", "images": "all"}, BuildError, "expected int, got 'all'"),
    ],
)
def test_parameters_that_do_not_fit_name_the_place(folder, parameters, kind, told):
    with pytest.raises(kind, match=told) as error:
        edited(pointwise_net(), folder, **parameters)
    assert str(error.value).startswith("derive c1 at edits[0]")
    assert "\n" not in str(error.value)


def test_a_bare_model_has_no_preprocessing_to_measure_with(folder):
    edits = [{"recalibrate_batchnorm": {"calibration": "pictures", "images": 4}}]
    with pytest.raises(CalibrationError, match="got a bare ONNX file"):
        derive(pointwise_net(), edits, subject="derive", folder=folder)


def test_a_picture_size_of_its_own_in_the_graph_is_what_is_measured():
    """An edit before this one may bring the picture to another size; that is in the graph."""
    b = GraphBuilder(0)
    size = b.shape("size", 1, 3, 4, 4)
    x = b.add("Resize", "small", ["pixels", "", "", size], mode="linear")
    x = b.add("Conv", "one", [x, b.weight("one.weight", 8, 3, 1, 1)])
    b.add("Relu", "act", [norm(b, "one.norm", x, 8)], "logits")
    graph, batches = graph_of(b, (1, 8, 4, 4)), split(pictures(9), 4)
    # half-pixel centres at half the size: the mean of each 2 x 2
    small = [batch.reshape(-1, 3, 4, 2, 4, 2).mean(axis=(3, 5)) for batch in batches]
    got, whole = measured(graph, batches), measured(pointwise_net(), batches)
    product = pointwise_net().node("one/Conv").inputs[1].const_value.numpy()[:, :, 0, 0]
    wanted = sum(
        len(batch) / 9 * np.einsum("oi,bihw->bohw", product, batch).var(axis=(0, 2, 3))
        for batch in small
    )
    np.testing.assert_allclose(got[f"{FIRST}.var"], wanted, rtol=1e-4)
    assert np.abs(got[f"{FIRST}.var"] / whole[f"{FIRST}.var"] - 1).max() > 0.05
    assert SECOND not in "".join(got)
