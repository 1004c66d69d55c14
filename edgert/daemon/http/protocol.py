"""HTTP/1.1 on one connection, with patience that ends.

uvicorn's own protocol waits for ever for the headers of a request, for a client that does not
read, and for one whose connection is to be closed. Here each of these has its time, and each kind
of listener (Unix socket, TCP) has its own number of connections, so that a flood at one does not
shut the other.
"""

from typing import Any

from edgert.daemon.http.answers import RefusedError, as_error
from edgert.optional import needs

HEADERS_S = 10.0  # from the first moment of waiting for a request to the end of its headers
WRITE_S = 20.0  # that a client may not read for
CLOSE_S = 3.0  # for what is still to be sent when a connection is closed
MOST_CONNECTIONS = 64  # of each kind of listener; up to twice as many are answered with 503


def patient_protocol(
    *,
    headers_s: float = HEADERS_S,
    write_s: float = WRITE_S,
    most_connections: int = MOST_CONNECTIONS,
) -> type:
    """The H11Protocol of uvicorn with these bounds.

    Raises:
        MissingDependencyError: uvicorn is not installed.
    """
    needs("uvicorn", "serve", "to serve HTTP")
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class PatientProtocol(H11Protocol):
        """One connection."""

        _timers: dict[str, Any]

        def connection_made(self, transport: Any) -> None:
            self._timers = {}
            super().connection_made(transport)
            kind = _kind(self)
            others = sum(_kind(one) is kind for one in self.connections)
            if others > 2 * most_connections:
                transport.abort()
            elif others > most_connections:
                self.app = _too_many
            self._arm("headers", headers_s)

        def connection_lost(self, exc: Exception | None) -> None:
            for name in [*self._timers]:
                self._disarm(name)
            super().connection_lost(exc)
            self._unset_keepalive_if_required()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            # A byte now and then must not make the time start anew: it runs from the first.
            if self.cycle is None or self.cycle.response_complete:
                self._arm("headers", headers_s)
            else:
                self._disarm("headers")

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.transport.is_closing():
                self._arm("close", CLOSE_S)

        def timeout_keep_alive_handler(self) -> None:
            self._close()

        def shutdown(self) -> None:
            if self.cycle is None or self.cycle.response_complete:
                self._close()
            else:
                self.cycle.keep_alive = False

        def pause_writing(self) -> None:
            super().pause_writing()
            self._arm("write", write_s)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._disarm("write")

        def _close(self) -> None:
            if not self.transport.is_closing():
                try:
                    self.conn.send(h11.ConnectionClosed())
                except h11.LocalProtocolError:
                    self.transport.abort()
                    return
                self.transport.close()
            self._arm("close", CLOSE_S)

        def _arm(self, name: str, within_s: float) -> None:
            if name not in self._timers:
                self._timers[name] = self.loop.call_later(within_s, self._too_slow, name)

        def _disarm(self, name: str) -> None:
            timer = self._timers.pop(name, None)
            if timer is not None:
                timer.cancel()

        def _too_slow(self, name: str) -> None:
            self._timers.pop(name, None)
            if name == "headers":
                self._close()
            else:
                self.transport.abort()

    return PatientProtocol


def _kind(connection: Any) -> bool:
    """Whether it came over TCP."""
    return connection.server is not None and connection.server[1] is not None


async def _too_many(scope: Any, receive: Any, send: Any) -> None:
    refused = RefusedError(
        503,
        "take a connection",
        expected="fewer of them",
        got="more than are served",
        advice="Try again in a moment",
        headers=(("retry-after", "5"), ("connection", "close")),
    )
    await as_error(refused, 503)(scope, receive, send)
