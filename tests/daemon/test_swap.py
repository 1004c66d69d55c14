"""Two sets at once fit, or it is said that they don't; what fails leaves the old set."""

from concurrent.futures import Future
from pathlib import Path

import pytest

from edgert.clock import MonotonicClock
from edgert.daemon.choosing import Finder
from edgert.daemon.engine_store import EngineStore
from edgert.daemon.engines import Engines, Surroundings, load_engines
from edgert.daemon.swap import Exchange, memory_beside
from edgert.daemon.verification import Verifier
from edgert.errors import BackendError, EdgertError, EngineLoadError
from edgert.opening.families import backend_from_settings
from edgert.records import Limits
from edgert.settings import Settings
from tests.daemon.real_daemon import BOARD
from tests.daemon.sets import Workplace


class Stand:
    """A set at work, without frames."""

    def __init__(self, place: Workplace, state: Path) -> None:
        self.place = place
        self.settings = Settings(family=str(place.family_path), threads=1, board=str(BOARD))
        self.around = Surroundings(MonotonicClock(), place.folder, None, None, None)
        self.store = EngineStore(state / "engines")
        backend = backend_from_settings(self.settings)
        found = Finder(self.settings, backend, self.store, place.folder).at_start().found
        self.engines = load_engines(
            found, backend, self.settings, self.around, limits=Limits(), memory_bytes=None
        )
        self.store.take(found.stored)
        self.said: list[str] = []
        self.installed: list[Engines] = []

    def install(self, engines: Engines) -> "Future[None]":
        self.installed.append(engines)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def exchange(self, verifier: Verifier | None = None, install=None, **budget) -> Engines:
        backend = backend_from_settings(self.settings)
        exchange = Exchange(self.store, verifier or Verifier(), self.said.append)
        return exchange.exchange(
            self.engines,
            Finder(self.settings, backend, self.store, self.place.folder),
            backend,
            self.settings,
            self.around,
            limits=Limits(),
            install=install or self.install,
        )


@pytest.fixture
def stand(profiled_once: Path, tmp_path: Path):
    stand = Stand(Workplace(profiled_once, tmp_path / "w"), tmp_path / "state")
    yield stand
    stand.engines.close()


def test_a_new_set_takes_over_and_the_old_one_is_closed(stand: Stand):
    old = stand.store.current()
    stand.place.another_set()
    engines = stand.exchange()
    assert stand.installed == [engines]
    assert stand.store.current() == engines.found.stored
    assert stand.store.previous() == old
    assert stand.store.trying() == ""
    assert [text.split()[0] for text in stand.said] == ["copying", "verifying", "loading"]
    with pytest.raises(ValueError, match="closed"):
        stand.engines.pool.activate("full")
    stand.engines = engines


def refused(stand: Stand, error: type[EdgertError] | type[OSError], **words) -> str:
    """Exchange in vain; the old set is as it was."""
    old = stand.store.current()
    stand.place.another_set()
    with pytest.raises(error) as caught:
        stand.exchange(**words)
    assert (stand.store.current(), stand.store.previous()) == (old, None)
    assert stand.store.trying() == ""
    folders = {path.name for path in stand.store._folder.iterdir() if path.is_dir()}
    assert folders == {"current", old.id}
    assert stand.engines.pool.activate("full") == "full"
    return str(caught.value)


def test_a_set_that_is_not_verified_is_dropped(stand: Stand):
    crash = ("false",)
    assert "status 1" in refused(stand, EngineLoadError, verifier=Verifier(command=crash))
    assert not stand.installed


def test_a_set_that_the_frames_never_take_is_dropped(stand: Stand):
    def install(engines: Engines) -> "Future[None]":
        failed: Future[None] = Future()
        failed.set_exception(BackendError("x", expected="y", got="z", advice="w"))
        return failed

    refused(stand, BackendError, install=install)


def test_both_sets_at_once_have_to_fit(stand: Stand):
    backend = backend_from_settings(stand.settings)
    found, plan = stand.engines.found, stand.engines.pool.plan
    assert plan is not None
    both = 2 * plan.total_bytes
    assert memory_beside(found, stand.engines, backend, None) is None
    assert memory_beside(found, stand.engines, backend, both) == plan.total_bytes
    with pytest.raises(BackendError, match=r"beside the engines|too little|memory"):
        memory_beside(found, stand.engines, backend, both - plan.total_bytes // 2)
