"""Over-current events: a hardware comparator tripped, too briefly for any power sensor to see.

The counters only ever say that it happened (soctherm_oc on a Jetson). So each new event takes a
share off the power that is asked for, for a while.
"""

from collections.abc import Mapping

from edgert.control.tuning import Tuning


class OverCurrent:
    """Remembers the counters and what the events still cost.

    Attributes:
        ratio: What the power is multiplied with now, 1 without events.
        words: What happened last, in words; empty when nothing is held against it.
    """

    __slots__ = ("_counts", "_tuning", "_until_s", "ratio", "words")

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._counts: dict[str, int] | None = None
        self._until_s = 0.0
        self.ratio = 1.0
        self.words = ""

    def observe(self, now_s: float, counts: Mapping[str, int]) -> None:
        """Take in the counters; a counter that went back has been reset and starts anew.

        Those of the first sample count since boot. A cause that appears later has begun to count.
        """
        before = self._counts
        self._counts = {**(before or {}), **counts}
        if before is None:
            return
        new = {
            cause: count - before.get(cause, 0)
            for cause, count in counts.items()
            if count > before.get(cause, 0)
        }
        if new:
            # Many events between two looks are one episode: the counters run away in a burst.
            least = self._tuning.over_current_least_ratio
            self.ratio = max(self.ratio * (1 - self._tuning.over_current_ratio), least)
            self._until_s = now_s + self._tuning.over_current_hold_s
            told = ", ".join(f"{count} {cause}" for cause, count in new.items())
            self.words = f"over-current events ({told}): {self.ratio:.0%} of the power"

    def advance(self, now_s: float) -> None:
        """Forget events that lie long enough back."""
        if self.words and now_s >= self._until_s:
            self.ratio, self.words = 1.0, ""
