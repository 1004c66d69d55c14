"""One connection, turn by turn, with a client that has no network."""

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edgert.clock import VirtualClock
from edgert.daemon.mqtt.broker import turn
from edgert.daemon.mqtt.connection import Connection
from edgert.daemon.mqtt.door import MqttDoor
from edgert.daemon.mqtt.outbox import Outbox
from edgert.daemon.mqtt.topics import topics_of
from edgert.settings import MqttSettings
from tests.daemon.fake_service import FakeService
from tests.daemon.mqtt.fake_client import FakeClient
from tests.daemon.mqtt.mosquitto import until

TOPICS = topics_of("dev", "")


@pytest.fixture
def client() -> Any:
    client = FakeClient()
    yield client
    client.disconnect()


def connected(client: FakeClient, outbox: Outbox | None = None) -> tuple[Connection, FakeService]:
    service = FakeService()
    outbox = Outbox() if outbox is None else outbox  # an empty one is false
    connection = Connection(client, TOPICS, outbox, service, commands=True, mark="mine")
    assert connection.turn(1.0)
    assert connection.connected
    return connection, service


def command(payload: bytes, *, retain: bool = False, **properties: Any) -> Any:
    return SimpleNamespace(
        topic=TOPICS.limits_set,
        payload=payload,
        retain=retain,
        properties=SimpleNamespace(**properties),
    )


def receive(client: FakeClient, connection: Connection, message: Any) -> None:
    client.news.append(lambda: client.on_message(client, None, message))
    assert connection.turn(1.0)


def test_command_is_done_and_answered(client: FakeClient) -> None:
    connection, service = connected(client)
    receive(client, connection, command(b'{"power_w": 9.5}'))
    assert service.wanted.limits.power_w == 9.5
    assert json.loads(client.on(TOPICS.limits_ack)[0])["ok"] is True


def test_answer_takes_the_correlation_along(client: FakeClient) -> None:
    connection, _ = connected(client)
    message = command(b"{}", ResponseTopic="office/answers", CorrelationData=b"\x00\x01")
    receive(client, connection, message)
    answer = client.published[-1]
    assert answer.topic == "office/answers"
    assert answer.properties.CorrelationData == b"\x00\x01"
    assert not answer.retain


def test_retained_command_is_ignored_and_told(
    client: FakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    connection, service = connected(client)
    receive(client, connection, command(b'{"paused": true}', retain=True))
    assert not service.changes
    assert not client.on(TOPICS.limits_ack)
    assert "a retained edgert/dev/limits/set is ignored" in caplog.text


def test_message_longer_than_the_broker_takes_is_dropped(
    client: FakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox()
    client.news.clear()
    accepted = ReasonCode(PacketTypes.CONNACK, "Success")
    most = SimpleNamespace(MaximumPacketSize=200)
    client.news.append(lambda: client.on_connect(client, None, None, accepted, most))
    connection, _ = connected(client, outbox)
    outbox.add("stats", b"x" * 200)
    outbox.add("event", b"short")
    assert connection.turn(1.0)
    assert client.on(TOPICS.stats) == []
    assert client.on(TOPICS.event) == [b"short"]
    assert outbox.dropped == {"stats": 1, "event": 0}
    assert "200 bytes for edgert/dev/stats are more than the broker takes (200)" in caplog.text


def test_what_the_broker_refuses_is_told_and_not_sent_for_ever(
    client: FakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox()
    client.acknowledges = False
    connection, _ = connected(client, outbox)
    outbox.add("event", b"x")
    assert connection.turn(1.0)
    refused = ReasonCode(PacketTypes.PUBACK, "Not authorized")
    mid = client.published[-1].mid
    client.news.append(lambda: client.on_publish(client, None, mid, refused, None))
    denied = [ReasonCode(PacketTypes.SUBACK, "Not authorized")]
    client.news.append(lambda: client.on_subscribe(client, None, 1, denied, None))
    with caplog.at_level(logging.WARNING):
        assert connection.turn(1.0)
        assert connection.turn(1.0)
    assert len(outbox) == 0
    assert "the broker refuses a message: Not authorized" in caplog.text
    assert "the broker refuses edgert/dev/limits/set: Not authorized" in caplog.text


def test_connection_without_a_socket_has_ended(client: FakeClient) -> None:
    connection, _ = connected(client)
    client.lost = True
    assert not connection.turn(1.0)
    assert not connection.connected
    assert connection.end == "the connection ended (the client is not currently connected)"
    assert turn(client, 1.0) != 0


def test_broker_that_takes_a_connection_and_says_nothing() -> None:
    clock = VirtualClock()
    silent = FakeClient(accepts=False)
    made = [FakeClient(), silent]
    door = MqttDoor(
        FakeService(),
        MqttSettings(host="x", device="dev"),
        device="",
        clock=clock,
        new_client=lambda *_: made.pop(0),
    )
    door.start()
    try:
        until(lambda: not made, "the connection")

        def told() -> bool:
            clock.sleep(1.0)  # again and again: the door may look at the clock only after this
            return door.figures().problem == "the broker does not answer"

        until(told, "it to be told")
        assert silent.closed
    finally:
        door.close()
