"""What fails now and then, for months: told once, left alone for a while, tried again."""

import logging
from collections.abc import Callable

from edgert.errors import EdgertError

logger = logging.getLogger(__name__)

FIRST_RETRY_S, LAST_RETRY_S = 5.0, 300.0
HELD_S = 30.0  # what fails some time after it was handed something has to hold for so long


class Retries:
    """Something that fails now and then, and is left alone for a while after that.

    Args:
        held_s: After a failure it has to work for so long, before that is forgotten.

    Attributes:
        problem: What is wrong, in words; "" while nothing is.
    """

    def __init__(self, held_s: float = 0.0) -> None:
        self.problem = ""
        self._held_s = held_s
        self._wait_s = FIRST_RETRY_S
        self._due_s = 0.0

    def rests(self, now_s: float) -> bool:
        """Whether it failed so lately that it is not tried yet."""
        return bool(self.problem) and now_s < self._due_s

    def attempt(self, what: str, act: Callable[[], None], now_s: float) -> bool:
        """Do it; whether it worked. A failure is logged once, and kept as the problem."""
        if not self.finish(what, act):
            self._due_s = now_s + self._wait_s
            self._wait_s = min(2 * self._wait_s, LAST_RETRY_S)
            return False
        if self.problem and now_s >= self._due_s + self._held_s:
            self.problem, self._wait_s = "", FIRST_RETRY_S
        return True

    def finish(self, what: str, act: Callable[[], None]) -> bool:
        """As `attempt`, for the last time: success does not make an earlier problem forgotten."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - one stream's sink must not stop the others
            words = str(error) if isinstance(error, EdgertError) else _words(what, error)
            if words != self.problem:
                logger.warning("%s", words)
            self.problem = words
            return False
        return True


def _words(what: str, error: Exception) -> str:
    return " ".join(f"{what}: {type(error).__name__}: {error}".split())
