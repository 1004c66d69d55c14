"""uvicorn on a Unix socket and on TCP, in a thread of its own with an event loop of its own."""

import asyncio
import socket as sockets
import threading
from pathlib import Path
from typing import Any

from edgert.closing import Closing
from edgert.daemon.http.app import HttpApp
from edgert.daemon.http.listeners import UnixListener, tcp_listener
from edgert.daemon.http.protocol import (
    HEADERS_S,
    MOST_CONNECTIONS,
    WRITE_S,
    patient_protocol,
)
from edgert.errors import SettingsError
from edgert.optional import needs

_HEADER_BYTES = 16 * 1024  # request line and headers; a browser's cookies and all fit well
_KEEP_ALIVE_S = 20
_BACKLOG = 128
_START_S = 10.0
_GRACE_S = 2  # for answers that are under way when the server is closed


class HttpServer(Closing):
    """Serves an app until it is closed.

    Args:
        app: What is served.
        socket: Path of a Unix socket, mode 0660; None: none.
        tcp: Host and port to listen on besides; None: none. Anything but loopback needs a token.
        headers_s: A client's time for its headers.
        write_s: How long a client may not read.
        most_connections: At once, of each kind of listener.

    Raises:
        SettingsError: It can't listen there, or there is nowhere to listen.
        MissingDependencyError: The extra `serve` is not installed.
    """

    def __init__(
        self,
        app: HttpApp,
        *,
        socket: Path | None,
        tcp: tuple[str, int] | None,
        headers_s: float = HEADERS_S,
        write_s: float = WRITE_S,
        most_connections: int = MOST_CONNECTIONS,
    ) -> None:
        self._app, self._path, self._tcp = app, socket, tcp
        if socket is None and tcp is None:
            raise SettingsError(
                "settings daemon",
                expected="a socket, tcp, or both",
                got="neither",
                advice="Set daemon.socket or daemon.tcp",
            )
        protocol = patient_protocol(
            headers_s=headers_s, write_s=write_s, most_connections=most_connections
        )
        self._server: Any = _uvicorn_server(app, protocol)
        self._unix: UnixListener | None = None
        self._listeners: list[sockets.socket] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._up, self._failure = threading.Event(), ""

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port that TCP listens on; None where it does not, or before `start`."""
        for listener in self._listeners:
            if listener.family != sockets.AF_UNIX and listener.fileno() >= 0:
                name = listener.getsockname()
                return str(name[0]), int(name[1])
        return None

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Listen; returns when connections are taken.

        Raises:
            SettingsError: It can't listen there.
        """
        try:
            if self._path is not None:
                self._unix = UnixListener(self._path)
                self._listeners.append(self._unix.socket)
            if self._tcp is not None:
                self._listeners.append(tcp_listener(*self._tcp, token=self._app.token))
            self._thread = threading.Thread(target=self._run, name="edgert-http", daemon=True)
            self._thread.start()
            self._wait_until_up()
        except BaseException:
            self.close()
            raise

    def close(self, *, within_s: float = 5.0) -> None:
        """Tell watchers to go, finish what is under way, and remove the socket."""
        if self._thread is not None and self._thread.is_alive():
            self._server.should_exit = True
            if self._loop is not None:
                self._call(self._app.say_goodbye)
            self._thread.join(within_s)
            if self._thread.is_alive():
                self._server.force_exit = True
                self._thread.join(1.0)
        for listener in self._listeners:
            listener.close()
        if self._unix is not None:
            self._unix.close()
            self._unix = None
        self._app.shut()

    def __enter__(self) -> "HttpServer":
        self.start()
        return self

    def _wait_until_up(self) -> None:
        if self._up.wait(_START_S) and not self._failure:
            return
        raise SettingsError(
            "start the HTTP server",
            expected=f"it to listen within {_START_S:.0f} s",
            got=self._failure or "nothing",
            advice="Look at the log",
        )

    def _call(self, work: Any) -> None:
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(work)
        except RuntimeError:
            return  # it has just ended by itself

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        # The edge of the thread: whatever it is, `start` says it.
        except BaseException as error:  # noqa: BLE001
            self._failure = str(error) or type(error).__name__
        finally:
            self._up.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        serving = asyncio.ensure_future(self._server.serve(sockets=self._listeners))
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.001)
        self._up.set()
        await serving


def _uvicorn_server(app: HttpApp, protocol: type) -> Any:
    uvicorn = needs("uvicorn", "serve", "to serve HTTP")
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody in front is believed
        h11_max_incomplete_event_size=_HEADER_BYTES,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
        backlog=_BACKLOG,
    )
    return uvicorn.Server(config)
