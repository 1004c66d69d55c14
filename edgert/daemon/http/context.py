"""What all endpoints share: the service, threads for what waits, bounds for what is taken."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from edgert.daemon.base import Service
from edgert.daemon.http.bounds import Places, Room
from edgert.daemon.http.guard import Guard
from edgert.daemon.metrics import Metrics

MOST_EVENT_WATCHERS = 32
MOST_PICTURE_WATCHERS = 8  # each waits in a thread of its own
_ROOM_BYTES = 256 * 2**20

Result = TypeVar("Result")


class Context:
    """One for an app; lives on the event loop, but for its threads.

    Args:
        service: What is shown and steered.
        metrics: For /metrics.
        upload_bytes: Of a picture sent in.
        dashboard: The page's folder; None: no page.
        live: "" or why the process is not alive, in words: for /healthz.
    """

    guard: Guard  # set by make_app, which puts it in front

    def __init__(
        self,
        service: Service,
        metrics: Metrics,
        *,
        upload_bytes: int,
        dashboard: Path | None,
        live: Callable[[], str],
    ) -> None:
        self.service, self.metrics, self.live = service, metrics, live
        self.upload_bytes, self.dashboard = upload_bytes, dashboard
        self.closing = asyncio.Event()
        self.event_watchers = Places(MOST_EVENT_WATCHERS, "watchers of events")
        self.picture_watchers = Places(MOST_PICTURE_WATCHERS, "watchers of pictures")
        self.room = Room(max(_ROOM_BYTES, 2 * upload_bytes))
        # Threads are made when first needed and none of them lives without work to do.
        self._steering = ThreadPoolExecutor(2, "edgert-http-change")
        self._decoding = ThreadPoolExecutor(2, "edgert-http-decode")
        self._waiting = ThreadPoolExecutor(MOST_PICTURE_WATCHERS + 2, "edgert-http-wait")

    async def steer(self, work: Callable[[], Result]) -> Result:
        """Do what may write a file."""
        return await asyncio.get_running_loop().run_in_executor(self._steering, work)

    async def decode(self, work: Callable[[], Result]) -> Result:
        """Do what keeps a processor busy."""
        return await asyncio.get_running_loop().run_in_executor(self._decoding, work)

    async def wait(self, work: Callable[[], Result]) -> Result:
        """Do what waits for a second or so."""
        return await asyncio.get_running_loop().run_in_executor(self._waiting, work)

    def shut(self) -> None:
        """Let the threads end; from any thread."""
        for threads in (self._steering, self._decoding, self._waiting):
            threads.shutdown(wait=False, cancel_futures=True)


async def outcome(future: "Future[Result]", within_s: float) -> Result:
    """A service's future, awaited.

    Raises:
        asyncio.TimeoutError: It took too long; it was asked to be cancelled.
    """
    wrapped: asyncio.Future[Any] = asyncio.wrap_future(future)
    result: Result = await asyncio.wait_for(wrapped, within_s)
    return result
