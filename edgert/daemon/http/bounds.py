"""What a client may take: bytes, time and places, each told in one line when it is used up."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgert.daemon.http.answers import RefusedError

if TYPE_CHECKING:
    from starlette.requests import Request

BODY_S = 15.0  # from the first to the last byte of a request's body
_LINGER_S = 2.0  # how long a body that is refused is still read, so that the answer arrives
_RETRY = (("retry-after", "1"),)


class Places:
    """At most so many at once.

    Args:
        most: How many.
        what: Of what, for the line: "watchers of events".
    """

    def __init__(self, most: int, what: str) -> None:
        self.most, self.taken, self._what = most, 0, what

    def take(self) -> Callable[[], None]:
        """Take one; what comes back gives it back, once.

        Raises:
            RefusedError: None is free (503).
        """
        if self.taken >= self.most:
            raise RefusedError(
                503,
                "open a stream",
                expected=f"fewer than {self.most} {self._what}",
                got=str(self.taken),
                advice="Close one, or try again in a moment",
                headers=_RETRY,
            )
        self.taken += 1
        given_back = False

        def give_back() -> None:
            nonlocal given_back
            self.taken -= 0 if given_back else 1
            given_back = True

        return give_back


class Room:
    """Memory for pictures that were sent in, from their first byte until they are answered."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes, self.used_bytes = most_bytes, 0

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """A share that grows by what its function is called with, and is given back at the end.

        Raises:
            RefusedError: By the function: there is no more (503).
        """
        held_bytes = 0

        def grow(size_bytes: int) -> None:
            nonlocal held_bytes
            if self.used_bytes + size_bytes > self.most_bytes:
                raise RefusedError(
                    503,
                    "take a picture in",
                    expected=f"at most {self.most_bytes} bytes of pictures at once",
                    got=f"{self.used_bytes + size_bytes}",
                    advice="Send it again in a second",
                    headers=_RETRY,
                )
            self.used_bytes += size_bytes
            held_bytes += size_bytes

        try:
            yield grow
        finally:
            self.used_bytes -= held_bytes


async def read_body(
    request: "Request",
    most_bytes: int,
    *,
    body_s: float = BODY_S,
    grow: Callable[[int], None] = lambda _: None,
) -> bytes:
    """The request's body, counted while it comes.

    Args:
        request: Of whose body nothing was read so far.
        most_bytes: Longer ones are refused.
        body_s: How long it may take.
        grow: Told of the bytes of each part before it is kept.

    Raises:
        RefusedError: It is too long (413), too slow (408), broke off (400), or there is no room
            (503).
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most_bytes:
        if "expect" not in request.headers:  # else it waits for leave to send, and gets none
            await _linger(request, most_bytes)
        raise _too_long(most_bytes, announced)
    content = bytearray()
    try:
        more = await asyncio.wait_for(_collect(request, content, most_bytes, grow), body_s)
    except asyncio.TimeoutError as cause:
        raise RefusedError(
            408,
            "read the request's body",
            expected=f"all of it within {body_s:g} s",
            got=f"{len(content)} bytes",
            advice="Send it faster, or less",
            headers=(("connection", "close"),),
        ) from cause
    if len(content) > most_bytes:
        if more:
            await _linger(request, most_bytes)
        raise _too_long(most_bytes, f"more than {most_bytes}")
    return bytes(content)


async def _collect(
    request: "Request", content: bytearray, most_bytes: int, grow: Callable[[int], None]
) -> bool:
    """Read the body up to its end, or until it is too long; whether more of it comes."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(
                400,
                "read the request's body",
                expected="all of it",
                got=f"{len(content)} bytes before the client left",
                advice="Send it again",
            )
        part = message.get("body", b"")
        grow(len(part))
        content += part
        if not message.get("more_body"):
            return False
        if len(content) > most_bytes:
            return True


async def _linger(request: "Request", most_bytes: int) -> None:
    """Throw away what still comes, within limits: else the client never reads the answer."""

    async def discard() -> None:
        left_bytes = 2 * most_bytes  # the part of a body that is too long and its rest
        while left_bytes > 0:
            message = await request.receive()
            left_bytes -= max(len(message.get("body", b"")), 1)
            if not message.get("more_body"):
                return

    try:
        await asyncio.wait_for(discard(), _LINGER_S)
    except asyncio.TimeoutError:
        return


def _too_long(most_bytes: int, got: str) -> RefusedError:
    return RefusedError(
        413,
        "read the request's body",
        expected=f"at most {most_bytes} bytes",
        got=got,
        advice="Send less, or raise daemon.upload_bytes",
        headers=(("connection", "close"),),
    )
