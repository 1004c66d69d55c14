"""A pool whose budget does not hold all engines, on fakes that record thread and order."""

import threading
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.artifacts import BuiltSet
from edgert.clock import VirtualClock
from edgert.errors import BackendError, EngineLoadError
from edgert.pool import Pool
from edgert.pool.failures import FIRST_RETRY_S
from edgert.records import EngineMemory, TensorSpec
from tests.pool.built_sets import paper_set
from tests.pool.fakes import (
    FRAME,
    PATIENCE_S,
    FakeBackend,
    FakeSession,
    WarmBackend,
    out_of_memory,
)

FOUR = ("full", "c3", "c2", "c1")
SIX = ("full", "c5", "c4", "c3", "c2", "c1")


@contextmanager
def opened(folder, names=FOUR, budget_bytes=20, *, own_bytes=10, backend=None, **options):
    """A pool of engines of 10 bytes each."""
    backend = backend or FakeBackend(names)
    built = paper_set(folder, names, own_bytes)
    with Pool.open(built, backend, memory_bytes=budget_bytes, **options) as pool:
        yield pool, backend


@pytest.fixture
def gate():
    event = threading.Event()
    yield event
    event.set()


def runs(pool):
    """The name of the configuration that really answers."""
    return pool.names[int(pool.run(FRAME)[0])]


# ---------------------------------------------------------------- what is loaded, and when


def test_at_first_the_dearest_runs_and_the_cheapest_is_ready(tmp_path):
    with opened(tmp_path) as (pool, backend):
        assert pool.names == FOUR
        assert pool.resident == ("full", "c1")
        assert (pool.active, runs(pool)) == ("full", "full")
        assert pool.plan.left_bytes == 0
        assert backend.did("load") == [("full", "frames"), ("c1", "frames")]


def test_where_everything_fits_there_is_no_loader(tmp_path):
    with opened(tmp_path, budget_bytes=40) as (pool, backend):
        assert pool.resident == FOUR
        assert pool.activate("c3") == "c3"
        assert pool.wait(0.0)
        assert not [t for t in threading.enumerate() if t.name == "edgert-loader"]
    assert len(backend.did("close")) == 4


def test_scratch_of_the_largest_is_reserved_before_anything_is_loaded(tmp_path):
    backend = FakeBackend(FOUR)
    built = paper_set(tmp_path, FOUR, scratch_bytes=70)
    with Pool.open(built, backend, memory_bytes=95):
        assert backend.reserved_bytes == [70]  # the fake refuses it once engines are live


def test_the_plan_is_told_before_anything_is_loaded(tmp_path):
    backend, told = FakeBackend(FOUR), []

    def progress(done, count, what):
        told.append((done, count, what, len(backend.done)))

    with opened(tmp_path, backend=backend, progress=progress):
        assert told[0] == (0, 2, "2 of 4 engines resident, 20 B of 20 B (as asked for)", 0)
        assert [step[:3] for step in told[1:]] == [
            (0, 2, "load full"), (1, 2, "load c1"), (2, 2, "ready"),
        ]  # fmt: skip


def test_what_is_not_loaded_is_loaded_while_the_next_cheaper_runs(tmp_path, gate):
    backend = FakeBackend(FOUR, gates={"c2": gate})
    with opened(tmp_path, budget_bytes=30, backend=backend) as (pool, _):
        assert pool.resident == ("full", "c3", "c1")
        assert pool.activate("c2") == "c1"
        assert backend.begun.wait(PATIENCE_S)
        assert pool.absence("c2") == "not loaded yet"
        for _ in range(3):  # frames go on
            assert (pool.activate("c2"), runs(pool)) == ("c1", "c1")
        gate.set()
        assert pool.wait(PATIENCE_S)
        assert (pool.activate("c2"), runs(pool)) == ("c2", "c2")
        assert pool.absence("c2") == ""
    assert backend.did("load")[-1] == ("c2", "loader")


def test_the_next_dearer_runs_where_nothing_cheaper_is_loaded(tmp_path):
    """Only in a pool that was handed in so: by its own plans the cheapest is always there."""
    with opened(tmp_path) as (pool, _):
        pool._residents.sessions.pop("c1")
        assert pool._residents.nearest("c2") == "full"


def test_the_neighbours_are_loaded_before_they_are_asked_for(tmp_path):
    with opened(tmp_path, SIX, 40) as (pool, backend):
        assert pool.resident == ("full", "c5", "c4", "c1")
        assert pool.activate("c4") == "c4"  # is there, and nothing was waited for
        assert pool.wait(PATIENCE_S)
        assert pool.resident == ("c5", "c4", "c3", "c1")
        assert pool.activate("c3") == "c3"
        assert backend.did("load")[4:] == [("c3", "loader")]


def test_what_goes_is_closed_by_the_loader_before_the_next_is_loaded(tmp_path):
    with opened(tmp_path, SIX, 30) as (pool, backend):
        pool.activate("c4")
        assert pool.wait(PATIENCE_S)
        assert pool.activate("c4") == "c4"
        assert pool.resident == ("c4", "c3", "c1")
        exchange = [(what, name) for what, name, thread in backend.done if thread == "loader"]
        assert exchange == [
            ("close", "full"), ("load", "c4"), ("run", "c4"),
            ("close", "c5"), ("load", "c3"), ("run", "c3"),
        ]  # fmt: skip
        assert backend.most_live == 3


def test_nothing_goes_as_long_as_there_is_room(tmp_path):
    own_bytes = [10, 10, 4, 2, 2, 2]
    with opened(tmp_path, SIX, 24, own_bytes=own_bytes) as (pool, backend):
        assert pool.resident == ("full", "c5", "c1")
        pool.activate("c2")
        assert pool.wait(PATIENCE_S)
        assert pool.activate("c2") == "c2"
        # c3 and c4 came too; the dearest, least wanted, went for them.
        assert pool.resident == ("c5", "c4", "c3", "c2", "c1")
        assert [name for name, _ in backend.did("close")] == ["full"]


def test_the_active_engine_goes_last_and_only_for_one_that_was_asked_for(tmp_path, gate):
    backend = FakeBackend(FOUR, gates={"c3": gate})
    with opened(tmp_path, backend=backend) as (pool, _):
        assert pool.activate("c3") == "c1"  # full had to go: there is room for two
        assert pool.resident == ("c1",)
        assert backend.begun.wait(PATIENCE_S)
        assert backend.did("close") == [("full", "loader")]
        assert runs(pool) == "c1"
        gate.set()
        pool.wait(PATIENCE_S)
        assert pool.activate("c3") == "c3"


def test_what_runs_meanwhile_goes_after_engines_that_are_nearer_but_do_not_run(tmp_path, gate):
    own_bytes = [10, 10, 10, 30, 10, 10]  # c3 never fits, so c2 runs in place of c4
    backend = FakeBackend(SIX, gates={"c4": gate})
    with opened(tmp_path, SIX, 30, own_bytes=own_bytes, backend=backend) as (pool, _):
        pool.activate("c2")
        assert pool.wait(PATIENCE_S)
        assert pool.resident == ("c5", "c2", "c1")
        assert pool.activate("c4") == "c2"
        assert pool.resident == ("c2", "c1")


def test_loaded_engines_are_switched_without_the_loader(tmp_path):
    with opened(tmp_path, SIX, 50) as (pool, backend):
        before = list(backend.done)
        for name in ("c5", "full", "c4", "c5", "c1"):
            if name != "c1":
                assert pool.activate(name) == name
                assert runs(pool) == name
        frames = [event for event in backend.done[len(before) :] if event[0] != "run"]
        assert [event for event in frames if event[2] == "frames"] == []


def test_a_configuration_that_never_fits_says_so_and_its_neighbour_runs(tmp_path):
    with opened(tmp_path, own_bytes=[10, 40, 10, 10], budget_bytes=30) as (pool, backend):
        assert pool.plan.never == ("c3",)
        pool.activate("c3")
        pool.wait(PATIENCE_S)
        assert pool.activate("c3") == "c2"
        assert pool.absence("c3") == "too large for the memory budget"
        assert ("c3", "loader") not in backend.did("load")


def test_unknown_names_are_refused_and_nothing_moves(tmp_path):
    with opened(tmp_path) as (pool, backend):
        with pytest.raises(BackendError, match="one of full, c3, c2, c1"):
            pool.activate("c9")
        assert (pool.active, len(backend.did("load"))) == ("full", 2)


def test_settling_takes_in_what_was_asked_for_before(tmp_path, gate):
    backend = FakeBackend(FOUR, gates={"c2": gate})
    with opened(tmp_path, budget_bytes=30, backend=backend) as (pool, _):
        pool.activate("c2")
        assert pool.settle() == "c1"
        gate.set()
        assert pool.wait(PATIENCE_S)
        assert pool.settle() == pool.active == "c2"


# ---------------------------------------------------------------- warming


def test_a_new_engine_is_run_once_in_the_loader_s_thread(tmp_path):
    with opened(tmp_path, budget_bytes=30) as (pool, backend):
        pool.activate("c2")
        pool.wait(PATIENCE_S)
        assert ("c2", "loader") in backend.did("run")


def test_a_backend_that_warms_engines_itself_is_left_to_it(tmp_path):
    backend = WarmBackend(FOUR)
    built = paper_set(tmp_path, FOUR, scratch_bytes=5, io_bytes=1)
    with Pool.open(built, backend, memory_bytes=6 + 6 + 20) as pool:
        assert pool.plan.shared.load_ahead_bytes == 6
        assert len(backend.did("run")) == 2  # at the start there is nobody to disturb
        pool.activate("c2")
        pool.wait(PATIENCE_S)
        assert pool.activate("c2") == "c2"
        assert [name for name, thread in backend.did("run") if thread == "loader"] == []


def test_an_engine_on_shared_scratch_is_not_run_beside_a_frame(tmp_path):
    backend = FakeBackend(FOUR)  # states no lane of its own, so a run could spoil a frame's
    shared = FakeSession(2)
    shared.memory = EngineMemory(scratch_bytes=5)
    backend.instead["c2"] = shared
    with opened(tmp_path, budget_bytes=30, backend=backend) as (pool, _):
        pool.activate("c2")
        assert pool.wait(PATIENCE_S)
        assert shared.runs == 0
        assert (pool.activate("c2"), runs(pool)) == ("c2", "c2")


# ---------------------------------------------------------------- failures


def test_out_of_memory_at_the_fourth_of_six_closes_the_three_before_it(tmp_path):
    backend = FakeBackend(SIX, errors={"c3": out_of_memory("c3")})
    with pytest.raises(EngineLoadError) as error, opened(tmp_path, SIX, 100, backend=backend):
        pass
    assert backend.live == set()
    assert len(backend.did("close")) == 3
    line = str(error.value)
    assert "\n" not in line
    assert line.startswith(
        "load c3, engine 4 of 6: expected 16.0 MiB of device memory, got "
        "CUDA_ERROR_OUT_OF_MEMORY, 3.0 MiB left (it needs 10 B; "
    )
    assert line.endswith(
        " left). Free some memory; or give the pool fewer engines or a smaller memory budget."
    )
    assert error.value.__cause__ is backend.errors["c3"]


def test_python_s_own_lack_of_memory_is_told_alike(tmp_path):
    backend = FakeBackend(FOUR, errors={"c1": MemoryError()})
    with (
        pytest.raises(EngineLoadError, match=r"load c1, engine 2 of 2: .* got MemoryError"),
        opened(tmp_path, backend=backend),
    ):
        pass
    assert backend.live == set()


def test_out_of_memory_while_running_keeps_the_last_good_set(tmp_path, caplog):
    backend, clock = FakeBackend(SIX, errors={"c3": out_of_memory("c3")}), VirtualClock()
    with opened(tmp_path, SIX, 40, backend=backend, clock=clock) as (pool, _):
        good = pool.resident
        assert good == ("full", "c5", "c4", "c1")
        pool.activate("c4")  # its neighbour c3 is the one that fails
        assert pool.wait(PATIENCE_S)
        assert set(pool.resident) == set(good)  # full was let go for c3, and is back
        assert (pool.failure_count, len(pool.failures)) == (1, 1)
        assert pool.failures[0].startswith("c3 could not be loaded: EngineLoadError: load c3")
        assert "CUDA_ERROR_OUT_OF_MEMORY" in caplog.text
        for name in good:
            assert (pool.activate(name), runs(pool)) == (name, name)


def test_a_failed_engine_is_not_tried_at_every_frame(tmp_path):
    backend, clock = FakeBackend(FOUR, errors={"c3": out_of_memory("c3")}), VirtualClock()
    with opened(tmp_path, backend=backend, clock=clock) as (pool, _):
        for _ in range(5):
            pool.activate("c3")
            pool.wait(PATIENCE_S)
        assert backend.did("load").count(("c3", "loader")) == 1
        assert pool.activate("c3") == "c1"
        assert pool.absence("c3") == "failed to load 1 time"
        assert pool.resident == ("full", "c1")
        clock.sleep(FIRST_RETRY_S + 0.1)
        backend.errors.clear()  # memory has come back
        pool.activate("c3")
        pool.wait(PATIENCE_S)
        assert pool.activate("c3") == "c3"
        pool.activate("full")  # c3 goes again, and its failure is forgotten
        pool.wait(PATIENCE_S)
        assert pool.absence("c3") == "not loaded yet"


def test_asking_back_and_forth_does_not_try_a_failed_engine_again(tmp_path):
    backend, clock = FakeBackend(FOUR, errors={"c3": out_of_memory("c3")}), VirtualClock()
    with opened(tmp_path, backend=backend, clock=clock) as (pool, _):
        for name in ("c3", "full", "c3", "c2", "c3", "full"):
            pool.activate(name)
            pool.wait(PATIENCE_S)
        assert backend.did("load").count(("c3", "loader")) == 1
        assert pool.activate("full") == "full"


def test_when_the_engine_to_put_back_fails_too_the_cheapest_goes_on(tmp_path):
    backend, clock = FakeBackend(FOUR, errors={"c3": out_of_memory("c3")}), VirtualClock()
    with opened(tmp_path, backend=backend, clock=clock) as (pool, _):
        backend.errors["full"] = out_of_memory("full")
        pool.activate("c3")
        assert pool.wait(PATIENCE_S)
        assert pool.resident == ("c1",)
        assert (pool.activate("full"), runs(pool)) == ("c1", "c1")
        assert pool.failure_count == 2
        assert len(backend.did("load")) == 4  # two at first, and each that failed once


def test_an_engine_that_fails_its_first_run_is_closed_and_told(tmp_path):
    backend = FakeBackend(FOUR)
    with opened(tmp_path, budget_bytes=30, backend=backend) as (pool, _):
        failing = FakeSession(2)
        failing.run = lambda feeds: 1 / 0
        backend.instead["c2"] = failing
        pool.activate("c2")
        pool.wait(PATIENCE_S)
        assert failing.closed == 1
        assert "ZeroDivisionError" in pool.failures[0]
        assert pool.resident == ("full", "c3", "c1")


def test_an_engine_with_other_edges_never_gets_into_the_pool(tmp_path):
    backend = FakeBackend(FOUR)
    with opened(tmp_path, budget_bytes=30, backend=backend) as (pool, _):
        other = FakeSession(2, outputs=(TensorSpec(name="y", shape=(2,)),))
        backend.instead["c2"] = other
        pool.activate("c2")
        pool.wait(PATIENCE_S)
        assert (other.closed, other.runs) == (1, 0)
        assert "ArtifactError: pool engine c2" in pool.failures[0]


# ---------------------------------------------------------------- the end


def test_closing_while_the_loader_loads_closes_that_engine_too(tmp_path, gate):
    backend = FakeBackend(FOUR, gates={"c2": gate})
    with opened(tmp_path, budget_bytes=30, backend=backend) as (pool, _):
        pool.activate("c2")
        assert backend.begun.wait(PATIENCE_S)
        closing = threading.Thread(target=pool.close)
        closing.start()
        gate.set()
        closing.join(PATIENCE_S)
        assert not closing.is_alive()
        assert backend.live == set()
        assert all(session.closed == 1 for session in backend.sessions)
        with pytest.raises(ValueError, match="closed"):
            pool.activate("c2")
    assert all(session.closed == 1 for session in backend.sessions)


def test_a_loader_that_never_ends_does_not_keep_the_pool_from_closing(tmp_path, gate, caplog):
    backend = FakeBackend(FOUR, gates={"c2": gate})
    with opened(tmp_path, budget_bytes=30, backend=backend, join_s=0.01) as (pool, _):
        pool.activate("c2")
        assert backend.begun.wait(PATIENCE_S)
        thread = pool._loader._thread
    assert "loading c2 still goes on" in caplog.text
    assert backend.live == set()
    gate.set()
    thread.join(PATIENCE_S)
    assert backend.live == set()
    assert backend.done[-1] == ("close", "c2", "loader")


def test_a_loader_without_a_plan_is_misuse():
    with pytest.raises(ValueError, match="needs a plan"):
        Pool({"a": FakeSession(1)}, loader=object())


# ---------------------------------------------------------------- any sequence

steps = st.lists(
    st.one_of(
        st.sampled_from(SIX),
        st.just("wait"),
        st.tuples(st.sampled_from(["break", "mend"]), st.sampled_from(SIX[1:-1])),
        st.integers(1, 400),  # seconds pass
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(steps, st.lists(st.integers(1, 10), min_size=6, max_size=6), st.integers(0, 60))
def test_whatever_happens_the_right_engine_answers_within_the_budget(
    tmp_path_factory, script, own_bytes, spare_bytes
):
    own_by_name = dict(zip(SIX, own_bytes, strict=True))
    budget_bytes = own_by_name["full"] + own_by_name["c1"] + spare_bytes
    backend, clock, peak_bytes = FakeBackend(SIX), VirtualClock(), [0]
    load = backend.load

    def watched(path, sha256, *, beside=False):
        taken_bytes = sum(own_by_name[name] for name in {*backend.live, path.stem})
        peak_bytes[0] = max(peak_bytes[0], taken_bytes)
        return load(path, sha256, beside=beside)

    backend.load = watched
    built: BuiltSet = paper_set(tmp_path_factory.getbasetemp(), SIX, own_bytes)
    with Pool.open(built, backend, memory_bytes=budget_bytes, clock=clock) as pool:
        for step in script:
            if step == "wait":
                assert pool.wait(PATIENCE_S)
            elif isinstance(step, int):
                clock.sleep(step)
            elif isinstance(step, tuple):
                what, name = step
                backend.errors.pop(name, None)
                if what == "break":
                    backend.errors[name] = out_of_memory(name)
            else:
                ran = pool.activate(step)
                assert (runs(pool), pool.active) == (ran, ran)
                assert ran == step or pool.absence(step)
            assert "c1" in pool.resident
            assert pool.plan.own_bytes(pool.resident) <= budget_bytes
        backend.errors.clear()
        clock.sleep(1000)
        pool.activate("c4")
        assert pool.wait(PATIENCE_S)
        assert pool.activate("c4") == "c4" or "c4" in pool.plan.never
    assert peak_bytes[0] <= budget_bytes
    assert backend.live == set()
    assert all(session.closed == 1 for session in backend.sessions)
