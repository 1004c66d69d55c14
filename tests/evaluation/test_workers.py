"""Processes: all results, whatever the order; a dead one and an early end are handled."""

import multiprocessing
import os
import signal

import pytest

from edgert.errors import BackendError
from edgert.evaluation.workers import results_of


def square(number):
    return number * number, os.getpid()


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


def test_one_job_stays_in_this_process_and_in_order():
    assert list(results_of(square, [1, 2, 3], jobs=1)) == [(n * n, os.getpid()) for n in (1, 2, 3)]


def test_one_argument_needs_no_processes():
    assert list(results_of(square, [4], jobs=2)) == [(16, os.getpid())]


def test_processes_give_every_result_and_leave_nobody_behind():
    found = list(results_of(square, range(6), jobs=2))
    assert sorted(value for value, _ in found) == [0, 1, 4, 9, 16, 25]
    assert os.getpid() not in {process for _, process in found}
    assert not multiprocessing.active_children()


def test_an_early_end_kills_what_still_runs():
    results = results_of(square, range(50), jobs=2)
    next(results)
    results.close()
    assert not multiprocessing.active_children()


def test_a_dead_process_is_one_line():
    with pytest.raises(BackendError, match="evaluate controllers: expected processes that stay"):
        list(results_of(die, [1, 2], jobs=2))
    assert not multiprocessing.active_children()
