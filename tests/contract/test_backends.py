"""What holds for every backend in the table."""

import re

import numpy as np
import onnx
import pytest

from edgert.artifacts import sha256_from_file
from edgert.backends import BACKENDS, open_backend
from edgert.backends.base import load_own
from edgert.backends.onnxruntime import reference_session
from edgert.errors import (
    BackendError,
    EngineLoadError,
    InferenceError,
    MissingDependencyError,
)
from edgert.records import TensorSpec
from tests.backends.cuda_memory.fake_cuda import FakeCuda
from tests.backends.tensorrt.fake_tensorrt import FakeTensorRt
from tests.tiny_graphs import conv_net, frame, with_weight

TOLERANCE = 1e-4  # fp32, of the largest output


@pytest.fixture(params=BACKENDS)
def backend(request):
    options = {}
    if request.param == "tensorrt":  # our half of it, over a device and a vendor of plain memory
        cuda = FakeCuda()
        options = {"cuda": cuda, "vendor": FakeTensorRt(cuda)}
    try:
        return open_backend(request.param, **options)
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.fixture
def graph(tmp_path):
    path = tmp_path / "graph.onnx"
    onnx.save(conv_net(), str(path))
    return path


@pytest.fixture
def engine(backend, graph):
    path = graph.with_name(f"engine{backend.engine_suffix}")
    backend.compile(graph, path)
    return path


@pytest.fixture
def session(backend, engine):
    session = load_own(backend, engine)
    yield session
    session.close()


def difference(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


def one_line(error) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert re.fullmatch(r".+: expected .+, got .+\. .+\.", text), text
    return text


# ---------------------------------------------------------------- what an engine computes


def test_engine_computes_what_its_graph_does(session, graph):
    expected = reference_session(graph).run({"frame": frame()})["logits"].copy()
    assert difference(session.run({"frame": frame()})["logits"], expected) < TOLERANCE


@pytest.mark.parametrize("name", ["conv.weight", "bn.scale", "head1.weight", "head2.weight"])
def test_comparison_fails_for_a_perturbed_weight(backend, tmp_path, session, name):
    def change(array):
        array.flat[array.size // 2] += 0.1
        return array

    path = tmp_path / "perturbed.onnx"
    onnx.save(with_weight(conv_net(), name, change), str(path))
    expected = reference_session(path).run({"frame": frame()})["logits"]
    assert difference(session.run({"frame": frame()})["logits"], expected) > TOLERANCE


def test_engine_loads_without_its_graph(backend, graph, engine):
    graph.unlink()
    with_graph_gone = load_own(backend, engine)
    assert with_graph_gone.run({"frame": frame()})["logits"].shape == (1, 64, 5)
    with_graph_gone.close()


def test_session_states_its_edges(session):
    assert session.inputs == (TensorSpec(name="frame", shape=(1, 3, 8, 8)),)
    assert session.outputs == (TensorSpec(name="logits", shape=(1, 64, 5)),)


def test_runs_repeat_and_follow_their_input(session):
    first = session.run({"frame": frame(seed=1)})["logits"].copy()
    second = session.run({"frame": frame(seed=2)})["logits"].copy()
    assert difference(second, first) > 0.1
    assert difference(session.run({"frame": frame(seed=1)})["logits"], first) < 1e-6


def test_input_in_another_memory_order_gives_the_same(session):
    expected = session.run({"frame": frame()})["logits"].copy()
    strided = np.asfortranarray(frame())
    assert not strided.flags.c_contiguous
    assert difference(session.run({"frame": strided})["logits"], expected) < 1e-6


def test_sessions_side_by_side_do_not_disturb_each_other(backend, tmp_path, session):
    other_graph = tmp_path / "other.onnx"
    onnx.save(conv_net(seed=5), str(other_graph))
    backend.compile(other_graph, tmp_path / f"other_engine{backend.engine_suffix}")
    other = backend.load(
        tmp_path / f"other_engine{backend.engine_suffix}",
        sha256_from_file(tmp_path / f"other_engine{backend.engine_suffix}"),
    )
    alone = session.run({"frame": frame()})["logits"].copy()
    others = other.run({"frame": frame()})["logits"].copy()
    other.close()
    assert difference(session.run({"frame": frame()})["logits"], alone) < 1e-6
    assert difference(others, alone) > 0.1


def test_compile_replaces_an_engine_that_is_there(backend, graph, engine):
    onnx.save(conv_net(seed=7), str(graph))
    backend.compile(graph, engine)
    session = load_own(backend, engine)
    expected = reference_session(graph).run({"frame": frame()})["logits"].copy()
    assert difference(session.run({"frame": frame()})["logits"], expected) < TOLERANCE


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("feeds", "expected", "got"),
    [
        ({"frame": frame((1, 3, 4, 8))}, "float32 (1, 3, 8, 8)", "float32 (1, 3, 4, 8)"),
        ({"frame": frame((3, 8, 8))}, "float32 (1, 3, 8, 8)", "float32 (3, 8, 8)"),
        ({"frame": frame().astype("float64")}, "float32 (1, 3, 8, 8)", "float64 (1, 3, 8, 8)"),
        ({"image": frame()}, "the inputs frame", "image"),
        ({"frame": frame(), "more": frame()}, "the inputs frame", "frame, more"),
        ({}, "the inputs frame", "none"),
    ],
)
def test_feed_that_does_not_fit_is_refused(session, feeds, expected, got):
    with pytest.raises(InferenceError) as error:
        session.run(feeds)
    one_line(error)
    assert (error.value.expected, error.value.got) == (expected, got)
    assert session.run({"frame": frame()})["logits"].shape == (1, 64, 5)  # and goes on


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_engine_cut_short_is_refused(backend, engine, kept):
    content = engine.read_bytes()
    engine.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(EngineLoadError) as error:
        load_own(backend, engine)
    assert engine.name in one_line(error)


def test_engine_that_its_hash_is_not_of_is_refused_whatever_it_holds(backend, engine):
    stated = sha256_from_file(engine)
    content = bytearray(engine.read_bytes())
    content[len(content) // 2] ^= 1
    engine.write_bytes(content)
    with pytest.raises(EngineLoadError, match=f"{stated[:12]}… as its manifest states") as error:
        backend.load(engine, stated)
    assert engine.name in one_line(error)


def test_missing_engine_is_refused(backend, tmp_path):
    with pytest.raises(EngineLoadError) as error:
        load_own(backend, tmp_path / "nothing.engine")
    assert "nothing.engine" in one_line(error)


@pytest.mark.parametrize("content", [b"", b"no graph " * 50, None])
def test_graph_that_is_none_is_not_compiled(backend, tmp_path, content):
    path = tmp_path / "graph.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BackendError) as error:
        backend.compile(path, tmp_path / f"engine{backend.engine_suffix}")
    assert "graph.onnx" in one_line(error)


def test_unknown_operator_is_not_compiled(backend, tmp_path):
    model = conv_net()
    model.graph.node[2].op_type = "Levitate"
    onnx.save(model, str(tmp_path / "graph.onnx"))
    with pytest.raises(BackendError, match="Levitate") as error:
        backend.compile(tmp_path / "graph.onnx", tmp_path / f"engine{backend.engine_suffix}")
    one_line(error)


def test_closed_session_is_misuse(session):
    session.close()
    session.close()
    with pytest.raises(ValueError, match="closed"):
        session.run({"frame": frame()})


# ---------------------------------------------------------------- what it says of itself


def test_identity_is_text_and_stays(backend):
    identity = backend.identity()
    assert identity == backend.identity()
    assert identity
    assert all(isinstance(v, str) and v for v in identity.values())


def test_conditions_are_text_and_stay(backend):
    conditions = backend.conditions()
    assert conditions == backend.conditions()
    assert all(isinstance(v, str) and v for v in conditions.values())


def test_session_states_its_memory(session):
    assert session.memory.io_bytes == 4 * (3 * 8 * 8 + 64 * 5)
    assert session.memory.persistent_bytes > 0


def test_device_is_fit_for_a_folder(backend):
    assert re.fullmatch(r"[a-z0-9][A-Za-z0-9._-]*", backend.device())


def test_stderr_stays_clean(backend, graph, capfd):
    engine = graph.with_name(f"quiet{backend.engine_suffix}")
    backend.compile(graph, engine)
    session = load_own(backend, engine)
    session.run({"frame": frame()})
    session.close()
    engine.write_bytes(b"x" * 100)
    with pytest.raises(EngineLoadError):
        load_own(backend, engine)
    assert capfd.readouterr() == ("", "")
