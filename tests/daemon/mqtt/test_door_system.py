"""The door at a real mosquitto."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.packettypes as packets
import pytest
from paho.mqtt import properties

from edgert.daemon.mqtt import MqttDoor
from edgert.settings import MqttSettings
from tests.daemon.fake_service import FakeService
from tests.daemon.mqtt.mosquitto import Mosquitto, Watcher, needed, until

pytestmark = [pytest.mark.system, needed]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as running:
        yield running


class Daemon:
    """A fake service with a real door, closed at the end."""

    def __init__(self, port: int, *, device: str = "dev1", **settings: Any) -> None:
        self.service = FakeService()
        wanted = {"every_s": 0.3, "commands": True, **settings}
        self.door = MqttDoor(
            self.service,
            MqttSettings(host="127.0.0.1", port=port, device=device, **wanted),
            device="machine",
        )

    def __enter__(self) -> "Daemon":
        self.door.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.door.close()

    def connected(self) -> None:
        until(lambda: self.door.figures().connected, "the door to be connected")

    def told(self, part: str) -> None:
        until(lambda: [e for e in self.service.events.since(0) if part in e.text], part)


def test_life_of_a_door(broker: Mosquitto) -> None:
    with Watcher(broker.port) as watcher, Daemon(broker.port) as daemon:
        watcher.wait("edgert/dev1/availability", b"online")
        stats = json.loads(watcher.wait("edgert/dev1/stats", more_than=1))
        assert stats["telemetry"]["provenance"] == "emulated"
        assert stats["unix_s"] > 1e9
        assert json.loads(watcher.wait("edgert/dev1/event"))["text"] == "started"
        for number in range(50):
            daemon.service.events.add("switch", f"to {number}", number=number)
        watcher.wait("edgert/dev1/event", more_than=50)
        daemon.service.events.add("service", "draining")
        daemon.door.close()
        watcher.wait("edgert/dev1/availability", b"offline")
        events = [json.loads(e) for e in watcher.payloads("edgert/dev1/event")]
        assert [e["id"] for e in events] == list(range(1, 53))
        assert [e["facts"]["number"] for e in events[1:51]] == list(range(50))
        assert watcher.seen[-1].topic == "edgert/dev1/availability"  # its farewell is last
    with Watcher(broker.port) as late:  # retained
        assert late.wait("edgert/dev1/availability") == b"offline"
        assert late.seen[0].retain


def test_will_speaks_for_a_killed_daemon(broker: Mosquitto) -> None:
    command = [sys.executable, "-m", "tests.daemon.mqtt.daemon_process", str(broker.port), "dev1"]
    with Watcher(broker.port) as watcher:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT)
        try:
            watcher.wait("edgert/dev1/availability", b"online")
        finally:
            process.kill()
            process.communicate()
        assert watcher.wait("edgert/dev1/availability", b"offline") == b"offline"


def test_broker_killed_and_brought_back(broker: Mosquitto) -> None:
    with Daemon(broker.port) as daemon:
        daemon.connected()
        broker.kill()
        until(lambda: not daemon.door.figures().connected, "the loss to be seen")
        for number in range(30):
            daemon.service.events.add("switch", f"while away {number}")
        daemon.told("MQTT: the connection ended")
        daemon.told("can't be reached: Connection refused")
        assert daemon.service.status().ready  # who asks elsewhere does not notice
        broker.start()
        with Watcher(broker.port) as watcher:
            watcher.wait("edgert/dev1/availability", b"online")
            until(
                lambda: (
                    sum(b"while away" in p for p in watcher.payloads("edgert/dev1/event")) == 30
                ),
                "what happened meanwhile",
            )
            ids = [json.loads(p)["id"] for p in watcher.payloads("edgert/dev1/event")]
            assert ids == sorted(ids)
        daemon.told("MQTT: connected")
        assert daemon.door.figures().dropped_events == 0


def test_broker_that_stalls_gets_everything_when_it_goes_on(broker: Mosquitto) -> None:
    with Watcher(broker.port) as watcher, Daemon(broker.port) as daemon:
        daemon.connected()
        broker.pause()
        try:
            for number in range(200):
                daemon.service.events.add("switch", "x" * 2000, number=number)
            until(lambda: daemon.door.figures().waiting >= 200, "them to wait")
            assert daemon.door.figures().connected
        finally:
            broker.pause(go_on=True)
        until(lambda: len(watcher.payloads("edgert/dev1/event")) >= 201, "all of them")
        events = [json.loads(p) for p in watcher.payloads("edgert/dev1/event")]
        assert [e["id"] for e in events] == list(range(1, len(events) + 1))
        assert daemon.door.figures().dropped_events == 0


def test_what_the_broker_never_takes_does_not_end_the_connection(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, "max_packet_size 500") as broker, Watcher(broker.port) as watcher:
        with Daemon(broker.port, every_s=0.1) as daemon:
            until(lambda: daemon.door.figures().dropped_stats > 3, "figures that are too long")
            daemon.service.events.add("switch", "short enough")
            until(lambda: b"short enough" in b"".join(watcher.payloads("edgert/dev1/event")), "it")
            assert not daemon.door.figures().problem
        assert not watcher.payloads("edgert/dev1/stats")
        assert watcher.payloads("edgert/dev1/availability").count(b"online") == 1


def test_broker_that_is_not_there_and_comes(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    with Daemon(broker.port) as daemon:
        daemon.told("can't be reached")
        assert "refused" in daemon.door.figures().problem
        try:
            broker.start()
            daemon.connected()
        finally:
            daemon.door.close()
            broker.kill()


def test_limits_are_set_and_refused(broker: Mosquitto) -> None:
    with Watcher(broker.port, "edgert/dev1/limits/ack") as watcher, Daemon(broker.port) as daemon:
        daemon.connected()
        until(lambda: _asks(watcher, {"power_w": 9.5}, daemon), "a command that arrives")
        answer = json.loads(watcher.wait("edgert/dev1/limits/ack"))
        assert answer["ok"]
        assert answer["wanted"]["limits"]["power_w"] == 9.5
        assert daemon.service.wanted.limits.power_w == 9.5
        assert daemon.service.changes[-1][1] == "mqtt"
        before = daemon.service.wanted
        count = len(watcher.seen)
        for wrong in (
            b'{"power_w": -3}',
            b'{"powerw": 3}',
            b"{",
            b"\xff\xfe",
            b"[1]",
            b'{"pinned": "none of them"}',
            b'{"power_w": 9, "pinned": "' + b"x" * 4096 + b'"}',
        ):
            watcher.client.publish("edgert/dev1/limits/set", wrong, qos=1)
            refusal = json.loads(watcher.wait("edgert/dev1/limits/ack", more_than=count))
            count += 1
            assert refusal["ok"] is False
            assert "expected " in refusal["error"]
            assert refusal["error"].count("\n") == 0
        assert daemon.service.wanted == before


def _asks(watcher: Watcher, change: dict[str, Any], daemon: Daemon) -> bool:
    """Asks again until the subscription stands; a command before it is lost by design."""
    watcher.client.publish("edgert/dev1/limits/set", json.dumps(change), qos=1)
    try:
        return bool(until(lambda: daemon.service.changes, "it", timeout_s=0.5))
    except AssertionError:
        return False


def test_answer_goes_where_the_request_asks_for_it(broker: Mosquitto) -> None:
    with Watcher(broker.port, "edgert/#", "office/#") as watcher, Daemon(broker.port) as daemon:
        daemon.connected()
        until(lambda: _asks(watcher, {}, daemon), "a command that arrives")
        count = len(watcher.payloads("edgert/dev1/limits/ack"))
        for topic in ("office/answers", "edgert/other/limits/set"):
            more = properties.Properties(packets.PacketTypes.PUBLISH)
            more.ResponseTopic = topic
            more.CorrelationData = b"42"
            watcher.client.publish(
                "edgert/dev1/limits/set", b'{"paused": true}', qos=1, properties=more
            )
        assert json.loads(watcher.wait("office/answers"))["wanted"]["paused"] is True
        assert next(s for s in watcher.seen if s.topic == "office/answers").correlation == b"42"
        watcher.wait("edgert/dev1/limits/ack", more_than=count)
        assert not watcher.payloads("edgert/other/limits/set")


def test_retained_command_does_not_act_at_connection(broker: Mosquitto) -> None:
    with Watcher(broker.port) as watcher:
        info = watcher.client.publish(
            "edgert/dev1/limits/set", b'{"paused": true}', qos=1, retain=True
        )
        info.wait_for_publish(5)
        with Daemon(broker.port) as daemon:
            daemon.connected()
            until(lambda: _asks(watcher, {"power_w": 7}, daemon), "a command that arrives")
            assert daemon.service.wanted.limits.power_w == 7
            assert daemon.service.wanted.paused is False
            assert all(change.power_w == 7 for change, _ in daemon.service.changes)


def test_commands_are_deaf_unless_set(broker: Mosquitto) -> None:
    with Watcher(broker.port) as watcher, Daemon(broker.port, commands=False) as daemon:
        daemon.connected()
        watcher.client.publish("edgert/dev1/limits/set", b'{"paused": true}', qos=1)
        watcher.wait("edgert/dev1/stats", more_than=3)
        assert not daemon.service.changes


def test_two_daemons_of_one_name_are_told_and_do_not_flip(broker: Mosquitto) -> None:
    with Watcher(broker.port) as watcher, Daemon(broker.port) as first:
        first.connected()
        with Daemon(broker.port) as second:
            second.connected()
            first.told("another daemon is connected as dev1")
            assert "Set another mqtt.device" in first.door.figures().problem
            watcher.wait("edgert/dev1/stats", more_than=6)
            assert second.door.figures().connected
            assert not first.door.figures().connected
            online = watcher.payloads("edgert/dev1/availability")
            assert online.count(b"online") == 2
            assert online[-1] == b"online"
            assert not second.door.figures().problem


def test_password_from_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "password"
    file.write_text("kept quiet\n")
    file.chmod(0o600)
    with Mosquitto(tmp_path, password=("dev", "kept quiet")) as broker:
        known = {"username": "dev", "password_file": str(file)}
        with Daemon(broker.port, **known) as daemon:
            daemon.connected()
        with Daemon(broker.port) as stranger:
            stranger.told("the broker refuses: Not authorized")
            assert not stranger.door.figures().connected
        file.write_text("wrong\n")
        with Daemon(broker.port, **known) as mistaken:
            mistaken.told("the broker refuses")
            texts = [e.text for e in mistaken.service.events.since(0)]
    assert "in the clear" in caplog.text
    assert "kept quiet" not in caplog.text + str(texts)


# paho leaves the socket of a failed handshake to be closed by Python, which warns of it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_with_the_right_authority_and_another(tmp_path: Path) -> None:
    for name in ("server", "other"):
        _certificate(tmp_path, name)
    with Mosquitto(tmp_path, tls=tmp_path) as broker:
        with Daemon(broker.port, ca_file=str(tmp_path / "server.pem")) as daemon:
            daemon.connected()
        with Daemon(broker.port, ca_file=str(tmp_path / "other.pem")) as daemon:
            daemon.told("can't be reached")
            assert "certificate" in daemon.door.figures().problem.lower()


def _certificate(folder: Path, name: str) -> None:
    subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run([*command, *subject, *files], check=True, capture_output=True)
