"""Who runs trials: processes of this machine, or of a Dask cluster; the search does not care.

This module loads no numpy: a worker imports it first, and limits numpy's threads before numpy
is there.
"""

import contextlib
import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor
from typing import Any

from edgert.errors import BackendError, UsageError
from edgert.optional import needs
from edgert.processes import (
    as_they_end,
    end_with_parent,
    interrupts_wait,
    leave_interrupts_to_parent,
    own_processes,
)


class Workers:
    """Runs a function on many argument lists, as many at a time as there are workers.

    Args:
        executor: Any executor of concurrent.futures.
        count: How many workers it has.
        lost: What it raises where a worker is lost, beside what concurrent.futures has.
    """

    def __init__(
        self, executor: Executor, count: int, *, lost: tuple[type[Exception], ...] = ()
    ) -> None:
        self._executor, self.count = executor, count
        self._lost: tuple[type[BaseException], ...] = (BrokenExecutor, CancelledError, *lost)

    def run(
        self,
        function: Callable[..., Any],
        arguments: Sequence[tuple[Any, ...]],
        on_result: Callable[[Any], None] | None = None,
    ) -> list[Any]:
        """Call a module-level function once for each list of arguments.

        Args:
            function: Takes and gives plain data.
            arguments: One tuple for each call.
            on_result: Called in this process with each result as soon as it is there.

        Returns:
            The results in the order of the arguments.

        Raises:
            BackendError: A worker died, as one does that takes more memory than there is.
        """
        try:
            with interrupts_wait():
                futures = [self._executor.submit(function, *each) for each in arguments]
            for future in as_they_end(futures):
                if on_result is not None:
                    on_result(future.result())
            return [future.result() for future in futures]
        except self._lost as error:
            raise BackendError(
                "run trials",
                expected="workers that stay alive",
                got="one that was killed, as happens when memory runs out",
                advice="Use fewer at a time (--jobs 1), then start again: the search goes on",
            ) from error


@contextlib.contextmanager
def open_workers(
    jobs: int | None = None, *, dask: str | None = None, connect_s: float = 10
) -> Iterator[Workers]:
    """Start workers, or find those of a cluster; processes of one's own end with the block.

    Args:
        jobs: Processes; None: one for each core.
        dask: Address of a Dask scheduler, as tcp://host:8786, whose workers are used instead.
        connect_s: How long to wait for it to answer.

    Raises:
        UsageError: No scheduler answers at the address, or it has no workers.
        MissingDependencyError: The package distributed is not installed.
    """
    if dask is not None:
        with _dask_workers(dask, connect_s) as workers:
            yield workers
        return
    count = jobs or len(os.sched_getaffinity(0))
    with own_processes(count, prepare=prepare_worker) as executor:
        yield Workers(executor, count)


def prepare_worker() -> None:
    """Make a process fit to be one of several workers.

    Its numpy computes with one thread; Ctrl-C is left to the process that started it; it ends
    with that process, also where that one is killed.
    """
    leave_interrupts_to_parent()
    end_with_parent()
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    importlib.import_module("numpy")  # its BLAS counts the cores that it may use as it is loaded
    os.sched_setaffinity(0, cores)


@contextlib.contextmanager
def _dask_workers(address: str, connect_s: float) -> Iterator[Workers]:
    distributed = needs("distributed", "cluster", "to use a Dask cluster")
    try:
        client = distributed.Client(address, timeout=connect_s, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--dask {address}",
            expected="a Dask scheduler that answers",
            got=str(error).splitlines()[0] if str(error) else type(error).__name__,
            advice="Check the address, as tcp://host:8786, and that the scheduler runs",
        ) from error
    with client:
        threads = client.nthreads()
        if not threads:
            raise UsageError(
                f"--dask {address}",
                expected="a scheduler with workers",
                got="none",
                advice="Start some: dask worker ADDRESS --nthreads 1",
            )
        lost = (distributed.KilledWorker, distributed.comm.CommClosedError)
        yield Workers(client.get_executor(), sum(threads.values()), lost=lost)
