"""What waits to be sent: bounded, in order, kept until the broker says that it has it."""

from collections import deque
from typing import Literal, NamedTuple

Kind = Literal["stats", "event"]


class Message(NamedTuple):
    """One message that has to reach the broker."""

    kind: Kind
    payload: bytes


class Outbox:
    """Messages in the order in which they came, until the broker has acknowledged them.

    While nothing can be sent, the oldest figures go first: newer ones tell more. Events are kept
    as long as there is room, then the oldest of them goes. What goes is counted. What was sent
    and not acknowledged when a connection ended is sent again, so an event may arrive twice; its
    id and time tell.

    Not for several threads; the counts may be read from any.

    Args:
        stats: How many figures are kept at most.
        events: How many events are kept at most.
        window: How many messages may be on their way, so that a broker that stalls does not
            fill the client's own buffers.
    """

    def __init__(self, *, stats: int = 30, events: int = 1000, window: int = 16) -> None:
        self._most: dict[Kind, int] = {"stats": stats, "event": events}
        self._window = window
        self._waiting: deque[Message] = deque()
        self._on_their_way: dict[int, Message] = {}  # by the broker's message id, oldest first
        self.dropped: dict[Kind, int] = {"stats": 0, "event": 0}
        self.delivered = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._on_their_way)

    def add(self, kind: Kind, payload: bytes) -> None:
        """Put a message behind all others; where there are too many of its kind, one goes."""
        self._waiting.append(Message(kind, payload))
        self._make_room(kind)

    def missed(self, events: int) -> None:
        """So many events were gone before they could be added."""
        self.dropped["event"] += events

    def next(self) -> Message | None:
        """The message to send now; None where none waits or enough are on their way."""
        if len(self._on_their_way) >= self._window or not self._waiting:
            return None
        return self._waiting[0]

    def sent(self, message_id: int) -> None:
        """The one that `next` named has been given to the client under this id."""
        self._on_their_way[message_id] = self._waiting.popleft()

    def refuse(self) -> None:
        """The one that `next` named can't be sent, now or ever."""
        self.dropped[self._waiting.popleft().kind] += 1

    def acknowledged(self, message_id: int) -> None:
        """The broker has it. Ids of other messages are none of ours."""
        if self._on_their_way.pop(message_id, None) is not None:
            self.delivered += 1

    def disconnected(self) -> None:
        """What was on its way is the first to be sent next time."""
        self._waiting.extendleft(reversed(self._on_their_way.values()))
        self._on_their_way.clear()
        self._make_room("stats")
        self._make_room("event")

    def _make_room(self, kind: Kind) -> None:
        over = sum(message.kind == kind for message in self._waiting) - self._most[kind]
        for _ in range(over):
            oldest = next(i for i, message in enumerate(self._waiting) if message.kind == kind)
            del self._waiting[oldest]
            self.dropped[kind] += 1
