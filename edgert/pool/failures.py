"""Engines that could not be loaded while others run: told, counted, and left alone for a while."""

import logging
from collections import deque

from edgert.clock import Clock
from edgert.units import text_from_duration

logger = logging.getLogger(__name__)

FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 300.0
_KEPT = 20  # failures in words


class Failures:
    """Which engines failed to load, and when each may be tried again.

    Twice as long after each failure of the same engine: from 5 s to 5 min. An engine that is
    damaged stays damaged, but memory may come back.

    Args:
        clock: What the waiting is measured by.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[str, int] = {}  # failures in a row
        self._retry_s: dict[str, float] = {}
        self._told: deque[str] = deque(maxlen=_KEPT)
        self.count = 0

    @property
    def told(self) -> tuple[str, ...]:
        """The newest failures in words, oldest first."""
        return tuple(self._told)

    def add(self, name: str, error: Exception) -> None:
        """Note that an engine could not be loaded."""
        self.count += 1
        before = self._counts.get(name, 0)
        self._counts[name] = before + 1
        wait_s = min(FIRST_RETRY_S * 2**before, LONGEST_RETRY_S)
        self._retry_s[name] = self._clock.now_s() + wait_s
        what = " ".join(f"{type(error).__name__}: {error}".split())
        words = f"{name} could not be loaded: {what}"
        self._told.append(words)
        logger.warning("%s Tried again in %s.", words, text_from_duration(wait_s))

    def forget(self, name: str) -> None:
        """The engine was loaded after all."""
        self._counts.pop(name, None)
        self._retry_s.pop(name, None)

    def excluded(self) -> frozenset[str]:
        """Engines that are not to be tried now."""
        if not self._retry_s:
            return frozenset()
        now_s = self._clock.now_s()
        return frozenset(name for name, retry_s in self._retry_s.items() if now_s < retry_s)

    def row(self, name: str) -> int:
        """How often in a row the engine could not be loaded."""
        return self._counts.get(name, 0)
