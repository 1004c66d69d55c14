"""What happens to streams becomes events, once each."""

from edgert.clock import VirtualClock
from edgert.daemon.events import EventLog
from edgert.daemon.stream_news import StreamNews
from edgert.records import SourceFigures, StreamStatus


def stream(state: str, *, reason: str = "", reconnects: int = 0, problem: str = ""):
    source = SourceFigures(state=state, reason=reason, uri="rtsp://x/y", reconnects=reconnects)
    return StreamStatus(name="yard", source=source, sink_problem=problem)


def told(*looks: StreamStatus) -> list[str]:
    events = EventLog(VirtualClock())
    news = StreamNews(events)
    for look in looks:
        news.look([look])
    assert {event.kind for event in events.since(0)} <= {"stream"}
    return [event.text for event in events.since(0)]


def test_a_stream_comes_goes_and_comes_back():
    assert told(
        stream("connecting"),
        stream("running"),
        stream("running"),
        stream("offline", reason="connection refused"),
        stream("offline", reason="connection refused; tried again in 8 s"),
        stream("running", reconnects=1),
        stream("ended"),
    ) == [
        "yard connected",
        "yard offline: connection refused",
        "yard reconnected",
        "yard ended",
    ]


def test_a_reconnection_between_two_looks_is_not_missed():
    assert told(stream("running"), stream("running", reconnects=2)) == [
        "yard connected",
        "yard reconnected",
    ]


def test_a_stream_that_fails_says_why():
    assert told(stream("failed", reason="a decoder crashed")) == ["yard failed: a decoder crashed"]


def test_pictures_that_are_not_written_are_told_and_that_they_are_again():
    assert told(
        stream("running"),
        stream("running", problem="disk full"),
        stream("running", problem="disk full"),
        stream("running"),
    ) == [
        "yard connected",
        "yard: pictures are not written: disk full",
        "yard: pictures are written again",
    ]
