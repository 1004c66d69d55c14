"""From an engine's file to a session that a pool can switch to: loaded, checked, and run once."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import NoReturn

import numpy as np

from edgert.artifacts import BuiltSet, stale_reasons
from edgert.backends.base import Backend, Session
from edgert.errors import ArtifactError, BackendError, EngineLoadError
from edgert.pool.budget import free_bytes, warms_beside
from edgert.pool.edges import Edges
from edgert.pool.plan_text import headline_from_plan
from edgert.pool.residency import ResidencyPlan
from edgert.units import text_from_bytes

Progress = Callable[[int, int, str], None]  # engines ready, engines in all, what comes next


class EngineOpener:
    """Opens engines of one set, by configuration.

    Args:
        built: The set.
        backend: What loads its engines.
    """

    def __init__(self, built: BuiltSet, backend: Backend) -> None:
        self._built, self._backend = built, backend
        self._edges: Edges | None = None  # of the first engine that was opened

    def open(self, name: str, *, beside: bool = False) -> Session:
        """Load an engine, compare its inputs and outputs with the first one's, and run it once.

        The first run allocates, maps and starts threads; it shall not be a frame's. Beside others
        it is this thread's, unless the backend has done it already, or the engines share a block
        of scratch memory that a frame may be using.

        Args:
            name: A configuration of the set.
            beside: Other sessions of the set run meanwhile, in another thread.

        Raises:
            ArtifactError: Its inputs or outputs differ.
            BackendError: It can't be loaded or run. In either case nothing of it stays.
        """
        engine = self._built.engine(name)
        path = self._built.path / engine.file
        with ExitStack() as undo:
            session = self._backend.load(path, engine.sha256, beside=beside)
            undo.callback(session.close)
            if self._edges is None:
                self._edges = Edges.of(name, session)
            self._edges.refuse_other(name, session)
            if not beside or self._may_run_beside(session):
                session.run(
                    {spec.name: np.zeros(spec.shape, spec.dtype) for spec in session.inputs}
                )
            undo.pop_all()
        return session

    def _may_run_beside(self, session: Session) -> bool:
        return not warms_beside(self._backend) and not session.memory.scratch_bytes

    def open_beside(self, name: str) -> Session:
        """Open an engine in the loader's thread, while others run. See `open`."""
        return self.open(name, beside=True)

    def open_planned(self, plan: ResidencyPlan, report: Progress) -> dict[str, Session]:
        """Open what the plan has loaded at first, dearest first: all of it or nothing.

        Raises:
            EngineLoadError: One could not be loaded; the line says which, of how many, what it
                needs and what is left.
        """
        count = len(plan.resident)
        report(0, count, headline_from_plan(plan))
        self._backend.reserve(plan.shared.scratch_bytes)
        sessions: dict[str, Session] = {}
        with ExitStack() as undo:
            for done, name in enumerate(plan.resident):
                report(done, count, f"load {name}")
                try:
                    sessions[name] = self.open(name)
                except (BackendError, MemoryError) as error:
                    self._refuse(plan, name, error)
                undo.callback(sessions[name].close)
            undo.pop_all()
        report(count, count, "ready")
        return sessions

    def _refuse(
        self, plan: ResidencyPlan, name: str, error: BackendError | MemoryError
    ) -> NoReturn:
        """A runtime rarely says that memory was short, so both ways out are named."""
        left_bytes = free_bytes(self._backend)
        left = "unknown" if left_bytes is None else text_from_bytes(left_bytes)
        number = f"{plan.resident.index(name) + 1} of {len(plan.resident)}"
        what, advice = f"{type(error).__name__} {error}".strip(), ""
        expected = f"{text_from_bytes(plan.own_bytes([name]))} for it"
        if isinstance(error, BackendError):
            what, expected, advice = error.got, error.expected, f"{error.advice}; or "
        raise EngineLoadError(
            f"load {name}, engine {number}",
            expected=expected,
            got=f"{what} (it needs {text_from_bytes(plan.own_bytes([name]))}; {left} left)",
            advice=advice + "give the pool fewer engines or a smaller memory budget",
        ) from error


def refuse_foreign(built: BuiltSet, backend: Backend) -> None:
    """An engine for another processor may load and compute something else, so it isn't loaded.

    Raises:
        ArtifactError: The set was built for something else; the line says what.
    """
    manifest = built.manifest
    reasons = stale_reasons(manifest, built_for=backend.identity(), built_from=manifest.built_from)
    if reasons:
        raise ArtifactError(
            f"load {built.path}",
            expected="engines built for this machine",
            got="; ".join(reasons),
            advice="Build the family again on this machine: edgert build FAMILY",
        )


def refuse_partly(built: BuiltSet, plan: ResidencyPlan) -> None:
    """Refuse a plan by which not every engine stays loaded.

    Raises:
        BackendError: The budget does not hold them all.
    """
    if not plan.all_resident and plan.budget_bytes is not None:
        raise BackendError(
            f"load {built.path}",
            expected=f"{text_from_bytes(plan.total_bytes)} of memory for all "
            f"{len(plan.names)} engines",
            got=f"{text_from_bytes(plan.budget_bytes)} ({plan.budget_from})",
            advice="Free some memory, or build a family with fewer or smaller configurations",
        )
