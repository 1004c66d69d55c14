"""Requests give way to frames: one that comes while a frame is being served waits for its end.

All threads of a process share one interpreter, and a thread that computes gives it up only every
few milliseconds. A request that is answered while a frame is prepared or its result is taken makes
that frame later by so much, each time. So requests wait for the end of the frame, in a coroutine;
but never long: where frames follow each other without a pause they are answered all the same.
Figures: docs/soak.md.
"""

import asyncio
from collections.abc import Callable
from typing import Any

MOST_S = 0.05  # that a request waits
_LOOK_S = 0.002  # from one look to the next, for all that wait together


class Courtesy:
    """An ASGI application in front of another.

    Args:
        app: What is behind it.
        busy: Whether a frame is being served just now; asked often.
        most_s: How long a request waits at most.
    """

    def __init__(self, app: Any, busy: Callable[[], bool], *, most_s: float = MOST_S) -> None:
        self.app, self._busy, self._most_s = app, busy, most_s
        self._quiet: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on when no frame is being served, or its patience is over."""
        if scope["type"] == "http" and self._busy():
            if self._quiet is None or self._quiet.done():
                self._quiet = asyncio.ensure_future(self._wait())
            # Shielded: one client that goes away must not end the wait of the others.
            await asyncio.shield(self._quiet)
        await self.app(scope, receive, send)

    async def _wait(self) -> None:
        clock = asyncio.get_running_loop().time
        end_s = clock() + self._most_s
        while self._busy() and clock() < end_s:
            await asyncio.sleep(_LOOK_S)
