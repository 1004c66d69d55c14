"""The loader's thread, by itself."""

import threading
import weakref

import pytest

from edgert.errors import BackendError
from edgert.pool.loader import Closed, Failed, Loaded, Loader
from tests.pool.fakes import PATIENCE_S, FakeSession, here, out_of_memory


class Loads:
    """A load function that records; one that is gated waits for its event."""

    def __init__(self, *, gates=None, errors=None):
        self.gates, self.errors = gates or {}, errors or {}
        self.begun, self.done, self.sessions = threading.Event(), [], {}

    def __call__(self, name):
        self.done.append(("load", name, here()))
        if name in self.gates:
            self.begun.set()
            assert self.gates[name].wait(PATIENCE_S)
        if name in self.errors:
            raise self.errors[name]
        session = FakeSession(0, record=lambda what: self.done.append((what, name, here())))
        return self.sessions.setdefault(name, session)


@pytest.fixture
def gate():
    """An event that is set at the end of the test, whatever happens in it."""
    event = threading.Event()
    yield event
    event.set()


def test_jobs_are_done_in_order_in_the_loader_s_thread():
    loads = Loads()
    loader, old = Loader(loads), FakeSession(1)
    old.record = lambda what: loads.done.append((what, "old", here()))
    loader.load("a")
    loader.close("old", old)
    loader.load("b")
    reports = [loader.wait(PATIENCE_S) for _ in range(3)]
    assert reports == [
        Loaded("a", loads.sessions["a"]),
        Closed("old"),
        Loaded("b", loads.sessions["b"]),
    ]
    assert [event[:2] for event in loads.done] == [("load", "a"), ("close", "old"), ("load", "b")]
    assert {event[2] for event in loads.done} == {"loader"}
    assert loader.stop()


def test_taking_never_waits(gate):
    loads = Loads(gates={"a": gate})
    loader = Loader(loads)
    loader.load("a")
    assert loads.begun.wait(PATIENCE_S)
    assert loader.take() is None  # and the load is still going on
    assert not gate.is_set()
    gate.set()
    assert isinstance(loader.wait(PATIENCE_S), Loaded)
    assert loader.wait(0.0) is None
    loader.stop()


@pytest.mark.parametrize("error", [out_of_memory("a"), MemoryError(), ZeroDivisionError("bug")])
def test_a_failed_load_is_reported_and_the_next_one_is_done(error):
    loads = Loads(errors={"a": error})
    loader = Loader(loads)
    loader.load("a")
    loader.load("b")
    assert loader.wait(PATIENCE_S) == Failed("a", error)
    assert isinstance(loader.wait(PATIENCE_S), Loaded)
    loader.stop()


def test_a_session_that_fails_to_close_is_reported_and_logged(caplog):
    loader, session = Loader(Loads()), FakeSession(1)
    session.close_error = BackendError("close", expected="a", got="b", advice="c")
    loader.close("a", session)
    assert loader.wait(PATIENCE_S) == Closed("a", session.close_error)
    assert "close the engine of a" in caplog.text
    loader.stop()


def test_stop_closes_what_was_loaded_and_never_taken():
    loads = Loads()
    loader = Loader(loads)
    loader.load("a")
    loader.load("b")
    while len(loads.sessions) < 2:  # both are ready, and nobody took them
        report = loader.wait(PATIENCE_S)
        loader._reports.put(report)
    assert loader.stop()
    assert [session.closed for session in loads.sessions.values()] == [1, 1]


def test_stop_waits_for_the_load_that_goes_on_and_drops_the_others(gate):
    loads = Loads(gates={"a": gate})
    loader, old = Loader(loads, join_s=PATIENCE_S), FakeSession(1)
    loader.load("a")
    assert loads.begun.wait(PATIENCE_S)
    loader.load("b")
    loader.close("old", old)
    stopping = threading.Thread(target=loader.stop)
    stopping.start()
    while not old.closed:  # by the thread that stops, not by the one that is busy
        stopping.join(0.001)
    gate.set()
    stopping.join(PATIENCE_S)
    assert not stopping.is_alive()
    assert list(loads.sessions) == ["a"]
    assert (loads.sessions["a"].closed, old.closed) == (1, 1)


def test_a_load_that_never_ends_is_left_behind_with_a_line_in_the_log(gate, caplog):
    loads = Loads(gates={"a": gate})
    loader = Loader(loads, join_s=0.01)
    loader.load("a")
    assert loads.begun.wait(PATIENCE_S)
    assert not loader.stop()
    assert "loading a still goes on after 0.0 s; it is left to itself" in caplog.text
    thread = loader._thread
    assert thread.daemon
    gate.set()  # it ends after all: what it loaded is closed by itself
    thread.join(PATIENCE_S)
    assert loads.done[-1] == ("close", "a", "loader")
    assert loads.sessions["a"].closed == 1


def test_a_closed_session_is_not_kept_by_the_thread():
    loader, session = Loader(Loads()), FakeSession(1)
    alive = weakref.ref(session)
    loader.close("a", session)
    del session
    assert loader.wait(PATIENCE_S) == Closed("a")
    assert alive() is None
    loader.stop()
