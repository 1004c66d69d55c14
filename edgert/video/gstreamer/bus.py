"""What a pipeline says of itself while it runs, and the house error made of it."""

from ctypes import POINTER, byref, c_void_p
from typing import NamedTuple

from edgert.errors import VideoError
from edgert.video.gstreamer.functions import MESSAGE_ERROR, MESSAGE_WARNING, Error
from edgert.video.gstreamer.library import Failure, Gst
from edgert.video.gstreamer.pipelines import SOURCE
from edgert.video.uri import Address, redact

RESOURCE = "gst-resource-error-quark"
_CODES = {  # of that domain
    3: ("a video that exists", "Check the address, and that the file or stream plays elsewhere"),
    15: ("a user and a password that are accepted", "Check user and password in the address"),
}
_TELLING = 4  # a shorter secret is part of too many other words to be looked for
_VAGUE = "Internal data stream error"
_DENIED = ("unauthorized", "forbidden", "401", "403")


class Notice(NamedTuple):
    """One error or warning.

    Attributes:
        fatal: The pipeline ends by it.
        source: Name of the element that says so.
        failure: What it says.
        detail: Where in GStreamer, and often the actual reason in its last line.
    """

    fatal: bool
    source: str
    failure: Failure
    detail: str

    @property
    def of_resource(self) -> bool:
        """Whether a file, a device or the network failed, and not what decodes."""
        return self.failure.domain == RESOURCE or self.source == SOURCE

    @property
    def denied(self) -> bool:
        """Whether somebody wants another user or password."""
        said = f"{self.failure.text} {self.detail.rpartition(':')[2]}".lower()
        return self.of_resource and (
            self.failure.code == 15 or any(word in said for word in _DENIED)
        )

    @property
    def reason(self) -> str:
        """The text, and the last line of the detail where that says more."""
        text = self.failure.text.strip().rstrip(".")
        if text == _VAGUE and self.source == SOURCE:
            return "no answer, or a connection that broke off"
        if text == _VAGUE and "not-linked" in self.detail:
            return "no video in it, or of a kind that GStreamer does not know here"
        lines = self.detail.strip().splitlines()
        last = lines[-1].strip() if lines else ""
        if not last or last.endswith(":") or last.startswith(("../", "/")):
            return text
        last = last.partition(", URL:")[0].rstrip(".")
        return last if text.lower() in last.lower() else f"{text} ({last})"


def next_notice(gst: Gst, bus: int) -> Notice | None:
    """The next error or warning on a bus, which forgets everything before it."""
    message = gst.gst_bus_pop_filtered(bus, MESSAGE_ERROR | MESSAGE_WARNING)
    if not message:
        return None
    fatal = message.contents.kind == MESSAGE_ERROR
    error, detail = POINTER(Error)(), c_void_p()
    read = gst.gst_message_parse_error if fatal else gst.gst_message_parse_warning
    read(message, byref(error), byref(detail))
    source = message.contents.source
    name = gst.take_text(gst.gst_object_get_name(source)) if source else ""
    notice = Notice(fatal, name, gst.take_failure(error), gst.take_text(detail.value))
    gst.gst_mini_object_unref(message)
    return notice


def hide(text: str, secrets: tuple[str, ...]) -> str:
    """One line without credentials, in whatever form GStreamer repeats them."""
    for secret in sorted((s for s in secrets if len(s) >= _TELLING), key=len, reverse=True):
        text = text.replace(secret, "***")
    return " ".join(redact(text).split())


def refusal(
    address: Address, notice: Notice, secrets: tuple[str, ...] = (), *, action: str = "open"
) -> VideoError:
    """The error that a notice ends a video with.

    Args:
        address: Of the video.
        notice: What GStreamer said.
        secrets: What must not be repeated.
        action: "open", or "read" once there were pictures.
    """
    expected, advice = "a video that can be decoded", "Check that it plays elsewhere"
    if "missing a plug-in" in notice.failure.text or "no suitable plugins" in notice.detail:
        advice = "Run: apt-get install gstreamer1.0-libav gstreamer1.0-plugins-bad"
    if notice.of_resource:
        expected, advice = _CODES.get(
            15 if notice.denied else notice.failure.code,
            ("an answer", "Check the address, the camera, its power and the network"),
        )
    return VideoError(
        f"{action} video {address.uri}",
        expected=expected,
        got=hide(notice.reason, secrets) or "no reason",
        advice=advice,
    )
