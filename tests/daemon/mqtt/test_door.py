"""The door's thread, with a client that has no network."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgert.daemon.mqtt import MqttDoor
from edgert.daemon.mqtt import look as look_module
from edgert.daemon.mqtt.pauses import Pauses
from edgert.errors import MissingDependencyError, SettingsError
from edgert.settings import MqttSettings
from tests.daemon.fake_service import FakeService
from tests.daemon.mqtt.fake_client import FakeClient
from tests.daemon.mqtt.mosquitto import until

AVAILABILITY = "edgert/dev/availability"


class Clients:
    """Makes clients as a test wants them, one for each connection; notes what for."""

    def __init__(self, *makers: Callable[[], Any]) -> None:
        self._makers = [FakeClient, *makers]  # the door makes one to see whether it can be made
        self.made: list[Any] = []
        self.asked: list[tuple[str, str]] = []

    def __call__(self, _settings: Any, topics: Any, _password: str, mark: str) -> Any:
        maker = self._makers.pop(0) if self._makers else FakeClient
        self.asked.append((topics.client_id, mark))
        client = maker()
        self.made.append(client)
        return client

    @property
    def last(self) -> Any:
        return self.made[-1]


@contextmanager
def opened(
    clients: Clients, service: FakeService | None = None, **settings: Any
) -> Iterator[tuple[MqttDoor, FakeService]]:
    service = service or FakeService()
    wanted = {"every_s": 3600.0, **settings}
    door = MqttDoor(
        service,
        MqttSettings(host="broker.example", device="dev", **wanted),
        device="machine",
        jitter=lambda: 1.9,  # the pauses as short as can be: a twentieth
        new_client=clients,
    )
    door.start()
    try:
        yield door, service
    finally:
        door.close()
        for client in clients.made:
            client.disconnect()


def test_door_says_online_first_and_offline_last() -> None:
    clients = Clients()
    with opened(clients) as (door, _):
        until(lambda: door.figures().delivered >= 2, "figures and an event")
    sent = clients.last.published
    assert (sent[0].topic, sent[0].payload, sent[0].retain, sent[0].qos) == (
        AVAILABILITY,
        b"online",
        True,
        1,
    )
    assert (sent[-1].topic, sent[-1].payload, sent[-1].retain) == (AVAILABILITY, b"offline", True)
    assert dict(sent[0].properties.UserProperty) == dict(sent[-1].properties.UserProperty)
    assert not any(message.retain for message in sent[1:-1])


def test_commands_are_subscribed_to_only_where_they_are_set() -> None:
    for commands in (False, True):
        clients = Clients()
        with opened(clients, commands=commands) as (door, _):
            until(lambda door=door: door.figures().connected, "a connection")
        assert clients.last.subscribed == (["edgert/dev/limits/set"] if commands else [])


def test_broker_that_never_acknowledges_gets_no_more_than_a_window() -> None:
    clients = Clients(lambda: FakeClient(acknowledges=False))
    with opened(clients) as (door, service):
        until(lambda: door.figures().connected, "a connection")
        for number in range(100):
            service.events.add("switch", str(number))
        until(lambda: door.figures().waiting > 100, "them to wait")
        assert len(clients.last.on("edgert/dev/event")) <= 16
        clients.last.acknowledges = True
        until(lambda: door.figures().waiting == 0, "them to be sent")
        texts = [json.loads(p)["text"] for p in clients.last.on("edgert/dev/event")]
        assert texts == ["started", *map(str, range(100))]


def test_long_absence_is_bounded_and_counted() -> None:
    def unreachable() -> Any:
        raise ConnectionRefusedError(111, "Connection refused")

    service = FakeService(kept=500)
    clients = Clients(*[unreachable] * 4)
    with opened(clients, service) as (door, _):
        for number in range(1700):
            service.events.add("switch", str(number))
            if number % 400 == 0:  # as fast as the door can follow
                last = service.events.since(0)[-1].id
                until(lambda last=last: door._last_event >= last, "the door to follow")
        until(lambda: door.figures().connected, "a connection")
        newest = service.events.since(0)[-1].id
        until(lambda: door._last_event >= newest and not door.figures().waiting, "delivery")
        figures = door.figures()
        events = [json.loads(p) for p in clients.last.on("edgert/dev/event")]
        ids = [event["id"] for event in events]
        assert ids == sorted(ids)
        assert figures.dropped_events > 0
        assert len(events) + figures.dropped_events == newest


def test_broken_service_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    service = FakeService()
    whole = service.status
    failing = SimpleNamespace(times=2)

    def status() -> Any:
        if failing.times:
            failing.times -= 1
            raise RuntimeError("boom")
        return whole()

    service.status = status  # type: ignore[method-assign]
    clients = Clients()
    with caplog.at_level(logging.ERROR), opened(clients, service, every_s=0.01) as (door, _):
        until(lambda: clients.last.on("edgert/dev/stats"), "figures after all")
        assert door.figures().connected
    assert "boom" in caplog.text


def test_refusal_is_told_once_and_tried_again() -> None:
    def refusing() -> FakeClient:
        client = FakeClient(accepts=False)
        client.news.append(lambda: client.connack("Bad user name or password"))
        return client

    clients = Clients(refusing, refusing, refusing)
    with opened(clients) as (door, service):
        until(lambda: door.figures().connected, "a connection at last")
        texts = [event.text for event in service.events.since(0)]
        assert texts.count("MQTT: the broker refuses: Bad user name or password") == 1
        assert texts[-1] == "MQTT: connected"


def test_taken_over_stays_away_until_the_other_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [True, True, False]
    monkeypatch.setattr(
        "edgert.daemon.mqtt.door.other_online", lambda *_: others.pop(0) if others else False
    )
    monkeypatch.setattr("edgert.daemon.mqtt.door._LOOK_PAUSE_S", (0.05, 0.05))
    clients = Clients()
    with opened(clients) as (door, service):
        until(lambda: door.figures().connected, "a connection")
        first = clients.last
        first.news.append(first.take_over)
        until(lambda: not others and door.figures().connected, "its return")
        texts = [event.text for event in service.events.since(0)]
        assert sum("another daemon is connected as dev" in text for text in texts) == 1
        assert texts[-1] == "MQTT: connected"
    names = {name for name, mark in clients.asked if not mark}
    assert len(names) == 1
    assert all(name.startswith("edgert-dev-") for name in names)
    assert names.isdisjoint({name for name, mark in clients.asked if mark})


def test_other_that_never_goes_is_overruled_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have gone together with the broker that would have told of it."""
    looks: list[int] = []
    monkeypatch.setattr("edgert.daemon.mqtt.door._LOOKS", 3)
    monkeypatch.setattr("edgert.daemon.mqtt.door._LOOK_PAUSE_S", (0.05, 0.05))
    monkeypatch.setattr(
        "edgert.daemon.mqtt.door.other_online", lambda *_: bool(looks.append(1)) or True
    )
    clients = Clients()
    with opened(clients) as (door, _):
        until(lambda: door.figures().connected, "a connection")
        first = clients.last
        first.news.append(lambda: setattr(first, "lost", True))
        until(lambda: len(looks) == 3 and door.figures().connected, "its return")


@pytest.mark.parametrize("first_s", [0.5, 30.0])
def test_pauses_double_to_a_limit_and_start_anew(first_s: float) -> None:
    pauses = Pauses(first_s, 60.0, lambda: 0.0)
    waits = [pauses.next_s() for _ in range(9)]
    assert waits == [min(first_s * 2**n, 60.0) for n in range(9)]
    pauses.start_anew()
    assert pauses.next_s() == first_s
    shortest = Pauses(8.0, 60.0, lambda: 1.0)
    assert shortest.next_s() == 4.0


@pytest.mark.parametrize(
    ("payload", "writer", "other"),
    [
        (b"online", "another", True),
        (b"online", "mine", False),
        (b"offline", "another", False),
        (b"online", None, False),
    ],
)
def test_look_tells_another_from_oneself(payload: bytes, writer: str | None, other: bool) -> None:
    client = FakeClient()
    properties = SimpleNamespace(**({"UserProperty": [("daemon", writer)]} if writer else {}))
    client.news.append(
        lambda: client.on_message(
            client, None, SimpleNamespace(payload=payload, properties=properties)
        )
    )
    service = FakeService()
    door = MqttDoor(
        service, MqttSettings(host="x", device="dev"), device="", new_client=lambda *_: client
    )
    settings = MqttSettings(host="x")
    found = look_module.other_online(client, settings, door.topics, "mine", service._clock)
    assert found is other
    assert client.subscribed == [AVAILABILITY]
    assert client.closed


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("hush-hush\n", 0o644, "expected a file that only its owner may use, got mode 0644"),
        ("hush-hush\n", 0o602, "got mode 0602"),
        ("hush-hush\n", 0o640, "got mode 0640"),
        ("\nhush-hush\n", 0o600, "expected 1 character or more in the first line, got 0"),
        (None, 0o600, "expected a readable text file, got no such file or directory"),
    ],
)
def test_password_file_of_no_use_is_refused(
    tmp_path: Path, content: str | None, mode: int, said: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    settings = MqttSettings(host="x", password_file=str(file))
    with pytest.raises(SettingsError, match=said) as refused:
        MqttDoor(FakeService(), settings, device="dev")
    assert "hush" not in str(refused.value)


def test_certificates_of_no_use_are_refused(tmp_path: Path) -> None:
    for name, content in (("none.pem", None), ("text.pem", "no certificate")):
        if content:
            (tmp_path / name).write_text(content)
        settings = MqttSettings(host="x", ca_file=str(tmp_path / name))
        with pytest.raises(SettingsError, match=r"read mqtt.ca_file .* expected certificates"):
            MqttDoor(FakeService(), settings, device="dev")


def test_without_paho_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "paho.mqtt.client", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'edgert\[mqtt\]'"):
        MqttDoor(FakeService(), MqttSettings(host="x"), device="dev")


def test_closed_before_it_was_started() -> None:
    MqttDoor(FakeService(), MqttSettings(host="x"), device="dev").close()
