"""What goes back to a client: JSON, an error in one line, or parts as they come.

These are plain ASGI applications, so that nothing has to be installed to import this module.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import Any

import msgspec

from edgert.errors import EdgertError

Headers = Iterable[tuple[str, str]]
JSON = "application/json"


class RefusedError(EdgertError):
    """A request that is not served: a status of HTTP and the line that says why."""

    def __init__(
        self,
        status: int,
        subject: str,
        *,
        expected: str,
        got: str,
        advice: str,
        headers: Headers = (),
    ) -> None:
        super().__init__(subject, expected=expected, got=got, advice=advice)
        self.status, self.headers = status, tuple(headers)


class Answer:
    """One whole answer; its length is told."""

    def __init__(
        self, body: bytes = b"", *, status: int = 200, kind: str = JSON, headers: Headers = ()
    ) -> None:
        self.body, self.status, self.kind, self.headers = body, status, kind, tuple(headers)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        headers = [*self.headers]
        if self.status not in (204, 304):
            headers += [("content-type", self.kind), ("content-length", str(len(self.body)))]
        await send(_start(self.status, headers))
        await send({"type": "http.response.body", "body": self.body})


def as_json(content: Any, *, status: int = 200, headers: Headers = ()) -> Answer:
    """A record, or lists and dicts of records, as JSON."""
    return Answer(msgspec.json.encode(content), status=status, headers=headers)


def as_error(error: Exception, status: int, *, headers: Headers = ()) -> Answer:
    """An error as `{"error": line}`."""
    if isinstance(error, RefusedError):
        status, headers = error.status, error.headers
    return as_json({"error": str(error)}, status=status, headers=headers)


class Parts:
    """An answer without an end: parts are sent as they come.

    It ends when the client is gone, when `closing` is set, or when there are no more parts.

    Args:
        parts: What to send.
        kind: Their content type.
        closing: Set when the server stops.
        done: Called once at the end, however it came.
    """

    def __init__(
        self,
        parts: AsyncIterator[bytes],
        *,
        kind: str,
        closing: asyncio.Event,
        done: Callable[[], None],
    ) -> None:
        self._parts, self._kind, self._closing, self._done = parts, kind, closing, done

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send parts until one of the ends."""
        ends = {
            asyncio.ensure_future(_until_gone(receive)),
            asyncio.ensure_future(self._closing.wait()),
        }
        part: asyncio.Future[bytes] | None = None
        try:
            await send(_start(200, [("content-type", self._kind)]))
            while scope["method"] != "HEAD":
                part = asyncio.ensure_future(anext(self._parts))
                await asyncio.wait({part, *ends}, return_when=asyncio.FIRST_COMPLETED)
                if any(end.done() for end in ends):
                    break
                try:
                    body = part.result()
                except StopAsyncIteration:
                    break
                await send({"type": "http.response.body", "body": body, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._done()
            await _cancelled({*ends, part} if part is not None else ends)


async def _until_gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancelled(tasks: Iterable["asyncio.Future[Any]"]) -> None:
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration):
            await task


def _start(status: int, headers: Headers) -> dict[str, Any]:
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return {"type": "http.response.start", "status": status, "headers": encoded}
