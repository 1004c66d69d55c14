"""The newest events of a daemon, kept in memory, for whoever looks now or waits for the next.

Owns numbering and forgetting; who adds what is the service's, how they are sent is http's and
mqtt's.
"""

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import islice

from edgert.clock import Clock
from edgert.records import Event, EventKind


def unix_now_s() -> float:
    """Seconds of the wall's clock since 1970, which may step."""
    return datetime.now(timezone.utc).timestamp()


class EventLog:
    """Implements daemon.base.Events; any thread may call anything.

    Args:
        clock: Gives `Event.time_s`.
        kept: How many are kept; the oldest go first.
        unix_s: Gives `Event.unix_s`.
    """

    def __init__(
        self, clock: Clock, *, kept: int = 1000, unix_s: Callable[[], float] = unix_now_s
    ) -> None:
        if kept < 1:
            raise ValueError(f"kept is {kept}, at least one event has to be")
        self._clock, self._unix_s = clock, unix_s
        self._events: deque[Event] = deque(maxlen=kept)
        self._added = threading.Condition()
        self._last_id = 0

    def add(self, kind: EventKind, text: str, **facts: object) -> Event:
        """Note an event now, and wake whoever waits.

        Args:
            kind: What it is about.
            text: In words, without credentials.
            facts: The same for programs; what JSON can hold.
        """
        with self._added:
            self._last_id += 1
            event = Event(
                id=self._last_id,
                time_s=self._clock.now_s(),
                unix_s=self._unix_s(),
                kind=kind,
                text=text,
                facts=facts,
            )
            self._events.append(event)
            self._added.notify_all()
        return event

    def since(self, last_id: int) -> list[Event]:
        """Those kept with a larger id, oldest first; a first id above `last_id + 1` is a gap."""
        with self._added:
            return self._newer(last_id)

    def wait(self, last_id: int, timeout_s: float) -> list[Event]:
        """As `since`, but waits for one, at most `timeout_s`; empty if none came in time."""
        with self._added:
            self._added.wait_for(lambda: self._last_id > last_id, timeout_s)
            return self._newer(last_id)

    def _newer(self, last_id: int) -> list[Event]:
        # The ids are without gaps, so that what is asked for is found by counting from the end.
        count = min(max(self._last_id - last_id, 0), len(self._events))
        return list(islice(self._events, len(self._events) - count, None))
