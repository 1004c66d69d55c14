import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as vendor

from edgert.backends.base import load_own
from edgert.backends.onnxruntime import OnnxRuntimeBackend, _OrtSession, reference_session
from edgert.errors import BackendError, EngineLoadError, InferenceError
from tests.tiny_graphs import conv_net, frame


@pytest.fixture
def graph(tmp_path):
    path = tmp_path / "graph.onnx"
    onnx.save(conv_net(), str(path))
    return path


@pytest.fixture
def engine(graph):
    path = graph.with_name("engine.onnx")
    OnnxRuntimeBackend(threads=1).compile(graph, path)
    return path


def mapped_files() -> set[str]:
    return {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()}


# ---------------------------------------------------------------- engines


def test_weights_lie_beside_the_engine(engine):
    beside = engine.with_name("engine.onnx.data")
    assert beside.stat().st_size > 32 * 64 * 4
    assert engine.stat().st_size < 20_000


def test_weights_are_mapped_while_a_session_is_open(engine):
    beside = str(engine.with_name("engine.onnx.data"))
    session = load_own(OnnxRuntimeBackend(threads=1), engine)
    session.run({"frame": frame()})
    assert beside in mapped_files()
    session.close()
    assert beside not in mapped_files()


def test_packed_matrices_are_saved(engine):
    model = onnx.load(str(engine), load_external_data=False)
    keys = {entry.key for tensor in model.graph.initializer for entry in tensor.external_data}
    assert any(key.startswith("prepacked_") for key in keys)


def moved_by(engine, shift):
    """Move all weights of an engine towards the end of their file, and say so in the engine."""
    beside = engine.with_name("engine.onnx.data")
    beside.write_bytes(bytes(shift) + beside.read_bytes())
    model = onnx.load(str(engine), load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "offset":
                entry.value = str(int(entry.value) + shift)
            elif entry.key.startswith("prepacked_"):
                name, offset, rest = re.split(r"[|;]", entry.value, maxsplit=2)
                entry.value = f"{name}|{int(offset) + shift};{rest}"
    engine.write_bytes(model.SerializeToString())


@pytest.mark.parametrize("shift", [4, 32, 64, 4096])
def test_packed_matrices_off_a_cache_line_do_no_harm(graph, engine, shift):
    expected = reference_session(graph).run({"frame": frame()})["logits"].copy()
    moved_by(engine, shift)
    session = load_own(OnnxRuntimeBackend(threads=1), engine)
    got = session.run({"frame": frame()})["logits"]
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())


def test_saved_graph_is_the_optimised_one(engine):
    operators = {
        node.op_type for node in onnx.load(str(engine), load_external_data=False).graph.node
    }
    assert "BatchNormalization" not in operators  # folded into the convolution


def test_graph_with_external_weights_compiles(tmp_path):
    onnx.save_model(
        conv_net(), str(tmp_path / "g.onnx"), save_as_external_data=True,
        location="g.weights", size_threshold=64,
    )  # fmt: skip
    expected = reference_session(tmp_path / "g.onnx").run({"frame": frame()})["logits"].copy()
    OnnxRuntimeBackend(threads=1).compile(tmp_path / "g.onnx", tmp_path / "e.onnx")
    (tmp_path / "g.onnx").unlink()
    (tmp_path / "g.weights").unlink()
    got = load_own(OnnxRuntimeBackend(threads=1), tmp_path / "e.onnx").run({"frame": frame()})
    np.testing.assert_allclose(got["logits"], expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("kept", [None, 0.0, 0.5])
def test_weights_missing_or_cut_short_are_refused(engine, kept):
    beside = engine.with_name("engine.onnx.data")
    content = beside.read_bytes()
    beside.unlink()
    if kept is not None:
        beside.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(EngineLoadError, match=r"^load engine\.onnx: .*Build") as error:
        load_own(OnnxRuntimeBackend(threads=1), engine)
    assert "ONNXRuntimeError" not in str(error.value)


def test_engine_that_cannot_be_written_is_an_error(graph, tmp_path):
    with pytest.raises(BackendError, match=r"compile graph\.onnx"):
        OnnxRuntimeBackend(threads=1).compile(graph, tmp_path / "none" / "engine.onnx")


@pytest.mark.parametrize("edge", ["input", "output"])
def test_dynamic_size_is_refused(tmp_path, edge):
    model = conv_net()
    shape = getattr(model.graph, edge)[0].type.tensor_type.shape
    shape.dim[1 if edge == "output" else 0].dim_param = "n"
    if edge == "output":  # a size that nothing in the graph tells
        model.graph.node[-1].op_type, model.graph.node[-1].domain = "NonZero", ""
        del model.graph.node[-1].input[1:]
        model.graph.output[0].CopyFrom(
            onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.INT64, (3, "n"))
        )
    onnx.save(model, str(tmp_path / "g.onnx"))
    with pytest.raises(EngineLoadError, match="static sizes"):
        reference_session(tmp_path / "g.onnx")


def test_threads_are_counted_from_one():
    with pytest.raises(BackendError, match="got 0"):
        OnnxRuntimeBackend(threads=0)
    assert OnnxRuntimeBackend().threads >= 1


# ---------------------------------------------------------------- identity


def test_identity_follows_the_processor(tmp_path):
    (tmp_path / "a").write_text("model name : A\nflags : avx2\n")
    (tmp_path / "b").write_text("model name : A\nflags : avx2 avx512f\n")
    a, b = (OnnxRuntimeBackend(cpuinfo=tmp_path / name).identity() for name in "ab")
    assert {key for key in a if a[key] != b[key]} == {"cpu_instructions"}
    assert a["runtime"].startswith("onnxruntime 1.")


def test_identity_does_not_depend_on_threads():
    assert OnnxRuntimeBackend(threads=1).identity() == OnnxRuntimeBackend(threads=7).identity()


# ---------------------------------------------------------------- vendor errors


class Edge:
    name, type, shape = "x", "tensor(float)", [1]


class FailingVendorSession:
    """Fails in every run as onnxruntime does."""

    def __init__(self, error):
        self.error = error

    def get_inputs(self):
        return [Edge()]

    get_outputs = get_inputs

    def run(self, *_):
        raise self.error


@pytest.mark.parametrize(
    "error", [vendor.Fail("broken"), vendor.RuntimeException("broken"), RuntimeError("broken")]
)
def test_a_failing_run_is_one_line_that_names_the_engine(error):
    session = _OrtSession(FailingVendorSession(error), "c1.onnx")
    with pytest.raises(InferenceError, match=r"^run c1\.onnx: .*got broken") as raised:
        session.run({"x": np.zeros(1, np.float32)})
    assert raised.value.__cause__ is error


def test_misuse_of_our_own_is_let_through():
    session = _OrtSession(FailingVendorSession(KeyError("ours")), "c1.onnx")
    with pytest.raises(KeyError):
        session.run({"x": np.zeros(1, np.float32)})
