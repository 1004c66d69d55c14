"""Engines that are left alone after they failed."""

from edgert.clock import VirtualClock
from edgert.pool.failures import Failures
from tests.pool.fakes import out_of_memory


def test_a_failed_engine_is_left_alone_and_then_tried_again():
    clock = VirtualClock(100.0)
    failures = Failures(clock)
    assert failures.excluded() == frozenset()
    failures.add("c2", out_of_memory("c2"))
    assert failures.excluded() == {"c2"}
    clock.sleep(4.9)
    assert failures.excluded() == {"c2"}
    clock.sleep(0.2)
    assert failures.excluded() == frozenset()
    assert (failures.row("c2"), failures.row("c1")) == (1, 0)


def test_the_wait_doubles_up_to_five_minutes():
    clock = VirtualClock()
    failures = Failures(clock)
    waits_s = []
    for _ in range(9):
        failures.add("c2", out_of_memory("c2"))
        before_s = clock.now_s()
        while failures.excluded():
            clock.sleep(2.5)
        waits_s.append(clock.now_s() - before_s)
    assert waits_s == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_success_makes_up_for_all_of_it():
    failures = Failures(VirtualClock())
    failures.add("c2", out_of_memory("c2"))
    failures.forget("c2")
    failures.forget("c2")
    assert failures.excluded() == frozenset()
    assert failures.row("c2") == 0
    assert failures.count == 1


def test_failures_are_told_in_one_line_each_and_not_kept_for_ever(caplog):
    failures = Failures(VirtualClock())
    failures.add("c2", MemoryError())
    failures.add("c1", RuntimeError("two\nlines"))
    assert failures.told == (
        "c2 could not be loaded: MemoryError:",
        "c1 could not be loaded: RuntimeError: two lines",
    )
    assert "Tried again in 5.0 s" in caplog.text
    for _ in range(100):
        failures.add("c2", MemoryError())
    assert (failures.count, len(failures.told)) == (102, 20)
