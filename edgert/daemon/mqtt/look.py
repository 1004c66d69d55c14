"""Who is at the broker under this device's name: asked under another name, so that nobody is hurt.

A second daemon of the same name takes the first one's connection away. Were the first to come
back at once, it would take it from the second, and so on. MQTT 5 has a reason code for being
taken over, but not every broker sends it (mosquitto 2.0.11 does not). So each daemon writes its
own mark beside "online", and who has lost a connection looks for another's before it comes back.
"""

from typing import Any

from edgert.clock import Clock
from edgert.daemon.mqtt import broker
from edgert.daemon.mqtt.topics import Topics
from edgert.settings import MqttSettings

_MOST_S = 5.0
_AFTER_ANSWER_S = 1.0  # what a broker keeps comes right behind its answer to a subscription


def other_online(
    client: Any, settings: MqttSettings, topics: Topics, mark: str, clock: Clock
) -> bool:
    """Whether another daemon says that it is this device, now.

    Args:
        client: A client under a name of its own and without a will, not connected.
        settings: Where the broker is.
        topics: The device's.
        mark: The own one.
        clock: For how long to wait.

    Raises:
        OSError: The broker can't be reached.
    """
    found: list[bool] = []
    until_s = clock.now_s() + _MOST_S

    def on_connect(client: Any, _data: Any, _flags: Any, reason: Any, _more: Any) -> None:
        if reason.is_failure:
            found.append(False)  # the connection itself will say why
        else:
            client.subscribe(topics.availability, qos=1)

    def on_subscribe(*_: Any) -> None:
        nonlocal until_s
        until_s = min(until_s, clock.now_s() + _AFTER_ANSWER_S)

    def on_message(_client: Any, _data: Any, message: Any) -> None:
        writer = dict(getattr(message.properties, "UserProperty", [])).get(broker.MARK)
        found.append(message.payload == b"online" and writer not in (None, mark))

    client.on_connect, client.on_subscribe = on_connect, on_subscribe
    client.on_message = on_message
    broker.connect(client, settings)
    try:
        while not found and clock.now_s() < until_s and broker.turn(client, 0.1) == 0:
            pass
    finally:
        client.disconnect()
    return bool(found) and found[-1]
