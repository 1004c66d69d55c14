"""How long to wait before the next try."""

from collections.abc import Callable


class Pauses:
    """Waits that double up to a limit, each shortened at random by up to a half."""

    def __init__(self, first_s: float, longest_s: float, jitter: Callable[[], float]) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._jitter = jitter
        self._next_s = first_s

    def next_s(self) -> float:
        """How long to wait this time, seconds."""
        whole_s = self._next_s
        self._next_s = min(2 * whole_s, self._longest_s)
        return whole_s * (1 - self._jitter() / 2)

    def start_anew(self) -> None:
        """The next wait is the first again."""
        self._next_s = self._first_s
