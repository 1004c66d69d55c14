"""What happens to streams, as events: connected, offline, back, ended, failed."""

from collections.abc import Sequence

from edgert.daemon.base import Events
from edgert.records import StreamState, StreamStatus

_WORDS = {
    "connecting": "connecting",
    "running": "connected",
    "offline": "offline",
    "ended": "ended",
    "failed": "failed",
}


class StreamNews:
    """Turns streams' states into events where they changed. Use it from one thread.

    Args:
        events: Where they go.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._states: dict[str, StreamState] = {}
        self._ran: set[str] = set()
        self._reconnects: dict[str, int] = {}
        self._problems: dict[str, str] = {}

    def look(self, streams: Sequence[StreamStatus]) -> None:
        """See how the streams are now."""
        for stream in streams:
            self._see_state(stream)
            self._see_problem(stream)

    def _see_state(self, stream: StreamStatus) -> None:
        name, source = stream.name, stream.source
        before = self._states.get(name, "connecting")
        reconnects = source.reconnects - self._reconnects.get(name, 0)
        again = name in self._ran
        self._states[name], self._reconnects[name] = source.state, source.reconnects
        if source.state == before and not (source.state == "running" and reconnects > 0):
            return
        if source.state == "running":
            self._ran.add(name)
        words = "reconnected" if source.state == "running" and again else _WORDS[source.state]
        why = f": {source.reason}" if source.reason and source.state != "running" else ""
        self._events.add(
            "stream",
            f"{name} {words}{why}",
            stream=name,
            state=source.state,
            reconnects=source.reconnects,
        )

    def _see_problem(self, stream: StreamStatus) -> None:
        name, problem = stream.name, stream.sink_problem
        if problem == self._problems.get(name, ""):
            return
        self._problems[name] = problem
        words = f"pictures are not written: {problem}" if problem else "pictures are written again"
        self._events.add("stream", f"{name}: {words}", stream=name)
