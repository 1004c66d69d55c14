"""What happens to the board becomes events, once each."""

import pytest

from edgert.clock import VirtualClock
from edgert.daemon.board_news import LOST_S, BoardNews, HeardTelemetry
from edgert.daemon.events import EventLog
from edgert.errors import SensorReadError
from edgert.records import TelemetrySample


class Stand:
    def __init__(self) -> None:
        self.clock = VirtualClock(100.0)
        self.events = EventLog(self.clock)
        self.news = BoardNews(self.events, self.clock)
        self.seen = 0

    def look(self, sample: TelemetrySample | None, problem: str = "") -> list[tuple[str, str]]:
        self.news.look(sample, problem)
        new = self.events.since(self.seen)
        self.seen += len(new)
        return [(event.kind, event.text) for event in new]

    def sample(self, **fields) -> TelemetrySample:
        return TelemetrySample(
            time_s=self.clock.now_s(), source="s", provenance="emulated", **fields
        )


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_a_board_that_is_well_is_no_news(stand: Stand):
    for _ in range(100):
        stand.clock.sleep(0.25)
        assert stand.look(stand.sample(power_w=5.0, throttled=False)) == []


def test_telemetry_that_is_lost_for_a_minute_is_told_twice(stand: Stand):
    last = stand.sample()
    assert stand.look(last) == []
    told = []
    for _ in range(240):
        stand.clock.sleep(0.25)
        told += stand.look(last, "i2c: no answer")
    assert told == [("telemetry", "lost: i2c: no answer")]
    assert stand.news.lost == "i2c: no answer"
    stand.clock.sleep(1.0)
    assert stand.look(stand.sample()) == [("telemetry", "back after 61 s")]
    assert stand.news.lost == ""


def test_sensors_that_never_answered_are_lost_after_a_moment(stand: Stand):
    assert stand.look(None, "no sample so far") == []
    stand.clock.sleep(LOST_S + 0.1)
    assert stand.look(None, "no sample so far") == [("telemetry", "lost: no sample so far")]


def test_throttling_is_told_when_it_begins_and_when_it_ends(stand: Stand):
    hot = {"throttled": True, "throttle_reason": "tj at 99 °C", "clock_ratio": 0.5}
    assert stand.look(stand.sample(**hot)) == [
        ("throttle", "the board throttles: tj at 99 °C, clock at 50%")
    ]
    assert stand.look(stand.sample(**hot)) == []
    assert stand.look(stand.sample(throttled=False)) == [
        ("throttle", "the board runs freely again")
    ]


def test_over_current_counts_are_told_as_they_rise_and_old_ones_are_not(stand: Stand):
    assert stand.look(stand.sample(over_current_events={"oc1": 7, "oc3": 0})) == []
    [(kind, text)] = stand.look(stand.sample(over_current_events={"oc1": 7, "oc3": 2}))
    assert (kind, text) == ("over-current", "the board drew too much: oc3 0 → 2")
    assert stand.look(stand.sample(over_current_events={"oc1": 7, "oc3": 2})) == []
    assert stand.look(stand.sample(over_current_events={})) == []  # unreadable for a moment
    assert stand.look(stand.sample(over_current_events={"oc1": 7, "oc3": 2})) == []


def test_a_sensor_that_vanishes_is_told_and_its_return(stand: Stand):
    gap = stand.sample(gaps={"rail VDD_SOC": "vanished"})
    assert stand.look(gap) == [("telemetry", "rail VDD_SOC can't be read: vanished")]
    assert stand.look(gap) == []
    assert stand.look(stand.sample()) == [("telemetry", "rail VDD_SOC can be read again")]


class Sensors:
    name = "sensors"

    def __init__(self) -> None:
        self.answer: TelemetrySample | SensorReadError | None = None
        self.closed = False

    def read(self):
        if isinstance(self.answer, SensorReadError):
            raise self.answer
        return self.answer

    def close(self) -> None:
        self.closed = True


def test_what_was_heard_last_stays_while_reads_fail(stand: Stand):
    source = Sensors()
    heard = HeardTelemetry(source)
    heard.try_read()
    assert (heard.newest, heard.problem) == (None, "no sample so far")
    source.answer = stand.sample(power_w=4.0)
    assert heard.read() == heard.newest == source.answer
    assert heard.problem == ""
    source.answer = SensorReadError("read x", expected="a number", got="nothing", advice="Look")
    with pytest.raises(SensorReadError):
        heard.read()
    heard.try_read()
    assert heard.newest is not None
    assert "expected a number" in heard.problem
    heard.close()
    assert source.closed
