"""A tiny family, built and profiled once for all tests of the daemon."""

from pathlib import Path

import pytest

from tests.cli.runs import profiled_family


@pytest.fixture(scope="session")
def profiled_once(tmp_path_factory) -> Path:
    """A folder with tiny/ and profiles/, profiled on the emulated board. Not to be changed."""
    return profiled_family(tmp_path_factory.mktemp("daemon"))
