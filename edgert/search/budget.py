"""The time that a search may take, over all the times that it was started."""

from edgert.clock import Clock


class Budget:
    """Minutes, and how much of them is spent.

    Args:
        limit_s: For everything.
        spent_s: What earlier starts of the same search took.
        clock: Tells this start's share.
    """

    def __init__(self, limit_s: float, *, spent_s: float, clock: Clock) -> None:
        self.limit_s, self._before_s, self._clock = limit_s, spent_s, clock
        self._start_s = clock.now_s()

    @property
    def spent_s(self) -> float:
        """Seconds that the search has taken, earlier starts with it."""
        return self._before_s + self._clock.now_s() - self._start_s

    def is_past(self, share: float) -> bool:
        """Whether a share of the budget, 0..1, is used up."""
        return self.spent_s >= share * self.limit_s
