"""What every Cuda has to do, whatever it stands on: one check for each promise of the protocol.

A check takes a device that was just opened and fails by an assertion. None of them knows pytest,
so that the same ones run in a vendor's process (tests/conformance) and on a board.
"""

import re
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from edgert.backends.cuda_memory.base import Cuda
from edgert.errors import BackendError

SIZE_BYTES = 1000  # no multiple of anything


def raised(kind: type[Exception], act: Callable[[], Any]) -> Exception:
    """The error that `act` raises; an assertion that it raises one."""
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, nothing was raised")


def pattern(seed: int, size_bytes: int = SIZE_BYTES) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size_bytes, np.uint8)


def in_another_thread(act: Callable[[], Any]) -> Any:
    """What `act` returns or raises in a thread that ends with it."""
    answers: list[tuple[bool, Any]] = []

    def run() -> None:
        try:
            answers.append((True, act()))
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller
            answers.append((False, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    fine, answer = answers[0]
    if not fine:
        raise answer
    return answer


def check_it_says_what_it_is(cuda: Cuda) -> None:
    assert cuda.binding in ("cuda-python", "pycuda")
    assert cuda.device.name
    assert "\0" not in cuda.device.name
    assert all(isinstance(number, int) for number in cuda.device.compute_capability)
    assert cuda.device.compute_capability >= (5, 0)
    assert isinstance(cuda.device.integrated, bool)
    assert cuda.device.multiprocessors > 0
    assert 0 < cuda.free_bytes() <= cuda.device.total_bytes
    assert re.fullmatch(r"\d+\.\d", cuda.driver_version())


def check_what_is_copied_arrives(cuda: Cuda) -> None:
    stream, memory = cuda.stream(), cuda.allocate(SIZE_BYTES)
    there, back = (cuda.allocate_pinned(SIZE_BYTES, mapped=False) for _ in range(2))
    there.array[:], back.array[:] = pattern(1), 0
    stream.copy_to_device(memory.address, there)
    stream.copy_from_device(back, memory.address)
    stream.synchronize()
    assert np.array_equal(back.array, pattern(1))
    assert np.array_equal(there.array, pattern(1))


def check_a_copy_covers_its_buffer_and_no_more(cuda: Cuda) -> None:
    stream, memory = cuda.stream(), cuda.allocate(2 * SIZE_BYTES)
    whole = cuda.allocate_pinned(2 * SIZE_BYTES, mapped=False)
    part = cuda.allocate_pinned(SIZE_BYTES // 2, mapped=False)
    whole.array[:], part.array[:] = 1, 2
    stream.copy_to_device(memory.address, whole)
    stream.copy_to_device(memory.address + SIZE_BYTES, part)
    stream.copy_from_device(whole, memory.address)
    stream.synchronize()
    expected = np.ones(2 * SIZE_BYTES, np.uint8)
    expected[SIZE_BYTES : SIZE_BYTES + SIZE_BYTES // 2] = 2
    assert np.array_equal(whole.array, expected)


def check_buffers_are_apart_and_aligned(cuda: Cuda) -> None:
    buffers = [cuda.allocate(size) for size in (1, 255, 256, 257, SIZE_BYTES)]
    starts = sorted((buffer.address, buffer.size_bytes) for buffer in buffers)
    assert [buffer.size_bytes for buffer in buffers] == [1, 255, 256, 257, SIZE_BYTES]
    assert all(address % 256 == 0 and address for address, _ in starts)
    for (address, size), (following, _) in pairwise(starts):
        assert address + size <= following


def check_the_device_reaches_mapped_memory_alone(cuda: Cuda) -> None:
    stream = cuda.stream()
    mapped, back = (cuda.allocate_pinned(SIZE_BYTES, mapped=True) for _ in range(2))
    assert cuda.allocate_pinned(SIZE_BYTES, mapped=False).address == 0
    assert mapped.address
    mapped.array[:], back.array[:] = pattern(2), 0
    stream.copy_from_device(back, mapped.address)
    stream.synchronize()
    assert np.array_equal(back.array, pattern(2))


def check_out_of_memory_says_how_much_there_is(cuda: Cuda) -> None:
    cuda.allocate(SIZE_BYTES)
    for act in (
        lambda: cuda.allocate(1 << 50),
        lambda: cuda.allocate_pinned(1 << 50, mapped=True),
    ):
        error = raised(BackendError, act)
        assert "CUDA_ERROR_OUT_OF_MEMORY" in error.got
        assert "1048576.0 GiB" in error.subject
        assert re.search(r"[\d.]+ [KMG]?i?B free", error.got), error.got
    assert cuda.allocate(SIZE_BYTES).address  # a refusal harms nothing


def check_memory_that_is_given_back_can_be_had_again(cuda: Cuda) -> None:
    before = cuda.free_bytes()
    size_bytes = before // 4
    for _ in range(8):
        cuda.allocate(size_bytes).close()
        cuda.allocate_pinned(size_bytes, mapped=True).close()
    assert cuda.free_bytes() >= before - size_bytes // 2


def check_an_empty_buffer_is_refused(cuda: Cuda) -> None:
    raised(ValueError, lambda: cuda.allocate(0))
    raised(ValueError, lambda: cuda.allocate(-1))
    raised(ValueError, lambda: cuda.allocate_pinned(0, mapped=False))


def check_a_wrong_address_is_refused_by_name(cuda: Cuda) -> None:
    stream, pinned = cuda.stream(), cuda.allocate_pinned(SIZE_BYTES, mapped=False)
    memory = cuda.allocate(SIZE_BYTES)
    memory.close()
    error = raised(BackendError, lambda: stream.copy_to_device(memory.address, pinned))
    assert "CUDA_ERROR_" in error.got, error.got


def check_captured_work_runs_when_it_is_launched(cuda: Cuda) -> None:
    stream, memory = cuda.stream(), cuda.allocate(SIZE_BYTES)
    there, back = (cuda.allocate_pinned(SIZE_BYTES, mapped=False) for _ in range(2))
    there.array[:], back.array[:] = pattern(3), 0
    stream.begin_capture()
    stream.copy_to_device(memory.address, there)
    stream.copy_from_device(back, memory.address)
    graph = stream.end_capture()
    stream.synchronize()
    if graph is None:  # then it has run: nothing that was queued is lost
        assert np.array_equal(back.array, pattern(3))
        return
    assert not back.array.any(), "it ran while it was captured"
    for seed in (3, 4, 5):  # a graph holds addresses, not what lies there
        there.array[:] = pattern(seed)
        graph.launch(stream)
        stream.synchronize()
        assert np.array_equal(back.array, pattern(seed))
    other = cuda.stream()
    there.array[:] = pattern(6)
    graph.launch(other)
    other.synchronize()
    assert np.array_equal(back.array, pattern(6))
    graph.close()
    graph.close()
    raised(ValueError, lambda: graph.launch(stream))


def check_nothing_captured_is_no_graph(cuda: Cuda) -> None:
    stream = cuda.stream()
    for _ in range(2):
        stream.begin_capture()
        assert stream.end_capture() is None


def check_another_thread_may_allocate_during_a_capture(cuda: Cuda) -> None:
    stream, memory = cuda.stream(), cuda.allocate(SIZE_BYTES)
    there = cuda.allocate_pinned(SIZE_BYTES, mapped=False)

    def load() -> None:
        cuda.use_in_this_thread()
        cuda.allocate(SIZE_BYTES).close()
        cuda.allocate_pinned(SIZE_BYTES, mapped=True).close()

    stream.begin_capture()
    in_another_thread(load)
    stream.copy_to_device(memory.address, there)
    in_another_thread(load)
    graph = stream.end_capture()
    if cuda.binding == "cuda-python":
        assert graph is not None
        graph.launch(stream)
    stream.synchronize()


def check_a_lost_capture_is_no_graph_and_the_stream_goes_on(cuda: Cuda) -> None:
    stream, memory = cuda.stream(), cuda.allocate(SIZE_BYTES)
    there, back = (cuda.allocate_pinned(SIZE_BYTES, mapped=False) for _ in range(2))
    there.array[:], back.array[:] = pattern(7), 0
    stream.begin_capture()
    stream.copy_to_device(memory.address, there)
    if cuda.binding == "cuda-python":
        error = raised(BackendError, lambda: cuda.allocate(SIZE_BYTES))
        assert "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED" in error.got
    assert stream.end_capture() is None
    stream.copy_to_device(memory.address, there)
    stream.copy_from_device(back, memory.address)
    stream.synchronize()
    assert np.array_equal(back.array, pattern(7))


def check_a_second_thread_works_and_leaves(cuda: Cuda) -> None:
    def load() -> Any:
        cuda.use_in_this_thread()
        cuda.use_in_this_thread()
        stream, memory = cuda.stream(), cuda.allocate(SIZE_BYTES)
        there = cuda.allocate_pinned(SIZE_BYTES, mapped=False)
        there.array[:] = pattern(8)
        stream.copy_to_device(memory.address, there)
        stream.synchronize()
        stream.close()
        there.close()
        return memory

    for _ in range(3):
        memory = in_another_thread(load)
        stream, back = cuda.stream(), cuda.allocate_pinned(SIZE_BYTES, mapped=False)
        stream.copy_from_device(back, memory.address)
        stream.synchronize()
        assert np.array_equal(back.array, pattern(8))
        free = cuda.free_bytes()
        memory.close()  # it outlives its thread, and is given back by this one
        assert cuda.free_bytes() >= free


def check_another_thread_gives_back_what_this_one_made(cuda: Cuda) -> None:
    mine = [cuda.allocate(SIZE_BYTES), cuda.allocate_pinned(SIZE_BYTES, mapped=True)]
    mine += [cuda.stream(), cuda.event()]

    def close() -> None:
        cuda.use_in_this_thread()
        for item in mine:
            item.close()

    in_another_thread(close)
    raised(ValueError, lambda: mine[1].array)


def check_events_tell_the_time_between_them(cuda: Cuda) -> None:
    stream, memory = cuda.stream(), cuda.allocate(SIZE_BYTES)
    there = cuda.allocate_pinned(SIZE_BYTES, mapped=False)
    first, second, third = (cuda.event() for _ in range(3))
    raised(BackendError, lambda: second.seconds_since(first))
    for event in (first, second, third):
        event.record(stream)
        stream.copy_to_device(memory.address, there)
    assert 0 <= second.seconds_since(first) < 1
    assert third.seconds_since(first) >= second.seconds_since(first)
    assert third.seconds_since(first) >= third.seconds_since(second)
    first.record(stream)
    assert first.seconds_since(third) >= 0


def check_everything_is_closed_once_and_in_any_order(cuda: Cuda) -> None:
    stream = cuda.stream()
    items: list[Any] = [stream, cuda.event(), cuda.allocate(8), stream]
    items += [cuda.allocate_pinned(8, mapped=mapped) for mapped in (True, False)]
    for item in items:
        item.close()
        item.close()
    raised(ValueError, stream.synchronize)
    raised(ValueError, stream.begin_capture)
    raised(ValueError, lambda: items[-1].array)
    assert cuda.allocate(8).address


def check_the_device_closes_what_is_left(cuda: Cuda) -> None:
    stream = cuda.stream()
    pinned, memory = cuda.allocate_pinned(SIZE_BYTES, mapped=True), cuda.allocate(SIZE_BYTES)
    event = cuda.event()
    event.record(stream)
    stream.begin_capture()
    stream.copy_to_device(memory.address, pinned)
    graph = stream.end_capture()
    cuda.close()
    cuda.close()
    raised(ValueError, lambda: pinned.array)
    for item in (memory, event, graph, pinned, stream):
        if item is not None:
            item.close()
    raised(ValueError, cuda.stream)
    raised(ValueError, lambda: cuda.allocate(8))
    raised(ValueError, stream.synchronize)


CHECKS: tuple[Callable[[Cuda], None], ...] = tuple(
    act for name, act in list(globals().items()) if name.startswith("check_")
)


def results(opened: Callable[[], Cuda]) -> dict[str, str]:
    """Each check's name with "" or how it failed, on a device of its own."""
    told = {}
    for check in CHECKS:
        cuda = opened()
        try:
            check(cuda)
            told[check.__name__] = ""
        except Exception as error:  # noqa: BLE001 - the failing check is the answer
            told[check.__name__] = f"{type(error).__name__}: {error}"
        finally:
            cuda.close()
    return told
