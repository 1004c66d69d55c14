"""All engines of a family, loaded together in one process, one of them active.

Switching is free because nothing is loaded for it: `activate` changes which session the next run
uses. What makes it affordable is that the engines share nearly everything. Their weights are
mapped from one file in which every tensor is kept once, and they run one after the other in one
arena of activations. Six engines of SegFormer-B2 at 512x512, cut from the graph as exported, hold
1.02 to 1.04 times the 0.87 GiB of one; loaded each by itself with onnxruntime's defaults they
hold 6.5 GiB, and one 1.1 GiB. (Proportional set size after three runs of each, onnxruntime
1.31.1, 2 threads on 2 cores of an Intel Xeon with AVX-512, two measurements, November 2026.)
`tools/benchmark.py pool` measures it anew.

A pool is used by one thread, the one that runs frames. Whoever decides about switches hands the
name to that thread, between two frames.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.artifacts import BuiltSet, load_built, stale_reasons
from edgert.backends import open_backend
from edgert.backends.base import Backend, Session
from edgert.backends.memory import available_bytes
from edgert.errors import ArtifactError, BackendError
from edgert.records import TensorSpec
from edgert.units import text_from_bytes

Progress = Callable[[int, int, str], None]  # engines ready, engines in all, what comes next

_SESSION_BYTES = 4 << 20  # nodes and small tensors of one engine; 3.6 MB for SegFormer-B2


class Pool:
    """Sessions with the same inputs and outputs, one of which is active.

    Use `Pool.open` for a built set; the constructor takes sessions that are ready.

    Args:
        sessions: By configuration, dearest first; the first becomes active. The pool closes them.

    Raises:
        ArtifactError: The sessions' inputs or outputs differ, or there is more than one input.
        ValueError: There are no sessions.
    """

    def __init__(self, sessions: Mapping[str, Session]) -> None:
        if not sessions:
            raise ValueError("a pool needs at least one session")
        self._sessions = dict(sessions)
        self._active = next(iter(self._sessions))
        self._session = self._sessions[self._active]
        self._check_alike()
        self._input = self._session.inputs[0]
        self._output_name = self._session.outputs[0].name

    @classmethod
    def open(
        cls,
        built: BuiltSet | Path,
        backend: Backend | None = None,
        *,
        progress: Progress | None = None,
        memory_bytes: int | None = None,
    ) -> "Pool":
        """Load all engines of a built set and run each once, so that no later run is a first one.

        Args:
            built: The set, or its folder, whose files are then checked against their hashes.
            backend: What loads the engines; None opens the one that the manifest names.
            progress: Called before each engine, and at the end.
            memory_bytes: What the pool may take; None asks the kernel what is left.

        Raises:
            ArtifactError: The set is damaged, built for another machine, or not of one shape.
            BackendError: An engine can't be loaded, or there is too little memory for it.
        """
        built = load_built(built) if isinstance(built, Path) else built
        backend = backend or open_backend(built.manifest.backend)
        _refuse_foreign(built, backend)
        _refuse_without_memory(built, available_bytes() if memory_bytes is None else memory_bytes)
        engines = built.manifest.engines
        report = progress or (lambda *_: None)
        sessions: dict[str, Session] = {}
        with ExitStack() as undo:
            for done, engine in enumerate(engines):
                report(done, len(engines), f"load {engine.name}")
                session = backend.load(built.engine_path(engine.name))
                undo.callback(session.close)
                _warm_up(session)
                sessions[engine.name] = session
            pool = cls(sessions)
            undo.pop_all()
        report(len(engines), len(engines), "ready")
        return pool

    @property
    def names(self) -> tuple[str, ...]:
        """The configurations, dearest first."""
        return tuple(self._sessions)

    @property
    def active(self) -> str:
        """The configuration that `run` runs."""
        return self._active

    @property
    def input(self) -> TensorSpec:
        """What every engine takes."""
        return self._input

    def activate(self, name: str) -> None:
        """Make another configuration the active one; takes effect with the next run.

        Raises:
            BackendError: The pool has no such configuration; the active one stays.
            ValueError: The pool is closed.
        """
        self._refuse_closed()
        if name not in self._sessions:
            raise BackendError(
                "activate a configuration",
                expected=f"one of {', '.join(self._sessions)}",
                got=repr(name),
                advice="Correct the name, or build the family with that configuration",
            )
        self._active, self._session = name, self._sessions[name]

    def run(self, tensor: NDArray[np.float32]) -> NDArray[Any]:
        """Run the active engine.

        Args:
            tensor: Of the shape and dtype that `input` states.

        Returns:
            The first output; valid until the next run, so copy what has to last longer.

        Raises:
            InferenceError: The tensor doesn't fit, or the engine failed.
            ValueError: The pool is closed.
        """
        self._refuse_closed()
        return self._session.run({self._input.name: tensor})[self._output_name]

    def close(self) -> None:
        """Close all sessions. A second call does nothing."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            session.close()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _refuse_closed(self) -> None:
        if not self._sessions:
            raise ValueError("the pool is closed")

    def _check_alike(self) -> None:
        """One switch must not change what the stages before and after the engines see."""
        first = self._session
        if len(first.inputs) != 1:
            raise ArtifactError(
                f"pool engine {self._active}",
                expected="one input, the frame",
                got=f"{len(first.inputs)}: {', '.join(spec.name for spec in first.inputs)}",
                advice="Export the model with the frame as its only input",
            )
        for name, session in self._sessions.items():
            for mine, others in (
                (session.inputs, first.inputs),
                (session.outputs, first.outputs),
            ):
                if mine != others:
                    raise ArtifactError(
                        f"pool engine {name}",
                        expected=f"{_text(others)} as {self._active} has",
                        got=_text(mine),
                        advice="Build the family again from one base model",
                    )


def _text(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{spec.name} {spec.dtype} {spec.shape}" for spec in specs)


def _warm_up(session: Session) -> None:
    """The first run allocates, maps and starts threads; it shall not be a frame's."""
    session.run({spec.name: np.zeros(spec.shape, spec.dtype) for spec in session.inputs})


def _refuse_foreign(built: BuiltSet, backend: Backend) -> None:
    """An engine for another processor may load and compute something else, so it isn't loaded."""
    manifest = built.manifest
    reasons = stale_reasons(manifest, built_for=backend.identity(), built_from=manifest.built_from)
    if reasons:
        raise ArtifactError(
            f"load {built.path}",
            expected="engines built for this machine",
            got="; ".join(reasons),
            advice="Build the family again on this machine: edgert build FAMILY",
        )


def _refuse_without_memory(built: BuiltSet, left_bytes: int | None) -> None:
    """Refuse what can't fit before loading it; what activations need shows at the warm-up."""
    count = len(built.manifest.engines)
    needed_bytes = built.weights_path.stat().st_size + count * _SESSION_BYTES
    if left_bytes is not None and needed_bytes > left_bytes:
        raise BackendError(
            f"load {built.path}",
            expected=f"{text_from_bytes(needed_bytes)} of memory for {count} engines",
            got=f"{text_from_bytes(left_bytes)} left",
            advice="Free some memory, or build a family with fewer or smaller configurations",
        )
