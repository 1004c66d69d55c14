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


@pytest.mark.parametrize(
    ("password", "written"),
    [
        ("plain", "plain"),
        ("a/b", "a%2Fb"),
        ("a@b", "a%40b"),
        ("a?b#c", "a%3Fb%23c"),
        ("x @/?", "x%20%40%2F%3F"),
        ("is%2Fescaped", "is%2Fescaped"),
        ("ü:1", "%C3%BC%3A1"),
    ],
)
def test_a_password_is_escaped_so_that_the_host_is_found(password, written):
    address = parse_uri(f"rtsp://me:{password}@cam:554/live?x=1")
    assert address.target == f"rtsp://me:{written}@cam:554/live?x=1"
    assert address.uri == "rtsp://***@cam:554/live?x=1"


@pytest.mark.parametrize(
    "uri", ["rtsp://cam:554/at@home", "http://[::1]/at@home", "https://cam/at@home?user=@"]
)
def test_an_at_sign_in_the_path_does_not_move_the_host(uri):
    assert parse_uri(uri).target == uri


@pytest.mark.parametrize(
    ("uri", "scheme", "target"),
    [("csi://0", "csi", "0"), ("CSI://1?width=1280", "csi", "1"),
     ("v4l2://2", "v4l2", "/dev/video2"), ("/dev/video0?width=640", "v4l2", "/dev/video0")],
)  # fmt: skip
def test_cameras_are_written_as_jetson_utils_writes_them(uri, scheme, target):
    address = parse_uri(uri)
    assert (address.scheme, address.target) == (scheme, target)


@pytest.mark.parametrize("uri", ["csi://", "csi://front", "v4l2://front", "csi:///dev/video0"])
def test_a_camera_needs_its_number_or_its_device(uri):
    with pytest.raises(VideoError, match="Write csi://0"):
        parse_uri(uri)


def test_options_follow_the_question_mark():
    address = parse_uri("v4l2:///dev/video0?width=640&height=480")
    assert address.target == "/dev/video0"
    assert address.options == {"width": "640", "height": "480"}


@pytest.mark.parametrize("uri", ["ftp://x/y", "", "  ", "webrtc://x"])
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
