"""A backend and its sessions that record what is done to them, in which thread and order.

Nothing sleeps: a load that shall take long waits for an event that the test sets.
"""

import threading

import numpy as np

from edgert.errors import EngineLoadError
from edgert.records import EngineMemory, TensorSpec
from tests.pool.built_sets import FAKE_IDENTITY

PATIENCE_S = 20.0  # no test waits that long unless it fails
FRAME = np.zeros((1, 3, 2, 2), np.float32)


def out_of_memory(name):
    return EngineLoadError(
        f"load {name}",
        expected="16.0 MiB of device memory",
        got="CUDA_ERROR_OUT_OF_MEMORY, 3.0 MiB left",
        advice="Free some memory",
    )


def here():
    """ "frames" in the test's own thread, "loader" in the loader's."""
    return "loader" if threading.current_thread().name == "edgert-loader" else "frames"


class FakeSession:
    """Gives its own number back, and counts runs and closings."""

    def __init__(self, number, *, inputs=None, outputs=None, record=lambda what: None):
        self.number, self.runs, self.closed = number, 0, 0
        self.inputs = inputs or (TensorSpec(name="x", shape=(1, 3, 2, 2)),)
        self.outputs = outputs or (TensorSpec(name="y", shape=(1,)),)
        self.memory = EngineMemory()
        self.record, self.close_error = record, None

    def run(self, feeds):
        if self.closed:
            raise AssertionError(f"session {self.number} runs although it is closed")
        self.runs += 1
        self.record("run")
        assert set(feeds) == {"x"}
        return {"y": np.array([self.number + feeds["x"].sum()]), "z": np.zeros(1)}

    def close(self):
        self.closed += 1
        self.record("close")
        if self.close_error:
            raise self.close_error


class FakeBackend:
    """Loads a session for each engine of a paper set; its number is the engine's place there.

    `errors`: what loading an engine raises, by name. `gates`: events that loading one waits for.
    `instead`: sessions that are handed out for what would be loaded, by name.
    `done`: events that are recorded, as ("load", "a", "frames"). `live`: what is loaded now.
    """

    name, engine_suffix, carried_files = "fake", ".engine", ()

    def __init__(self, names, *, errors=None, gates=None):
        self.names, self.errors, self.gates = list(names), errors or {}, gates or {}
        self.instead = {}
        self.done, self.live, self.most_live = [], set(), 0
        self.sessions, self.reserved_bytes = [], []
        self.begun = threading.Event()  # set when a load that waits for its gate has begun

    def identity(self):
        return FAKE_IDENTITY

    def reserve(self, scratch_bytes):
        assert not self.live
        self.reserved_bytes.append(scratch_bytes)

    def load(self, engine, sha256, *, beside=False):
        name = engine.stem
        assert beside == (here() == "loader")
        self.done.append(("load", name, here()))
        self.most_live = max(self.most_live, len(self.live) + 1)
        if name in self.gates:
            self.begun.set()
            assert self.gates[name].wait(PATIENCE_S)
        if name in self.errors:
            raise self.errors[name]
        if name in self.instead:
            return self.instead[name]
        session = FakeSession(self.names.index(name), record=lambda what: self._note(what, name))
        self.live.add(name)
        self.sessions.append(session)
        return session

    def _note(self, what, name):
        self.done.append((what, name, here()))
        if what == "close":
            self.live.discard(name)

    def did(self, what):
        """Names and threads of one kind of event, in order."""
        return [(name, thread) for kind, name, thread in self.done if kind == what]


class WarmBackend(FakeBackend):
    """Comes with warm engines when it loads beside others, and knows what its device has left."""

    warms_beside = True

    def __init__(self, names, *, left_bytes=1 << 30, **options):
        super().__init__(names, **options)
        self.left_bytes = left_bytes

    def free_bytes(self):
        return self.left_bytes


class ListedBackend:
    """Hands out listed sessions in the order in which engines are asked for; raises errors."""

    name, engine_suffix = "listed", ".engine"

    def __init__(self, sessions, identity):
        self.sessions, self._identity = iter(sessions), identity

    def identity(self):
        return self._identity

    def reserve(self, scratch_bytes):
        pass

    def load(self, engine, sha256, *, beside=False):
        session = next(self.sessions)
        if isinstance(session, Exception):
            raise session
        return session
