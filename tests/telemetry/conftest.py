"""What tests of readers leave open."""

import contextlib
import os
import tempfile
from collections.abc import Iterator

import pytest


def open_files() -> set[int]:
    return set(map(int, os.listdir("/proc/self/fd")))


@pytest.fixture(autouse=True)
def no_file_stays_open() -> Iterator[None]:
    """Readers keep their files open until they are closed, and tests make hundreds of them."""
    before = open_files()
    yield
    for descriptor in open_files() - before:
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith(tempfile.gettempdir()):
                os.close(descriptor)
