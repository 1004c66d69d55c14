"""The end of several streams, some of which wait for a network that does not answer."""

import time

import pytest

from edgert.clock import VirtualClock
from edgert.runtime.ending import end_streams
from edgert.runtime.stream import Stream
from edgert.video.backoff import Backoff
from edgert.video.source import open_source
from tests.runtime.fakes import FakeSink
from tests.runtime.silent_server import Silent
from tests.runtime.stream_fakes import CLOCK, FakeStreamSource, Rig, until

TIMEOUT_S = 2.0


class Recorder(FakeStreamSource):
    """Takes `lasts_s` of a clock to close, and writes down what it was asked."""

    def __init__(self, name, story, clock, lasts_s=0.0, error=None):
        super().__init__()
        self.name, self.story, self.clock, self.lasts_s = name, story, clock, lasts_s
        self.error_at_close = error

    def stop(self):
        self.story.append(("stop", self.name))
        if self.error_at_close:
            raise self.error_at_close

    def close(self, timeout_s):
        self.story.append(("close", self.name, timeout_s))
        self.clock.sleep(min(self.lasts_s, timeout_s))
        if self.error_at_close:
            raise self.error_at_close


def test_all_are_asked_to_end_and_finish_what_was_written_before_any_is_waited_for():
    story, clock = [], VirtualClock()

    class Told(FakeSink):
        def close(self):
            story.append(("sink",))

    streams = [
        Stream(name, Recorder(name, story, clock, lasts_s=7.0), sinks=[Told()]) for name in "abc"
    ]
    end_streams(streams, within_s=10.0, clock=clock)
    assert story == [
        ("stop", "a"), ("stop", "b"), ("stop", "c"), ("sink",), ("sink",), ("sink",),
        ("close", "a", 10.0), ("close", "b", 3.0), ("close", "c", 0.0),
    ]  # fmt: skip
    assert clock.now_s() == 10.0


def test_one_that_fails_at_it_keeps_no_other_from_ending(caplog):
    story, clock = [], VirtualClock()
    sources = [
        Recorder("a", story, clock, error=RuntimeError("gone")),
        Recorder("b", story, clock),
    ]
    end_streams([Stream(source.name, source) for source in sources], clock=clock)
    assert [words[:2] for words in story] == [
        ("stop", "a"), ("stop", "b"), ("close", "a"), ("close", "b"),
    ]  # fmt: skip
    assert "gone" in caplog.text


@pytest.fixture
def short(monkeypatch):
    """Time limits of opening and reading; four times as long would be seen."""
    monkeypatch.setattr("edgert.video.container.OPEN_TIMEOUT_S", TIMEOUT_S)
    monkeypatch.setattr("edgert.video.container.READ_TIMEOUT_S", TIMEOUT_S)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_four_streams_whose_server_says_nothing_end_as_fast_as_one(short, scheme):
    """The last one asks first: one by one, each would ask once more before its turn to end."""
    with Silent() as server:
        uri = f"{scheme}://127.0.0.1:{server.port}/live"
        streams = []
        for name in "abcd":
            source = open_source(
                uri,
                clock=CLOCK,
                patient=True,
                decoder="pyav",
                backoff=Backoff(shortest_s=0.01, longest_s=0.01),
            )
            streams.insert(0, Stream(name, source))
            asked_s = time.monotonic()
            until(lambda asked_s=asked_s: time.monotonic() - asked_s > 0.2)
        rig = Rig(streams=streams)
        with rig.running():
            until(lambda: len(server.taken) >= 4)
            begin_s = time.monotonic()
        assert time.monotonic() - begin_s < 1.5 * TIMEOUT_S
        assert rig.error is None


def test_what_takes_longer_is_let_go_of(short, caplog):
    caplog.set_level("INFO")
    with Silent() as server:
        uri = f"rtsp://me:secret@127.0.0.1:{server.port}/live"
        stream = Stream("a", open_source(uri, clock=CLOCK, patient=True, decoder="pyav"))
        until(lambda: server.taken)
        begin_s = time.monotonic()
        end_streams([stream], within_s=0.2)
        assert time.monotonic() - begin_s < TIMEOUT_S / 2
        assert "let go of while it waits" in caplog.text
        assert "secret" not in caplog.text
        stream.close(10.0)  # it ends by itself
    assert stream.figures().state in ("ended", "offline", "connecting")
