"""The time that a search may take, over all the times that it was started."""

from edgert.clock import Clock


class Budget:
    """Minutes, how much of them is spent, and how far the search had come then.

    A search that goes on after a kill looks results up that it has; how far it has come is then
    when they were made, not now. So it decides as it did the first time, and does not skip what
    it had time for.

    Args:
        limit_s: For everything.
        spent_s: What earlier starts of the same search took.
        clock: Tells this start's share.
    """

    def __init__(self, limit_s: float, *, spent_s: float, clock: Clock) -> None:
        self.limit_s, self._before_s, self._clock = limit_s, spent_s, clock
        self._start_s = clock.now_s()
        self._reached_s = 0.0

    @property
    def spent_s(self) -> float:
        """Seconds that the search has taken, earlier starts with it."""
        return self._before_s + self._clock.now_s() - self._start_s

    def reach(self, elapsed_s: float) -> None:
        """Note that a result was used which was there after so many seconds of the search."""
        self._reached_s = max(self._reached_s, elapsed_s)

    def is_past(self, share: float) -> bool:
        """Whether the newest result that was used came after a share of the budget, 0..1."""
        return self._reached_s >= share * self.limit_s
