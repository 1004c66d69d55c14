"""Where a daemon keeps its socket and its state, and that it is the only one there."""

import os
import stat
from pathlib import Path
from typing import IO, NamedTuple

from edgert.artifacts.lock import lock
from edgert.errors import SettingsError
from edgert.settings import DaemonSettings, SystemdVariables

_PRIVATE = 0o700
_SOCKET_BYTES = 107  # sun_path holds 108 with its end
_LONGEST_LINE = 1024  # characters of a secret
_TOKEN_CHARACTERS = 16


class Places(NamedTuple):
    """The Unix socket and the folder for what outlives a restart."""

    socket: Path
    state: Path


def find_places(settings: DaemonSettings, variables: SystemdVariables) -> Places:
    """The places that are set, else those of the service manager, else those of the user.

    Raises:
        SettingsError: The socket's path is longer than the kernel takes.
    """
    home = Path.home()
    if settings.state_dir:
        state = Path(settings.state_dir)
    elif variables.state_directory:
        state = Path(variables.state_directory)
    else:
        state = Path(variables.user_state_directory or home / ".local" / "state") / "edgert"
    if settings.socket:
        socket = Path(settings.socket)
    elif variables.runtime_directory:
        socket = Path(variables.runtime_directory) / "edgert.sock"
    elif variables.user_runtime_directory:
        socket = Path(variables.user_runtime_directory) / "edgert.sock"
    else:
        socket = state / "edgert.sock"
    if len(os.fsencode(socket)) > _SOCKET_BYTES:
        raise SettingsError(
            "settings daemon.socket",
            expected=f"a path of at most {_SOCKET_BYTES} bytes",
            got=str(socket),
            advice="Choose a shorter one",
        )
    return Places(socket, state)


def claim_state(state: Path) -> IO[str]:
    """Make the state folder, nobody else's, and lock it until the file returned is closed.

    Raises:
        SettingsError: The folder can't be made or written to.
        ArtifactError: Another daemon has it.
    """
    try:
        state.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        file = (state / "daemon.lock").open("w", encoding="ascii")
    except OSError as error:
        raise SettingsError(
            "settings daemon.state_dir",
            expected="a folder that can be written to",
            got=f"{state}: {(error.strerror or str(error)).lower()}",
            advice="Choose another with daemon.state_dir or --state-dir",
        ) from error
    try:
        lock(
            file,
            f"use {state}",
            expected="no other daemon with this state folder",
            advice="Stop the other one, or give this one a --state-dir of its own",
        )
    except BaseException:
        file.close()
        raise
    return file


def read_secret(path: str, *, setting: str, least: int = 1) -> str:
    """The first line of a file that nobody but its owner and root may read; "" for no file.

    Args:
        path: The file, as the settings name it.
        setting: Which setting names it, for the error's line; the secret is never in one.
        least: Characters that it has to have.

    Raises:
        SettingsError: It can't be read, others may read it, or it is too short.
    """
    if not path:
        return ""
    subject = f"settings {setting} ({path})"
    try:
        with Path(path).open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = file.readline(_LONGEST_LINE).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            subject,
            expected="a readable text file",
            got=(getattr(error, "strerror", None) or "bytes that are not UTF-8 text").lower(),
            advice="Check the path and its permissions",
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(
            subject,
            expected="a file that only its owner may use",
            got=f"mode {stat.S_IMODE(mode):04o}",
            advice=f"chmod 600 {path}, and write a new secret: the old one may be known",
        )
    if len(secret) < least:
        make = f"Make one: (umask 077; openssl rand -hex 32 > {path})"
        raise SettingsError(
            subject,
            expected=f"{least} character{'' if least == 1 else 's'} or more in the first line",
            got=f"{len(secret)}",
            advice=make if least > 1 else "Write it there",
        )
    return secret


def read_token(settings: DaemonSettings) -> str:
    """The token that TCP connections have to bring; "" without one. Errors as `read_secret`."""
    token = read_secret(settings.token_file, setting="daemon.token_file", least=_TOKEN_CHARACTERS)
    return token.strip()  # a header has no blanks around it
