"""The thread between decoder and consumer."""

import threading

import numpy as np
import pytest

from edgert.clock import VirtualClock
from edgert.video.frame import Frame
from edgert.video.reader import FrameReader

WAIT_S = 10.0
IMAGE = np.zeros((2, 2, 3), np.uint8)


def frames(count):
    return (Frame(k, k / 10, IMAGE) for k in range(count))


def read_all(reader):
    return [frame.index for frame in iter(reader.read, None)]


def test_all_hands_over_every_frame_in_order_and_then_none_for_ever():
    released = threading.Event()
    reader = FrameReader(frames(50), policy="all", capacity=2, release=released.set)
    assert read_all(reader) == list(range(50))
    assert reader.read() is None
    assert released.wait(WAIT_S)
    assert reader.dropped == 0
    assert reader.close()


def test_all_decodes_no_further_ahead_than_its_capacity():
    made = []

    def counted():
        for frame in frames(20):
            made.append(frame.index)
            yield frame

    reader = FrameReader(counted(), policy="all", capacity=3)
    assert reader.read().index == 0
    # One read, three pending, and at most one that waits for room.
    assert len(made) <= 5
    assert reader.close()


def test_latest_keeps_the_newest_frame_and_counts_the_others():
    made = threading.Event()

    def flood():
        yield from frames(10)
        made.set()

    reader = FrameReader(flood(), policy="latest")
    assert made.wait(WAIT_S)
    assert reader.read().index == 9
    assert reader.dropped == 9
    assert reader.read() is None
    assert reader.close()


def test_an_error_is_raised_after_the_frames_before_it_and_hangs_nobody():
    def broken():
        yield from frames(3)
        raise RuntimeError("decoder gone")

    released = threading.Event()
    reader = FrameReader(broken(), policy="all", release=released.set)
    assert [reader.read().index for _ in range(3)] == [0, 1, 2]
    for _ in range(2):
        with pytest.raises(RuntimeError, match="decoder gone"):
            reader.read()
    assert released.wait(WAIT_S)
    assert reader.close()


def test_close_ends_a_thread_that_waits_for_room():
    entered = threading.Event()

    def endless():
        index = 0
        while True:
            if index == 2:  # two are pending, this one finds no room
                entered.set()
            yield Frame(index, 0.0, IMAGE)
            index += 1

    reader = FrameReader(endless(), policy="all", capacity=2)
    assert entered.wait(WAIT_S)
    assert reader.close(WAIT_S)
    assert reader.read() is None


def test_close_wakes_a_consumer_that_waits_for_a_frame():
    gate, waiting, got = threading.Event(), threading.Event(), []

    def slow():
        waiting.set()
        gate.wait(WAIT_S)
        yield from frames(1)

    reader = FrameReader(slow(), policy="all")
    consumer = threading.Thread(target=lambda: got.append(reader.read()), daemon=True)
    consumer.start()
    assert waiting.wait(WAIT_S)
    assert reader.close(timeout_s=0.0) is False  # the decoder itself still hangs
    consumer.join(WAIT_S)
    assert got == [None]
    gate.set()
    assert reader.close(WAIT_S)


def test_pacing_hands_frames_over_when_they_are_due():
    """A clock that has moved on makes them all due; one that stands still holds them back."""

    class Ahead(VirtualClock):
        def now_s(self):
            self.sleep(100.0)
            return super().now_s()

    late = FrameReader(frames(5), policy="latest", pace=Ahead())
    seen = read_all(late)
    assert seen[-1] == 4
    assert len(seen) + late.dropped == 5
    held = FrameReader(frames(5), policy="latest", pace=VirtualClock(7.0))
    first = held.read()
    assert (first.index, first.arrived_s) == (0, 7.0)  # when it was due
    assert held.close(WAIT_S)
    assert held.dropped == 0
