"""Parts of a graph as engines of any backend: how the first wrong node of an engine is found.

A part is written to a folder of its own with the weights that it needs, compiled and loaded; with
its session goes the folder.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgert.backends.base import Backend, Session, load_own
from edgert.build.mismatch import PartOpener
from edgert.build.program import Program
from edgert.optional import needs


def part_opener(backend: Backend) -> PartOpener:
    """What compiles parts with a backend, and loads them."""

    def open_part(part: Program) -> Session:
        folder = tempfile.TemporaryDirectory(prefix="edgert-part-")
        try:
            graph = Path(folder.name) / "part.onnx"
            _write(part, graph)
            engine = graph.with_name(f"engine{backend.engine_suffix}")
            backend.compile(graph, engine)
            return _PartSession(load_own(backend, engine), folder)
        except BaseException:
            folder.cleanup()
            raise

    return open_part


class _PartSession:
    """A session that takes its folder along when it is closed."""

    def __init__(self, session: Session, folder: tempfile.TemporaryDirectory[str]) -> None:
        self._session, self._folder = session, folder
        self.inputs, self.outputs, self.memory = session.inputs, session.outputs, session.memory

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return self._session.run(feeds)

    def close(self) -> None:
        self._session.close()
        self._folder.cleanup()


def _write(part: Program, path: Path) -> None:
    """Save a part with its weights beside it, and with types for its outputs.

    Without a type TensorRT's parser takes an output for float.
    """
    onnx = needs("onnx", "build", "to cut graphs")
    model = onnx.ModelProto()
    model.CopyFrom(part.model)
    for value in model.graph.output:
        if not value.HasField("type") and value.name in part.value_types:
            value.type.CopyFrom(part.value_types[value.name])
    onnx.load_external_data_for_model(model, str(part.folder))
    onnx.save(model, str(path), save_as_external_data=True, location="part.weights")
