"""Whatever a password holds, nobody reads it: not in errors, their causes, figures or logs."""

import logging
import socket
import traceback
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgert.clock import VirtualClock
from edgert.errors import EdgertError, VideoError
from edgert.video.backoff import Backoff
from edgert.video.connection import Connection
from edgert.video.results import open_result_sink
from edgert.video.sink import open_sink
from edgert.video.source import open_source
from edgert.video.uri import parse_uri, redact
from tests.video.standins import ScriptedDecoder, wait_until

MARK = "S3cr3t"  # in the middle, so that a part that gets out is seen too
# Everything but surrogates, which no command line can hold. The first character is no digit:
# "me:1/2@cam" can't be told from a host "me" with a port.
ODD = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PASSWORDS = st.builds(lambda before, after: f"x{before}{MARK}{after}", ODD, ODD)


class Heard(logging.Handler):
    def __init__(self):
        super().__init__(0)
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage() + repr(record.args) + repr(record.exc_info))


@pytest.fixture(scope="module")
def heard():
    handler, root = Heard(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(0)
    yield handler.texts
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture(scope="module")
def nobody():
    """A port of this machine that refuses."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def texts_of(error):
    """All that an error and what led to it say, to people and to who looks inside."""
    found = []
    while error is not None:
        found += ["".join(traceback.format_exception_only(error)), repr(error), repr(vars(error))]
        found += [repr(error.args), repr(getattr(error, "filename", None))]
        error = error.__cause__ or error.__context__
    return "".join(found)


def leaks(told, password):
    return MARK in told or quote(password) in told


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
@settings(max_examples=60, deadline=None)
@given(password=PASSWORDS)
@example(password=f"x @/?#:[{MARK}]\n%41")
@example(password=f"x\r\n {MARK}")
def test_no_text_of_a_source_holds_the_password(heard, nobody, scheme, password):
    uri = f"{scheme}://me:{password}@127.0.0.1:{nobody}/live?token={MARK}"
    with pytest.raises(EdgertError) as caught:
        open_source(uri, decoder="pyav")
    with open_source(uri, decoder="pyav", patient=True) as source:
        wait_until(lambda: source.figures().reason)
        told = repr(source.figures()) + source.uri + repr(source) + str(source.damage)
    told += texts_of(caught.value) + repr(parse_uri(uri)) + "".join(heard)
    assert not leaks(told, password)
    assert str(nobody) in told  # there was something to leak from
    assert "\n" not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(password=PASSWORDS)
def test_what_others_raise_is_not_repeated(password):
    """A library may quote the address in part or decoded, where no search would find it."""
    address = parse_uri(f"rtsp://me:{password}@cam/live")

    def connect():
        raise RuntimeError(f"can't reach {password} at cam")

    opened = Connection(
        address, connect, clock=VirtualClock(), patient=True, backoff=Backoff(shortest_s=3600.0)
    )
    frames = opened.frames()
    told = []
    opened._on_news = lambda: (told.append(repr(opened.figures({}))), opened.stop())
    assert list(frames) == []
    assert "RuntimeError" in told[0]
    assert not leaks("".join(told), password)


def test_without_credentials_what_others_raise_is_told():
    address = parse_uri("rtsp://cam/live")
    assert address.told("no route\nto cam") == "no route to cam"
    assert "no route" not in parse_uri("rtsp://me:x@cam/live").told("no route to x")


def test_a_fault_while_frames_are_read_is_told_without_the_password():
    secret = f"rtsp://me:{MARK}@cam/live"
    fault = RuntimeError(f"lost {MARK}")
    source = open_source("test://?frames=1&width=8&height=8")
    source.close()
    opened = Connection(
        parse_uri(secret),
        lambda: ScriptedDecoder(1, error=fault),
        clock=VirtualClock(),
    )
    with pytest.raises(RuntimeError):
        list(opened.frames())
    assert not leaks(repr(opened.figures({})), MARK)


@settings(max_examples=60, deadline=None)
@given(password=PASSWORDS)
def test_no_text_of_a_sink_holds_the_password(password):
    places = [
        f"http://me:{password}@127.0.0.1:0/",
        f"rtmp://me:{password}@host/live",
        f"file://me:{password}@host/none/out.jsonl",
        f"file://me:{password}@host/none/out.mp4",
    ]
    for place in places:
        with pytest.raises(VideoError) as caught:
            if place.endswith(".jsonl"):
                open_result_sink(place, labels=[], task="segmentation")
            else:
                open_sink(place, fps=10, width=8, height=8)
        assert not leaks(str(caught.value), password)


@given(password=PASSWORDS)
def test_the_search_itself_finds_what_is_there(password):
    """Without redaction the password is found: the tests above could fail."""
    uri = f"rtsp://me:{password}@cam/live"
    assert leaks(repr(uri), password)
    assert not leaks(redact(uri), password)
