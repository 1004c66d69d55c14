"""Endpoints that show and steer: health, metrics, status, limits, reload, login."""

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from edgert.daemon.http.answers import Answer, RefusedError, as_error, as_json
from edgert.daemon.http.bounds import read_body
from edgert.daemon.http.context import Context, outcome
from edgert.errors import EdgertError, ServiceBusyError, SettingsError
from edgert.records import Record, WantedChange
from edgert.schema import record_from_object

if TYPE_CHECKING:
    from starlette.requests import Request

_MOST_JSON_BYTES = 64 * 1024
_RELOAD_S = 600.0  # a set of engines is verified and warmed meanwhile
METRICS_KIND = "text/plain; version=0.0.4; charset=utf-8"


class Login(Record, frozen=True, kw_only=True):
    """What the dashboard sends once, for a cookie."""

    token: str


class Health(Record, frozen=True, kw_only=True):
    """Whether the process is alive, or the service ready."""

    ok: bool
    reasons: list[str] = []  # noqa: RUF012  msgspec copies it for each record


class Done(Record, frozen=True, kw_only=True):
    """What was done, in words."""

    done: str


class Looks:
    """Handlers of what is short."""

    def __init__(self, context: Context) -> None:
        self._context, self._service = context, context.service

    async def healthz(self, request: "Request") -> Answer:
        """Alive: the loops turn, whatever they have to do."""
        trouble = self._context.live()
        health = Health(ok=not trouble, reasons=[trouble] if trouble else [])
        return as_json(health, status=503 if trouble else 200)

    async def readyz(self, request: "Request") -> Answer:
        """Ready: engines are there and frames or pictures are served."""
        status = self._service.status()
        health = Health(ok=status.ready, reasons=status.reasons)
        return as_json(health, status=200 if status.ready else 503)

    async def metrics(self, request: "Request") -> Answer:
        """Figures for Prometheus."""
        text = self._context.metrics.render(self._service.status(), self._service.configurations())
        return Answer(text, kind=METRICS_KIND)

    async def status(self, request: "Request") -> Answer:
        """Everything at this moment."""
        return as_json(self._service.status())

    async def configurations(self, request: "Request") -> Answer:
        """Every configuration, dearest first."""
        return as_json(self._service.configurations())

    async def streams(self, request: "Request") -> Answer:
        """Every stream."""
        return as_json(self._service.status().streams)

    async def limits(self, request: "Request") -> Answer:
        """What is asked for."""
        return as_json(self._service.status().wanted)

    async def change(self, request: "Request") -> Answer:
        """Ask for something else."""
        change = await _record(request, WantedChange, "change limits")
        try:
            wanted = await self._context.steer(lambda: self._service.change(change, by="http"))
        except SettingsError as error:
            return as_error(error, 422)
        return as_json(wanted)

    async def reload(self, request: "Request") -> Answer:
        """Read the settings again, and take the engines that are built now."""
        await read_body(request, _MOST_JSON_BYTES)
        try:
            future = await self._context.steer(lambda: self._service.reload(by="http"))
            words = await outcome(future, _RELOAD_S)
        except ServiceBusyError as error:
            return as_error(error, 503, headers=(("retry-after", "10"),))
        except EdgertError as error:
            return as_error(error, 409)
        except asyncio.TimeoutError as cause:
            raise RefusedError(
                503,
                "reload",
                expected=f"an end within {_RELOAD_S:.0f} s",
                got="none",
                advice="Look at /v1/events for what became of it",
                headers=(("retry-after", "60"),),
            ) from cause
        return as_json(Done(done=words))

    async def login(self, request: "Request") -> Answer:
        """A cookie for the token."""
        login = await _record(request, Login, "log in")
        guard = self._context.guard
        if not guard.admits(login.token):
            raise RefusedError(
                401,
                "log in",
                expected="the token in daemon.token_file",
                got="another",
                advice="Copy it anew",
            )
        cookie = guard.cookie(secure=request.url.scheme == "https")
        return Answer(status=204, headers=(("set-cookie", cookie),))


async def _record(request: "Request", kind: type[Any], subject: str) -> Any:
    """The body as a record.

    Raises:
        RefusedError: It is not sent as JSON (415), is none, or does not fit (422).
    """
    sent_as = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent_as not in ("application/json", "application/merge-patch+json"):
        raise RefusedError(
            415,
            subject,
            expected="Content-Type: application/json",
            got=repr(sent_as[:100]) if sent_as else "none",
            advice="Send JSON",
        )
    body = await read_body(request, _MOST_JSON_BYTES)
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise RefusedError(
            422, subject, expected="JSON", got=str(cause), advice="Correct the body"
        ) from cause
    try:
        return record_from_object(content, kind, SettingsError, subject=subject)
    except SettingsError as error:
        raise RefusedError(
            422, error.subject, expected=error.expected, got=error.got, advice=error.advice
        ) from error
