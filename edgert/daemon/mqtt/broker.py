"""A paho client for one connection: who it says it is, and what it leaves as its will."""

import select
from typing import Any

from edgert.daemon.mqtt.messages import MOST_COMMAND_BYTES
from edgert.daemon.mqtt.topics import Topics
from edgert.errors import SettingsError
from edgert.optional import needs
from edgert.settings import MqttSettings

MARK = "daemon"  # the property that tells one daemon's "online" from another's
KEEP_ALIVE_S = 30  # a broker tells of a silent end after one and a half of these
_NOT_CONNECTED = 4  # paho's MQTT_ERR_NO_CONN
_CONNECT_TIMEOUT_S = 5.0
_HEADER_BYTES = 2048  # topic and properties of a command


def new_client(settings: MqttSettings, topics: Topics, password: str, mark: str = "") -> Any:
    """A client that is not connected yet.

    With a mark it speaks for the device and leaves a will; without one it only looks.

    It starts clean and its session ends with its connection: a command that was sent while the
    device was away must not act when it is back.

    Raises:
        MissingDependencyError: paho-mqtt is not installed.
        SettingsError: `mqtt.ca_file` is no file with certificates.
    """
    paho = needs("paho.mqtt.client", "mqtt", "to reach a broker")
    client = paho.Client(
        paho.CallbackAPIVersion.VERSION2,
        client_id=topics.client_id,
        protocol=paho.MQTTv5,
        reconnect_on_failure=False,
    )
    client.connect_timeout = _CONNECT_TIMEOUT_S
    if settings.username or password:
        client.username_pw_set(settings.username or None, password or None)
    if settings.ca_file:
        _trust(client, settings.ca_file)
    if mark:
        will = marked(mark, "WILLMESSAGE")
        client.will_set(topics.availability, "offline", qos=1, retain=True, properties=will)
    return client


def marked(mark: str, packet: str = "PUBLISH") -> Any:
    """Properties that say which daemon has written a message."""
    properties = new_properties(packet)
    properties.UserProperty = (MARK, mark)
    return properties


def new_properties(packet: str) -> Any:
    """Properties of a packet of MQTT 5, none set."""
    packets = needs("paho.mqtt.packettypes", "mqtt", "to reach a broker").PacketTypes
    properties = needs("paho.mqtt.properties", "mqtt", "to reach a broker").Properties
    return properties(getattr(packets, packet))


def connect(client: Any, settings: MqttSettings) -> None:
    """Open the connection; the broker's answer comes later.

    Raises:
        OSError: It can't be reached, or its certificate is not trusted.
    """
    wanted = new_properties("CONNECT")
    wanted.MaximumPacketSize = MOST_COMMAND_BYTES + _HEADER_BYTES
    wanted.SessionExpiryInterval = 0
    client.connect(
        settings.host,
        settings.port,
        keepalive=KEEP_ALIVE_S,
        clean_start=True,
        properties=wanted,
    )


def turn(client: Any, timeout_s: float) -> int:
    """Read and write what can be, or wait for it; 0 while the connection goes on.

    The client's own loop would do, but for two sockets to itself that it never closes.
    """
    opened = client.socket()
    if opened is None:
        return _NOT_CONNECTED
    buffered = hasattr(opened, "pending") and opened.pending() > 0  # decrypted, not read yet
    waits = select.poll()
    waits.register(opened, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
    found = dict(waits.poll(0 if buffered else timeout_s * 1000))
    flags = found.get(opened.fileno(), 0)
    result: int = 0
    if buffered or flags & ~select.POLLOUT:
        result = client.loop_read()
    if result == 0 and flags & select.POLLOUT:
        result = client.loop_write()
    return result or int(client.loop_misc())


def _trust(client: Any, ca_file: str) -> None:
    try:
        client.tls_set(ca_certs=ca_file)
    except (OSError, ValueError) as cause:  # ssl.SSLError is an OSError
        raise SettingsError(
            f"read mqtt.ca_file {ca_file}",
            expected="certificates in PEM form",
            got=getattr(cause, "strerror", None) or str(cause),
            advice="Name the file with the certificate that signed the broker's",
        ) from cause
