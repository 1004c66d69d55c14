import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.clock import MonotonicClock, VirtualClock
from edgert.daemon.events import EventLog, unix_now_s


def test_events_are_numbered_from_one_and_carry_both_times() -> None:
    clock = VirtualClock(5.0)
    log = EventLog(clock, unix_s=lambda: 1_700_000_000.0)
    first = log.add("service", "started")
    clock.sleep(2)
    second = log.add("switch", "down", **{"from": "full", "to": "c630"})
    assert (first.id, second.id) == (1, 2)
    assert (first.time_s, second.time_s) == (5.0, 7.0)
    assert second.unix_s == 1_700_000_000.0
    assert second.facts == {"from": "full", "to": "c630"}
    assert log.since(0) == [first, second]
    assert log.since(1) == [second]
    assert log.since(2) == log.since(99) == []


@given(kept=st.integers(1, 9), added=st.integers(0, 30), last_id=st.integers(-3, 40))
def test_since_gives_the_newest_kept_in_order(kept: int, added: int, last_id: int) -> None:
    log = EventLog(VirtualClock(), kept=kept)
    for number in range(added):
        log.add("service", str(number))
    wanted = [i for i in range(1, added + 1) if i > last_id and i > added - kept]
    assert [event.id for event in log.since(last_id)] == wanted


def test_nothing_can_be_kept_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        EventLog(VirtualClock(), kept=0)


def test_wait_returns_at_once_what_is_there_and_nothing_after_its_time() -> None:
    log = EventLog(MonotonicClock())
    assert log.wait(0, 0.01) == []
    event = log.add("service", "started")
    assert log.wait(0, 60) == [event]


def test_an_event_wakes_all_who_wait() -> None:
    log, got = EventLog(MonotonicClock()), []
    waiting = threading.Barrier(4)

    def watch() -> None:
        waiting.wait()
        got.append(log.wait(0, 30))

    threads = [threading.Thread(target=watch) for _ in range(3)]
    for thread in threads:
        thread.start()
    waiting.wait()
    event = log.add("stream", "yard is offline")
    for thread in threads:
        thread.join(10)
    assert got == [[event]] * 3


def test_many_threads_lose_and_double_nothing() -> None:
    log = EventLog(MonotonicClock(), kept=4000)

    def add(number: int) -> None:
        for count in range(500):
            log.add("service", f"{number} {count}")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    seen: list[int] = []
    for thread in threads:
        thread.start()
    while len(seen) < 4000:
        newer = log.wait(seen[-1] if seen else 0, 10)
        assert newer, "an event was lost"
        seen += [event.id for event in newer]
    for thread in threads:
        thread.join()
    assert seen == list(range(1, 4001))
    assert len({event.text for event in log.since(0)}) == 4000


def test_the_walls_clock_is_of_this_century() -> None:
    assert unix_now_s() > 1_600_000_000
