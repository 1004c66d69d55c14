"""What other threads ask of a loop, until its thread takes it; and how it waits for news."""

import threading
from collections import deque
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgert.clock import Clock
from edgert.control.base import Policy
from edgert.errors import ServiceBusyError
from edgert.records import PictureResult, RunHeader, Wanted
from edgert.runtime.pictures import PictureQueue, Request
from edgert.runtime.serving import Serving
from edgert.runtime.stages import Shadow


class Swap(NamedTuple):
    """Other engines, with the shadow runs that go with them."""

    serving: Serving
    shadow: Shadow | None
    future: "Future[Serving]"


class Figures(NamedTuple):
    """Other figures of the same engines: what `Steered.take_figures` takes."""

    controller: Policy
    header: RunHeader
    shadow: Shadow | None
    future: "Future[None]"


class Requests:
    """What a loop is asked by any thread, and takes in its own; the lock also wakes that one up.

    The lock is one that a signal handler may take again in the thread that holds it.

    Args:
        clock: Times how long pictures wait.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._news = False
        self._wanted: Wanted | None = None
        self._swaps: deque[Swap | Figures] = deque()
        self._pictures = PictureQueue()
        self._stop = False

    # ------------------------------------------------------------ any thread

    def wake(self) -> None:
        """There is news: look at everything once more."""
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def request_stop(self) -> None:
        """End after the frame in progress. Also from a signal handler."""
        self._stop = True
        self.wake()

    def change(self, wanted: Wanted) -> None:
        """Ask for something else from the next frame on; the last call counts."""
        with self._changed:
            self._wanted = wanted
            self.wake()

    def submit(self, image: NDArray[np.uint8], with_map: bool = False) -> "Future[PictureResult]":
        """Run one (H, W, 3) uint8 RGB picture of any size between two frames.

        Raises:
            ServiceBusyError: Eight wait already, or the loop has ended.
        """
        since_s = self._clock.now_s()
        with self._changed:
            future = self._pictures.add(image, with_map=with_map, since_s=since_s)
            self.wake()
        return future

    def swap(self, serving: Serving, shadow: Shadow | None = None) -> "Future[Serving]":
        """Take other engines between two frames; counts and limits go on.

        A pin that the new engines don't have is dropped; the figures' note says so.

        Args:
            serving: With engines that are loaded and warm.
            shadow: Its shadow runs; None: none from then on.

        Returns:
            The Serving that was, when it is out of use: the caller closes its pool. It fails with
            a ServiceBusyError where the loop ends before.
        """
        future: Future[Serving] = Future()
        self._line_up(Swap(serving, shadow, future))
        return future

    def take_figures(
        self, controller: Policy, header: RunHeader, shadow: Shadow | None = None
    ) -> "Future[None]":
        """Go on by other figures of the same engines between two frames.

        Engines, streams, counts, limits and what shadow runs have shown stay as they are.

        Args:
            controller: See Steered.take_figures.
            header: See Steered.take_figures.
            shadow: Shadow runs by these figures; None: none from then on.

        Returns:
            Done when it has happened; it fails as `swap` does.
        """
        future: Future[None] = Future()
        self._line_up(Figures(controller, header, shadow, future))
        return future

    def _line_up(self, swap: Swap | Figures) -> None:
        with self._changed:
            if self._pictures.closed:
                swap.future.set_exception(_ended(self._pictures.closed))
                return
            self._swaps.append(swap)
            self.wake()

    # ------------------------------------------------------------ the loop's thread

    @property
    def _pictures_wait(self) -> bool:
        return len(self._pictures) > 0

    @property
    def _interrupted(self) -> bool:
        """Whether something has to be done before any more work that could be left out."""
        return self._pictures_wait or bool(self._swaps) or self._stop

    def _take_wanted(self) -> Wanted | None:
        """What was asked for since the last call."""
        if self._wanted is None:
            return None
        with self._changed:
            wanted, self._wanted = self._wanted, None
        return wanted

    def _take_swap(self) -> Swap | Figures | None:
        """The oldest set of engines, or of figures, that is still wanted."""
        while self._swaps:
            swap = self._swaps.popleft()
            if swap.future.set_running_or_notify_cancel():
                return swap
        return None

    def _take_picture(self) -> Request | None:
        """The oldest picture that is still wanted."""
        with self._changed:
            return self._pictures.next()

    def _wait(self, timeout_s: float) -> bool:
        """Sleep until there is news, or was since the last call; False: the time is over."""
        with self._changed:
            if not self._news and not self._stop:
                self._changed.wait(max(timeout_s, 0.0))
            news, self._news = self._news, False
        return news

    def _refuse_all(self, why: str) -> None:
        """Take nothing more, and tell all that wait."""
        with self._changed:
            self._pictures.close(why)
        while (swap := self._take_swap()) is not None:
            swap.future.set_exception(_ended(why))


def _ended(why: str) -> ServiceBusyError:
    return ServiceBusyError(
        "exchange engines",
        expected="a service that goes on",
        got=why,
        advice="They are taken at the next start",
    )
