"""Events as they come, to any number of watchers, from one thread that waits for them all.

A watcher holds the number of the last event that it was sent, and nothing else: one that reads too
slowly finds the oldest forgotten and is told how many, which costs no memory.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import msgspec

from edgert.daemon.base import Events
from edgert.daemon.http.answers import Answer, Parts, RefusedError, as_json
from edgert.daemon.http.context import Context
from edgert.records import Event

if TYPE_CHECKING:
    from starlette.requests import Request

KIND = "text/event-stream"
HEARTBEAT_S = 15.0
_LOOK_S = 1.0  # how long the thread waits at a time; then it may end
_MOST_AT_ONCE = 100  # events in one part


class EventStream:
    """Handler of /v1/events."""

    def __init__(self, context: Context, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._context, self._events = context, context.service.events
        self._heartbeat_s = heartbeat_s
        self._news = News(context)
        # Numbers begin anew with the process: this says of which one an id is.
        self._run = secrets.token_hex(4)

    async def events(self, request: "Request") -> Answer | Parts:
        """The newest events as a list, or all from now on as they come."""
        since = _number(request.query_params.get("since"))
        if request.query_params.get("format", "") == "json":
            return as_json(self._events.since(since or 0))
        last_id = self._resumed(request.headers.get("last-event-id"))
        if last_id is None:
            last_id = since
        if request.method == "HEAD":
            return Answer(kind=KIND)
        give_back = self._context.event_watchers.take()
        return Parts(
            self._parts(_newest_id(self._events) if last_id is None else last_id),
            kind=KIND,
            closing=self._context.closing,
            done=give_back,
        )

    def _resumed(self, last_event_id: str | None) -> int | None:
        """From where a watcher goes on; from the start where it saw another process."""
        if not last_event_id:
            return None
        run, _, number = last_event_id.rpartition("-")
        if run != self._run:
            return 0
        return int(number) if number.isdecimal() and len(number) < 16 else 0

    async def _parts(self, last_id: int) -> AsyncIterator[bytes]:
        yield b"retry: 2000\n\n"
        while True:
            news = self._news.next()  # asked for before looking, so that none is missed
            newer = self._events.since(last_id)[:_MOST_AT_ONCE]
            if newer:
                yield self._text(newer, last_id)
                last_id = newer[-1].id
            else:
                try:
                    await asyncio.wait_for(asyncio.shield(news), self._heartbeat_s)
                except asyncio.TimeoutError:
                    yield b": still here\n\n"

    def _text(self, events: list[Event], last_id: int) -> bytes:
        lines = []
        lost = events[0].id - last_id - 1
        if lost > 0:
            lines.append(_message("gap", msgspec.json.encode({"lost": lost})))
        for event in events:
            lines.append(f"id: {self._run}-{event.id}\n".encode())
            lines.append(_message(event.kind, msgspec.json.encode(event)))
        return b"".join(lines)


class News:
    """Wakes all watchers when an event came; its thread waits only while there is a watcher."""

    def __init__(self, context: Context) -> None:
        self._context, self._events = context, context.service.events
        self._next: asyncio.Future[None] | None = None
        self._pump: asyncio.Task[None] | None = None

    def next(self) -> "asyncio.Future[None]":
        """Done when there is an event that was not there at this call."""
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_future()
        if self._pump is None or self._pump.done():
            self._pump = asyncio.ensure_future(self._wait(_newest_id(self._events)))
        return self._next

    async def _wait(self, last_id: int) -> None:
        while self._context.event_watchers.taken and not self._context.closing.is_set():
            newer = await self._context.wait(lambda: self._events.wait(last_id, _LOOK_S))  # noqa: B023
            if newer:
                last_id = newer[-1].id
                if self._next is not None and not self._next.done():
                    self._next.set_result(None)


def _message(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def _newest_id(events: Events) -> int:
    kept = events.since(0)
    return kept[-1].id if kept else 0


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if text.isdecimal() and len(text) < 16:
        return int(text)
    raise RefusedError(
        422,
        "look at since",
        expected="the number of an event, 0 or more",
        got=repr(text[:100]),
        advice="Take the id of the last event that you have",
    )


def example() -> dict[str, Any]:
    """An event as it is sent, for the API's document."""
    return {
        "id": 17,
        "time_s": 812.4,
        "unix_s": 1794312000.5,
        "kind": "switch",
        "text": "full would draw 13.90 W of 11.64 W (the budget of 12.00 W): down to c630, "
        "the most accurate that fits",
        "facts": {"from": "full", "to": "c630"},
    }
