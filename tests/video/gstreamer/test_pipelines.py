"""What GStreamer is told to run; no GStreamer is needed for it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.errors import VideoError
from edgert.video.gstreamer.elements import find_hardware
from edgert.video.gstreamer.pipelines import (
    decode_pipeline,
    demuxer_of,
    rate,
    rtsp_pipeline,
    split_login,
)
from edgert.video.uri import Address, parse_uri
from tests.video.gstreamer.machines import JETPACK_6, JETPACK_7

SIX, SEVEN = find_hardware(JETPACK_6)[0], find_hardware(JETPACK_7)[0]
LIVE = ("rtsp://camera/1", "rtsps://camera/1", "v4l2:///dev/video0", "csi")
FILES = ("file:///a/b.mp4", "/a/b.mkv")
TEXT = st.text(st.characters(exclude_characters="@/:?#%[]", codec="ascii", categories=["L", "N"]))


def address(uri, **options):
    if uri == "csi":
        return Address("csi", "csi://0", {k: str(v) for k, v in options.items()}, "0")
    return parse_uri(uri)


def elements_of(text):
    return [part.split()[0] for part in re.split(r" ! ", text)]


@pytest.mark.parametrize("hardware", [None, SIX, SEVEN])
@pytest.mark.parametrize("uri", LIVE)
def test_what_is_live_drops_pictures_and_never_packets(uri, hardware):
    pipeline = decode_pipeline(address(uri), hardware)
    assert pipeline.live
    before, _, after = pipeline.text.partition("leaky=downstream")
    if uri != "csi":  # whose pictures come uncompressed
        assert ("nvv4l2decoder" if hardware and "rtsp" in uri else "decodebin") in before
    assert "leaky" not in before
    assert "leaky" not in after
    assert "drop=true" in after
    assert "max-buffers=1" in after


@pytest.mark.parametrize("hardware", [None, SIX])
@pytest.mark.parametrize("uri", FILES)
def test_of_a_file_nothing_is_dropped(uri, hardware):
    pipeline = decode_pipeline(address(uri), hardware)
    assert not pipeline.live
    assert "leaky=no" in pipeline.text
    assert "drop=false" in pipeline.text
    assert "downstream" not in pipeline.text


@pytest.mark.parametrize("hardware", [None, SIX])
@pytest.mark.parametrize("uri", [*LIVE, *FILES, "http://host/a.mp4"])
def test_every_queue_is_bounded_by_pictures(uri, hardware):
    text = decode_pipeline(address(uri), hardware).text
    assert text.count("queue ") == text.count("max-size-buffers=2") == 1
    assert "max-buffers=" in text


def test_rtsp_takes_packets_of_video_by_tcp():
    text = decode_pipeline(parse_uri("rtsp://camera/1")).text
    assert "protocols=tcp" in text
    assert elements_of(text)[:2] == ["rtspsrc", "application/x-rtp,media=video"]
    assert "rtspsrc name=source " in text


def test_a_jetson_decodes_and_converts_in_hardware():
    text = decode_pipeline(parse_uri("rtsp://camera/1"), SIX).text
    names = elements_of(text)
    place = names.index("nvv4l2decoder")
    assert names[place - 1 : place + 3] == [
        "parsebin",
        "nvv4l2decoder",
        "nvvidconv",
        "video/x-raw,format=RGBA",
    ]
    assert "decodebin" not in text


def test_the_decoders_highest_clock_is_for_files_of_a_version_that_has_it():
    assert "enable-max-performance" in decode_pipeline(parse_uri("/a.mp4"), SIX).text
    assert "enable-max-performance" not in decode_pipeline(parse_uri("/a.mp4"), SEVEN).text
    assert "enable-max-performance" not in decode_pipeline(parse_uri("rtsp://a/b"), SIX).text


def test_a_file_is_taken_apart_by_what_it_is():
    text = decode_pipeline(parse_uri("/a.mp4"), demuxer="qtdemux").text
    assert elements_of(text)[1] == "qtdemux"
    assert elements_of(decode_pipeline(parse_uri("/a.mp4"), SIX, demuxer="qtdemux").text)[:2] == [
        "filesrc",
        "qtdemux",
    ]


@pytest.mark.parametrize(
    ("head", "demuxer"),
    [
        (b"\0\0\0\x20ftypisom", "qtdemux"),
        (b"\0\0\0\x08wide\0\0\0\0", "qtdemux"),
        (b"\x1a\x45\xdf\xa3\1\0\0\0\0\0\0\0", "matroskademux"),
        (b"\x47" * 12, "parsebin"),
        (b"RIFF\0\0\0\0AVI ", "parsebin"),
        (b"", "parsebin"),
    ],
)
def test_files_are_told_apart_by_how_they_begin(head, demuxer):
    assert demuxer_of(head) == demuxer


def test_a_web_address_is_no_live_stream_until_it_runs():
    pipeline = decode_pipeline(parse_uri("http://bob:pw@host/a.mp4?x=1"))
    assert not pipeline.live
    assert pipeline.properties == {
        "location": "http://host/a.mp4?x=1",
        "user-id": "bob",
        "user-pw": "pw",
    }


def test_pictures_are_turned_upright_where_there_is_what_turns_them():
    assert "videoflip" in decode_pipeline(parse_uri("/a.mp4")).text
    assert "videoflip" not in decode_pipeline(parse_uri("/a.mp4"), upright=False).text
    assert "videoflip" not in decode_pipeline(parse_uri("rtsp://a/b")).text


def test_a_csi_camera_is_asked_for_its_size_and_rate():
    asked = address("csi", width=1920, height=1080, fps=60, flip=2)
    pipeline = decode_pipeline(asked, SIX)
    assert pipeline.properties == {"sensor-id": "0"}
    assert (
        "video/x-raw(memory:NVMM),format=NV12,width=1920,height=1080,framerate=60/1"
        in pipeline.text
    )
    assert "flip-method=2" in pipeline.text
    assert elements_of(pipeline.text)[0] == "nvarguscamerasrc"
    default = decode_pipeline(address("csi"), SIX).text
    assert "width=1280,height=720,framerate=30/1" in default
    assert "flip-method=0" in default


def test_a_usb_camera_is_asked_for_what_the_address_says():
    asked = Address("v4l2", "v4l2:///dev/video2", {"width": "640", "fps": "15"}, "/dev/video2")
    pipeline = decode_pipeline(asked, SIX)
    assert pipeline.properties == {"device": "/dev/video2"}
    caps = "video/x-raw,width=640,framerate=15/1;image/jpeg,width=640,framerate=15/1"
    assert f'capsfilter caps="{caps}"' in pipeline.text
    assert "nvv4l2decoder" not in pipeline.text
    assert "capsfilter" not in decode_pipeline(parse_uri("/dev/video0")).text


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "wide", "", "1 ! filesink", "\uff11\uff12"])
@pytest.mark.parametrize("name", ["width", "height", "fps"])
def test_a_camera_option_that_is_no_number_is_told(name, value):
    for wrong in (address("csi", **{name: value}), Address("v4l2", "v", {name: value}, "/dev/v")):
        with pytest.raises(VideoError, match=f"expected {name} as a whole number of 1 or more"):
            decode_pipeline(wrong, None)


def test_a_test_pattern_is_nothing_for_gstreamer():
    with pytest.raises(ValueError, match="test"):
        decode_pipeline(parse_uri("test://"))


@given(name=st.text(st.characters(exclude_characters="\0"), min_size=1))
def test_no_character_of_a_file_name_is_taken_for_syntax(name):
    one = decode_pipeline(Address("file", "shown", {}, name))
    other = decode_pipeline(Address("file", "shown", {}, "plain.mp4"))
    assert one.text == other.text
    assert one.properties == {"location": name}


@given(
    user=TEXT.filter(bool),
    password=st.text(st.characters(codec="ascii", exclude_characters="%"), min_size=9),
)
def test_no_password_is_in_the_words_or_in_repr(user, password):
    pipeline = decode_pipeline(parse_uri(f"rtsp://{user}:{password}@camera:554/1"))
    assert password not in pipeline.text
    assert password not in repr(pipeline)
    assert pipeline.text == decode_pipeline(parse_uri("rtsp://camera/1")).text


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("rtsp://camera/1", ("rtsp://camera/1", "", "")),
        ("rtsp://camera:554/1@2", ("rtsp://camera:554/1@2", "", "")),
        ("rtsp://bob@camera/1", ("rtsp://camera/1", "bob", "")),
        ("rtsp://bob:pw@camera/1", ("rtsp://camera/1", "bob", "pw")),
        ("rtsp://bob:p@w@camera/1", ("rtsp://camera/1", "bob", "p@w")),
        ("rtsp://bob:p%40%2Fw@camera/1", ("rtsp://camera/1", "bob", "p@/w")),
        ("rtsp://bob:p/w@camera:554/1", ("rtsp://camera:554/1", "bob", "p/w")),
        ("http://h/a?mail=a@b", ("http://h/a?mail=a@b", "", "")),
        ("rtsp://u:p@[::1]:554/1", ("rtsp://[::1]:554/1", "u", "p")),
        ("/a@b:c", ("/a@b:c", "", "")),
    ],
)
def test_user_and_password_are_taken_out_of_an_address(target, expected):
    assert split_login(target) == expected


@pytest.mark.parametrize(("fps", "text"), [(30.0, "30/1"), (29.97, "2997/100"), (0.5, "50/100")])
def test_rates_are_fractions(fps, text):
    assert rate(fps) == text


@pytest.mark.parametrize("encoder", ["x264enc", "nvv4l2h264enc"])
def test_what_is_served_is_bounded_and_begins_again_every_second(encoder):
    text = rtsp_pipeline(encoder, width=640, height=360, fps=25.0, bitrate=1_000_000)
    assert "max-buffers=2" in text
    assert "leaky-type=downstream" in text
    assert "block=false" in text
    assert re.search(r"(key-int-max|idrinterval)=25\b", text)
    assert "name=pay0" in text
    assert ("x264enc" in text) == (encoder == "x264enc")
    bits = "bitrate=1000 " if encoder == "x264enc" else "bitrate=1000000 "  # kbit/s and bit/s
    assert bits in text
