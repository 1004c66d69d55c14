"""Whole inferences and whole frames between two stamps."""

import pytest

from edgert.clock import VirtualClock
from edgert.profiling.energy.load import Load, run_load, why_reject_load


class Engine:
    def __init__(self, clock, *busy_s):
        self.clock, self.busy_s, self.runs = clock, busy_s, 0

    def __call__(self):
        self.clock.sleep(self.busy_s[min(self.runs, len(self.busy_s) - 1)])
        self.runs += 1


def test_back_to_back_it_ends_with_an_inference():
    clock = VirtualClock(5.0)
    engine = Engine(clock, 0.3)
    load = run_load(engine, clock, 1.0, None)
    assert load == Load(5.0, pytest.approx(6.2), 4, 0, pytest.approx(0.3))
    assert engine.runs == 4
    assert why_reject_load(load) == ""


def test_at_a_frame_rate_it_ends_with_a_frame():
    clock = VirtualClock()
    load = run_load(Engine(clock, 0.01), clock, 2.0, 30.0)
    assert (load.inferences, load.late) == (60, 0)
    assert load.to_s == pytest.approx(2.0)


def test_one_inference_at_least():
    clock = VirtualClock()
    assert run_load(Engine(clock, 3.0), clock, 0.5, None).inferences == 1


def test_late_frames_are_counted_and_none_is_dropped():
    clock = VirtualClock()
    load = run_load(Engine(clock, 0.05), clock, 1.0, 30.0)
    assert load.late == load.inferences == 20
    assert "20 of 20 frames were late" in why_reject_load(load)


def test_a_frame_that_is_late_now_and_then_is_let_pass():
    clock = VirtualClock()
    load = run_load(Engine(clock, 0.01, 0.04, 0.01), clock, 5.0, 30.0)
    assert load.late == 1
    assert why_reject_load(load) == ""


def test_a_window_needs_time():
    with pytest.raises(ValueError, match="needs time"):
        run_load(print, VirtualClock(), 0.0, None)
    assert "a window of 0 s" in why_reject_load(Load(1.0, 1.0, 3, 0, 0.0))


def test_a_clock_that_goes_back_ends_the_window():
    class Jumping(VirtualClock):
        def now_s(self):
            return super().now_s() - (10.0 if super().now_s() > 0.5 else 0.0)

    clock = Jumping()
    load = run_load(Engine(clock, 0.2), clock, 5.0, None)
    assert load.inferences == 3
    assert "went back" in why_reject_load(load)
