"""What a source is called, and what is never shown of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.errors import VideoError
from edgert.video.uri import SCHEMES, parse_uri, redact

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("uri", "scheme", "target"),
    [
        ("clip.mp4", "file", "clip.mp4"),
        ("/a b/c:d.mp4", "file", "/a b/c:d.mp4"),
        ("file:///a%20b.mp4", "file", "/a b.mp4"),
        ("100%25.mp4", "file", "100%25.mp4"),
        ("/dev/video2", "v4l2", "/dev/video2"),
        ("v4l2:///dev/video0", "v4l2", "/dev/video0"),
        ("RTSP://cam/x", "rtsp", "RTSP://cam/x"),
        ("https://h/a.mp4?x=1", "https", "https://h/a.mp4?x=1"),
        ("test://", "test", ""),
    ],
)
def test_scheme_and_target_of_each_kind(uri, scheme, target):
    address = parse_uri(uri)
    assert (address.scheme, address.target) == (scheme, target)


def test_options_follow_the_question_mark():
    address = parse_uri("v4l2:///dev/video0?width=640&height=480")
    assert address.target == "/dev/video0"
    assert address.options == {"width": "640", "height": "480"}


@pytest.mark.parametrize("uri", ["ftp://x/y", "", "  ", "csi://0"])
def test_unknown_scheme_lists_the_known_ones_in_one_line(uri):
    with pytest.raises(VideoError) as caught:
        parse_uri(uri)
    assert "\n" not in str(caught.value)
    assert all(f"{scheme}://" in str(caught.value) for scheme in SCHEMES)


@pytest.mark.parametrize(
    "uri",
    [
        f"rtsp://admin:{SECRET}@cam/x",
        f"rtsp://admin:a/b?c#d@{SECRET}@cam/x",
        f"http://cam/x.mjpg?user=a&password={SECRET}&q=1",
        f"rtsp://cam/user=admin&password={SECRET}&channel=1",
        f"https://cam/x?TOKEN={SECRET}",
        f"https://cam/x?a=1&access_token={SECRET}/{SECRET}",
        f"https://cam/x?X-Amz-Signature={SECRET}&X-Amz-Credential={SECRET}",
        f"rtsp://cam/user=admin_password={SECRET}_channel=1",
        f"rtsp://admin:with space {SECRET}@cam/x",
        f"file://admin:{SECRET}@cam/x.mp4",
    ],
)
def test_credentials_are_nowhere_but_in_the_target(uri):
    address = parse_uri(uri)
    assert SECRET in address.target
    assert SECRET not in address.uri + repr(address)
    assert "cam" in address.uri


@pytest.mark.parametrize("slip", ["rtsp:/", "rtsp:", ""])
def test_a_password_is_hidden_even_where_the_scheme_is_mistyped(slip):
    """Such a text is taken for a path, and shown when there is no such file."""
    address = parse_uri(f"{slip}admin:{SECRET}@cam/x")
    assert address.scheme == "file"
    assert SECRET not in address.uri + repr(address)


def test_credentials_are_hidden_in_the_refusal_too():
    with pytest.raises(VideoError) as caught:
        parse_uri(f"ftp://me:{SECRET}@host/x")
    assert SECRET not in str(caught.value) + repr(vars(caught.value))


@given(
    user=st.text(st.characters(exclude_categories=["Z", "C"]), max_size=12),
    password=st.text(st.characters(exclude_categories=["Z", "C"]), max_size=12),
)
def test_whatever_the_password_holds_it_is_hidden(user, password):
    assert redact(f"rtsp://{user}:<{password}>@camera/live") == "rtsp://***@camera/live"


def test_text_without_credentials_is_left_alone():
    for text in (
        "open video rtsp://cam:554/live: connection refused",
        "/srv/me@work/clip 10:30.mp4",
        "http://host/a.mp4?start=3&end=5",
    ):
        assert redact(text) == text
