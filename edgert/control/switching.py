"""When a better configuration may be taken: dwell, a ration of climbs, and waits."""

import math

from edgert.control.tuning import Tuning


class Switching:
    """Times of switches, and the waits that follow from them.

    Attributes:
        since_s: When the present configuration began.
    """

    __slots__ = ("_left_s", "_saved", "_time_s", "_tuning", "_wait_s", "since_s")

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self.since_s = -math.inf
        self._time_s = -math.inf
        self._saved = tuning.climbs_saved
        self._left_s: dict[str, float] = {}  # when a configuration was left for the deadline
        self._wait_s: dict[str, float] = {}

    def advance(self, now_s: float) -> None:
        """Time passes: climbs are saved up."""
        if math.isfinite(self._time_s):
            more = (now_s - self._time_s) * self._tuning.climbs_per_min / 60
            self._saved = min(self._saved + more, self._tuning.climbs_saved)
        self._time_s = now_s

    def dwelt(self) -> bool:
        """Whether the present configuration has run long enough for a free change."""
        return self._time_s - self.since_s >= self._tuning.dwell_s

    def may_climb(self) -> bool:
        """Whether a climb is left."""
        return self._saved >= 1

    def may_enter(self, name: str) -> bool:
        """Whether a configuration that missed its deadline may be tried again."""
        left_s = self._left_s.get(name)
        return left_s is None or self._time_s - left_s >= self._wait_s[name]

    def moved(self, *, climbed: bool) -> None:
        """A switch happens now."""
        self.since_s = self._time_s
        if climbed:
            self._saved -= 1

    def late(self, name: str) -> None:
        """A configuration is left because it does not keep the deadline.

        One that lasted is tried again soon, one that did not waits twice as long as before.
        """
        tuning = self._tuning
        lasted_s = self._time_s - self.since_s
        wait_s = self._wait_s.get(name, tuning.retry_s)
        if lasted_s > tuning.retry_most_s:
            wait_s = tuning.retry_s
        elif name in self._left_s:
            wait_s = min(2 * wait_s, tuning.retry_most_s)
        self._left_s[name], self._wait_s[name] = self._time_s, wait_s
