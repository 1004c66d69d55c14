"""Real files through the distribution's GStreamer."""

import shutil
import threading

import av
import numpy as np
import pytest

from edgert.errors import EdgertError, VideoError
from edgert.video.gstreamer import decoder as decoder_module
from edgert.video.gstreamer.elements import Hardware
from edgert.video.gstreamer.pipelines import Pipeline
from edgert.video.uri import Address, parse_uri
from tests.video.clips import images, write_clip, write_sound
from tests.video.gstreamer.machines import LAPTOP, needs_gstreamer
from tests.video.gstreamer.opened import SECRET, StubbornClock, all_of, opened, plain_clip
from tests.video.waiting import in_time

pytestmark = pytest.mark.system
COUNT = 40


@pytest.fixture(autouse=True, scope="module")
def _gstreamer():
    needs_gstreamer()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return plain_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", COUNT)


def hardware_of(monkeypatch, decoder, converter="videoconvert"):
    """Let the pipeline for hardware run, with elements that are here in place of NVIDIA's."""
    stand_in = Hardware(decoder, converter, max_performance=False)
    monkeypatch.setattr(decoder_module, "find_hardware", lambda _: (stand_in, ""))


# ------------------------------------------------------------- every frame, in order


def test_a_file_gives_every_frame_at_its_time(clip):
    pictures, decoder = in_time(lambda: all_of(clip))
    assert len(pictures) == COUNT
    times_s = np.array([p.time_s for p in pictures])
    np.testing.assert_allclose(np.diff(times_s), 1 / 25, atol=1e-6)
    assert (decoder.width, decoder.height, decoder.fps) == (64, 48, 25.0)
    assert not decoder.live
    assert (decoder.damage, decoder.damaged) == (None, 0)
    assert decoder.name == "gstreamer avdec_h264"
    assert "nvv4l2decoder" in decoder.reason
    shown = images(COUNT)
    for picture, image in zip(pictures, shown, strict=True):
        assert picture.image.dtype == np.uint8
        assert picture.image.flags["C_CONTIGUOUS"]
        assert np.abs(picture.image.astype(int) - image).mean() < 12
    assert np.abs(pictures[0].image.astype(int) - shown[COUNT // 2]).mean() > 20


@pytest.mark.parametrize("size", [(66, 50), (322, 242), (18, 10)])
def test_rows_that_gstreamer_pads_are_brought_together(tmp_path, size):
    """GStreamer's rows of RGB are multiples of 4 bytes: 3 x 66 is none."""
    width, height = size
    target = plain_clip(tmp_path / "clip.mp4", 4, width=width, height=height)
    pictures, _ = in_time(lambda: all_of(target))
    image = pictures[0].image
    assert image.shape == (height, width, 3)
    with av.open(str(target)) as container:
        expected = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(image.astype(int) - expected).mean() < 6
    skewed = np.roll(expected, 2, axis=1)
    assert (
        np.abs(image.astype(int) - skewed).mean()
        > 1.5 * np.abs(image.astype(int) - expected).mean()
    )


@pytest.mark.parametrize("ending", ["mkv", "ts", "mov"])
def test_containers_other_than_mp4(tmp_path, ending):
    target = plain_clip(tmp_path / f"clip.{ending}", COUNT)
    pictures, decoder = in_time(lambda: all_of(target))
    assert len(pictures) == COUNT
    assert decoder.damage is None


def test_sound_beside_the_video_is_left_alone(tmp_path, clip):
    target = tmp_path / "sound.mp4"
    with av.open(str(clip)) as old, av.open(str(target), "w") as new:
        sound = new.add_stream("aac", rate=8000, layout="mono")
        video = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                new.mux(packet)
        samples = av.AudioFrame.from_ndarray(
            np.zeros((1, 8000), np.float32), format="fltp", layout="mono"
        )
        samples.sample_rate = 8000
        new.mux(sound.encode(samples))
        new.mux(sound.encode())
    pictures, decoder = in_time(lambda: all_of(target))
    assert len(pictures) == COUNT
    assert decoder.name == "gstreamer avdec_h264"


@pytest.mark.parametrize(
    "name", ['a "quoted" one.mp4', "a ! filesink location=x.mp4", "ä%20?.mp4", "=name.mp4"]
)
def test_names_that_gst_launch_would_misread(tmp_path, clip, name):
    target = tmp_path / name
    shutil.copy(clip, target)
    pictures, _ = in_time(lambda: all_of(Address("file", "shown", {}, str(target))))
    assert len(pictures) == COUNT


def test_a_reader_that_takes_its_time_misses_nothing(clip):
    with opened(clip) as decoder:
        wait = threading.Event()
        count = 0
        for _ in decoder.pictures():
            wait.wait(0.01)
            count += 1
    assert count == COUNT


# ------------------------------------------------------------- what can not be opened


def refusal_of(uri, **options):
    with pytest.raises(EdgertError) as caught:
        in_time(lambda: all_of(uri, **options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_that_is_not_there():
    assert "no such file" in refusal_of("/nowhere/clip.mp4")


def test_a_folder_is_no_video(tmp_path):
    assert "a folder" in refusal_of(tmp_path)


def test_a_file_without_video(tmp_path):
    told = refusal_of(write_sound(tmp_path / "sound.wav"))
    assert "no video in it" in told or "no picture for 5 s" in told  # what parsebin swallowed


@pytest.mark.parametrize("name", ["noise.mp4", "noise.mkv", "noise"])
def test_a_file_of_noise(tmp_path, name):
    target = tmp_path / name
    target.write_bytes(np.random.default_rng(3).bytes(50_000))
    told = refusal_of(target, opening_s=2.0)
    assert told.startswith(f"open video {target}: expected ")


@pytest.mark.parametrize("attempt", range(5))
def test_a_recording_that_never_got_its_index_is_refused_at_once(tmp_path, attempt):
    """GStreamer 1.22's parsebin loses the demuxer's error in about half of the attempts."""
    target = write_clip(tmp_path / "clip.mp4", COUNT)
    data = target.read_bytes()
    target.write_bytes(data[: data.rindex(b"moov") - 4])
    assert "no playable streams" in refusal_of(target)


def test_a_camera_that_is_not_there():
    assert "/dev/video77" in refusal_of("v4l2:///dev/video77")


def test_a_csi_camera_where_none_can_be():
    csi = Address("csi", "csi://0", {}, "0")
    assert "expected the element nvarguscamerasrc" in refusal_of(csi, elements=LAPTOP)


# ------------------------------------------------------------- damage


def test_a_file_that_is_cut_off_gives_what_it_holds(tmp_path, clip):
    target = tmp_path / "cut.mp4"
    target.write_bytes(clip.read_bytes()[: int(clip.stat().st_size * 0.7)])
    pictures, decoder = in_time(lambda: all_of(target))
    assert 0 < len(pictures) < COUNT
    assert decoder.damaged >= 1
    assert decoder.damage
    assert "\n" not in decoder.damage


def test_bytes_overwritten_in_the_middle_cost_no_more_than_their_frames(tmp_path, clip):
    data = bytearray(clip.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 400] = np.random.default_rng(1).bytes(400)
    target = tmp_path / "hurt.mp4"
    target.write_bytes(data)
    pictures, decoder = in_time(lambda: all_of(target))
    sound, _ = in_time(lambda: all_of(clip))
    assert COUNT - 6 <= len(pictures) < COUNT
    times_s = [p.time_s for p in pictures]
    assert set(times_s) < {p.time_s for p in sound}
    assert times_s[-1] == sound[-1].time_s
    assert decoder.damaged == 0  # a limit: nothing on the bus tells of it


# ------------------------------------------------------------- the end, by whoever


def test_stop_from_another_thread_ends_it(clip):
    with opened(clip) as decoder:
        pictures = decoder.pictures()
        next(pictures)
        threading.Thread(target=decoder.stop).start()
        rest = in_time(lambda: len(list(pictures)), 5.0)
    assert rest < COUNT


def test_close_before_and_after_reading_and_twice(clip):
    for taken in (0, 3):
        with opened(clip) as decoder:
            pictures = decoder.pictures()
            for _ in range(taken):
                next(pictures)
            decoder.close()
            decoder.close()
            assert list(pictures) == []


# ------------------------------------------------------------- hardware, by stand-ins


def test_the_pipeline_for_hardware_gives_the_same_pictures(monkeypatch, clip):
    expected, _ = in_time(lambda: all_of(clip))
    hardware_of(monkeypatch, "avdec_h264")
    pictures, decoder = in_time(lambda: all_of(clip))
    assert decoder.reason == ""
    assert decoder.name == "gstreamer avdec_h264"
    assert len(pictures) == COUNT
    assert np.abs(pictures[7].image.astype(int) - expected[7].image).mean() < 2


def test_what_the_hardware_refuses_is_decoded_in_software(monkeypatch, clip):
    hardware_of(monkeypatch, "avdec_h265")  # the file holds H.264
    pictures, decoder = in_time(lambda: all_of(clip))
    assert len(pictures) == COUNT
    assert decoder.name == "gstreamer avdec_h264"
    assert decoder.reason.startswith("avdec_h265 could not: ")


def test_a_pipeline_with_an_element_that_is_not_here_is_refused(monkeypatch, clip):
    hardware_of(monkeypatch, "nosuchdecoder")
    assert 'no element "nosuchdecoder"' in refusal_of(clip)


def test_a_stream_that_never_begins_is_given_up(monkeypatch, tmp_path):
    """By a clock that runs fast, on a pipeline that waits for ever."""
    monkeypatch.setattr(
        decoder_module,
        "decode_pipeline",
        lambda *_, **__: Pipeline(
            "appsrc name=source ! decodebin ! queue name=latest ! videoconvert "
            "! appsink name=pictures",
            live=True,
        ),
    )
    address = parse_uri(f"rtsp://bob:{SECRET}@x/")
    with pytest.raises(VideoError, match="went silent for 15 s") as caught:
        in_time(lambda: all_of(address, clock=StubbornClock(7.5)))
    assert SECRET not in str(caught.value)
