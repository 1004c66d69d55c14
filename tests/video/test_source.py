"""Files, broken files, live streams that break off, and the generated pattern, read as frames."""

import itertools
import threading

import av
import numpy as np
import pytest

from edgert.clock import VirtualClock
from edgert.errors import VideoError
from edgert.video.connection import Connection
from edgert.video.decode import PyavDecoder
from edgert.video.source import open_source
from edgert.video.uri import parse_uri
from tests.video.clips import SIZE, cut, images, read_all, remux, write_clip, write_sound
from tests.video.waiting import in_time

SECRET = "hunter2"
CAMERA = f"rtsp://me:{SECRET}@camera/live"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 60)


def test_a_file_gives_every_frame_in_order_with_its_time(clip):
    with open_source(str(clip)) as source:
        frames = read_all(source)
    assert (source.width, source.height, source.fps, source.live) == (*SIZE, 25.0, False)
    assert [f.index for f in frames] == list(range(60))
    assert [f.time_s for f in frames] == pytest.approx([k / 25 for k in range(60)])
    assert (source.damage, source.dropped, source.uri) == (None, 0, str(clip))


def test_pixels_are_rgb_and_close_to_what_was_written(clip):
    with open_source(str(clip)) as source:
        frames = read_all(source)
    written = images(60)
    assert frames[0].image.dtype == np.uint8
    assert frames[0].image.flags.c_contiguous
    far = [np.abs(f.image.astype(int) - i).mean() for f, i in zip(frames, written, strict=True)]
    assert max(far) < 12
    swapped = [
        np.abs(f.image[..., ::-1].astype(int) - i).mean()
        for f, i in zip(frames, written, strict=True)
    ]
    assert min(swapped) > 12  # red and blue exchanged would be seen


def test_colours_of_bt709_are_read_as_bt709(tmp_path):
    """A flat colour written with the tag of HD video comes back as that colour."""
    color, path = (200, 40, 90), tmp_path / "hd.mp4"
    picture = np.full((48, 64, 3), color, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace = 1
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
        frame.colorspace = 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with open_source(str(path)) as source:
        image = source.read().image
    assert np.abs(image.astype(int) - color).max() <= 4
    wrong = frame.reformat(format="rgb24", src_colorspace="ITU601").to_ndarray()
    assert np.abs(wrong.astype(int) - color).max() > 4


def test_loops_go_on_in_index_and_time_without_a_jump(clip):
    with open_source(str(clip), loops=3) as source:
        frames = read_all(source)
    assert [f.index for f in frames] == list(range(180))
    steps = np.diff([f.time_s for f in frames])
    assert steps == pytest.approx(np.full(179, 1 / 25))
    assert np.array_equal(frames[5].image, frames[125].image)


def test_max_frames_ends_early_and_releases_the_file(clip):
    with open_source(str(clip), max_frames=7) as source:
        assert len(read_all(source)) == 7
    with open_source("test://?frames=20&width=8&height=8", max_frames=3) as source:
        assert len(read_all(source)) == 3


@pytest.mark.parametrize("options", [{"loops": 0}, {"max_frames": 0}])
def test_counts_below_one_are_misuse(options):
    with pytest.raises(ValueError, match="start at 1"):
        open_source("test://", **options)


def test_a_pattern_needs_no_decoder_and_reports_no_damage():
    with open_source("test://?width=16&height=8&fps=10&frames=4", loops=2) as source:
        frames = read_all(source)
    assert (source.width, source.height, source.fps, source.live) == (16, 8, 10.0, False)
    assert len(frames) == 8
    assert (source.damage, source.reconnects) == (None, 0)


def test_latest_plays_a_file_at_its_own_pace_and_counts_what_it_dropped(clip):
    with open_source(str(clip), policy="latest", clock=VirtualClock(1000.0)) as source:
        first = source.read()
    assert first.index == 0  # the clock stands still: the second frame never comes due


def test_a_file_that_asks_to_be_turned_is_turned(clip, tmp_path):
    """Phones store pictures as the sensor lies, and the turn beside them."""
    data = bytearray(remux(clip, tmp_path / "plain.mp4").read_bytes())
    straight = b"".join(n.to_bytes(4, "big") for n in (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30))
    turned = b"".join(
        (n % 2**32).to_bytes(4, "big") for n in (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    )
    place = data.index(straight, data.index(b"tkhd"))
    data[place : place + 36] = turned
    path = tmp_path / "phone.mp4"
    path.write_bytes(data)
    with open_source(str(clip)) as upright, open_source(str(path)) as phone:
        assert (phone.width, phone.height) == (upright.height, upright.width)
        seen, stored = phone.read().image, upright.read().image
    assert np.array_equal(seen, np.rot90(stored, -1))  # 90 degrees clockwise
    assert seen.flags.c_contiguous


# ------------------------------------------------------------- what can not be opened


def test_what_is_no_video_is_refused_in_one_line(tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("no video")
    sound = write_sound(tmp_path / "sound.wav")
    cases = [(tmp_path / "none.mp4", "no such file"), (tmp_path, "a folder"),
             (text, "Invalid data"), (sound, "without one")]  # fmt: skip
    for path, got in cases:
        with pytest.raises(VideoError) as caught:
            open_source(str(path))
        assert got in str(caught.value)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_mp4_cut_before_its_index_can_not_be_opened(clip, tmp_path):
    plain = remux(clip, tmp_path / "plain.mp4")
    with pytest.raises(VideoError, match="a video that can be opened"):
        open_source(str(cut(plain)))


def test_a_video_without_a_single_frame_is_refused(clip, tmp_path):
    path = remux(clip, tmp_path / "empty.mp4", movflags="faststart")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 8])
    with pytest.raises(VideoError, match="frames that can be decoded"):
        open_source(str(path))


# ------------------------------------------------------------- damage


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_truncated_file_gives_its_frames_and_says_what_is_missing(clip, tmp_path, ending):
    path = cut(remux(clip, tmp_path / f"cut.{ending}", movflags="faststart"))
    with open_source(str(path)) as source:
        frames = read_all(source)
    assert 15 <= len(frames) < 60
    assert [f.index for f in frames] == list(range(len(frames)))
    assert "of the declared" in source.damage
    assert "\n" not in source.damage


def test_a_damaged_middle_is_stepped_over_and_told(clip, tmp_path):
    path = remux(clip, tmp_path / "hole.mp4", movflags="faststart")
    data = bytearray(path.read_bytes())
    middle = len(data) * 3 // 5
    data[middle : middle + 2500] = bytes(2500)
    path.write_bytes(data)
    with open_source(str(path)) as source:
        frames = read_all(source)
    assert len(frames) > 20
    times_s = [f.time_s for f in frames]
    assert times_s == sorted(times_s)
    assert "damaged in" in source.damage


# ------------------------------------------------------------- live streams


class Camera:
    """Opens a clip as if it were a camera; refuses where the script says so."""

    def __init__(self, clip, script):
        self.clip, self.script, self.asked = clip, iter(script), []

    def __call__(self, target, **options):
        self.asked.append((target, options))
        if not next(self.script, False):
            raise av.error.ConnectionRefusedError(111, f"refused {target}", target)
        return av.open(str(self.clip))


def connection(camera, pauses_s=(0.0, 0.0)):
    address = parse_uri(CAMERA)
    return Connection(
        address,
        lambda: PyavDecoder(address, open_container=camera),
        clock=VirtualClock(),
        pauses_s=pauses_s,
    )


def test_a_live_stream_is_opened_with_time_limits_over_tcp(clip):
    camera = Camera(clip, [True])
    opened = connection(camera)
    assert opened.live
    target, options = camera.asked[0]
    assert target == CAMERA
    assert options["options"] == {"rtsp_transport": "tcp", "analyzeduration": "500000"}
    assert all(limit_s > 0 for limit_s in options["timeout"])
    opened.close()


def test_a_stream_that_breaks_off_is_opened_again(clip):
    opened = connection(Camera(clip, [True, False, True, True]))
    frames = list(opened.frames())
    assert [f.index for f in frames] == list(range(180))
    assert opened.reconnects == 2
    assert np.diff([f.time_s for f in frames]).min() >= 0
    opened.close()


def test_a_stream_that_stays_away_ends_and_says_why_without_credentials(clip):
    camera = Camera(clip, [True])
    opened = connection(camera)
    assert len(list(opened.frames())) == 60
    assert len(camera.asked) == 3  # opened once, asked for twice more
    assert "refused" in opened.damage
    assert SECRET not in opened.damage


def test_stop_cuts_a_reconnection_pause_short(clip):
    opened = connection(Camera(clip, [True]), pauses_s=(3600.0,))
    frames = opened.frames()
    assert [next(frames).index for _ in range(60)][-1] == 59
    threading.Timer(0.05, opened.stop).start()
    assert in_time(lambda: list(frames)) == []


def test_close_during_a_reconnection_pause_does_not_wait_for_it(clip):
    refused = threading.Event()

    def camera(target, **options):
        if refused.is_set():
            raise av.error.ConnectionRefusedError(111, "refused", target)
        refused.set()
        return av.open(str(clip))

    source = open_source(CAMERA, open_container=camera)
    assert source.read() is not None
    source.close()
    assert source.read() is None


def test_credentials_are_in_no_message_cause_or_attribute():
    def camera(target, **options):
        raise av.error.ConnectionRefusedError(111, f"no {target}\nat all", target)

    with pytest.raises(VideoError) as caught:
        open_source(CAMERA, open_container=camera)
    error = caught.value
    told = str(error) + repr(vars(error))
    for link in (error.__cause__, error.__context__):
        told += repr(link) + repr(getattr(link, "filename", None))
    assert SECRET not in told
    assert "\n" not in str(error)


def test_a_camera_gets_its_size_and_rate(clip):
    asked = {}

    def camera(target, **options):
        asked.update(options, target=target)
        return av.open(str(clip))

    uri = "v4l2:///dev/video7?width=640&height=480&fps=15&input_format=mjpeg"
    with open_source(uri, open_container=camera) as source:
        assert source.live
    wanted = {"video_size": "640x480", "framerate": "15", "input_format": "mjpeg"}
    assert asked == {"target": "/dev/video7", "format": "v4l2", "options": wanted}


def test_http_is_live_only_where_no_length_is_known(clip):
    with open_source("http://host/a.mp4", open_container=lambda *_, **__: av.open(str(clip))) as s:
        assert not s.live
        assert len(read_all(s)) == 60


def test_an_unforeseen_failure_of_the_thread_becomes_one_line(clip):
    """The fifth frame's picture can not be had; four are read, then the reason is told."""

    class Clock(VirtualClock):
        calls = itertools.count()

        def now_s(self):
            if next(self.calls) == 5:
                raise RuntimeError(f"lost\n{CAMERA}")
            return 0.0

    source = open_source(
        CAMERA, policy="all", clock=Clock(), open_container=lambda *_, **__: av.open(str(clip))
    )
    with source, pytest.raises(VideoError) as caught:
        read_all(source)
    assert "RuntimeError" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
