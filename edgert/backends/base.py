"""What a backend and a session are, and the check on what goes into a run.

A backend turns a graph into an engine and an engine into a session. It knows nothing of families,
pools or frames. A session is used by one thread at a time; a backend too, but for `load`, which a
second thread may call while sessions run. That thread also closes sessions that nothing runs any
more, while others run.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from edgert.artifacts import sha256_from_file
from edgert.errors import EngineLoadError, InferenceError
from edgert.records import CompileReport, EngineMemory, TensorSpec

Progress = Callable[[int, int, str], None]


class Session(Protocol):
    """An engine, loaded and ready to run; used by one thread at a time."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    memory: EngineMemory

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name, for one array of the stated shape and dtype for each input.

        The arrays may be reused by the next run of this session, or of another one of its backend
        with the same outputs: copy what has to last longer.

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
    carried_files: tuple[str, ...]  # written beside engines; a later build starts from them
    shared_weights_file: str  # that a set's engines share; "" where each holds its own weights

    def device(self) -> str:
        """Short name of the kind of device, fit for a folder: "cpu-x86_64"."""
        ...

    def identity(self) -> dict[str, str]:
        """All that an engine depends on. If any of it changes, engines have to be built again."""
        ...

    def conditions(self) -> dict[str, str]:
        """What a measurement depends on besides the engine. If it changes, measure again."""
        ...

    def compile(
        self, graph: Path, engine: Path, *, progress: Progress | None = None
    ) -> CompileReport:
        """Compile an ONNX graph with static shapes into an engine that loads without its graph.

        Weights may be written beside the engine, in files that the engine names.

        Args:
            graph: The graph.
            engine: The file to write.
            progress: Told parts done, parts in all and what is being done, from any thread.

        Raises:
            BackendError: The runtime can't compile the graph or can't write the engine.
        """
        ...

    def reserve(self, scratch_bytes: int) -> None:
        """Make sure of one block of scratch memory that serves engines up to that size.

        Called before the engines are loaded; one that needs more is then refused.

        Raises:
            BackendError: There is not that much memory, or engines are loaded already.
        """
        ...

    def load(self, engine: Path, sha256: str, *, beside: bool = False) -> Session:
        """Make an engine ready to run. Its files stay in use until the session is closed.

        Args:
            engine: What `compile` wrote.
            sha256: Of the engine's file. One that differs is refused before the runtime sees it:
                to load an engine may be to run its code.
            beside: Other sessions of this backend run meanwhile, in another thread; nothing that
                they use is touched or waited for.

        Raises:
            EngineLoadError: The file is missing, damaged, not for this runtime, or not the one
                that the hash is of.
        """
        ...


def check_engine_hash(engine: Path, sha256: str) -> bytes:
    """The engine's bytes, after comparing them with the hash that its manifest states.

    What is handed to the runtime has to be these bytes: the file may be another one by then.

    Raises:
        EngineLoadError: The file can't be read, or is another one.
    """
    try:
        content = engine.read_bytes()
    except OSError as error:
        raise EngineLoadError(
            f"load {engine.name}",
            expected=f"a file {engine}",
            got="none" if isinstance(error, FileNotFoundError) else str(error.strerror).lower(),
            advice="Build the family again",
        ) from error
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise EngineLoadError(
            f"load {engine.name}",
            expected=f"sha256 {sha256[:12]}… as its manifest states",
            got=f"{actual[:12]}…",
            advice="Build the family again; it was not loaded",
        )
    return content


def load_own(backend: Backend, engine: Path) -> Session:
    """Load an engine that this process has just compiled, and that no manifest lists yet.

    Raises:
        EngineLoadError: As `Backend.load`.
    """
    digest = sha256_from_file(engine) if engine.is_file() else ""
    return backend.load(engine, digest)


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
