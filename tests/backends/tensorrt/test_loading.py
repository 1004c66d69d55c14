import onnx
import pytest

from edgert.artifacts import sha256_from_file
from edgert.backends.base import load_own
from edgert.backends.tensorrt.backend import TensorRtBackend
from edgert.errors import BackendError, EngineLoadError
from tests.backends.tensorrt.fake_tensorrt import FakeTensorRt
from tests.graph_builder import GraphBuilder


@pytest.fixture
def engine(build, trt):
    path, _ = build()
    trt.calls.clear()  # compile loads it once, to ask the inspector
    return path


def refused(backend, path, sha256=None):
    with pytest.raises(EngineLoadError) as error:
        backend.load(path, sha256 or sha256_from_file(path))
    assert "\n" not in str(error.value)
    assert error.value.subject.startswith(f"load {path.name}")
    return error.value


# ---------------------------------------------------------------- before TensorRT sees it


@pytest.mark.parametrize("place", [0, 25, 100, -1])
def test_edited_plan_is_never_deserialised(backend, trt, engine, place):
    stated = sha256_from_file(engine)
    content = bytearray(engine.read_bytes())
    content[place] ^= 1
    engine.write_bytes(content)
    assert "as its manifest states" in refused(backend, engine, stated).expected
    assert trt.called("deserialize") == []


def test_plan_of_another_version_is_never_deserialised(cuda, engine):
    newer = FakeTensorRt(cuda, "10.16.2.10")
    error = refused(TensorRtBackend(cuda=cuda, vendor=newer), engine)
    assert str(error) == (
        "load engine0.plan: expected a plan built by TensorRT 10.16.2.10, which is installed, "
        "got one built by TensorRT 10.3.0.30. Build the family again."
    )
    assert newer.called("deserialize") == []


def test_version_known_in_three_numbers_is_compared_in_three(cuda, engine):
    """10.3's module states no build number; TensorRT compares that one itself."""
    same = FakeTensorRt(cuda, "10.3.0")
    TensorRtBackend(cuda=cuda, vendor=same).load(engine, sha256_from_file(engine)).close()
    assert len(same.called("deserialize")) == 1
    other = FakeTensorRt(cuda, "10.3.1")
    assert "TensorRT 10.3.1" in refused(TensorRtBackend(cuda=cuda, vendor=other), engine).expected


def test_plan_of_the_other_product_is_never_deserialised(backend, trt, engine):
    engine.write_bytes(b"vtrt" + engine.read_bytes()[4:])
    assert refused(backend, engine).got == "one built by TensorRT-RTX 10.3.0.30"
    assert trt.called("deserialize") == []


@pytest.mark.parametrize(
    ("content", "got"),
    [(b"", "no bytes"), (b"ftrt", "4 B that do not begin as one"), (b"x" * 2048, "2.0 KiB that")],
)
def test_what_is_no_plan_is_never_deserialised(backend, trt, engine, content, got):
    engine.write_bytes(content)
    assert refused(backend, engine).got.startswith(got)
    assert trt.called("deserialize") == []


def test_bytes_that_were_hashed_are_those_that_are_deserialised(backend, trt, engine):
    load_own(backend, engine).close()
    assert trt.called("deserialize")[0][2] == engine.stat().st_size


# ---------------------------------------------------------------- what TensorRT says


def test_code_within_a_plan_stays_off(backend, trt, engine):
    load_own(backend, engine).close()
    assert [call[0] for call in trt.called("deserialize")] == [False]


def test_truncated_plan_gives_tensorrts_own_words(backend, engine, cuda):
    engine.write_bytes(engine.read_bytes()[:-100])
    error = refused(backend, engine)
    assert error.got.endswith("Serialization assertion plan.header.size == blobSize failed")
    assert cuda.open_names == []


def test_plan_of_another_device_gives_tensorrts_own_words(backend, trt, engine):
    trt.deserialize_error = "expecting compute 8.7 got compute 11.0, please rebuild"
    assert refused(backend, engine).got.endswith(
        "expecting compute 8.7 got compute 11.0, please rebuild"
    )


def test_short_memory_says_how_much_is_asked_and_left(backend, engine, cuda):
    cuda.budget_bytes = 1000
    error = refused(backend, engine)
    assert error.expected.startswith("about 3.4 ")
    assert error.expected.endswith("KiB of free device memory")
    assert error.got.startswith("1000 B left (")
    assert "out of memory" in error.got
    assert cuda.open_names == []


def test_short_memory_for_the_context_is_one_line_too(backend, trt, engine, cuda):
    trt.context_error = "Error Code 2: OutOfMemory (Requested size was 1024 bytes.): out of memory"
    assert refused(backend, engine).expected == "enough free device memory"
    assert cuda.open_names == []


def test_context_that_fails_leaves_nothing(backend, trt, engine, cuda):
    trt.context_error = "Error Code 4: no"
    assert refused(backend, engine).got == "Error Code 4: no"
    assert cuda.open_names == []


def test_runtime_without_a_device_is_one_line(cuda, trt, engine):
    trt.has_device = False
    fresh = TensorRtBackend(cuda=cuda, vendor=trt)
    assert refused(fresh, engine).got == "CUDA initialization failure with error: 35"


# ---------------------------------------------------------------- what an engine may be


def small_model(shape, kind=onnx.TensorProto.FLOAT):
    builder = GraphBuilder(0)
    builder.add("Identity", "only", ["x"], "y")
    model = builder.model({"x": shape}, {"y": shape})
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = kind
    return model


def written(trt, tmp_path, model):
    path = tmp_path / "foreign.plan"
    path.write_bytes(trt.plan(model.SerializeToString(), 1024))
    return path


def test_engine_for_two_frames_is_refused(backend, trt, cuda, tmp_path):
    error = refused(backend, written(trt, tmp_path, small_model((2, 4))))
    assert error.got == "2 frames, (2, 4)"
    assert cuda.open_names == []


def test_engine_of_unknown_size_is_refused(backend, trt, cuda, tmp_path, monkeypatch):
    path = written(trt, tmp_path, small_model((1, 4)))
    engine_class = "tests.backends.tensorrt.fake_tensorrt.FakeICudaEngine"
    monkeypatch.setattr(f"{engine_class}.get_tensor_shape", lambda self, name: (1, -1))
    assert refused(backend, path).expected == "static sizes"
    assert cuda.open_names == []


def test_type_that_numpy_lacks_is_refused(backend, trt, cuda, tmp_path, monkeypatch):
    path = written(trt, tmp_path, small_model((1, 4)))
    engine_class = "tests.backends.tensorrt.fake_tensorrt.FakeICudaEngine"
    monkeypatch.setattr(f"{engine_class}.get_tensor_dtype", lambda self, name: trt.DataType.BF16)
    error = refused(backend, path)
    assert "BF16" in error.got
    assert error.subject.endswith("tensor x")
    assert cuda.open_names == []


@pytest.mark.parametrize("kind", [onnx.TensorProto.FLOAT16, onnx.TensorProto.INT64])
def test_types_that_numpy_has_are_served(backend, trt, tmp_path, kind):
    session = load_own(backend, written(trt, tmp_path, small_model((1, 4), kind)))
    (spec,) = session.inputs
    array = (session._slot.inputs[0].array * 0 + 3).astype(spec.dtype)
    assert (session.run({"x": array})["y"] == 3).all()
    session.close()


def test_vector_of_any_length_is_no_batch(backend, trt, tmp_path):
    session = load_own(backend, written(trt, tmp_path, small_model((7,))))
    assert session.inputs[0].shape == (7,)
    session.close()


def test_load_error_is_a_backend_error(backend, tmp_path):
    with pytest.raises(BackendError):
        backend.load(tmp_path / "none.plan", "0" * 64)
