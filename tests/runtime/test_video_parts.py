"""Video files of a stream that goes on for months: parts of bounded length and number."""

import threading
from pathlib import Path

import av
import numpy as np
import pytest

from edgert.errors import VideoError
from edgert.runtime.stream_sinks import StreamSink
from edgert.runtime.video_parts import PartLimits, VideoParts, parts_of
from edgert.video.sink import open_sink
from tests.runtime.fakes import FakeSink
from tests.runtime.small_disk import run_on_small_disk
from tests.runtime.stream_fakes import until

IMAGE = np.full((24, 32, 3), 90, np.uint8)
SCRIPT = Path(__file__).with_name("full_disk_video.py")


def frames_of(path):
    with av.open(str(path)) as video:
        return sum(1 for _ in video.decode(video=0))


def numbers_in(folder):
    return sorted(path.name for path in folder.iterdir())


def play(sink, pictures, *, fps=10.0, step_s=0.1, since_s=0.0):
    for place in range(pictures):
        sink.write(IMAGE, fps=fps, now_s=since_s + place * step_s, may_wait=True)
        assert sink.problem == ""


def test_a_video_of_months_is_parts_of_bounded_length_of_which_the_newest_stay(tmp_path):
    sink = StreamSink(str(tmp_path / "out.mp4"), open_sink, PartLimits(longest_s=1.0, kept=3))
    play(sink, 65)
    sink.close()
    assert numbers_in(tmp_path) == ["out.5.mp4", "out.6.mp4", "out.7.mp4"]
    assert [frames_of(path) for path in sorted(tmp_path.iterdir())] == [10, 10, 5]
    assert sink.problem == ""


def test_a_film_that_is_played_faster_than_its_rate_is_bounded_by_its_own_length(tmp_path):
    sink = StreamSink(str(tmp_path / "out.mp4"), open_sink, PartLimits(longest_s=1.0, kept=9))
    play(sink, 25, step_s=0.001)
    sink.close()
    assert numbers_in(tmp_path) == ["out.2.mp4", "out.3.mp4", "out.mp4"]
    assert [frames_of(path) for path in sorted(tmp_path.iterdir())] == [10, 5, 10]


def test_without_limits_there_is_one_file(tmp_path):
    sink = StreamSink(str(tmp_path / "out.mp4"), open_sink)
    play(sink, 25, step_s=1000.0)
    sink.close()
    assert numbers_in(tmp_path) == ["out.mp4"]


def test_a_restart_goes_on_behind_the_newest_and_touches_no_other_video(tmp_path):
    others = ["out.old.mp4", "out.02.mp4", "outer.mp4", "out.2.mp4.bak"]
    for name in [*others, "out.mp4", "out.7.partial.mp4"]:  # killed in its seventh part
        (tmp_path / name).write_bytes(b"of yesterday")
    sink = StreamSink(f"file://{tmp_path}/out.mp4", open_sink, PartLimits(kept=2))
    play(sink, 3)
    sink.close()
    assert numbers_in(tmp_path) == sorted([*others, "out.7.partial.mp4", "out.8.mp4"])


def test_where_one_part_is_kept_it_is_the_newest(tmp_path):
    sink = StreamSink(str(tmp_path / "out.mp4"), open_sink, PartLimits(longest_s=1.0, kept=1))
    play(sink, 25)
    sink.close()
    assert numbers_in(tmp_path) == ["out.3.mp4"]
    assert frames_of(tmp_path / "out.3.mp4") == 5


@pytest.mark.parametrize("uri", ["http://127.0.0.1:8080/", "rtsp://127.0.0.1/a.mp4", "none", ""])
def test_only_files_have_parts(uri):
    assert parts_of(uri, PartLimits(longest_s=1.0)) is None


class Slow(FakeSink):
    """Takes its time to finish, or fails at it."""

    def __init__(self, error=None):
        super().__init__()
        self.gate, self.error_at_close = threading.Event(), error

    def close(self):
        assert self.gate.wait(10)
        self.closed += 1
        if self.error_at_close:
            raise self.error_at_close


def test_the_next_frame_does_not_wait_until_the_last_part_is_finished(tmp_path):
    first, second = Slow(), Slow()
    second.gate.set()
    opened = iter([first, second])
    sink = StreamSink(
        str(tmp_path / "out.mp4"), lambda *_, **__: next(opened), PartLimits(longest_s=1.0)
    )
    play(sink, 15)  # would hang if the first had to be finished
    assert (len(first.images), len(second.images), first.closed) == (10, 5, 0)
    first.gate.set()
    sink.close()
    assert (first.closed, second.closed) == (1, 1)


def test_a_part_that_can_not_be_finished_is_told_and_frames_go_on(tmp_path):
    full = VideoError("write video", expected="room", got="none", advice="Free some")
    sinks = [Slow(full), Slow(), Slow()]
    for each in sinks:
        each.gate.set()
    opened = iter(sinks)
    sink = StreamSink(
        str(tmp_path / "out.mp4"), lambda *_, **__: next(opened), PartLimits(longest_s=1.0)
    )
    for place in range(15):
        sink.write(IMAGE, fps=10.0, now_s=place * 0.1, may_wait=True)
    until(lambda: sink.problem)
    assert sink.problem == "write video: expected room, got none. Free some."
    for place in range(15, 25):
        sink.write(IMAGE, fps=10.0, now_s=place * 0.1, may_wait=True)
    until(lambda: not sink.problem)  # the second part could be finished
    assert [len(each.images) for each in sinks] == [10, 10, 5]
    sink.close()


def test_an_old_part_that_can_not_be_removed_is_told(tmp_path):
    (tmp_path / "out.mp4").mkdir()  # named as a part, and no file
    parts = VideoParts(tmp_path / "out.mp4", PartLimits(kept=1))
    parts.begin(lambda _: FakeSink(), fps=10.0, now_s=0.0)
    parts.close()
    assert parts.problem == ""  # the only one there is
    (tmp_path / "out.2.mp4").write_bytes(b"")
    parts.begin(lambda _: FakeSink(), fps=10.0, now_s=0.0)
    parts.close()
    assert parts.problem.startswith("remove an old part of a video: ")


def test_a_disk_that_stays_full_costs_no_more_than_the_oldest_part(tmp_path):
    done = run_on_small_disk(SCRIPT, tmp_path, size="400k")
    assert done.stdout.startswith("pictures")
