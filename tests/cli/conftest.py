"""A tiny family that is built once, and copies of it for tests that change what they find."""

import shutil
from pathlib import Path

import pytest

from edgert.cli.main import main
from tests.cli.runs import profiled_family
from tests.tiny_family import make_tiny_family


@pytest.fixture(scope="session")
def built_once(tmp_path_factory) -> Path:
    """Not to be changed."""
    folder = make_tiny_family(tmp_path_factory.mktemp("built") / "tiny")
    assert main(["build", str(folder), "--threads", "1"]) == 0
    return folder


@pytest.fixture(scope="session")
def profiled_once(tmp_path_factory) -> Path:
    """A folder with tiny/ and profiles/, profiled on the emulated board. Not to be changed."""
    return profiled_family(tmp_path_factory.mktemp("profiled"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    """Where a test works; one thread for all verbs, as figures are stale with another number."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGERT_THREADS", "1")
    return tmp_path


@pytest.fixture
def built(built_once: Path, here: Path) -> Path:
    """A built family of one's own, given by its path."""
    return Path(shutil.copytree(built_once, here / "tiny"))


@pytest.fixture
def family(built_once: Path, here: Path) -> Path:
    """A built family of one's own, found by its name: it lies in engines/."""
    return Path(shutil.copytree(built_once, here / "engines" / "tiny"))
