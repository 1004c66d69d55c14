"""The contract over what needs no vendor's package; the real bindings are in tests/conformance."""

from threading import get_ident

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.backends.cuda_memory.cuda_python import CudaPython
from edgert.backends.cuda_memory.pycuda import PyCuda
from tests.backends.cuda_memory import contract
from tests.backends.cuda_memory.fake_cuda import FakeCuda, FakeGraph, FakeMemory, FakeStream
from tests.backends.cuda_memory.fake_driver import FakeDriver
from tests.backends.cuda_memory.fake_pycuda import FakePycuda

OPENED = {
    "cuda-python": lambda: CudaPython(driver=FakeDriver()),
    "pycuda": lambda: PyCuda(driver=FakePycuda()),
    "FakeCuda": FakeCuda,
    "FakeCuda as pycuda": lambda: FakeCuda(binding="pycuda", graphs=False),
}


@pytest.mark.parametrize("opened", OPENED.values(), ids=OPENED)
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__[6:])
def test_keeps_the_contract(opened, check):
    cuda = opened()
    check(cuda)
    cuda.close()


# A contract that nothing breaks would prove nothing: each of these breaks one promise.


class RunsWhileItCaptures(FakeStream):
    def submit(self, name, run):
        run()
        super().submit(name, run)


class MakesGraphsOfNothing(FakeStream):
    def end_capture(self):
        return super().end_capture() or self._cuda._opened(FakeGraph(self._cuda, []))


class IsBrokenByAnyThread(FakeStream):
    """What capturing in CUDA's global mode does."""

    @property
    def thread(self):
        return get_ident()

    @thread.setter
    def thread(self, _):
        pass


class CopiesHalf(FakeStream):
    def copy_from_device(self, destination, source):
        half = destination.size_bytes // 2
        destination.array[:half] = self._cuda.memory(source, destination.size_bytes)[:half]


class StaysOpen(FakeStream):
    def close(self):
        pass


class With(FakeCuda):
    """A FakeCuda with another kind of stream."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def stream(self):
        return self._opened(self.kind(self))


class OneAddressForAll(FakeCuda):
    def allocate(self, size_bytes):
        memory = super().allocate(size_bytes)
        memory.address = 0x1000
        return memory


class NeverFrees(FakeCuda):
    def _released(self, item):
        if not isinstance(item, FakeMemory):
            super()._released(item)


class MapsNothing(FakeCuda):
    def allocate_pinned(self, size_bytes, *, mapped):
        return super().allocate_pinned(size_bytes, mapped=False)


class ClosesNothing(FakeCuda):
    def close(self):
        self.closed = True


BROKEN = {
    "captured_work_runs_when_it_is_launched": lambda: With(RunsWhileItCaptures),
    "nothing_captured_is_no_graph": lambda: With(MakesGraphsOfNothing),
    "another_thread_may_allocate_during_a_capture": lambda: With(IsBrokenByAnyThread),
    "what_is_copied_arrives": lambda: With(CopiesHalf),
    "everything_is_closed_once_and_in_any_order": lambda: With(StaysOpen),
    "buffers_are_apart_and_aligned": OneAddressForAll,
    "memory_that_is_given_back_can_be_had_again": NeverFrees,
    "the_device_reaches_mapped_memory_alone": MapsNothing,
    "the_device_closes_what_is_left": ClosesNothing,
    "it_says_what_it_is": lambda: FakeCuda(binding="cupy"),
    "out_of_memory_says_how_much_there_is": lambda: FakeCuda(budget_bytes=1 << 60),
}


@pytest.mark.parametrize(("name", "broken"), BROKEN.items(), ids=BROKEN)
def test_contract_catches_what_breaks_it(name, broken):
    check = getattr(contract, f"check_{name}")
    check(FakeCuda())
    with pytest.raises(Exception):  # noqa: B017, PT011 - by an assertion or on the way to one
        check(broken())


def test_results_name_the_check_that_failed():
    told = contract.results(lambda: With(MakesGraphsOfNothing))
    failed = {name for name, how in told.items() if how}
    assert "check_nothing_captured_is_no_graph" in failed
    assert len(told) == len(contract.CHECKS) > len(failed)


BINDINGS = {
    "cuda-python": (FakeDriver, lambda vendor: CudaPython(driver=vendor)),
    "pycuda": (FakePycuda, lambda vendor: PyCuda(driver=vendor)),
}


@pytest.mark.parametrize("binding", BINDINGS)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("allocate"), st.integers(1, 5000)),
            st.tuples(st.just("pin"), st.integers(1, 5000)),
            st.tuples(st.just("stream"), st.just(0)),
            st.tuples(st.just("event"), st.just(0)),
            st.tuples(st.just("close"), st.integers(0, 20)),
        ),
        max_size=25,
    )
)
def test_nothing_is_left_after_any_order_of_opening_and_closing(binding, steps):
    fake, opened = BINDINGS[binding]
    vendor = fake()
    cuda, items = opened(vendor), []
    for step, number in steps:
        if step == "close":
            if items:
                items[number % len(items)].close()
        elif step == "allocate":
            items.append(cuda.allocate(number))
        elif step == "pin":
            items.append(cuda.allocate_pinned(number, mapped=number % 2 == 0))
        else:
            items.append(getattr(cuda, step)())
    cuda.close()
    assert vendor.machine.free_bytes == vendor.machine.total_bytes
    assert vendor.retained == 0
    if isinstance(vendor, FakeDriver):
        assert not vendor.live
    else:
        assert not vendor.left_behind
        assert not vendor.live_streams
        assert not any(vendor.stacks.values())
