"""Workers of this machine, and of a Dask cluster, run the same functions."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from edgert.errors import BackendError, UsageError
from edgert.search.executor import open_workers
from edgert.search.trial import evaluate
from tests.search.clusters import dask_cluster


def square(number: int) -> int:
    return number * number


def worker_pid(_: int) -> int:
    return os.getpid()


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def blas_threads(_: int) -> int:
    """Threads of this process after its BLAS had work to do."""
    matrix = np.ones((600, 600))
    assert (matrix @ matrix)[0, 0] == 600
    status = Path("/proc/self/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("Threads:")]
    return int(line.split()[1])


def test_results_come_in_the_order_of_the_arguments():
    seen: list[int] = []
    with open_workers(2) as workers:
        assert workers.count == 2
        results = workers.run(square, [(n,) for n in range(9)], seen.append)
        assert workers.run(square, []) == []
    assert results == [n * n for n in range(9)]
    assert sorted(seen) == results


def test_trials_run_in_processes_of_their_own_with_one_thread_for_numpy():
    with open_workers(1) as workers:
        [pid] = set(workers.run(worker_pid, [(0,), (1,)]))
        [threads] = workers.run(blas_threads, [(0,)])
    assert pid != os.getpid()
    # The worker's own, the one that waits for the parent's end, and a queue's; none of BLAS.
    assert threads <= 3
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_worker_that_is_killed_is_one_line():
    with (
        pytest.raises(BackendError, match="expected workers that stay alive") as caught,
        open_workers(1) as workers,
    ):
        workers.run(die, [(0,)])
    assert "--jobs 1" in str(caught.value)


def test_a_worker_that_does_not_see_the_work_folder_says_so_in_plain_data(tmp_path: Path):
    with open_workers(1) as workers:
        [result] = workers.run(evaluate, [(str(tmp_path / "elsewhere"), "id", {}, False)])
    assert result["fatal"]["got"] == "no such folder on this machine"
    assert "Share the folder" in result["fatal"]["advice"]


def test_no_scheduler_at_the_address_is_one_line():
    with (
        pytest.raises(UsageError, match=r"--dask tcp://127\.0\.0\.1:9: expected a Dask"),
        open_workers(dask="tcp://127.0.0.1:9", connect_s=0.5),
    ):
        pass


@pytest.mark.slow
def test_a_cluster_runs_what_processes_run(tmp_path: Path):
    with dask_cluster() as scheduler, open_workers(dask=scheduler) as workers:
        assert workers.count == 2
        seen: list[int] = []
        assert workers.run(square, [(n,) for n in range(5)], seen.append) == [0, 1, 4, 9, 16]
        assert len(seen) == 5
        [result] = workers.run(evaluate, [(str(tmp_path / "elsewhere"), "id", {}, False)])
        assert "no such folder on this machine" in result["fatal"]["got"]
