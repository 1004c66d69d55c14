"""A backend whose engines each hold their own weights, as TensorRT's do, run by onnxruntime.

It counts what it compiles, carries a cache from one build to the next, and can be told to get a
weight wrong: in whichever graph, or part of one, that weight is.
"""

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import numpy_helper

from edgert.backends.base import check_engine_hash
from edgert.backends.onnxruntime import graph_session
from edgert.records import CompileReport

HEADER = b"engine of "


class StandaloneBackend:
    name = "standalone"
    engine_suffix = ".plan"
    carried_files: tuple[str, ...] = ("timing.cache",)
    shared_weights_file = ""

    def __init__(self, version: str = "1", *, wrong: Sequence[str] = (), wrong_times: int = 99):
        self.version, self.wrong, self.wrong_left = version, tuple(wrong), wrong_times
        self.compiled: list[str] = []  # engine files, in order
        self.caches_seen: list[str] = []  # what the cache said before each compile

    def device(self) -> str:
        return "standalone"

    def identity(self) -> dict[str, str]:
        return {"runtime": f"standalone {self.version}"}

    def conditions(self) -> dict[str, str]:
        return {}

    def compile(self, graph: Path, engine: Path, *, progress=None) -> CompileReport:
        if progress is not None:
            progress(1, 2, "half of it")
        model = onnx.load(str(graph))
        for tensor in model.graph.initializer:
            if tensor.name in self.wrong and self.wrong_left > 0:
                array = numpy_helper.to_array(tensor).copy()
                array.flat[0] += 0.5
                tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        self.wrong_left -= 1
        engine.write_bytes(HEADER + model.SerializeToString())
        self.compiled.append(engine.name)
        cache = engine.with_name("timing.cache")
        self.caches_seen.append(cache.read_text() if cache.is_file() else "")
        cache.write_text(f"{self.caches_seen[-1]}{engine.stem} ")
        return CompileReport(version=self.version)

    def reserve(self, scratch_bytes: int) -> None:
        pass

    def load(self, engine: Path, sha256: str, *, beside: bool = False):
        content = check_engine_hash(engine, sha256).removeprefix(HEADER)
        return graph_session(content, engine.parent, name=engine.name, optimised=True)
