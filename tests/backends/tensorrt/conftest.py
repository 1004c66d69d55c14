"""A device and a vendor of plain memory, and engines built with them."""

import onnx
import pytest

from edgert.artifacts import sha256_from_file
from edgert.backends.tensorrt.backend import TensorRtBackend
from tests.backends.cuda_memory.fake_cuda import FakeCuda
from tests.backends.tensorrt.fake_tensorrt import FakeTensorRt
from tests.tiny_graphs import conv_net


@pytest.fixture
def cuda():
    return FakeCuda()


@pytest.fixture
def trt(cuda):
    return FakeTensorRt(cuda)


@pytest.fixture
def backend(cuda, trt, tmp_path):
    return TensorRtBackend(cuda=cuda, vendor=trt, root=tmp_path / "no machine")


@pytest.fixture
def graph(tmp_path):
    path = tmp_path / "graph.onnx"
    onnx.save(conv_net(channels=4), str(path))
    return path


@pytest.fixture
def build(backend, trt, tmp_path):
    """Builds an engine of a seeded graph; gives its path and hash, as `load` takes them."""

    def build_one(seed=0, *, scratch_bytes=1024, height=8, name="frame"):
        source = tmp_path / f"engine{seed}.onnx"
        onnx.save(conv_net(seed, channels=4, height=height, name=name), str(source))
        trt.scratch_bytes = scratch_bytes
        engine = source.with_suffix(".plan")
        backend.compile(source, engine)
        return engine, sha256_from_file(engine)

    return build_one
