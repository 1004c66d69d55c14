"""What is written plays; what breaks off plays as far as it got."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from edgert.errors import VideoError
from edgert.video.sink import FileSink, NullSink, open_sink
from edgert.video.source import open_source
from tests.video.clips import images, read_all
from tests.video.waiting import in_time

# Writes until it is killed, or until a file may grow no more; a full disk behaves the same.
_WRITER = """
import os, resource, signal, sys
import numpy as np
from edgert.errors import VideoError
from edgert.video.sink import open_sink
path, end = sys.argv[1:]
if end == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
rng = np.random.default_rng(0)
try:
    with open_sink(path, fps=30, width=160, height=120) as sink:
        for index in range(400):
            sink.write(rng.integers(0, 256, (120, 160, 3), dtype=np.uint8))
            if end == "kill" and index == 200:
                os.kill(os.getpid(), signal.SIGKILL)
except VideoError as error:
    print(error)
    sys.exit(3)
"""


def frames_of(path):
    with open_source(str(path)) as source:
        return read_all(source)


def write_until(end, path):
    return subprocess.run(
        [sys.executable, "-c", _WRITER, str(path), end],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2], timeout=60,
    )  # fmt: skip


def test_what_is_written_comes_back_in_order_at_its_rate(tmp_path):
    path, written = tmp_path / "out.mp4", images(40, 64, 48)
    with open_sink(path, fps=12.5, width=64, height=48) as sink:
        for image in written:
            sink.write(image)
    with open_source(str(path)) as source:
        assert source.fps == pytest.approx(12.5)
        frames = read_all(source)
    assert [f.time_s for f in frames] == pytest.approx([k / 12.5 for k in range(40)], abs=1e-4)
    near = [np.abs(f.image.astype(int) - i).mean() for f, i in zip(frames, written, strict=True)]
    pairs = zip(frames[:-5], written[5:], strict=True)
    shifted = [np.abs(f.image.astype(int) - i).mean() for f, i in pairs]
    assert max(near) < 12
    assert np.mean(shifted) > 1.3 * np.mean(near)


def test_the_picture_may_be_reused_as_soon_as_write_returns(tmp_path):
    path, image = tmp_path / "out.mp4", np.empty((48, 64, 3), np.uint8)
    levels = [20, 220] * 10
    with open_sink(path, fps=10, width=64, height=48) as sink:
        for level in levels:
            image[:] = level
            sink.write(image)
    seen = [f.image.mean() for f in frames_of(path)]
    assert seen == pytest.approx(levels, abs=12)


@pytest.mark.parametrize(("width", "height"), [(63, 47), (64, 47), (63, 48)])
def test_odd_sizes_are_padded_by_their_edge(tmp_path, width, height):
    path, written = tmp_path / "odd.mp4", images(5, width, height)
    with open_sink(path, fps=25, width=width, height=height) as sink:
        for image in written:
            sink.write(image)
    frames = frames_of(path)
    assert frames[0].image.shape == (48, 64, 3)
    for frame, image in zip(frames, written, strict=True):
        kept = frame.image[:height, :width].astype(int)
        assert np.abs(kept - image).mean() < 12
    last = frames[0].image.astype(int)
    assert np.abs(last[:, -1] - last[:, -2]).mean() < 12


def test_the_video_says_which_colours_its_numbers_mean(tmp_path):
    """Untagged, players take HD for BT.709 and show other colours than were written."""
    path, color = tmp_path / "out.mp4", (200, 40, 90)
    with open_sink(path, fps=25, width=1280, height=720) as sink:
        sink.write(np.full((720, 1280, 3), color, np.uint8))
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).colorspace in (5, 6)  # both are BT.601
    assert np.abs(frames_of(path)[0].image.astype(int) - color).max() <= 4


def test_nothing_stands_under_the_final_name_before_close(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"the old one")
    sink = open_sink(path, fps=25, width=64, height=48)
    for image in images(10):
        sink.write(image)
    assert path.read_bytes() == b"the old one"
    sink.close()
    assert len(frames_of(path)) == 10
    assert os.listdir(tmp_path) == ["out.mp4"]


def test_a_run_broken_off_by_an_error_keeps_what_was_written(tmp_path):
    path = tmp_path / "out.mp4"

    def run():
        with open_sink(path, fps=25, width=64, height=48) as sink:
            for image in images(10):
                sink.write(image)
            raise RuntimeError("inference failed")

    with pytest.raises(RuntimeError, match="inference failed"):
        run()
    assert len(frames_of(path)) == 10


def test_without_a_frame_there_is_no_file_and_close_may_be_called_again(tmp_path):
    sink = open_sink(tmp_path / "out.mp4", fps=25, width=64, height=48)
    sink.close()
    sink.close()
    assert os.listdir(tmp_path) == []
    with pytest.raises(ValueError, match="closed"):
        sink.write(images(1)[0])


def test_even_a_kill_leaves_a_part_that_plays(tmp_path):
    done = write_until("kill", tmp_path / "out.mp4")
    assert done.returncode == -signal.SIGKILL
    assert os.listdir(tmp_path) == ["out.partial.mp4"]
    with open_source(str(tmp_path / "out.partial.mp4")) as source:
        assert len(in_time(lambda: read_all(source))) >= 60
        assert source.damage is None or "cut off" in source.damage


def test_a_full_disk_is_told_in_one_line_and_the_part_that_fits_plays(tmp_path):
    done = write_until("full", tmp_path / "out.mp4")
    assert done.returncode == 3, done.stderr
    assert "out.partial.mp4" in done.stdout
    assert "File too large" in done.stdout
    assert done.stdout.count("\n") == 1
    assert os.listdir(tmp_path) == ["out.partial.mp4"]
    assert len(frames_of(tmp_path / "out.partial.mp4")) >= 5


def test_what_is_no_picture_of_the_sinks_size_is_misuse(tmp_path):
    with open_sink(tmp_path / "out.mp4", fps=25, width=64, height=48) as sink:
        for wrong in (np.zeros((64, 48, 3), np.uint8), np.zeros((48, 64, 3), np.float32)):
            with pytest.raises(ValueError, match="needs"):
                sink.write(wrong)


def test_a_place_that_can_not_be_written_is_refused_at_once(tmp_path):
    for uri in (tmp_path / "none" / "out.mp4", tmp_path / "out.avi", "rtsp://host/x", "out"):
        with pytest.raises(VideoError) as caught:
            open_sink(uri, fps=25, width=64, height=48)
        assert "\n" not in str(caught.value)


def test_none_keeps_nothing_and_file_uris_are_paths(tmp_path):
    for uri in ("none", "none://"):
        with open_sink(uri, fps=25, width=64, height=48) as sink:
            assert isinstance(sink, NullSink)
            sink.write(images(1)[0])
            sink.close()
    with open_sink(f"file://{tmp_path}/out.mp4", fps=25, width=64, height=48) as sink:
        assert isinstance(sink, FileSink)
        sink.write(images(1)[0])
    assert len(frames_of(tmp_path / "out.mp4")) == 1


def test_a_full_disk_is_told_and_the_part_that_fits_plays_on_a_real_one(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a disk that is really full needs root, to mount a small one")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"NOT TESTED: a disk that is really full: {mounted.stderr.strip()}")
    noise = np.random.default_rng(0).integers(0, 256, (30, 120, 160, 3), dtype=np.uint8)
    try:
        sink = open_sink(disk / "out.mp4", fps=30, width=160, height=120)
        with pytest.raises(VideoError, match="No space left on device") as caught:
            in_time(lambda: [sink.write(noise[k % 30]) for k in range(600)])
        assert "\n" not in str(caught.value)
        with pytest.raises(VideoError, match=r"out\.partial\.mp4"):
            in_time(sink.close)
        in_time(sink.close)  # a second time it is closed already
        assert os.listdir(disk) == ["out.partial.mp4"]
        with open_source(str(disk / "out.partial.mp4")) as source:
            assert len(in_time(lambda: read_all(source))) >= 10
            assert source.damage
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_final_name_that_is_taken_by_a_folder_is_one_line_and_the_part_is_kept(tmp_path):
    (tmp_path / "out.mp4").mkdir()
    sink = open_sink(tmp_path / "out.mp4", fps=25, width=64, height=48)
    sink.write(images(1)[0])
    with pytest.raises(VideoError, match="its final name") as caught:
        sink.close()
    assert "\n" not in str(caught.value)
    assert len(frames_of(tmp_path / "out.partial.mp4")) == 1


def test_a_failing_encoder_frees_a_writer_that_waits_for_room(tmp_path):
    """More pictures than the queue holds, of a width that x264 refuses."""
    sink = FileSink(tmp_path / "out.mp4", fps=25, width=20_000, height=4, capacity=2)
    image = np.zeros((4, 20_000, 3), np.uint8)
    with pytest.raises(VideoError) as caught:
        in_time(lambda: [sink.write(image) for _ in range(50)])
    assert "\n" not in str(caught.value)
    with pytest.raises(VideoError):
        in_time(sink.close)


@pytest.mark.parametrize(
    ("fps", "width", "height"),
    [(0, 64, 48), (-1, 64, 48), (float("nan"), 64, 48), (float("inf"), 64, 48), (25, 0, 48),
     (25, 64, 0)],
)  # fmt: skip
def test_no_rate_and_no_size_are_misuse(tmp_path, fps, width, height):
    with pytest.raises(ValueError, match="no video of"):
        open_sink(tmp_path / "out.mp4", fps=fps, width=width, height=height)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("fps", [1 / 3600, 1.0, 29.97, 240.0])
def test_slow_and_fast_videos_can_be_written(tmp_path, fps):
    with open_sink(tmp_path / "out.mp4", fps=fps, width=64, height=48) as sink:
        for image in images(3):
            sink.write(image)
    assert len(frames_of(tmp_path / "out.mp4")) == 3
