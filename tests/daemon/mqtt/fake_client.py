"""A paho client without a network, that a test makes answer."""

import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode


class Published(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: Any
    mid: int


class FakeClient:
    """What Connection uses of a client. `news` runs one by one, each in a turn of its own.

    Attributes:
        acknowledges: Whether each message is acknowledged in the next turn.
    """

    def __init__(self, *, accepts: bool = True, acknowledges: bool = True) -> None:
        self.published: list[Published] = []
        self.subscribed: list[str] = []
        self.acknowledges = acknowledges
        self.news: list[Callable[[], None]] = []
        self.lost = False
        self.closed = 0
        self.host = ""
        self._pair: tuple[socket.socket, socket.socket] | None = None
        self._unacknowledged: list[int] = []
        if accepts:
            self.news.append(lambda: self.connack("Success"))

    def connect(self, host: str, _port: int, **_: Any) -> None:
        self.host = host

    def connack(self, reason: str) -> None:
        self.on_connect(self, None, None, ReasonCode(PacketTypes.CONNACK, reason), None)

    def take_over(self) -> None:
        reason = ReasonCode(PacketTypes.DISCONNECT, "Session taken over")
        self.lost = True
        self.on_disconnect(self, None, None, reason, None)

    def publish(
        self, topic: str, payload: Any, qos: int, retain: bool = False, properties: Any = None
    ) -> Any:
        raw = payload.encode() if isinstance(payload, str) else payload
        info = Published(topic, raw, qos, retain, properties, len(self.published) + 1)
        self.published.append(info)
        self._unacknowledged.append(info.mid)
        return info

    def subscribe(self, topic: str, **_: Any) -> None:
        self.subscribed.append(topic)

    def socket(self) -> Any:
        if self.closed or self.lost:
            return None
        if self._pair is None:
            self._pair = socket.socketpair()
            self._pair[1].send(b"x")  # so that a turn never waits
        return self._pair[0]

    def want_write(self) -> bool:
        return False

    def loop_read(self) -> int:
        if self.news:
            self.news.pop(0)()
        if self.acknowledges:
            done = ReasonCode(PacketTypes.PUBACK, "Success")
            for mid in self._unacknowledged:
                self.on_publish(self, None, mid, done, None)
            self._unacknowledged.clear()
        return 0

    def loop_write(self) -> int:
        return 0

    def loop_misc(self) -> int:
        return 7 if self.lost else 0

    def disconnect(self) -> None:
        self.closed += 1
        for one in self._pair or ():
            one.close()

    def on(self, topic: str) -> list[bytes]:
        return [message.payload for message in self.published if message.topic == topic]

    # Set by whoever uses the client.
    on_connect: Any = None
    on_disconnect: Any = None
    on_publish: Any = None
    on_subscribe: Any = None
    on_message: Any = None
