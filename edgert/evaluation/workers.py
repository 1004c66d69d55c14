"""Processes that run days side by side, and end with the one that started them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from typing import TypeVar

from edgert.errors import BackendError
from edgert.processes import (
    as_they_end,
    end_with_parent,
    interrupts_wait,
    leave_interrupts_to_parent,
    own_processes,
)

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def results_of(
    function: Callable[[_In], _Out], arguments: Sequence[_In], *, jobs: int
) -> Iterator[_Out]:
    """Call a module-level function on each argument; results as they come, in any order.

    With one job, or one argument, this process does it, in order. Where the caller stops early,
    be it by Ctrl-C, the processes are killed: a day may take half a minute, and nobody waits.

    Raises:
        BackendError: A process died, as one does that takes more memory than there is.
    """
    if jobs == 1 or len(arguments) <= 1:
        yield from map(function, arguments)
        return
    with own_processes(jobs, prepare=prepare_worker) as pool:
        try:
            with interrupts_wait():
                futures = [pool.submit(function, each) for each in arguments]
            for future in as_they_end(futures):
                yield future.result()
        except BrokenExecutor as error:
            raise BackendError(
                "evaluate controllers",
                expected="processes that stay alive",
                got="one that was killed, as happens when memory runs out",
                advice="Use fewer (--jobs 1), then start again: what is in the file is kept",
            ) from error


def prepare_worker() -> None:
    """Leave Ctrl-C to the process that started this one; end with it, also where it is killed."""
    leave_interrupts_to_parent()
    end_with_parent()
