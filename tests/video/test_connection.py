"""One stream out of many connections, with decoders that do as a script says."""

import threading

import numpy as np
import pytest

from edgert.clock import VirtualClock
from edgert.errors import MissingDependencyError, VideoError
from edgert.video.backoff import Backoff
from edgert.video.connection import Connection
from edgert.video.frame import Frame
from edgert.video.source import ThreadedSource, open_source
from edgert.video.uri import parse_uri
from tests.video.clips import read_all, write_clip
from tests.video.standins import Script, ScriptedDecoder, wait_until
from tests.video.waiting import in_time

CAMERA = parse_uri("rtsp://me:hunter2@camera/live")
FILE = parse_uri("clip.mp4")
QUICK = {"shortest_s": 0.001, "longest_s": 0.004}


def refused(got="connection refused", kind=VideoError):
    return kind("open video", expected="a video", got=got, advice="Look")


def source(*steps, address=CAMERA, **options):
    options = {"clock": VirtualClock(), "patient": True, "backoff": Backoff(**QUICK)} | options
    return ThreadedSource(address, Script(*steps), **options)


def connection(*steps, address=CAMERA, **options):
    return Connection(address, Script(*steps), clock=VirtualClock(), pauses_s=(0.0,), **options)


# ------------------------------------------------------------- patience


def test_what_can_not_be_reached_is_offline_with_the_reason_and_comes_when_it_comes():
    there = threading.Event()
    gate = threading.Event()

    def connect():
        if not there.is_set():
            raise refused()
        return ScriptedDecoder(4, gate=gate)

    with source(connect) as opened:
        assert wait_until(lambda: opened.figures().state == "offline")
        figures = opened.figures()
        assert figures.reason == "connection refused (expected a video)"
        assert (figures.live, figures.width, figures.fps) == (None, None, None)
        assert (opened.width, opened.height, opened.fps, opened.live) == (0, 0, 0.0, True)
        assert opened.poll() is None
        there.set()
        assert in_time(opened.read).image.shape == (6, 8, 3)
        figures = opened.figures()
        assert (figures.state, figures.reason, figures.live) == ("running", "", True)
        assert (figures.width, figures.height, figures.fps) == (8, 6, 10.0)
        assert (figures.decoder, figures.decoder_reason) == ("scripted", "it is a test")
        assert figures.reconnects == 0
    assert opened.figures().state == "ended"


def test_a_patient_source_never_ends_and_counts_its_connections():
    with source(lambda: ScriptedDecoder(2), refused(), lambda: ScriptedDecoder(2)) as opened:
        wait_until(lambda: opened.figures().reconnects >= 5)
        assert opened.figures().decoded >= 10
    assert opened.read() is None


def test_without_patience_the_first_failure_is_raised_and_the_last_one_ends_the_stream():
    with pytest.raises(VideoError, match="connection refused"):
        connection(refused())
    opened = connection(ScriptedDecoder(2), refused("no route"))
    assert [frame.index for frame in opened.frames()] == [0, 1]
    assert "no route" in opened.damage
    opened.close()
    assert opened.figures({}).state == "ended"


def test_a_stream_that_breaks_off_tells_why():
    steps = [ScriptedDecoder(2, error=refused("no answer in time")), refused("no route")]
    reasons, made = [], []

    def note():
        reasons.extend(opened.figures({}).reason for opened in made)

    made.append(connection(*steps, on_news=note))
    list(made[0].frames())
    assert reasons == ["no answer in time (expected a video)", "no route (expected a video)"]


def test_a_missing_file_has_failed_and_is_taken_when_it_comes(tmp_path):
    path = tmp_path / "late.mp4"
    with open_source(str(path), patient=True) as opened:
        wait_until(lambda: opened.figures().state == "failed")
        assert "no such file" in opened.figures().reason
        (path.parent / "ready").mkdir()
        write_clip(tmp_path / "ready" / "clip.mp4", 10).rename(path)
        assert len(in_time(lambda: read_all(opened))) == 10
    assert opened.figures().state == "ended"
    assert opened.figures().decoder == "pyav"


def test_a_missing_package_has_failed_rather_than_being_offline():
    with source(refused("none installed", MissingDependencyError)) as opened:
        assert wait_until(lambda: opened.figures().state == "failed")


def test_a_fault_of_the_decoder_is_outlived_and_told_without_what_it_quotes():
    there = threading.Event()

    def connect():
        if not there.is_set():
            raise RuntimeError("lost rtsp://me:hunter2@camera\nnow, hunter2 was refused")
        return ScriptedDecoder(2)

    with source(connect) as opened:
        reason = wait_until(lambda: opened.figures().reason)
        assert reason.startswith("RuntimeError: ")
        assert "hunter2" not in reason
        assert "\n" not in reason
        there.set()
        assert in_time(opened.read) is not None


def test_close_ends_a_pause_of_an_hour():
    hour = Backoff(shortest_s=3600.0, longest_s=3600.0)
    opened = source(refused(), backoff=hour)
    wait_until(lambda: opened.figures().state == "offline")
    in_time(opened.close, 5.0)
    assert opened.read() is None


def test_short_connections_make_the_pauses_grow_and_a_long_one_resets_them():
    class Counted(Backoff):
        resets = 0

        def reset(self):
            self.resets += 1
            super().reset()

    backoff, clock = Counted(**QUICK), VirtualClock()

    class Lasting(ScriptedDecoder):
        def pictures(self):
            yield from super().pictures()
            clock.sleep(60.0)

    with source(lambda: ScriptedDecoder(1), backoff=backoff, clock=clock) as opened:
        wait_until(lambda: opened.figures().reconnects > 5)
        assert backoff.resets == 0
    with source(lambda: Lasting(1), backoff=backoff, clock=clock) as opened:
        wait_until(lambda: opened.figures().reconnects > 2)
        assert backoff.resets > 1


# ------------------------------------------------------------- frames


def test_poll_gives_what_there_is_and_never_waits():
    gate = threading.Event()
    with source(lambda: ScriptedDecoder(2, gate=gate), policy="all") as opened:
        assert wait_until(opened.poll).index == 0
        assert opened.poll() is None
        gate.set()
        assert wait_until(opened.poll).index == 1


def test_poll_raises_what_ended_a_source_without_patience():
    opened = source(
        ScriptedDecoder(1, error=RuntimeError("gone")), address=FILE, patient=False, policy="all"
    )
    with opened, pytest.raises(VideoError, match="RuntimeError: gone"):
        wait_until(lambda: opened.poll() and False)
    assert opened.figures().state == "failed"


def test_whoever_wants_news_is_woken_for_frames_and_states():
    first, woken = threading.Event(), threading.Condition()
    seen = []

    def connect():
        assert first.wait(20.0)
        return ScriptedDecoder(3)

    def wake():
        with woken:
            seen.append(opened.figures().state)
            woken.notify_all()

    opened = source(connect, patient=True, policy="all", loops=1)
    with opened:
        opened.on_news(wake)
        assert seen == ["connecting"]
        first.set()
        got = []
        while len(got) < 3:
            with woken:
                frame = opened.poll()
                if frame is None:
                    assert woken.wait(20.0)
                    continue
            got.append(frame.index)
    assert got == [0, 1, 2]
    assert {"running", "offline", "ended"} <= set(seen)


def test_the_newest_frame_is_given_and_those_it_replaced_are_counted_by_cause():
    gate = threading.Event()
    with source(ScriptedDecoder(6, gate=gate), refused()) as opened:
        wait_until(lambda: opened.figures().decoded == 5)
        wait_until(lambda: opened.dropped == 4)
        gate.set()
        wait_until(lambda: opened.figures().state == "offline")
        assert opened.poll().index == 5
        assert opened.figures().dropped == {"newer frame": 5}
        assert opened.figures().decoded == 6


def test_frames_say_when_they_came_by_the_runs_clock():
    clock = VirtualClock(100.0)

    class Slow(ScriptedDecoder):
        def pictures(self):
            for picture in super().pictures():
                yield picture
                clock.sleep(0.5)

    opened = Connection(CAMERA, Script(Slow(3), refused()), clock=clock, pauses_s=(0.0,))
    frames = list(opened.frames())
    assert [frame.arrived_s for frame in frames] == [100.0, 100.5, 101.0]
    assert [frame.time_s for frame in frames] == [0.0, 0.5, 1.0]
    assert opened.figures({}).last_frame_age_s == pytest.approx(0.5)
    assert Frame(0, 0.0, np.zeros((1, 1, 3), np.uint8)).arrived_s == 0.0


def test_pictures_of_another_size_are_brought_to_the_first_and_counted():
    sizes = [(8, 6), (16, 12), (16, 12), (8, 6)]
    again = ScriptedDecoder(1, size=(4, 3))
    opened = connection(ScriptedDecoder(4, sizes=sizes), again, refused())
    frames = list(opened.frames())
    assert {frame.image.shape for frame in frames} == {(6, 8, 3)}
    assert [int(frame.image.mean()) for frame in frames] == [0, 1, 2, 3, 0]
    assert all(frame.image.flags.c_contiguous for frame in frames)
    assert opened.figures({}).resized == 3
    assert opened.size == (8, 6)


def test_damage_is_summed_and_the_first_line_kept():
    steps = [ScriptedDecoder(1, damage="first"), ScriptedDecoder(1, damage="second"), refused()]
    opened = connection(*steps)
    frames = opened.frames()
    assert next(frames).index == 0
    assert opened.figures({}).damaged == 1
    list(frames)
    assert opened.figures({}).damaged == 2


def test_files_are_looped_with_growing_index_and_time_and_closed_each_time():
    made = []

    def connect():
        made.append(ScriptedDecoder(2, live=False))
        return made[-1]

    opened = Connection(FILE, connect, clock=VirtualClock(), loops=3)
    frames = list(opened.frames())
    assert [frame.index for frame in frames] == list(range(6))
    assert [frame.time_s for frame in frames] == pytest.approx([k / 10 for k in range(6)])
    assert [decoder.closed for decoder in made] == [1, 1, 1]
    assert opened.figures({}).reconnects == 0


def test_max_frames_ends_a_live_stream_without_decoding_one_more():
    opened = connection(lambda: ScriptedDecoder(3), max_frames=4)
    assert [frame.index for frame in opened.frames()] == [0, 1, 2, 3]
    assert opened.figures({}).decoded == 4


def test_a_pattern_with_a_wrong_option_is_refused_even_with_patience():
    with pytest.raises(VideoError, match="option width"):
        open_source("test://?width=no", patient=True)


def test_a_pattern_tells_what_makes_it():
    with open_source("test://?width=16&height=8&frames=3") as opened:
        assert len(read_all(opened)) == 3
        figures = opened.figures()
    assert (figures.decoder, figures.decoded, figures.live) == ("pattern", 3, False)
    assert figures.state == "ended"


# ------------------------------------------------------------- many times


def test_a_hundred_reconnections_leave_one_thread_and_no_open_decoder():
    made = []

    def connect():
        made.append(ScriptedDecoder(1))
        return made[-1]

    before = threading.active_count()
    with source(connect) as opened:
        wait_until(lambda: opened.figures().reconnects >= 100)
        assert threading.active_count() == before + 1
        assert sum(decoder.closed == 0 for decoder in made[:-1]) <= 1
    assert all(decoder.closed == 1 for decoder in made)
    assert threading.active_count() == before
