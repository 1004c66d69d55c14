"""Exports of well-known models with random numbers for weights.

    path = skeleton_file("segformer_b0_dynamo", tmp_path)      # an .onnx file
    graph = skeleton("segformer_b0_dynamo")                    # loaded, in edgert's form

Names: segformer_b0, segformer_b2, vit_small, resnet50 and detr_resnet50, each with _dynamo and
_torchscript. The same seed gives the same weights. tests/data/make_skeletons.py makes the files.
"""

import functools
import gzip
import tempfile
from pathlib import Path

import numpy as np
import onnx

from edgert.surgery.graph import Graph, load_graph

FOLDER = Path(__file__).parent / "data" / "skeletons"
NAMES = tuple(sorted(path.name.removesuffix(".onnx.gz") for path in FOLDER.glob("*.onnx.gz")))


def skeleton_proto(name: str, *, seed: int = 0) -> onnx.ModelProto:
    """The export as a new onnx.ModelProto, weights filled in."""
    model = onnx.ModelProto.FromString(gzip.decompress((FOLDER / f"{name}.onnx.gz").read_bytes()))
    generator = np.random.default_rng(seed)
    for tensor in model.graph.initializer:
        if not tensor.doc_string:
            continue
        mean, std, sign = tensor.doc_string.split()
        array = generator.standard_normal(tuple(tensor.dims), dtype=np.float32)
        array *= np.float32(std)
        array += np.float32(mean)
        tensor.raw_data = (np.abs(array) + 1e-3 if sign == "positive" else array).tobytes()
        tensor.ClearField("doc_string")
    return model


def skeleton_file(name: str, folder: Path, *, seed: int = 0) -> Path:
    """Write the export into a folder as `<name>.onnx`, one file, and say where."""
    path = folder / f"{name}.onnx"
    path.write_bytes(skeleton_proto(name, seed=seed).SerializeToString())
    return path


@functools.lru_cache(maxsize=4)
def skeleton(name: str, *, seed: int = 0) -> Graph:
    """The export as `load_graph` hands it out. Shared between tests: don't change it."""
    with tempfile.TemporaryDirectory() as folder:
        return load_graph(skeleton_file(name, Path(folder), seed=seed))
