"""Sinks of a stream that goes on for months: opened late, kept apart, tried again."""

import av
import numpy as np
import pytest

from edgert.errors import VideoError
from edgert.runtime.retries import FIRST_RETRY_S, HELD_S, LAST_RETRY_S, Retries
from edgert.runtime.stream import Stream
from edgert.runtime.stream_sinks import StreamSink
from tests.runtime.fakes import FakeSink
from tests.runtime.stream_fakes import FakeStreamSource, Rig, until


def image(width=16, height=12):
    return np.full((height, width, 3), 80, np.uint8)


def frames_of(path):
    with av.open(str(path)) as video:
        return sum(1 for _ in video.decode(video=0))


class Opener:
    """Opens fakes, or fails."""

    def __init__(self, *failures):
        self.failures, self.opened = list(failures), []

    def __call__(self, uri, *, fps, width, height):
        if self.failures and (error := self.failures.pop(0)) is not None:
            raise error
        sink = FakeSink()
        self.opened.append((uri, fps, (width, height), sink))
        return sink


def no_room():
    return VideoError("write video", expected="room", got="none", advice="Free some")


def write(sink, picture, now_s=0.0, fps=25.0, may_wait=True):
    sink.write(picture, fps=fps, now_s=now_s, may_wait=may_wait)


def test_a_video_of_a_stream_is_playable_after_a_stop(tmp_path):
    path = tmp_path / "out.mp4"
    source = FakeStreamSource(size=(32, 24))
    rig = Rig(streams=[Stream("a", source, sinks=[str(path)], overlay=False)])
    assert not path.exists()
    with rig.running():
        for number in range(5):
            source.push()
            until(lambda number=number: len(rig.told) == number + 1)
    assert frames_of(path) == 5
    assert rig.loop.figures().streams[0].sinks == [str(path)]


def test_another_size_is_the_next_part_of_a_video(tmp_path):
    path = tmp_path / "out.mp4"
    source = FakeStreamSource(2, size=(32, 24))
    rig = Rig(streams=[Stream("a", source, sinks=[str(path)], overlay=False)])
    with rig.running() as loop:
        until(lambda: len(rig.told) == 2)
        source.size = (48, 32)
        for _ in range(3):
            source.push()
        until(lambda: len(rig.told) == 5)
        assert loop.figures().streams[0].sink_problem == ""
    assert (frames_of(path), frames_of(tmp_path / "out.2.mp4")) == (2, 3)


def test_a_sink_is_opened_with_the_first_picture_and_for_another_size():
    opener = Opener()
    sink = StreamSink("http://127.0.0.1:8080/", opener)
    write(sink, image())
    write(sink, image())
    write(sink, image(20, 10), fps=0.0)
    assert [(uri, fps, size) for uri, fps, size, _ in opener.opened] == [
        ("http://127.0.0.1:8080/", 25.0, (16, 12)),
        ("http://127.0.0.1:8080/", 30.0, (20, 10)),
    ]
    first, second = (each[-1] for each in opener.opened)
    assert (len(first.images), first.closed, len(second.images), second.closed) == (2, 1, 1, 0)
    sink.close()
    sink.close()
    assert second.closed == 1


def test_what_can_not_be_opened_is_tried_again_later_and_later():
    opener = Opener(no_room(), no_room())
    sink = StreamSink("out.mp4", opener)
    write(sink, image(), now_s=0.0)
    assert sink.problem == "write video: expected room, got none. Free some."
    assert not sink.wants(FIRST_RETRY_S - 0.1)
    assert sink.wants(FIRST_RETRY_S)
    write(sink, image(), now_s=FIRST_RETRY_S)
    assert not sink.wants(2.9 * FIRST_RETRY_S)
    write(sink, image(), now_s=3 * FIRST_RETRY_S)
    assert sink.problem != ""  # an encoder fails some time after it was given a picture
    write(sink, image(), now_s=3 * FIRST_RETRY_S + HELD_S)
    assert sink.problem == ""
    assert len(opener.opened) == 1


def test_a_sink_that_fails_while_it_writes_is_closed_and_opened_anew():
    opener = Opener()
    sink = StreamSink("http://127.0.0.1:8080/", opener)
    write(sink, image())
    broken = opener.opened[0][-1]
    broken.fail_at, broken.error, broken.close_error = 1, OSError("broken pipe"), OSError("twice")
    write(sink, image(), now_s=1.0)
    assert "broken pipe" in sink.problem
    write(sink, image(), now_s=1.0 + FIRST_RETRY_S)
    assert (broken.closed, len(opener.opened), sink.problem) == (1, 2, "")


def test_the_time_between_attempts_has_a_bound():
    retries, now_s, waits_s = Retries(), 0.0, []

    def fail():
        raise OSError("no")

    for _ in range(12):
        before_s = now_s
        retries.attempt("try", fail, now_s)
        while retries.rests(now_s):
            now_s += 1.0
        waits_s.append(now_s - before_s)
    assert waits_s[:3] == [5.0, 10.0, 20.0]
    assert waits_s[-1] == LAST_RETRY_S


def test_a_live_stream_does_not_wait_for_a_sink_that_is_busy():
    class Busy(FakeSink):
        busy = True

    busy = Busy()
    sink = StreamSink(busy, Opener())
    write(sink, image(), may_wait=False)
    write(sink, image(), may_wait=True)
    assert (len(busy.images), sink.left_out, sink.problem) == (1, 1, "")


@pytest.mark.parametrize("uri", ["rtsp://me:secret@127.0.0.1:8554/a", "http://me:secret@host/"])
def test_no_credentials_in_the_status(uri):
    stream = Stream("a", FakeStreamSource(), sinks=[uri], open_sink=Opener())
    assert "secret" not in str(stream.status())
