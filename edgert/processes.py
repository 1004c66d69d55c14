"""Processes that end with the one that started them, and leave Ctrl-C to it.

Loads no numpy: a worker may have to limit its threads before it is there.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for_futures
from multiprocessing.connection import wait
from types import FrameType
from typing import Any

_LOOK_S = 0.1  # the longest that Ctrl-C waits for


@contextlib.contextmanager
def own_processes(count: int, *, prepare: Callable[[], None]) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes that run calls; where the block fails or is left early, they are killed.

    Fresh, since a fork would copy the threads of whatever this process has loaded. Killed, since
    a call may take a minute, and nobody waits for it any more.

    Args:
        count: How many.
        prepare: A module-level function that each of them calls first.
    """
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(
        count, mp_context=multiprocessing.get_context("spawn"), initializer=prepare
    )
    try:
        yield executor
        executor.shutdown()
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.kill()
        # The executor's own thread sees them die and joins them; another that joins races it.
        executor.shutdown(cancel_futures=True)
        raise


@contextlib.contextmanager
def interrupts_wait() -> Iterator[None]:
    """Ctrl-C comes after the block, and not at all to processes that are started in it.

    A process inherits what is blocked; until it says itself what it does with Ctrl-C it would
    else end with a traceback of its own.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        # The mask is this thread's alone: any other thread of this process takes the signal, and
        # the main one would hear of it inside the block.
        if threading.current_thread() is threading.main_thread():
            with _noted_interrupts():
                try:
                    yield
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)
        else:
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _noted_interrupts() -> Iterator[None]:
    """Ctrl-C is noted in the block and happens after it. In the main thread only."""
    noted = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal noted
        noted = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if noted:
            signal.raise_signal(signal.SIGINT)


def as_they_end(futures: Sequence[Future[Any]]) -> Iterator[Future[Any]]:
    """Futures as they end; of several that ended, the one first that was given first.

    Ctrl-C comes between two looks and never within one, unlike with concurrent.futures' own
    as_completed: waiting takes locks that an executor's own thread needs to come to its end, and
    an interrupt at the wrong moment leaves one of them locked for ever.
    """
    pending = list(futures)
    while pending:
        with interrupts_wait():
            done, _ = wait_for_futures(pending, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
        yield from (future for future in pending if future in done)
        pending = [future for future in pending if future not in done]


def leave_interrupts_to_parent() -> None:
    """In a process that was started: Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def end_with_parent() -> None:
    """In a process that was started: end when the parent does, also where that is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: Any) -> None:
    wait([sentinel])
    os._exit(1)
