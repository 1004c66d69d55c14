"""The access list of docs/fleet.md, at a real mosquitto."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.daemon.mqtt.mosquitto import Mosquitto, Watcher, needed, until
from tests.daemon.mqtt.test_door_system import ROOT, Daemon

pytestmark = [pytest.mark.system, needed]


def test_door_works_within_the_access_list_of_the_documentation(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```text\n(user .*?)```", text, re.DOTALL)
    assert len(blocks) == 1
    (tmp_path / "acl").write_text(blocks[0])
    (tmp_path / "acl").chmod(0o600)
    (tmp_path / "secret").write_text("one\n")
    (tmp_path / "secret").chmod(0o600)
    device = {
        "device": "front-gate",
        "username": "front-gate",
        "password_file": str(tmp_path / "secret"),
    }
    office, stranger = ("office", "two"), ("back-gate", "three")
    acl = f"acl_file {tmp_path / 'acl'}"
    with Mosquitto(tmp_path, acl, password=("front-gate", "one")) as broker:
        for name, password in (office, stranger):
            command = ["mosquitto_passwd", "-b", str(tmp_path / "passwords"), name, password]
            subprocess.run(command, check=True, capture_output=True)
        broker.kill()
        broker.start()
        with (
            Watcher(broker.port, password=office) as seen,
            Watcher(broker.port, password=stranger) as other,
            Daemon(broker.port, **device) as daemon,
        ):
            seen.wait("edgert/front-gate/availability", b"online")
            seen.wait("edgert/front-gate/stats")

            def asked() -> bool:
                other.client.publish("edgert/front-gate/limits/set", b'{"paused": true}', qos=1)
                seen.client.publish("edgert/front-gate/limits/set", b'{"power_w": 8}', qos=1)
                return bool(seen.payloads("edgert/front-gate/limits/ack"))

            until(asked, "an answer")
            answer = json.loads(seen.payloads("edgert/front-gate/limits/ack")[0])
            assert answer["wanted"]["limits"]["power_w"] == 8
            assert daemon.service.wanted.paused is False  # the stranger was not heard
            assert not other.seen
