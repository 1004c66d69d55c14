"""What GStreamer says, as house errors without credentials; no GStreamer is needed for it."""

import pytest

from edgert.video.gstreamer.bus import Notice, hide, refusal
from edgert.video.gstreamer.library import Failure
from edgert.video.uri import parse_uri

RESOURCE, STREAM = "gst-resource-error-quark", "gst-stream-error-quark"
CAMERA = parse_uri("rtsp://bob:hunter2@camera/1")
HERE = "../gst/rtsp/gstrtspsrc.c(8056): f (): /GstPipeline:p/GstRTSPSrc:source:\n"


def notice(text, *, detail="", domain=RESOURCE, code=5, source="source", fatal=True):
    return Notice(fatal, source, Failure(domain, code, text), detail)


def test_the_actual_reason_is_in_the_details_last_line():
    told = notice("Could not read from resource.", detail=HERE + "The server went away.")
    assert told.reason == "Could not read from resource (The server went away)"


@pytest.mark.parametrize("detail", ["", HERE.strip(), "/some/where.c(3)", "   "])
def test_a_detail_without_a_reason_is_left_out(detail):
    assert notice("Could not open.", detail=detail).reason == "Could not open"


def test_what_is_said_twice_is_told_once():
    assert (
        notice("Unauthorized", detail=HERE + "Unauthorized (401)").reason == "Unauthorized (401)"
    )


def test_the_address_behind_a_web_servers_answer_is_left_out():
    said = HERE + "Not Found (404), URL: http://host/x?token=abc, Redirect to: (NULL)"
    assert notice("Not Found", detail=said).reason == "Not Found (404)"


@pytest.mark.parametrize(
    "told",
    [
        notice("Not authorized.", code=15),
        notice("Unauthorized", detail=HERE + "Unauthorized (401)", code=3),
        notice("Could not open.", detail=HERE + "Forbidden (403)"),
    ],
)
def test_a_wrong_password_is_named_and_not_shown(told):
    error = refusal(CAMERA, told, ("bob", "hunter2"))
    assert "Check user and password" in str(error)
    assert "hunter2" not in str(error)
    assert str(error).startswith("open video rtsp://***@camera/1: expected a user and a password")


def test_another_failure_is_not_taken_for_a_wrong_password():
    error = refusal(CAMERA, notice("Could not connect", detail=HERE + "Timeout"))
    assert "password" not in str(error)
    assert "Check the address, the camera" in str(error)


def test_what_decodes_is_no_resource():
    assert not notice("broken", domain=STREAM, source="avdec_h264-0").of_resource
    assert notice("broken", domain=STREAM).of_resource  # the source itself says so


def test_a_missing_decoder_is_told_with_the_package_that_brings_it():
    told = notice(
        "Your GStreamer installation is missing a plug-in.", domain=STREAM, source="decoder"
    )
    assert "gstreamer1.0-libav" in str(refusal(CAMERA, told))


def test_vague_words_are_made_plain():
    vague = "Internal data stream error."
    linked = notice(
        vague, domain=STREAM, source="qtdemux0", detail=HERE + "stopped, reason not-linked (-1)"
    )
    assert linked.reason.startswith("no video in it")
    assert notice(vague, domain=STREAM).reason.startswith("no answer")


@pytest.mark.parametrize(
    "text",
    [
        "can't open rtsp://bob:hunter2@camera/1",
        "login bob hunter2 refused",
        "password=hunter2 refused",
        "rtsp://camera/1?token=hunter2",
    ],
)
def test_credentials_are_hidden_in_whatever_form(text):
    hidden = hide(text, ("bob", "hunter2", "", "p"))
    assert "hunter2" not in hidden
    assert "***" in hidden


def test_an_error_is_one_line():
    assert "\n" not in str(refusal(CAMERA, notice("a\nb\r\nc", detail="x\ny")))
