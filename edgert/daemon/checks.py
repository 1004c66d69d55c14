"""What settings of a daemon have to be besides well-formed: how they fit together.

Each is one line, told before anything is opened.
"""

import ipaddress
from collections.abc import Iterable
from typing import NamedTuple

from edgert.errors import SettingsError
from edgert.records import Limits
from edgert.settings import Settings


class TcpAddress(NamedTuple):
    """Where TCP connections are taken."""

    host: str
    port: int
    loopback: bool


def check_settings(settings: Settings) -> None:
    """Refuse settings that contradict each other, or that would open a door to everybody.

    Raises:
        SettingsError: One line: which setting, what was expected, what stands there.
    """
    check_limits(settings.limits)
    _refuse_twice("streams", [s.name for s in settings.streams], "Rename one of the streams")
    sinks = [sink for s in settings.streams for sink in s.sinks if sink != "none"]
    _refuse_twice("streams' sinks", sinks, "Give each stream sinks of its own")
    if settings.streams and not settings.family:
        raise SettingsError(
            "settings family",
            expected="a family whose engines serve the streams",
            got="none",
            advice="Name one, or leave the streams out",
        )
    if settings.daemon.tcp:
        address = tcp_address(settings.daemon.tcp)
        if not address.loopback and not settings.daemon.token_file:
            raise SettingsError(
                "settings daemon.tcp",
                expected="a loopback address, or a token_file",
                got=f"{settings.daemon.tcp} and no token_file",
                advice="Write a token into a file that nobody else can read, and name it",
            )
    if settings.mqtt.host and settings.mqtt.username and not settings.mqtt.password_file:
        raise SettingsError(
            "settings mqtt.password_file",
            expected="the password of mqtt.username",
            got="none",
            advice="Write it into a file that nobody else can read, and name it",
        )


def check_limits(limits: Limits) -> None:
    """Refuse an energy budget that need not last, and a mission without one.

    Raises:
        SettingsError: One line.
    """
    if (limits.energy_j is None) != (limits.mission_s is None):
        missing, there = (
            ("mission_s", "energy_j") if limits.mission_s is None else ("energy_j", "mission_s")
        )
        raise SettingsError(
            f"settings limits.{missing}",
            expected=f"a number beside limits.{there}",
            got="none",
            advice="Set both or neither: how much energy, and how long it has to last",
        )


def tcp_address(text: str) -> TcpAddress:
    """HOST:PORT, as `daemon.tcp` has it; [::1]:PORT for IPv6.

    Raises:
        SettingsError: It is written otherwise.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    number = int(port) if port.isascii() and port.isdigit() else -1
    if not colon or not host or (":" in host and not bracketed) or not 0 <= number <= 65535:
        raise SettingsError(
            "settings daemon.tcp",
            expected="HOST:PORT",
            got=repr(text),
            advice="Write 127.0.0.1:8077, or [::1]:8077",
        )
    return TcpAddress(host, number, _is_loopback(host))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name may lead anywhere
        return False


def _refuse_twice(what: str, names: Iterable[str], advice: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SettingsError(
                f"settings {what}", expected="each once", got=f"{name!r} twice", advice=advice
            )
        seen.add(name)
