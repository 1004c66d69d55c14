"""SIGINT and SIGTERM as a request to end after the frame in progress."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol


class Stoppable(Protocol):
    """Anything that ends soon when asked to."""

    def request_stop(self) -> None:
        """Only sets a flag: called from within a signal handler."""
        ...


@contextmanager
def install_signal_handlers(loop: Stoppable) -> Iterator[None]:
    """While the context lasts, SIGTERM and the first SIGINT ask `loop` to stop.

    A second SIGINT raises KeyboardInterrupt where the program stands. The handlers found are put
    back at the end. Main thread only, as Python allows no other.
    """
    interrupted = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        if number == signal.SIGINT:
            if interrupted:
                raise KeyboardInterrupt
            interrupted = True
        loop.request_stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
