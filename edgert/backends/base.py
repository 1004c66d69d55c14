"""What a backend and a session are, and the check on what goes into a run.

A backend turns a graph into an engine and an engine into a session. It knows nothing of families,
pools or frames, and neither it nor its sessions are shared between threads.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from edgert.errors import InferenceError
from edgert.records import TensorSpec


class Session(Protocol):
    """An engine, loaded and ready to run; used by one thread."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name, for one array of the stated shape and dtype for each input.

        The arrays may be reused by the session's next run: copy what has to last longer.

        Raises:
            InferenceError: A feed does not fit, or the runtime failed.
            ValueError: The session is closed.
        """
        ...

    def close(self) -> None:
        """Give the engine's memory back. A second call does nothing."""
        ...


class Backend(Protocol):
    """A runtime that compiles graphs and loads what it compiled."""

    name: str
    engine_suffix: str  # of an engine's file, with its dot

    def device(self) -> str:
        """Short name of the kind of device, fit for a folder: "cpu-x86_64"."""
        ...

    def identity(self) -> dict[str, str]:
        """All that an engine depends on. If any of it changes, engines have to be built again."""
        ...

    def compile(self, graph: Path, engine: Path) -> None:
        """Compile an ONNX graph with static shapes into an engine that loads without its graph.

        Weights may be written beside the engine, in files that the engine names.

        Raises:
            BackendError: The runtime can't compile the graph or can't write the engine.
        """
        ...

    def load(self, engine: Path) -> Session:
        """Make an engine ready to run. Its files stay in use until the session is closed.

        Raises:
            EngineLoadError: The file is missing, damaged, or not for this runtime.
        """
        ...


def check_feeds(
    feeds: Mapping[str, NDArray[Any]], inputs: tuple[TensorSpec, ...], *, subject: str
) -> None:
    """Compare the arrays of one run with a session's inputs, before the vendor sees them.

    Raises:
        InferenceError: A name is missing or unknown, or a shape or dtype differs.
    """
    names = [spec.name for spec in inputs]
    if sorted(feeds) != sorted(names):
        raise InferenceError(
            subject,
            expected=f"the inputs {', '.join(names)}",
            got=", ".join(feeds) or "none",
            advice="Feed one array for each input, under its name",
        )
    for spec in inputs:
        array = feeds[spec.name]
        if array.shape != spec.shape or array.dtype.name != spec.dtype:
            raise InferenceError(
                f"{subject}, input {spec.name}",
                expected=f"{spec.dtype} {spec.shape}",
                got=f"{array.dtype.name} {array.shape}",
                advice="Convert the array before the run",
            )
