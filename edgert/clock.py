"""Time as something handed in: the machine's own, or one that a simulation advances."""

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic time in seconds, with an arbitrary origin."""

    def now_s(self) -> float:
        """Seconds since the clock's origin; never goes back."""
        ...

    def sleep(self, duration_s: float) -> None:
        """Let `duration_s` seconds pass; nothing happens for 0 or less."""
        ...


class MonotonicClock:
    """The machine's monotonic clock."""

    def now_s(self) -> float:
        """Seconds from time.perf_counter."""
        return time.perf_counter()

    def sleep(self, duration_s: float) -> None:
        """Sleep for real."""
        if duration_s > 0:
            time.sleep(duration_s)


class VirtualClock:
    """A clock that stands still until it is advanced; `sleep` advances it at once."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def now_s(self) -> float:
        """The virtual time."""
        return self._now_s

    def sleep(self, duration_s: float) -> None:
        """Advance the virtual time."""
        if duration_s > 0:
            self._now_s += duration_s
