"""All endpoints behind one door: routes, errors as JSON, the guard in front."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import edgert
from edgert.daemon.base import Service
from edgert.daemon.http.answers import Answer, RefusedError, as_error, as_json
from edgert.daemon.http.context import Context
from edgert.daemon.http.courtesy import Courtesy
from edgert.daemon.http.endpoints import Content, Endpoint, endpoints
from edgert.daemon.http.guard import Guard
from edgert.daemon.http.openapi import document
from edgert.daemon.metrics import Metrics
from edgert.errors import EdgertError
from edgert.optional import needs


class HttpApp:
    """The ASGI application, and a way to tell those who watch to go.

    Attributes:
        token: That callers need; "" for none.
    """

    def __init__(self, context: Context, guard: Guard, *, token: str) -> None:
        self._context, self._guard, self.token = context, guard, token

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        await self._guard(scope, receive, send)

    def say_goodbye(self) -> None:
        """End every stream of events and pictures; on the event loop."""
        self._context.closing.set()

    def shut(self) -> None:
        """Let the threads end; when no request is served any more."""
        self._context.shut()


def make_app(
    service: Service,
    metrics: Metrics,
    *,
    token: str,
    upload_bytes: int,
    dashboard: Path | None,
    live: Callable[[], str] = lambda: "",
    busy: Callable[[], bool] = lambda: False,
    hosts: Collection[str] = (),
) -> HttpApp:
    """The daemon's HTTP side, to be served by HttpServer.

    Args:
        service: What is shown and steered.
        metrics: For /metrics.
        token: That every request needs, but for health and the page's files; "" for none.
        upload_bytes: At most, of a picture sent in.
        dashboard: Folder with index.html; None: no page.
        live: "" or why the process is not alive, in words: /healthz.
        busy: Whether a frame is being served just now, that requests give way to.
        hosts: Names in the Host header besides localhost and addresses.

    Raises:
        MissingDependencyError: The extra `serve` is not installed.
    """
    applications = needs("starlette.applications", "serve", "to serve HTTP")
    context = Context(service, metrics, upload_bytes=upload_bytes, dashboard=dashboard, live=live)
    table = endpoints(context)
    table.append(_own_document(table, token=bool(token)))
    inner = applications.Starlette(
        routes=_routes(table),
        exception_handlers={
            404: _no_such_path,
            405: _no_such_method,
            RefusedError: _refused,
            EdgertError: _failed,
            Exception: _broken,
        },
    )
    inner.router.redirect_slashes = False
    context.guard = Guard(Courtesy(inner, busy), token=token, hosts=hosts)
    return HttpApp(context, context.guard, token=token)


def _own_document(table: Sequence[Endpoint], *, token: bool) -> Endpoint:
    made: list[bytes] = []

    async def openapi(request: Any) -> Answer:
        """The document, made when first asked for."""
        if not made:
            content = document([*table], version=edgert.__version__, token=token)
            made.append(as_json(content).body)
        return Answer(made[0])

    return Endpoint(
        "GET", "/openapi.json", openapi, "This document.",
        {200: Content("OpenAPI 3.1.", record=dict[str, Any])},
    )  # fmt: skip


def _routes(table: Sequence[Endpoint]) -> list[Any]:
    """One route for each path, so that a wrong method is answered with all right ones."""
    routing = needs("starlette.routing", "serve", "to serve HTTP")
    by_path: dict[str, dict[str, Any]] = {}
    for one in table:
        by_path.setdefault(one.path, {})[one.method] = one.handler
    return [
        routing.Route(path, _dispatch(handlers), methods=[*handlers])
        for path, handlers in by_path.items()
    ]


def _dispatch(handlers: dict[str, Any]) -> Any:
    async def handle(request: Any) -> Any:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return handle


# ---------------------------------------------------------------- errors


async def _no_such_path(request: Any, error: Any) -> Answer:
    refused = RefusedError(
        404,
        "look for the path",
        expected="one that /openapi.json lists",
        got=repr(request.url.path[:100]),
        advice="Correct it",
    )
    return as_error(refused, 404)


async def _no_such_method(request: Any, error: Any) -> Answer:
    allowed = error.headers["Allow"]
    refused = RefusedError(
        405,
        f"use {request.url.path[:100]}",
        expected=allowed,
        got=repr(request.method[:20]),
        advice="Correct the method",
        headers=(("allow", allowed),),
    )
    return as_error(refused, 405)


async def _refused(request: Any, error: RefusedError) -> Answer:
    return as_error(error, error.status)


async def _failed(request: Any, error: EdgertError) -> Answer:
    """Something that the service could not do now, and says why."""
    return as_error(error, 503, headers=(("retry-after", "10"),))


async def _broken(request: Any, error: Exception) -> Answer:
    """A fault of ours: it is in the log, with its trace."""
    line = f"serve {request.url.path[:100]}: a fault; see the log."
    # The server hangs up behind it; a client that is not told would ask again on this connection.
    return as_json({"error": line}, status=500, headers=(("connection", "close"),))
