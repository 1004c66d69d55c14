"""The table of endpoints: what is routed and what the API's document says come from here.

Paths, methods, what is taken and every status that may come back, each with its record.
"""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from edgert.daemon.http.context import Context
from edgert.daemon.http.event_stream import KIND as EVENTS
from edgert.daemon.http.event_stream import EventStream
from edgert.daemon.http.infer import KINDS as PICTURES
from edgert.daemon.http.infer import Inference
from edgert.daemon.http.live_pictures import JPEG, MJPEG, LivePictures
from edgert.daemon.http.looks import METRICS_KIND, Done, Health, Login, Looks
from edgert.daemon.http.pages import Pages
from edgert.records import (
    ConfigurationStatus,
    Event,
    PictureResult,
    Record,
    ServiceStatus,
    StreamStatus,
    Wanted,
    WantedChange,
)

JSON = "application/json"
Handler = Callable[[Any], Awaitable[Any]]


class Content(NamedTuple):
    """What one answer carries."""

    text: str
    kind: str = JSON
    record: Any = None  # a type that msgspec knows; None: bytes
    also: tuple[tuple[str, Any], ...] = ()  # other kinds of the same answer


class Parameter(NamedTuple):
    """A part of the query or of the path."""

    name: str
    place: str  # "query", "path", "header"
    schema: dict[str, Any]
    text: str


class Endpoint(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    handler: Handler
    text: str
    answers: dict[int, Content]
    takes: tuple[tuple[str, Any], ...] = ()  # kinds of body, with the record or None for bytes
    parameters: tuple[Parameter, ...] = ()
    open: bool = False  # needs no token
    documented: bool = True


class ErrorLine(Record, frozen=True, kw_only=True):
    """What every error carries: one line for whoever reads it."""

    error: str


def error(text: str) -> Content:
    """An answer that says what is wrong."""
    return Content(text, record=ErrorLine)


_NAME = Parameter("name", "path", {"type": "string", "minLength": 1}, "The stream's name.")
_SINCE = Parameter("since", "query", {"type": "integer", "minimum": 0, "maximum": 10**15 - 1},
                   "Events with a larger id only.")  # fmt: skip
_FORMAT = Parameter("format", "query", {"type": "string", "enum": ["json", "stream"]},
                    "json: a list of what is kept, at once.")  # fmt: skip
_LAST_ID = Parameter("Last-Event-ID", "header", {"type": "string"},
                     "Where a stream that broke off goes on.")  # fmt: skip
_MAP = Parameter("map", "query", {"type": "boolean"}, "Whether every pixel's label comes too.")
_BODY_ERRORS = {
    408: error("The body came too slowly."),
    413: error("The body is too long."),
    415: error("The body is of another kind than is taken here."),
}


def endpoints(context: Context) -> list[Endpoint]:
    """All of them, bound to one service."""
    return [*_healths(context), *_figures(context), *_steering(context), *_streams(context)]


def _healths(context: Context) -> list[Endpoint]:
    looks = Looks(context)

    def alive(path: str) -> Endpoint:
        return Endpoint(
            "GET", path, looks.healthz, "Whether the process is alive.",
            {200: Content("It is.", record=Health), 503: Content("It is not.", record=Health)},
            open=True,
        )  # fmt: skip

    def ready(path: str) -> Endpoint:
        return Endpoint(
            "GET", path, looks.readyz, "Whether frames or pictures are served.",
            {200: Content("They are.", record=Health),
             503: Content("Not now, and why.", record=Health)},
            open=True,
        )  # fmt: skip

    return [
        alive("/healthz"),
        ready("/readyz"),
        alive("/v2/health/live"),
        ready("/v2/health/ready"),
    ]


def _figures(context: Context) -> list[Endpoint]:
    looks = Looks(context)
    return [
        Endpoint("GET", "/metrics", looks.metrics, "Figures for Prometheus.",
                 {200: Content("Text format 0.0.4.", METRICS_KIND)}),
        Endpoint("GET", "/v1/status", looks.status, "Everything at this moment.",
                 {200: Content("The status.", record=ServiceStatus)}),
        Endpoint("GET", "/v1/configurations", looks.configurations,
                 "Every configuration, dearest first.",
                 {200: Content("The list.", record=list[ConfigurationStatus])}),
        Endpoint("GET", "/v1/events", EventStream(context).events,
                 "What happened: server-sent events, or a list.",
                 {200: Content("Events.", EVENTS, also=((JSON, list[Event]),)),
                  422: error("A part of the query makes no sense."),
                  503: error("Too many watch already.")},
                 parameters=(_FORMAT, _SINCE, _LAST_ID)),
    ]  # fmt: skip


def _steering(context: Context) -> list[Endpoint]:
    looks, inference = Looks(context), Inference(context)
    picture_kinds = tuple((kind, None) for kind in PICTURES)
    return [
        Endpoint("GET", "/v1/limits", looks.limits, "What is asked for.",
                 {200: Content("Limits, pin and pause.", record=Wanted)}),
        Endpoint("PATCH", "/v1/limits", looks.change,
                 "Ask for something else from the next frame on: absent fields stay, null takes "
                 "a limit away.",
                 {200: Content("All that is asked for now.", record=Wanted), **_BODY_ERRORS,
                  422: error("It makes no sense; nothing was changed.")},
                 takes=((JSON, WantedChange), ("application/merge-patch+json", WantedChange))),
        Endpoint("POST", "/v1/reload", looks.reload,
                 "Read the settings again, and take the engines that are built now; where they "
                 "are the same, the profile that lies beside them.",
                 {200: Content("What was done.", record=Done), **_BODY_ERRORS,
                  409: error("The new set was refused; the old one goes on."),
                  503: error("It takes longer than expected.")},
                 takes=((JSON, dict[str, Any]),)),
        Endpoint("POST", "/v1/login", looks.login, "A cookie for the token.",
                 {204: Content("The cookie is set.", kind=""), **_BODY_ERRORS,
                  401: error("It is another token."), 422: error("It is no token at all.")},
                 takes=((JSON, Login),), open=True),
        Endpoint("POST", "/v1/infer", inference.infer,
                 "One picture in, the active configuration's result out.",
                 {200: Content("The result.", record=PictureResult), **_BODY_ERRORS,
                  422: error("It is no picture, or the query makes no sense."),
                  503: error("Too much to do; Retry-After says when to try again.")},
                 takes=picture_kinds, parameters=(_MAP,)),
    ]  # fmt: skip


def _streams(context: Context) -> list[Endpoint]:
    looks, live, pages = Looks(context), LivePictures(context), Pages(context.dashboard)
    none = error("There is no such stream.")
    return [
        Endpoint("GET", "/v1/streams", looks.streams, "Every stream.",
                 {200: Content("The list.", record=list[StreamStatus])}),
        Endpoint("GET", "/v1/streams/{name}/picture.jpg", live.picture, "Its newest picture.",
                 {200: Content("The picture.", JPEG), 404: none,
                  503: error("None came, or too many watch.")}, parameters=(_NAME,)),
        Endpoint("GET", "/v1/streams/{name}/video.mjpeg", live.video, "Its pictures as they come.",
                 {200: Content("Pictures.", MJPEG), 404: none,
                  503: error("Too many watch already.")}, parameters=(_NAME,)),
        Endpoint("GET", "/", pages.index, "The dashboard.", {}, open=True, documented=False),
        Endpoint("GET", "/dashboard/{path:path}", pages.file, "Its files.", {}, open=True,
                 documented=False),
    ]  # fmt: skip
