"""Which decoder is taken, and why it is not the hardware's."""

import pytest

from edgert.clock import VirtualClock
from edgert.errors import MissingDependencyError, VideoError
from edgert.video import gstreamer
from edgert.video.decoders import open_decoder
from edgert.video.uri import parse_uri
from tests.video.clips import write_clip
from tests.video.standins import ScriptedDecoder

ASKED = {"clock": VirtualClock()}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return parse_uri(str(write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 5)))


@pytest.fixture
def jetson(monkeypatch):
    """A machine with NVIDIA's decoder, as far as what chooses can see."""
    made = []

    def decoder(address, *, clock):
        made.append(address)
        return ScriptedDecoder(2)

    monkeypatch.setattr("edgert.video.decoders.platform.machine", lambda: "aarch64")
    monkeypatch.setattr(gstreamer, "hardware_decoder", lambda: ("nvv4l2decoder", ""))
    monkeypatch.setattr(gstreamer, "GStreamerDecoder", decoder)
    return made


def opened(address, **options):
    decoder = open_decoder(address, **ASKED, **options)
    decoder.close()
    return decoder


def test_pyav_decodes_where_nobody_asks_otherwise_and_says_why(clip, monkeypatch):
    monkeypatch.setattr("edgert.video.decoders.platform.machine", lambda: "x86_64")
    decoder = opened(clip)
    assert decoder.name == "pyav"
    assert "this is x86_64" in decoder.reason


def test_what_the_settings_ask_for_is_taken_and_told(clip, jetson):
    decoder = opened(clip, choice="pyav")
    assert (decoder.name, decoder.reason) == ("pyav", "the settings ask for pyav")
    assert opened(clip, choice="gstreamer").name == "scripted"
    assert jetson == [clip]


def test_hardware_is_taken_where_there_is_some(clip, jetson):
    assert opened(clip).name == "scripted"
    assert opened(parse_uri("rtsp://cam/x")).name == "scripted"


def test_a_jetson_without_the_element_says_which(clip, jetson, monkeypatch):
    monkeypatch.setattr(gstreamer, "hardware_decoder", lambda: ("", "no nvv4l2decoder"))
    decoder = opened(clip)
    assert (decoder.name, decoder.reason) == ("pyav", "no nvv4l2decoder")
    assert jetson == []


def test_a_file_that_gstreamer_can_not_play_is_played_by_pyav(clip, jetson, monkeypatch):
    def refuse(address, *, clock):
        raise VideoError("open", expected="H.264", got="something odd", advice="Look")

    monkeypatch.setattr(gstreamer, "GStreamerDecoder", refuse)
    assert opened(clip).reason == "GStreamer could not: something odd"
    with pytest.raises(VideoError, match="something odd"):  # a camera counts wrong passwords
        opened(parse_uri("rtsp://cam/x"))


def test_a_csi_camera_needs_gstreamer(jetson, monkeypatch):
    assert opened(parse_uri("csi://0")).name == "scripted"
    with pytest.raises(VideoError, match="gstreamer for a CSI camera, got pyav"):
        opened(parse_uri("csi://0"), choice="pyav")

    def missing(address, *, clock):
        raise MissingDependencyError("load", expected="GStreamer", got="none", advice="Install")

    monkeypatch.setattr(gstreamer, "GStreamerDecoder", missing)
    with pytest.raises(MissingDependencyError):
        opened(parse_uri("csi://0"))


def test_a_pattern_is_a_decoder_like_others():
    decoder = opened(parse_uri("test://?width=16&height=8&frames=3&fps=5"))
    pictures = list(decoder.pictures())
    assert (decoder.name, decoder.width, decoder.height, decoder.fps) == ("pattern", 16, 8, 5.0)
    assert [picture.time_s for picture in pictures] == pytest.approx([0.0, 0.2, 0.4])
    stopped = open_decoder(parse_uri("test://"), **ASKED)
    stopped.stop()
    assert list(stopped.pictures()) == []
