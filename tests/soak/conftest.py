"""A daemon with a tiny family, for load and faults."""

import json
from pathlib import Path

import pytest

from tests.cli.runs import profiled_family
from tests.daemon.real_daemon import Daemon, wait_for
from tests.daemon.sets import Workplace

YARD = {"name": "yard", "source": "test://?width=64&height=48&fps=20&frames=100",
        "policy": "latest", "loops": 1_000_000}  # fmt: skip


@pytest.fixture(scope="session")
def profiled_once(tmp_path_factory) -> Path:
    """A folder with tiny/ and profiles/, profiled on the emulated board. Not to be changed."""
    return profiled_family(tmp_path_factory.mktemp("soak"))


@pytest.fixture
def place(profiled_once: Path, tmp_path: Path) -> Workplace:
    return Workplace(profiled_once, tmp_path / "w")


@pytest.fixture
def daemon(place: Workplace):
    with Daemon(place, streams=[YARD]) as daemon:
        yield daemon


@pytest.fixture
def note(request, capsys):
    """Prints figures as a line of JSON, also where a test's output is caught."""

    def tell(**figures) -> None:
        with capsys.disabled():
            print("\n" + json.dumps({"test": request.node.name, **figures}), flush=True)

    return tell


def served(daemon: Daemon, more: int = 1) -> dict:
    """Wait for so many more frames; the status then."""
    until = daemon.status()["frames"] + more

    def enough():
        status = daemon.status()
        return status if status["frames"] >= until else None

    return wait_for(enough, f"{more} more frames")
