"""How long to wait before something that failed is tried again."""

import random

SHORTEST_S = 0.5
LONGEST_S = 30.0
HELD_S = 10.0  # a connection that lasted so long makes the next pause a short one again


class Backoff:
    """Pauses that double, each drawn from the upper half, so that many do not knock at once.

    Args:
        shortest_s: The first pause, and the least.
        longest_s: The most.
        seed: Of the draws; None: another one each time.
    """

    def __init__(
        self,
        *,
        shortest_s: float = SHORTEST_S,
        longest_s: float = LONGEST_S,
        seed: int | None = None,
    ) -> None:
        self._shortest_s, self._longest_s = shortest_s, longest_s
        self._random = random.Random(seed)
        self._most_s = shortest_s

    def next_s(self) -> float:
        """The next pause, in seconds."""
        most_s = self._most_s
        self._most_s = min(2 * most_s, self._longest_s)
        return self._random.uniform(max(self._shortest_s, most_s / 2), most_s)

    def reset(self) -> None:
        """Begin with the shortest again."""
        self._most_s = self._shortest_s
