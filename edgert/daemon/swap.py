"""Another set of engines takes the place of the one that is served, or leaves it as it is.

copied       into the store, after all checks
verified     by a process of its own, which may crash
planned      both sets have to fit in memory, as frames go on meanwhile
loaded       beside the other, each engine run once
swapped      between two frames
taken        it is the current one from now on; the old one is closed

What fails before the swap leaves the old set at work, and the new one is dropped. A daemon that
is killed meanwhile begins with the old set, and does not try the new one by itself.
"""

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from edgert.backends.base import Backend
from edgert.daemon.choosing import Finder, FoundSet
from edgert.daemon.engine_store import EngineStore
from edgert.daemon.engines import Engines, Surroundings, load_engines
from edgert.daemon.verification import Verifier
from edgert.errors import ArtifactError, BackendError
from edgert.pool import plan_built
from edgert.pool.budget import free_bytes
from edgert.records import Limits
from edgert.settings import Settings
from edgert.units import text_from_bytes

_SWAP_S = 60.0  # an engine may hang; the watchdog sees to that

Install = Callable[[Engines], "Future[Any]"]


class Exchange:
    """Exchanges sets, one at a time; blocks its thread for as long as that takes.

    Args:
        store: Where sets are kept.
        verifier: Verifies them.
        tell: Hears in words what is being done.
    """

    def __init__(
        self, store: EngineStore, verifier: Verifier, tell: Callable[[str], None]
    ) -> None:
        self._store, self._verifier, self._tell = store, verifier, tell

    def exchange(
        self,
        served: Engines,
        finder: Finder,
        backend: Backend,
        settings: Settings,
        around: Surroundings,
        *,
        limits: Limits,
        install: Install,
    ) -> Engines:
        """Take the set that lies in the family's folder.

        Args:
            served: What runs now; closed when the new one has taken over.
            finder: Finds the set.
            backend: One that has loaded nothing yet.
            settings: As they are now.
            around: As for `load_engines`.
            limits: What is asked for.
            install: Hands the engines to the thread that runs frames; done when it has them.

        Returns:
            What runs from now on.

        Raises:
            EdgertError: The set was refused; the old one goes on.
        """
        self._tell("copying the new engines")
        found = finder.newest()
        self._store.begin(found.stored)
        try:
            engines = self._made_ready(found, served, backend, settings, around, limits=limits)
            try:
                wait_for(install(engines), "take other engines")
            except BaseException:
                engines.close()
                raise
        except BaseException:
            self._store.end()
            self._store.drop(found.stored)
            raise
        try:
            self._store.take(found.stored)
        except ArtifactError as error:
            engines.notes.append(f"the next start begins with the set of before: {error}")
        served.close()
        return engines

    def _made_ready(
        self,
        found: FoundSet,
        served: Engines,
        backend: Backend,
        settings: Settings,
        around: Surroundings,
        *,
        limits: Limits,
    ) -> Engines:
        self._tell("verifying the new engines")
        self._verifier.verify(found.built.path, settings)
        memory_bytes = memory_beside(found, served, backend, settings.engines.memory_bytes)
        self._tell("loading the new engines beside the old ones")
        return load_engines(
            found, backend, settings, around, limits=limits, memory_bytes=memory_bytes
        )


def wait_for(swap: "Future[Any]", what: str) -> None:
    """Wait until the thread that runs frames has done something.

    Args:
        swap: Done then.
        what: It is to do, in words.

    Raises:
        BackendError: No frame ended for a minute; it is not done any more.
    """
    try:
        swap.result(_SWAP_S)
    except FutureTimeoutError as error:
        if not swap.cancel():  # it happens just now
            swap.result()
            return
        raise BackendError(
            what,
            expected=f"a frame to end within {_SWAP_S:.0f} s",
            got="none",
            advice="See what the engine that is served hangs in",
        ) from error


def memory_beside(
    found: FoundSet, served: Engines, backend: Backend, budget_bytes: int | None
) -> int | None:
    """What a set may take while another stays loaded.

    Args:
        found: The new set.
        served: The other.
        backend: That would load the new one.
        budget_bytes: For both together; None: what is free.

    Returns:
        For `load_engines`.

    Raises:
        BackendError: Both do not fit; nothing was loaded.
    """
    plan = served.pool.plan
    taken_bytes = 0 if plan is None else plan.needed_bytes
    left_bytes = budget_bytes
    if budget_bytes is not None:
        left_bytes = max(budget_bytes - taken_bytes, 1)
    beside = plan_built(found.built, backend, memory_bytes=left_bytes)
    if beside.all_resident:
        return left_bytes
    free = free_bytes(backend)
    alone_bytes = budget_bytes if budget_bytes is not None else (free or 0) + taken_bytes
    if plan is not None and not plan.all_resident and beside.total_bytes > alone_bytes:
        return left_bytes  # not all of either fits at any time: as many as there is room for
    raise BackendError(
        f"load {found.built.path} beside the engines that are served",
        expected=f"{text_from_bytes(beside.total_bytes)} for it",
        got=f"{text_from_bytes(beside.budget_bytes or 0)} ({beside.budget_from}), as "
        f"{text_from_bytes(taken_bytes)} are in use",
        advice="Free some memory, or restart the service: it then loads the new engines alone",
    )
