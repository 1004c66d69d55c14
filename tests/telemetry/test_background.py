"""Any source read by a thread."""

import threading

import pytest

from edgert.clock import VirtualClock
from edgert.errors import SensorReadError
from edgert.records import TelemetrySample
from edgert.telemetry.background import BackgroundSource


class Source:
    """Gives what a test puts in, and waits for it; None stands for no sample."""

    name = "test"

    def __init__(self, clock):
        self.clock = clock
        self.closed = 0
        self.thread = None
        self._next = threading.Semaphore(0)
        self._done = threading.Semaphore(0)
        self._outcome = None

    def give(self, outcome):
        """Let one read end with this, and the next one begin."""
        self._outcome = outcome
        self._next.release()
        assert self._done.acquire(timeout=10)

    def read(self):
        self._done.release()
        self.thread = threading.current_thread()
        self._next.acquire()
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def close(self):
        self.closed += 1


@pytest.fixture
def clock():
    return VirtualClock(10.0)


@pytest.fixture
def source(clock):
    return Source(clock)


@pytest.fixture
def background(source, clock):
    opened = BackgroundSource(source, 1e-6, clock=clock)
    assert source._done.acquire(timeout=10)  # the first read is under way
    yield opened
    source._outcome = None
    for _ in range(1000):
        source._next.release()
    opened.close()


def sample(clock, power_w):
    return TelemetrySample(
        time_s=clock.now_s(), source="test", provenance="measured", power_w=power_w
    )


def test_read_does_not_wait_for_the_sensor(background):
    assert background.read() is None  # the source's read has not come back


def test_newest_sample_is_handed_out_with_its_age(background, source, clock):
    source.give(sample(clock, 5.0))
    clock.sleep(0.25)
    got = background.read()
    assert (got.power_w, got.time_s, got.age_s) == (5.0, 10.0, 0.25)
    source.give(sample(clock, 6.0))
    assert (background.read().power_w, background.read().age_s) == (6.0, 0.0)
    assert source.thread is not threading.current_thread()


def test_no_sample_leaves_the_one_before_to_age(background, source, clock):
    source.give(sample(clock, 5.0))
    source.give(None)
    clock.sleep(3.0)
    assert background.read().age_s == 3.0


def test_failed_read_is_an_error_until_one_succeeds(background, source, clock):
    source.give(sample(clock, 5.0))
    source.give(SensorReadError("read", expected="a value", got="none", advice="Check"))
    with pytest.raises(SensorReadError):
        background.read()
    source.give(sample(clock, 6.0))
    assert background.read().power_w == 6.0


def test_close_ends_the_thread_and_the_source(source, clock):
    opened = BackgroundSource(source, 1e-6, clock=clock)
    for _ in range(1000):
        source._next.release()
    opened.close()
    opened.close()
    assert source.closed >= 1
    assert not opened._thread.is_alive()


@pytest.mark.parametrize("interval_s", [0.0, -1.0])
def test_interval_that_is_none_is_misuse(source, interval_s):
    with pytest.raises(ValueError, match="interval_s"):
        BackgroundSource(source, interval_s)
