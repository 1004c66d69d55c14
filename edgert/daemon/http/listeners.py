"""Sockets to listen on: a Unix socket that only owner and group open, and TCP.

A Unix socket's mode is set before it has a name, so that at no moment anybody else can connect. A
lock beside it, held while its daemon lives, tells a socket that was left behind from one in use.
"""

import errno
import fcntl
import ipaddress
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from edgert.closing import Closing
from edgert.errors import SettingsError

MODE = 0o660
SHORTEST_TOKEN = 16  # letters, where others than this machine can try


class UnixListener(Closing):
    """A Unix socket with its lock, removed when closed.

    Args:
        path: Where. A socket of a daemon that is gone is replaced.

    Raises:
        SettingsError: Another daemon listens there, something else lies there, or it can't be
            made; one line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._bind()
        except BaseException:
            self.socket.close()
            self._unlock()
            raise

    def close(self) -> None:
        """Close and remove it; a file that took its place meanwhile stays."""
        self.socket.close()
        with suppress(OSError):
            if self.path.lstat().st_ino == self._inode:
                self.path.unlink()
        self._unlock()

    def _bind(self) -> None:
        try:
            self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._take_lock()
            self._remove_stale()
            # Linux gives the name the mode that the socket has, less the umask.
            os.fchmod(self.socket.fileno(), MODE)
            self.socket.bind(str(self.path))
            self.path.chmod(MODE)  # what the umask took; nobody connects before listen
            self._inode = self.path.lstat().st_ino
        except OSError as cause:
            raise SettingsError(
                f"listen on {self.path}",
                expected="a folder to make a Unix socket in",
                got=(cause.strerror or str(cause)).lower(),
                advice="Set daemon.socket to a short path that this user may write",
            ) from cause

    def _take_lock(self) -> None:
        name = self.path.with_name(self.path.name + ".lock")
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._lock = os.open(name, flags, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            if cause.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise self._in_use() from cause

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)  # the file stays: to remove it could take another's lock away
            self._lock = -1

    def _remove_stale(self) -> None:
        try:
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise SettingsError(
                f"listen on {self.path}",
                expected="no file, or a socket that was left behind",
                got="another file",
                advice="Remove it, or set daemon.socket to another path",
            )
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            caller.settimeout(1.0)
            try:
                caller.connect(str(self.path))
            except ConnectionRefusedError:
                self.path.unlink()
                return
            except TimeoutError:
                pass  # somebody listens and is busy
        raise self._in_use()

    def _in_use(self) -> SettingsError:
        return SettingsError(
            f"listen on {self.path}",
            expected="no other daemon there",
            got="one that answers",
            advice="Stop it, or set daemon.socket to another path",
        )


def tcp_listener(host: str, port: int, *, token: str) -> socket.socket:
    """A TCP socket, bound; port 0 takes a free one.

    Raises:
        SettingsError: Others than this machine could connect without a token, or with a short
            one; or it can't be bound. One line.
    """
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as cause:
        raise _no_address(host, port, cause) from cause
    family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        _refuse_without_token(host, port, token)
    # asyncio switches Nagle's algorithm off where the protocol is named, and only there: else the
    # body of each answer waits 40 ms for the client's delayed acknowledgement of the headers.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as cause:
        listener.close()
        raise _no_address(host, port, cause) from cause
    return listener


def _refuse_without_token(host: str, port: int, token: str) -> None:
    if len(token) >= SHORTEST_TOKEN:
        return
    raise SettingsError(
        f"settings daemon.tcp {host}:{port}",
        expected=f"a token of {SHORTEST_TOKEN} letters or more where others can connect",
        got=f"one of {len(token)}" if token else "none",
        advice="Set daemon.token_file, or listen on 127.0.0.1",
    )


def _no_address(host: str, port: int, cause: OSError) -> SettingsError:
    return SettingsError(
        f"settings daemon.tcp {host}:{port}",
        expected="an address of this machine and a free port",
        got=(cause.strerror or str(cause)).lower(),
        advice="Correct it, or stop what listens there",
    )
