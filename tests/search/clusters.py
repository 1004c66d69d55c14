"""A Dask cluster of two processes on this machine."""

import contextlib
import warnings
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def dask_cluster() -> Iterator[str]:
    """The address of its scheduler."""
    distributed = pytest.importorskip("distributed")
    with warnings.catch_warnings():
        # distributed leaves sockets of its event loop to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
            host="127.0.0.1", silence_logs=50,
        ) as cluster:  # fmt: skip
            yield cluster.scheduler_address
