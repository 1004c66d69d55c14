"""pycuda's context in each thread that uses it: pushed when it is first asked for, popped in time.

pycuda keeps a list of contexts for each thread and aborts the process when a thread ends, or the
program does, with the list not empty. So each thread's own storage holds a mark, and as that is
emptied by the ending thread itself, the context is popped there and then.
"""

import threading
import weakref
from contextlib import suppress
from typing import Any


class ThreadContexts:
    """One context, in as many threads as ask for it.

    Args:
        driver: `pycuda.driver`.
        context: What `retain_primary_context` gave.
    """

    def __init__(self, driver: Any, context: Any) -> None:
        self._driver, self._context = driver, context
        self._local = threading.local()

    def push(self) -> None:
        """Make the context current in this thread, if it is not yet."""
        if getattr(self._local, "mark", None) is not None:
            return
        self._context.push()
        mark = _Mark()
        # The registry of finalizers holds `_local`, and so the marks, until the threads end.
        mark.pop = weakref.finalize(
            mark, _pop, self._driver, self._context, threading.get_ident(), self._local
        )
        self._local.mark = mark

    def pop(self) -> None:
        """Undo `push` in this thread."""
        mark = getattr(self._local, "mark", None)
        if mark is not None:
            mark.pop()
            self._local.mark = None


class _Mark:
    """Lives as long as a thread, in that thread's own storage."""

    pop: "weakref.finalize[Any, _Mark]"


def _pop(driver: Any, context: Any, thread: int, _local: threading.local) -> None:
    if threading.get_ident() == thread:  # else a thread outlives the program, and has to keep it
        with suppress(driver.Error):  # popped already, with a context that was let go
            context.pop()
