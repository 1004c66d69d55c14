"""The engines of a family in one process, one of them active, others loaded and ready.

Switching is free because nothing is loaded for it: `activate` changes which session the next run
uses. What makes it affordable is that the engines share nearly everything. On the CPU their
weights are mapped from one file in which every tensor is kept once, and they run one after the
other in one arena of activations. Six engines of SegFormer-B2 at 512x512, cut from the graph as
exported, hold 1.02 to 1.04 times the 0.87 GiB of one; loaded each by itself with onnxruntime's
defaults they hold 6.5 GiB, and one 1.1 GiB. (Proportional set size after three runs of each,
onnxruntime 1.31.1, 2 threads on 2 cores of an Intel Xeon with AVX-512, two measurements, November
2026.) `tools/benchmark.py pool` measures it anew.

Where the memory budget does not hold all engines, a thread loads those around the wanted one while
frames go on, and `activate` says what really became active.

A pool is used by one thread, the one that runs frames. Whoever decides about switches hands the
name to that thread, between two frames.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.artifacts import BuiltSet, load_built
from edgert.backends import open_backend
from edgert.backends.base import Backend, Session
from edgert.clock import Clock, MonotonicClock
from edgert.closing import Closing
from edgert.errors import BackendError
from edgert.pool.budget import plan_built
from edgert.pool.edges import Edges
from edgert.pool.loader import JOIN_S, Loader
from edgert.pool.opening import EngineOpener, Progress, refuse_foreign, refuse_partly
from edgert.pool.residency import ResidencyPlan
from edgert.pool.residents import Residents
from edgert.records import TensorSpec


class Pool(Closing):
    """Sessions with the same inputs and outputs, one of which is active.

    Use `Pool.open` for a built set; the constructor takes sessions that are ready.

    Args:
        sessions: By configuration, dearest first; the first becomes active. The pool closes them.
        plan: What stays loaded where that is not all of it, with the loader that exchanges them.
        loader: Loads engines ahead; the pool stops it. None: `sessions` are all there are.
        clock: What measures how long an engine that failed to load is left alone.

    Raises:
        ArtifactError: The sessions' inputs or outputs differ, or there is more than one input.
        ValueError: There are no sessions, or a loader without a plan.
    """

    def __init__(
        self,
        sessions: Mapping[str, Session],
        *,
        plan: ResidencyPlan | None = None,
        loader: Loader | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not sessions:
            raise ValueError("a pool needs at least one session")
        self._active = self._asked = next(iter(sessions))
        self._session = sessions[self._active]
        edges = Edges.of(self._active, self._session)
        for name, session in sessions.items():
            edges.refuse_other(name, session)
        self._input, self._output_name = edges.inputs[0], edges.outputs[0].name
        self._plan, self._loader = plan, loader
        self._residents: Residents | None = None
        self._sessions = dict(sessions)
        self._names = tuple(sessions)
        if loader is not None:
            if plan is None:
                raise ValueError("a pool with a loader needs a plan")
            self._residents = Residents(plan, sessions, loader, clock or MonotonicClock())
            self._sessions, self._names = self._residents.sessions, plan.names

    @classmethod
    def open(
        cls,
        built: BuiltSet | Path,
        backend: Backend | None = None,
        *,
        progress: Progress | None = None,
        memory_bytes: int | None = None,
        all_resident: bool = False,
        clock: Clock | None = None,
        join_s: float = JOIN_S,
    ) -> "Pool":
        """Load a built set, and run each engine once, so that no later run is a first one.

        All engines where the memory holds them, else the cheapest and those around the dearest.

        Args:
            built: The set, or its folder, whose files are then checked against their hashes.
            backend: What loads the engines; None opens the one that the manifest names.
            progress: Told the plan in one line, then called before each engine, and at the end.
            memory_bytes: What the pool may take; None takes nine tenths of what is left.
            all_resident: Refuse where not all engines fit, as whoever measures them has to.
            clock: What measures how long an engine that failed to load is left alone.
            join_s: How long `close` waits for an engine that is being loaded.

        Raises:
            ArtifactError: The set is damaged, built for another machine, or not of one shape.
            BackendError: An engine can't be loaded, or there is too little memory. Nothing stays
                loaded then.
        """
        built = load_built(built) if isinstance(built, Path) else built
        backend = backend or open_backend(built.manifest.backend)
        refuse_foreign(built, backend)
        plan = plan_built(built, backend, memory_bytes=memory_bytes)
        if all_resident:
            refuse_partly(built, plan)
        opener = EngineOpener(built, backend)
        sessions = opener.open_planned(plan, progress or (lambda *_: None))
        loader = None if plan.all_resident else Loader(opener.open_beside, join_s=join_s)
        return cls(sessions, plan=plan, loader=loader, clock=clock)

    @property
    def names(self) -> tuple[str, ...]:
        """Every configuration, dearest first, loaded or not."""
        return self._names

    @property
    def resident(self) -> tuple[str, ...]:
        """The configurations that are loaded now, dearest first."""
        return tuple(name for name in self._names if name in self._sessions)

    @property
    def active(self) -> str:
        """The configuration that `run` runs."""
        return self._active

    @property
    def input(self) -> TensorSpec:
        """What every engine takes."""
        return self._input

    @property
    def plan(self) -> ResidencyPlan | None:
        """What stays loaded and what it takes; None for sessions that were handed in."""
        return self._plan

    @property
    def failures(self) -> tuple[str, ...]:
        """The newest engines that could not be loaded ahead, in words, oldest first."""
        return self._residents.failures.told if self._residents else ()

    @property
    def failure_count(self) -> int:
        """How often an engine could not be loaded ahead."""
        return self._residents.failures.count if self._residents else 0

    def activate(self, name: str) -> str:
        """Make another configuration the active one; takes effect with the next run.

        One that is not loaded is asked for, and until it is there the next cheaper that is loaded
        is active, or the next dearer if none is. Call it before every frame: that is when engines
        are exchanged. It never waits.

        Returns:
            The configuration that became active.

        Raises:
            BackendError: The pool has no such configuration; the active one stays.
            ValueError: The pool is closed.
        """
        self._refuse_closed()
        if name not in self._names:
            raise BackendError(
                "activate a configuration",
                expected=f"one of {', '.join(self._names)}",
                got=repr(name),
                advice="Correct the name, or build the family with that configuration",
            )
        if self._residents is not None:
            self._asked = name
            self._residents.settle(name)
            name = self._residents.nearest(name)
        self._active, self._session = name, self._sessions[name]
        return name

    def settle(self) -> str:
        """Exchange engines between two frames without asking for another configuration.

        Returns:
            The active configuration: the one asked for last, if it is there by now.
        """
        return self.activate(self._asked if self._residents is not None else self._active)

    def wait(self, timeout_s: float) -> bool:
        """Settle until nothing is loading any more. For tests and tools, not between frames.

        Args:
            timeout_s: The longest to wait for any one engine.

        Returns:
            Whether all that was asked for is loaded or has failed, and what had to go is closed.
        """
        if self._residents is None:
            return True
        self.settle()
        while self._residents.wait(timeout_s):
            self.settle()
        return self._residents.at_rest

    def absence(self, name: str) -> str:
        """Why a configuration is not loaded, in words; "" if it is."""
        if name in self._sessions or self._residents is None:
            return ""
        return self._residents.absence(name)

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

    def run_beside(self, name: str, tensor: NDArray[np.float32]) -> NDArray[Any]:
        """Run another engine that is loaded; the active one stays, and nothing is loaded for it.

        Args:
            name: Its configuration.
            tensor: As for `run`.

        Returns:
            As `run`; what that returned before is overwritten.

        Raises:
            BackendError: The configuration is not loaded.
            InferenceError: The tensor doesn't fit, or the engine failed.
            ValueError: The pool is closed.
        """
        self._refuse_closed()
        if name not in self._sessions:
            raise BackendError(
                "run an engine beside the active one",
                expected=f"one that is loaded: {', '.join(self.resident)}",
                got=repr(name),
                advice="Wait until it is loaded",
            )
        return self._sessions[name].run({self._input.name: tensor})[self._output_name]

    def close(self) -> None:
        """Close all sessions. A second call does nothing.

        An engine that is being loaded is waited for, but no longer than `join_s`.
        """
        if self._loader is not None:
            self._loader.stop()
            self._loader = None
        with ExitStack() as undo:  # one that fails to close does not keep the others open
            while self._sessions:
                undo.callback(self._sessions.popitem()[1].close)

    def _refuse_closed(self) -> None:
        if not self._sessions:
            raise ValueError("the pool is closed")
