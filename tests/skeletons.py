"""Exports of well-known models with random numbers for weights.

    path = skeleton_file("segformer_b0_dynamo", tmp_path)      # an .onnx file
    graph = skeleton("segformer_b0_dynamo")                    # loaded, in edgert's form

Names: segformer_b0, segformer_b2, vit_small, resnet50, detr_resnet50, swin_tiny, mobilenet_v3,
yolo9_tiny and yolox_nano, each with _dynamo and _torchscript, and those in OPSETS. The same seed
gives the same weights. tests/data/make_skeletons.py makes the files.
"""

import functools
import gzip
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from edgert.surgery.graph import Graph
from edgert.surgery.load import normalised

FOLDER = Path(__file__).parent / "data" / "skeletons"
NAMES = tuple(sorted(path.name.removesuffix(".onnx.gz") for path in FOLDER.glob("*.onnx.gz")))
# Exports at another opset than 18: "opsets/<model>_<exporter>_<opset>".
OPSETS = tuple(
    sorted(f"opsets/{path.name.removesuffix('.onnx.gz')}" for path in FOLDER.glob("opsets/*.gz"))
)


def skeleton_proto(name: str, *, seed: int = 0) -> onnx.ModelProto:
    """The export as a new onnx.ModelProto, weights filled in."""
    model = _emptied(name)
    for position, tensor in enumerate(model.graph.initializer):
        if tensor.doc_string:
            array = _random(tensor.doc_string, tuple(tensor.dims), (seed, position))
            tensor.raw_data = array.tobytes()
            tensor.ClearField("doc_string")
    return model


def skeleton_file(name: str, folder: Path, *, seed: int = 0) -> Path:
    """Write the export into a folder as `<name>.onnx`, one file, and say where."""
    path = folder / f"{Path(name).name}.onnx"
    path.write_bytes(skeleton_proto(name, seed=seed).SerializeToString())
    return path


@functools.lru_cache(maxsize=len(NAMES) + len(OPSETS))
def skeleton(name: str, *, seed: int = 0) -> Graph:
    """The export as `load_graph` hands it out. Shared between tests: don't change it.

    Its weights are drawn when they are read, each time anew and always the same.
    """
    proto = _emptied(name)
    kinds = {
        tensor.name: (tensor.doc_string, tuple(tensor.dims), (seed, position))
        for position, tensor in enumerate(proto.graph.initializer)
        if tensor.doc_string
    }
    model = ir.from_proto(proto)
    for value in model.graph.initializers.values():
        if value.name in kinds:
            value.const_value = _lazy(value.name, *kinds[value.name])
    return normalised(Graph(model))


def _emptied(name: str) -> onnx.ModelProto:
    return onnx.ModelProto.FromString(gzip.decompress((FOLDER / f"{name}.onnx.gz").read_bytes()))


def _lazy(name: str, kind: str, shape: tuple[int, ...], seed: tuple[int, int]) -> ir.LazyTensor:
    return ir.LazyTensor(
        lambda: ir.tensor(_random(kind, shape, seed), name=name),
        dtype=ir.DataType.FLOAT,
        shape=ir.Shape(shape),
        name=name,
    )


def _random(kind: str, shape: tuple[int, ...], seed: tuple[int, int]) -> NDArray[np.float32]:
    """Numbers of a mean and deviation; of one sign where the model's were."""
    mean, std, sign = kind.split()
    array = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    array = array * np.float32(std) + np.float32(mean)
    return np.abs(array) + np.float32(1e-3) if sign == "positive" else array
