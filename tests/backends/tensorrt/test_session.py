import dataclasses
import threading

import numpy as np
import pytest

from edgert.backends.base import load_own
from edgert.backends.tensorrt.backend import TensorRtBackend
from edgert.errors import EngineLoadError, InferenceError
from tests.backends.cuda_memory.fake_cuda import ORIN, FakeCuda
from tests.backends.tensorrt.fake_tensorrt import (
    PERSISTENT_BYTES,
    ExecutionContextAllocationStrategy,
    FakeTensorRt,
)
from tests.tiny_graphs import frame

DISCRETE = dataclasses.replace(ORIN, integrated=False)


def logits(session, seed=0):
    return session.run({"frame": frame(seed=seed)})["logits"].copy()


# ---------------------------------------------------------------- order of calls


def test_context_is_bound_run_captured_and_launched_once(build, backend, trt, cuda):
    engine = build()
    trt.calls.clear()
    cuda.calls.clear()
    session = backend.load(*engine)
    names = [call[0] for call in trt.calls]
    assert names == [
        "deserialize",
        "create_execution_context",
        "set_device_memory",
        "set_tensor_address",
        "set_tensor_address",
        "execute_async_v3",
        "execute_async_v3",
    ]
    captured = [call[1] for call in trt.called("execute_async_v3")]
    assert captured == [False, True]  # a plain run comes first
    queued = [name for name, _ in cuda.calls if name not in {"allocate", "allocate_pinned"}]
    assert queued == [
        "stream",
        "synchronize",
        "begin_capture",
        "end_capture",
        "launch",
        "synchronize",
    ]
    session.close()


def test_context_has_no_scratch_of_its_own(build, backend, trt):
    backend.load(*build()).close()
    strategy = ExecutionContextAllocationStrategy.USER_MANAGED
    assert trt.called("create_execution_context") == [(strategy,)]


def test_scratch_is_allocated_once_with_the_largest_size(build, backend, trt, cuda):
    engines = [build(seed, scratch_bytes=1024 * (seed + 1)) for seed in range(3)]
    cuda.calls.clear()
    trt.calls.clear()
    backend.reserve(3 * 1024)
    sessions = [backend.load(*engine) for engine in engines]
    sizes = [size for name, size in cuda.calls if name == "allocate"]
    assert sizes.count(3 * 1024) == 1
    assert len(set(trt.called("set_device_memory"))) == 1
    assert trt.called("set_device_memory")[0][1] == 3 * 1024
    for session in sessions:
        session.close()


def test_addresses_are_those_of_the_first_session(build, backend, trt):
    engines = [build(seed) for seed in range(3)]
    trt.calls.clear()
    sessions = [backend.load(*engine) for engine in engines]
    addresses = trt.called("set_tensor_address")
    assert len(addresses) == 6
    assert len(set(addresses)) == 2
    for session in sessions:
        session.close()


def test_run_is_one_launch_and_a_wait(build, backend, trt, cuda):
    session = backend.load(*build())
    trt.calls.clear()
    cuda.calls.clear()
    logits(session)
    assert trt.calls == []  # no addresses, no enqueue
    assert [name for name, _ in cuda.calls] == ["launch", "synchronize"]
    session.close()


def test_discrete_device_copies_within_the_graph(tmp_path, graph):
    cuda = FakeCuda(device=DISCRETE)
    trt = FakeTensorRt(cuda)
    backend = TensorRtBackend(cuda=cuda, vendor=trt)
    backend.compile(graph, tmp_path / "e.plan")
    session = load_own(backend, tmp_path / "e.plan")
    assert session.launched_by == "graph"
    expected = logits(session)
    cuda.calls.clear()
    cuda.ran.clear()
    assert not np.array_equal(logits(session, seed=1), expected)
    assert [name for name, _ in cuda.calls] == ["launch", "synchronize"]
    first, second, third = cuda.ran
    assert (first, third) == ("copy to device", "copy from device")
    assert second.startswith("infer")
    session.close()
    assert cuda.open_names == []


# ---------------------------------------------------------------- ten thousand switches


def test_switches_never_mix_up_outputs(build, backend, trt, cuda):
    sessions = [backend.load(*build(seed)) for seed in range(4)]
    frames = [frame(seed=seed) for seed in range(3)]
    expected = [[logits(s, seed=seed) for seed in range(3)] for s in sessions]
    flat = [e.tobytes() for of_one in expected for e in of_one]
    assert len(set(flat)) == 12  # else a mix-up would not show
    trt.calls.clear()
    cuda.calls.clear()
    random = np.random.default_rng(0)
    order = np.column_stack([random.integers(0, 4, 10_000), random.integers(0, 3, 10_000)])
    for which, number in order.tolist():
        got = sessions[which].run({"frame": frames[number]})["logits"]
        assert got.tobytes() == flat[3 * which + number]
    assert trt.calls == []
    assert cuda.count("launch") == 10_000
    assert len(cuda.calls) == 20_000  # and as many waits: nothing else was asked of CUDA
    for session in sessions:
        session.close()
    assert cuda.open_names == []


def test_sessions_of_one_pool_share_their_outputs(build, backend):
    first, second = (backend.load(*build(seed)) for seed in range(2))
    view = first.run({"frame": frame()})["logits"]
    before = view.copy()
    second.run({"frame": frame()})
    assert not np.array_equal(view, before)  # as documented: copy what has to last
    first.close()
    second.close()


def test_engines_with_other_inputs_have_buffers_of_their_own(build, backend):
    first, second = backend.load(*build(0)), backend.load(*build(1, height=4))
    expected = logits(first)
    second.run({"frame": frame((1, 3, 4, 8))})
    assert np.array_equal(logits(first), expected)
    first.close()
    second.close()


# ---------------------------------------------------------------- without a graph


@pytest.mark.parametrize(
    ("capture", "why"),
    [
        ("refused", "Error Code 1: operation not permitted when capturing"),
        ("empty", "nothing was captured"),
        ("invalid", "nothing was captured"),
        ("wrong", "its launch gave other bytes for logits than an enqueue"),
    ],
)
def test_capture_that_fails_falls_back_to_enqueue(build, backend, trt, caplog, capture, why):
    engine = build()
    right = backend.load(*engine)
    expected = logits(right)
    right.close()
    trt.capture = capture
    session = backend.load(*engine)
    assert session.launched_by == f"enqueue: {why}"
    warnings = [r.getMessage() for r in caplog.records if "enqueued anew" in r.getMessage()]
    assert warnings == [f"engine0.plan is enqueued anew for each run, without a graph: {why}"]
    assert np.array_equal(logits(session), expected)
    logits(session)
    assert len([r for r in caplog.records if "enqueued anew" in r.getMessage()]) == 1
    session.close()


@pytest.mark.parametrize(
    ("capture", "why"),
    [
        # The copies alone make a graph, and bring out what the enqueue before it left there.
        ("empty", "its launch gave other bytes for logits than an enqueue"),
        # The first copy was noted down before TensorRT refused.
        ("refused", "Error Code 1: operation not permitted when capturing"),
    ],
)
def test_part_of_a_run_is_no_graph_on_a_discrete_device(tmp_path, graph, capture, why):
    cuda = FakeCuda(device=DISCRETE)
    trt = FakeTensorRt(cuda)
    backend = TensorRtBackend(cuda=cuda, vendor=trt)
    backend.compile(graph, tmp_path / "e.plan")
    trt.capture = capture
    session = load_own(backend, tmp_path / "e.plan")
    assert session.launched_by == f"enqueue: {why}"
    assert not any("graph" in name for name in cuda.open_names)
    assert not np.array_equal(logits(session), logits(session, seed=1))
    session.close()
    assert cuda.open_names == []


def test_binding_without_graphs_enqueues(tmp_path, graph):
    cuda = FakeCuda(graphs=False)
    backend = TensorRtBackend(cuda=cuda, vendor=FakeTensorRt(cuda))
    backend.compile(graph, tmp_path / "e.plan")
    session = load_own(backend, tmp_path / "e.plan")
    assert session.launched_by == "enqueue: nothing was captured"
    cuda.calls.clear()
    assert logits(session).shape == (1, 64, 5)
    assert [name for name, _ in cuda.calls] == ["synchronize"]
    session.close()


@pytest.mark.parametrize("call", ["begin_capture", "end_capture", "launch"])
def test_cuda_refusing_a_graph_falls_back_to_enqueue(build, backend, cuda, call):
    engine = build()
    cuda.fail_next(call, "CUDA_ERROR_NOT_SUPPORTED")
    session = backend.load(*engine)
    assert session.launched_by == "enqueue: CUDA_ERROR_NOT_SUPPORTED"
    assert logits(session).shape == (1, 64, 5)
    session.close()
    assert [name for name in cuda.open_names if "graph" in name] == []


def test_run_that_can_be_captured_but_not_launched_leaves_no_graph(build, backend, trt, cuda):
    trt.capture = "wrong"
    session = backend.load(*build())
    assert not any("graph" in name for name in cuda.open_names)
    session.close()


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize("call", ["launch", "synchronize"])
def test_cuda_failing_in_a_run_is_an_inference_error(build, backend, cuda, call):
    session = backend.load(*build())
    cuda.fail_next(call)
    with pytest.raises(InferenceError, match=r"run engine0\.plan: .*CUDA_ERROR_ILLEGAL_ADDRESS"):
        logits(session)
    session.close()


def test_tensorrt_refusing_an_enqueue_in_a_run_gives_its_words(build, backend, trt):
    trt.capture = "refused"
    session = backend.load(*build())
    trt.enqueue_error = "Error Code 3: API Usage Error (invalid stream)"
    with pytest.raises(InferenceError, match="API Usage Error"):
        logits(session)
    session.close()


def test_first_run_that_fails_is_a_load_error_and_leaves_nothing(build, backend, trt, cuda):
    engine = build()
    trt.enqueue_error = "Error Code 1: Myelin"
    with pytest.raises(EngineLoadError) as error:
        backend.load(*engine)
    assert cuda.open_names == []  # while the error is still held
    assert error.value.subject == "load engine0.plan, run engine0.plan"
    assert error.value.got == "Error Code 1: Myelin"


def test_fourth_of_six_that_memory_is_short_for_leaves_the_first_three(build, backend, cuda):
    engines = [build(seed, scratch_bytes=2048) for seed in range(6)]
    plan_bytes = engines[3][0].stat().st_size
    sessions = [backend.load(*engine) for engine in engines[:3]]
    expected = [logits(session) for session in sessions]
    before = cuda.open_names
    cuda.budget_bytes -= cuda.free_bytes() - plan_bytes - 100  # weights fit, the context doesn't
    with pytest.raises(EngineLoadError) as error:
        backend.load(*engines[3])
    assert "left" in error.value.got
    assert cuda.open_names == before  # while the error is still held
    for session, outputs in zip(sessions, expected, strict=True):
        assert np.array_equal(logits(session), outputs)
        session.close()
    assert cuda.open_names == []


# ---------------------------------------------------------------- memory and closing


def test_session_states_what_it_holds(build, backend):
    engine = build(scratch_bytes=3000)
    session = backend.load(*engine)
    assert session.memory.weights_bytes == engine[0].stat().st_size
    assert session.memory.persistent_bytes == PERSISTENT_BYTES
    assert session.memory.scratch_bytes == 3000
    assert session.memory.io_bytes == 4 * (3 * 8 * 8 + 64 * 5)
    session.close()


def test_weights_are_the_plans_size_where_free_memory_does_not_tell(build, backend, cuda):
    engine = build()
    cuda.free_bytes = lambda: 1 << 20  # the system dropped a cache meanwhile
    session = backend.load(*engine)
    assert session.memory.weights_bytes == engine[0].stat().st_size
    assert session.memory.persistent_bytes == 0
    session.close()


def test_closing_gives_everything_back(build, backend, cuda):
    sessions = [backend.load(*build(seed)) for seed in range(3)]
    for session in sessions:
        session.close()
        session.close()
    assert cuda.open_names == []


def test_graph_is_closed_before_the_memory_it_uses(build, backend, cuda):
    session = backend.load(*build())
    cuda.calls.clear()
    session.close()
    closed = [name.split()[0] for call, name in cuda.calls if call == "close"]
    assert closed[0] == "graph"
    assert closed.index("weights") < len(closed)
    assert set(closed) == {"graph", "device", "weights", "pinned", "stream"}


def test_session_runs_in_another_thread_than_loaded_it(build, backend, cuda):
    session = backend.load(*build())
    expected, got = logits(session), []
    for _ in range(2):  # the second may get the first one's thread number
        thread = threading.Thread(target=lambda: got.append(logits(session)))
        thread.start()
        thread.join()
    assert len(got) == 2
    assert all(np.array_equal(result, expected) for result in got)
    session.close()


def test_device_is_entered_once_for_each_thread(build, backend, cuda):
    session = backend.load(*build())
    entered = []
    cuda.use_in_this_thread = lambda: entered.append(1)
    for _ in range(3):
        logits(session)
    assert entered == []
    session.close()
