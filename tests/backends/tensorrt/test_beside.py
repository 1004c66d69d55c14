"""Loading in one thread while sessions run in another."""

import threading

import numpy as np
import pytest

from edgert.errors import BackendError, EngineLoadError
from tests.backends.tensorrt.test_session import logits
from tests.tiny_graphs import frame


class Hooked(list):
    """Calls something after each of the vendor's calls is noted."""

    def __init__(self, hook):
        super().__init__()
        self.hook = hook

    def append(self, call):
        super().append(call)
        self.hook(call)


@pytest.fixture
def running(build, backend):
    session = backend.load(*build(0))
    yield session
    session.close()


def lane_content(cuda, session):
    """All bytes that a session's runs read and write."""
    slot = session._slot
    parts = [cuda.memory(slot.scratch_address, slot.scratch_bytes)]
    parts += [cuda.memory(b.address, b.spec.size_bytes) for b in slot.buffers]
    return b"".join(part.tobytes() for part in parts)


def test_loading_beside_touches_no_memory_of_the_running_lane(build, backend, cuda, running):
    logits(running)
    engine = build(1)
    before, open_before = lane_content(cuda, running), cuda.open_names
    session = backend.load(*engine, beside=True)
    assert lane_content(cuda, running) == before
    session.close()
    assert cuda.open_names == open_before


def test_loading_plainly_does_touch_it(build, backend, cuda, running):
    """Or the test above would prove nothing."""
    logits(running)
    engine = build(1)
    before = lane_content(cuda, running)
    backend.load(*engine).close()
    assert lane_content(cuda, running) != before


def test_loading_beside_asks_nothing_of_the_running_stream(build, backend, cuda, running):
    engine = build(1)
    cuda.calls.clear()
    backend.load(*engine, beside=True).close()
    assert "stream 1" in running._slot.stream.name
    assert ("stream", None) in cuda.calls
    assert [name for name, what in cuda.calls if what == running._slot.stream.name] == []


def test_running_session_is_right_at_every_step_of_a_load(build, backend, trt, running):
    expected, engine, seen = logits(running, seed=3), build(1), []

    def run_a_frame(call):
        assert np.array_equal(logits(running, seed=3), expected)
        seen.append(call[0])

    trt.calls = Hooked(run_a_frame)
    session = backend.load(*engine, beside=True)
    assert seen.count("set_tensor_address") == 4  # of its own lane, then of the shared one
    assert seen.count("execute_async_v3") == 3  # plainly, captured, and captured again
    trt.calls = []
    assert np.array_equal(logits(running, seed=3), expected)
    session.close()


def test_engine_loaded_beside_computes_what_it_does_loaded_alone(build, backend, cuda, running):
    engine = build(1)
    alone = backend.load(*engine)
    expected = [logits(alone, seed=seed) for seed in range(3)]
    alone.close()
    session = backend.load(*engine, beside=True)
    assert session.launched_by == "graph"
    assert session._slot == running._slot
    for seed in (0, 1, 2, 0):
        assert np.array_equal(logits(session, seed=seed), expected[seed])
        logits(running, seed=seed)
    session.close()


def test_first_run_proves_the_graph_and_the_next_is_one_launch(build, backend, trt, cuda, running):
    session = backend.load(*build(1), beside=True)
    counts = []
    for _ in range(3):
        cuda.calls.clear()
        trt.calls.clear()
        logits(session)
        counts.append((len(trt.called("execute_async_v3")), cuda.count("launch")))
    assert counts == [(1, 1), (0, 1), (0, 1)]
    session.close()


def test_graph_that_is_wrong_on_the_shared_lane_is_found_by_the_first_run(
    build, backend, trt, running, caplog
):
    engine = build(1)
    alone = backend.load(*engine)
    expected = logits(alone)
    alone.close()

    def go_wrong_at_the_last_capture(call):
        if call[0] == "set_device_memory" and len(trt.called("set_device_memory")) == 2:
            trt.capture = "wrong"

    trt.calls = Hooked(go_wrong_at_the_last_capture)
    session = backend.load(*engine, beside=True)
    assert session.launched_by == "graph"
    assert np.array_equal(logits(session), expected)  # that first frame too
    assert session.launched_by.startswith("enqueue: its launch gave other bytes")
    assert "enqueued anew" in caplog.text
    assert np.array_equal(logits(session), expected)
    session.close()


@pytest.mark.parametrize("capture", ["refused", "empty", "invalid", "wrong"])
def test_capture_that_fails_beside_is_not_tried_on_the_shared_lane(
    build, backend, trt, cuda, running, capture
):
    engine = build(1)
    trt.capture = capture
    trt.calls.clear()
    session = backend.load(*engine, beside=True)
    assert session.launched_by.startswith("enqueue: ")
    assert len(trt.called("execute_async_v3")) == 2
    assert logits(session).shape == (1, 64, 5)
    session.close()


def test_second_lane_ends_with_the_load(build, backend, cuda, running):
    engine = build(1)
    before = set(cuda.open_names)
    session = backend.load(*engine, beside=True)
    more = set(cuda.open_names) - before
    assert {name.split()[0] for name in more} == {"graph", "weights", "device"}
    assert len(more) == 3  # its graph, its weights and its context's memory
    session.close()


def test_engine_that_needs_more_scratch_is_refused(build, backend, cuda, running):
    engine = build(1, scratch_bytes=4096)
    before = cuda.open_names
    with pytest.raises(EngineLoadError, match=r"an engine that needs 4\.0 KiB"):
        backend.load(*engine, beside=True)
    assert cuda.open_names == before


def test_memory_too_short_for_a_second_lane_leaves_the_running_one(build, backend, cuda, running):
    engine = build(1)
    expected, before = logits(running), cuda.open_names
    cuda.budget_bytes -= cuda.free_bytes() - engine[0].stat().st_size - 4096 - 500
    with pytest.raises(EngineLoadError, match="OUT_OF_MEMORY"):
        backend.load(*engine, beside=True)
    assert cuda.open_names == before
    assert np.array_equal(logits(running), expected)


@pytest.mark.parametrize("error", ["Error Code 1: Myelin"])
def test_engine_that_fails_to_run_beside_leaves_nothing(build, backend, trt, cuda, running, error):
    engine = build(1)
    before = cuda.open_names
    trt.enqueue_error = error
    with pytest.raises(EngineLoadError, match=error):
        backend.load(*engine, beside=True)
    assert cuda.open_names == before


def test_load_in_another_thread_enters_the_device_there(build, backend, cuda, running):
    engine, got = build(1), []
    thread = threading.Thread(target=lambda: got.append(backend.load(*engine, beside=True)))
    thread.start()
    thread.join()
    (session,) = got
    assert len(cuda.threads) >= 2
    expected = logits(session)
    assert np.array_equal(session.run({"frame": frame()})["logits"], expected)
    session.close()


def test_loading_beside_nobody_makes_the_shared_lane(build, backend, cuda):
    session = backend.load(*build(0), beside=True)
    assert logits(session).shape == (1, 64, 5)
    assert session.memory.persistent_bytes == 4096
    session.close()
    assert cuda.open_names == []


def test_reserving_under_running_sessions_is_refused(backend, running):
    backend.reserve(512)
    with pytest.raises(BackendError, match="no engines loaded yet"):
        backend.reserve(1 << 20)
