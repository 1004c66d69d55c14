"""Processes of one's own: what happens when the block ends, and when it ends badly."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Future

import pytest

from edgert.processes import (
    as_they_end,
    end_with_parent,
    interrupts_wait,
    leave_interrupts_to_parent,
    own_processes,
)


def prepare() -> None:
    leave_interrupts_to_parent()
    end_with_parent()


def interrupted() -> int:
    """What a process that leaves Ctrl-C to its parent makes of it."""
    os.kill(os.getpid(), signal.SIGINT)
    return os.getpid()


def test_calls_run_elsewhere_and_do_not_mind_ctrl_c():
    with own_processes(2, prepare=prepare) as executor:
        pid = executor.submit(interrupted).result(timeout=60)
    assert pid != os.getpid()
    assert not multiprocessing.active_children()


def test_a_block_that_fails_kills_what_still_runs():
    begun_s = time.perf_counter()

    def fail() -> None:
        with own_processes(1, prepare=prepare) as executor:
            executor.submit(interrupted).result(timeout=60)  # it is there
            executor.submit(time.sleep, 600)
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        fail()
    assert not multiprocessing.active_children()
    assert time.perf_counter() - begun_s < 300


@pytest.mark.parametrize("threads", [0, 2])
def test_ctrl_c_comes_after_the_block(threads):
    """Whichever thread of the process takes the signal."""

    def interrupt_inside(seen: list[str]) -> None:
        with interrupts_wait():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            seen.append("the block was finished")

    seen: list[str] = []
    over = threading.Event()
    others = [threading.Thread(target=over.wait) for _ in range(threads)]
    for other in others:
        other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt_inside(seen)
    finally:
        over.set()
        for other in others:
            other.join()
    assert seen == ["the block was finished"]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_block_in_another_thread_only_blocks_that_thread():
    seen: list[bool] = []

    def blocked() -> None:
        with interrupts_wait():
            seen.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, set()))
        seen.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, set()))

    thread = threading.Thread(target=blocked)
    thread.start()
    thread.join()
    assert seen == [True, False]


def test_futures_come_as_they_end_and_of_several_the_first_first():
    futures = [Future() for _ in range(4)]
    for index in (3, 1):
        futures[index].set_result(index)
    ended = as_they_end(futures)
    assert [next(ended).result(), next(ended).result()] == [1, 3]
    threading.Timer(0.05, futures[2].set_result, [2]).start()
    assert next(ended).result() == 2
    futures[0].cancel()
    futures[0].set_running_or_notify_cancel()  # as an executor does
    assert next(ended) is futures[0]
    assert list(ended) == []
    assert list(as_they_end([])) == []


def test_ctrl_c_while_nothing_ends_leaves_no_lock_behind():
    """It comes between two looks, so that whoever ends a future later is not kept waiting."""
    waiting = Future()
    threading.Timer(0.03, os.kill, [os.getpid(), signal.SIGINT]).start()
    begun_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(as_they_end([waiting]))
    assert time.monotonic() - begun_s < 30
    other = threading.Thread(target=waiting.set_result, args=[1])
    other.start()
    other.join(30)
    assert not other.is_alive()
    assert [future.result() for future in as_they_end([waiting])] == [1]
