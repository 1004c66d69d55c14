"""One connection to a broker, from its CONNACK to its end. Used by one thread."""

import logging
from typing import Any

from edgert.daemon.base import Service
from edgert.daemon.mqtt.broker import marked, new_properties, turn
from edgert.daemon.mqtt.messages import answer_to_change
from edgert.daemon.mqtt.outbox import Outbox
from edgert.daemon.mqtt.topics import Topics
from edgert.optional import needs

logger = logging.getLogger(__name__)

_MOST_PACKET_BYTES = 268_435_455  # MQTT 5, 1.5.5; a broker may say less
_HEADER_BYTES = 16
_TAKEN_OVER = 142  # MQTT 5, 4.13: another client has connected under this name


class Connection:
    """What one client does while it is connected.

    Args:
        client: A paho client (MQTT 5) whose connection was opened and not answered yet.
        topics: The device's.
        outbox: What has to be sent.
        service: Who is asked where a command comes in.
        commands: Whether commands are listened for.
        mark: Which daemon this is, beside "online" and "offline".
    """

    def __init__(
        self,
        client: Any,
        topics: Topics,
        outbox: Outbox,
        service: Service,
        *,
        commands: bool,
        mark: str,
    ) -> None:
        self._client = client
        self._topics = topics
        self._outbox = outbox
        self._service = service
        self._commands = commands
        self._mark = mark
        self.connected = False
        self.was_connected = False
        self._most_bytes = _MOST_PACKET_BYTES
        self.end = ""  # why it ended, in words
        self.taken_over = False
        self._farewell: int | None = None
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message

    def turn(self, timeout_s: float) -> bool:
        """Send what may be sent, then read until something comes or the time is over.

        Returns:
            Whether the connection goes on.
        """
        if self.connected:
            self._send()
        result = turn(self._client, timeout_s)
        if result == 0 and not self.end:
            return True
        self.connected = False
        self.end = self.end or f"the connection ended ({_words(result)})"
        return False

    def leave(self) -> None:
        """Say that the device is offline; `left` tells when the broker has it."""
        self._farewell = self._say("offline")

    @property
    def left(self) -> bool:
        """Whether the broker knows that the device is offline, or never will from here."""
        return self._farewell is None or not self.connected

    def close(self) -> None:
        """End the connection without a will."""
        self._client.disconnect()

    def _send(self) -> None:
        while (message := self._outbox.next()) is not None:
            topic = self._topics.stats if message.kind == "stats" else self._topics.event
            if len(topic) + len(message.payload) + _HEADER_BYTES > self._most_bytes:
                self._outbox.refuse()  # the broker would end the connection, each time
                logger.warning(
                    "mqtt: %d bytes for %s are more than the broker takes (%d)",
                    len(message.payload),
                    topic,
                    self._most_bytes,
                )
                continue
            self._outbox.sent(self._client.publish(topic, message.payload, qos=1).mid)

    def _say(self, availability: str) -> int:
        topic, properties = self._topics.availability, marked(self._mark)
        info = self._client.publish(topic, availability, 1, retain=True, properties=properties)
        mid: int = info.mid
        return mid

    def _on_connect(self, client: Any, _data: Any, _flags: Any, reason: Any, more: Any) -> None:
        if reason.is_failure:
            self.end = f"the broker refuses: {reason}"
            return
        self.connected = self.was_connected = True
        self._most_bytes = getattr(more, "MaximumPacketSize", self._most_bytes)
        self._say("online")
        if self._commands:
            client.subscribe(self._topics.limits_set, options=_only_new())

    def _on_subscribe(self, _client: Any, _data: Any, _mid: Any, reasons: Any, _more: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            logger.warning("mqtt: the broker refuses %s: %s", self._topics.limits_set, reasons[0])

    def _on_disconnect(
        self, _client: Any, _data: Any, _flags: Any, reason: Any, _more: Any
    ) -> None:
        self.connected = False
        self.taken_over = self.taken_over or reason.value == _TAKEN_OVER
        self.end = self.end or f"the connection ended ({str(reason).lower()})"

    def _on_publish(self, _client: Any, _data: Any, mid: int, reason: Any, _more: Any) -> None:
        if reason.is_failure:
            logger.warning("mqtt: the broker refuses a message: %s", reason)
        if mid == self._farewell:
            self._farewell = None
        self._outbox.acknowledged(mid)

    def _on_message(self, client: Any, _data: Any, message: Any) -> None:
        if message.retain:  # somebody's wish of long ago would come back at each connection
            logger.warning("mqtt: a retained %s is ignored", self._topics.limits_set)
            return
        properties = message.properties
        answer = answer_to_change(message.payload, self._service, self._topics.limits_set)
        topic = self._topics.answer_topic(getattr(properties, "ResponseTopic", None))
        back = _correlated(getattr(properties, "CorrelationData", None))
        client.publish(topic, answer, qos=1, properties=back)


def _only_new() -> Any:
    """Subscribe to what is sent from now on, not to what the broker keeps."""
    options = needs("paho.mqtt.subscribeoptions", "mqtt", "to reach a broker").SubscribeOptions
    return options(qos=1, noLocal=True, retainHandling=options.RETAIN_DO_NOT_SEND)


def _correlated(data: bytes | None) -> Any:
    if data is None:
        return None
    back = new_properties("PUBLISH")
    back.CorrelationData = data
    return back


def _words(code: int) -> str:
    words: str = needs("paho.mqtt.client", "mqtt", "to reach a broker").error_string(code)
    return words.rstrip(".").lower()
