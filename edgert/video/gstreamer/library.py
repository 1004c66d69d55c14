"""GStreamer's C libraries by ctypes: found, loaded, and explained where they are missing.

Nothing has to be compiled or installed by pip for it, in whatever virtual environment; the
libraries and their plugins come from the distribution, on a Jetson from JetPack.
"""

import ctypes
import functools
from collections.abc import Callable
from ctypes import POINTER, byref
from typing import Any, NamedTuple

from edgert.errors import MissingDependencyError
from edgert.video.gstreamer.functions import (
    APP,
    FUNCTIONS,
    GLIB,
    GOBJECT,
    GST,
    SERVER,
    TYPE_STRING,
    VIDEO,
    Error,
    Value,
)

OpenLibrary = Callable[[str], Any]
# The package of Debian and Ubuntu that brings each library.
PACKAGES = {
    GLIB: "libglib2.0-0",
    GOBJECT: "libglib2.0-0",
    GST: "libgstreamer1.0-0",
    APP: "libgstreamer-plugins-base1.0-0",
    VIDEO: "libgstreamer-plugins-base1.0-0",
    SERVER: "libgstrtspserver-1.0-0",
}
DECODING = (GLIB, GOBJECT, GST, APP, VIDEO)
SERVING = (*DECODING, SERVER)


class Failure(NamedTuple):
    """What a GError says: its domain as "gst-resource-error-quark", its code and its text."""

    domain: str
    code: int
    text: str


def available(
    names: tuple[str, ...] = DECODING, *, open_library: OpenLibrary = ctypes.CDLL
) -> str:
    """Why GStreamer can not be used here, in words; "" where it can.

    Args:
        names: The libraries needed; `SERVING` to serve RTSP.
        open_library: Stands in for ctypes.CDLL.
    """
    for name in names:
        try:
            open_library(name)
        except OSError:
            return f"{name} is not here (package {PACKAGES[name]} of Debian and Ubuntu)"
    return ""


@functools.cache
def load_gst() -> "Gst":
    """The libraries that decode, loaded and initialised once in a process.

    Raises:
        MissingDependencyError: One is missing; the error names it and its package.
    """
    return Gst(DECODING)


@functools.cache
def load_server() -> "Gst":
    """As `load_gst`, with the library that serves RTSP.

    Raises:
        MissingDependencyError: One is missing; the error names it and its package.
    """
    return Gst(SERVING)


class Gst:
    """The functions of `functions.FUNCTIONS` as methods, and the little that all callers need.

    Args:
        names: The libraries to load.
        open_library: Stands in for ctypes.CDLL.

    Raises:
        MissingDependencyError: A library is missing, or GStreamer does not start.
    """

    def __init__(
        self, names: tuple[str, ...] = DECODING, *, open_library: OpenLibrary = ctypes.CDLL
    ) -> None:
        for name in names:
            missing = available((name,), open_library=open_library)
            if missing:
                advice = f"Run: apt-get install {PACKAGES[name]}"
                raise _unusable(missing, advice)
            library = open_library(name)
            for function_name, (result, *arguments) in FUNCTIONS[name].items():
                function = getattr(library, function_name)
                function.restype, function.argtypes = result, arguments
                setattr(self, function_name, function)
        self.gst_segtrap_set_enabled(0)  # signals belong to whoever runs this process
        error = POINTER(Error)()
        if not self.gst_init_check(None, None, byref(error)):
            failure = self.take_failure(error)
            raise _unusable(failure.text or "no reason", "Run: gst-inspect-1.0, and see")

    def __getattr__(self, name: str) -> Any:
        """A C function; only asked for where `__init__` did not set it."""
        raise AttributeError(f"{name} is in none of the libraries that were loaded")

    def take_failure(self, error: Any) -> Failure:
        """Read a GError and free it."""
        if not error:
            return Failure("", 0, "")
        content = error.contents
        domain = self.g_quark_to_string(content.domain) or b""
        text = (content.message or b"").decode(errors="replace")
        failure = Failure(domain.decode(errors="replace"), content.code, text)
        self.g_error_free(error)
        return failure

    def take_text(self, pointer: int | None) -> str:
        """Read a string that the caller owns, and free it."""
        if not pointer:
            return ""
        text = ctypes.string_at(pointer).decode(errors="replace")
        self.g_free(pointer)
        return text

    def set_text(self, element: int, name: str, text: str) -> None:
        """Set a property of type string, whatever characters the text holds."""
        value = Value()
        self.g_value_init(byref(value), TYPE_STRING)
        self.g_value_set_string(byref(value), text.encode(errors="surrogateescape"))
        self.g_object_set_property(element, name.encode(), byref(value))
        self.g_value_unset(byref(value))


def _unusable(got: str, advice: str) -> MissingDependencyError:
    return MissingDependencyError(
        "load GStreamer", expected="GStreamer 1.20 or later", got=got, advice=advice
    )
