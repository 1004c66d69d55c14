"""What is handed to av.open, and what counts as live."""

from types import SimpleNamespace

import pytest

from edgert.video.container import is_live, options_from_address
from edgert.video.uri import parse_uri


def container(*, duration=None, size=-1, name="mpegts"):
    return SimpleNamespace(duration=duration, size=size, format=SimpleNamespace(name=name))


@pytest.mark.parametrize(
    ("uri", "opened", "live"),
    [
        ("a.mp4", container(), False),
        ("rtsp://cam/x", container(duration=5, size=7), True),
        ("/dev/video0", container(), True),
        ("http://cam/x.mjpg", container(), True),
        ("http://host/a.mp4", container(duration=5), False),
        ("https://host/a.ts", container(size=1000), False),
        ("http://host/a.m3u8", container(size=300, name="hls"), True),
        ("http://host/a.m3u8", container(duration=5, size=300, name="hls"), False),
    ],
)
def test_live_is_what_has_no_end_that_is_known(uri, opened, live):
    assert is_live(parse_uri(uri), opened) is live


@pytest.mark.parametrize("uri", ["rtsp://cam/x", "rtsps://cam/x", "http://h/x", "https://h/x"])
def test_everything_on_a_network_has_time_limits(uri):
    options = options_from_address(parse_uri(uri))
    assert all(0 < limit_s <= 10 for limit_s in options["timeout"])
    assert ("rtsp_transport" in options["options"]) == uri.startswith("rtsp")


def test_a_camera_s_size_needs_both_sides_and_the_rest_is_passed_on():
    asked = parse_uri("v4l2:///dev/video0?width=640&input_format=mjpeg")
    assert options_from_address(asked)["options"] == {"width": "640", "input_format": "mjpeg"}
    assert options_from_address(parse_uri("a.mp4")) == {}
