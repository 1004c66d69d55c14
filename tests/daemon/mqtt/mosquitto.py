"""A real mosquitto of the distribution, and a client that looks at what goes through it."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as paho
import pytest

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
needed = pytest.mark.skipif(
    PROGRAM is None, reason="mosquitto is not installed. Run: apt install mosquitto"
)
WAIT_S = 15.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], Any], what: str, *, timeout_s: float = WAIT_S) -> Any:
    """The condition's value once it holds."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited {timeout_s} s for {what}")


class Mosquitto:
    """One broker on a free port of loopback, that can be killed and started again there."""

    def __init__(
        self,
        folder: Path,
        *more: str,
        password: tuple[str, str] | None = None,
        tls: Path | None = None,
    ) -> None:
        self.port = free_port()
        lines = [f"listener {self.port} 127.0.0.1", "persistence false", *more]
        if os.geteuid() == 0:
            lines.append("user root")  # else it gives its rights away, and can't read our folder
        lines.append(f"allow_anonymous {'false' if password else 'true'}")
        if password:
            file = folder / "passwords"
            command = ["mosquitto_passwd", "-b", "-c", str(file), *password]
            subprocess.run(command, check=True, capture_output=True)
            lines.append(f"password_file {file}")
        if tls:
            lines += [f"certfile {tls / 'server.pem'}", f"keyfile {tls / 'server.key'}"]
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join(lines) + "\n")
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Mosquitto":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        assert PROGRAM is not None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "-c", str(self._config)], stdout=log, stderr=log
            )
        until(self._answers, f"mosquitto: {self._log.read_text()}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self, *, go_on: bool = False) -> None:
        """Its connections stay open, and nothing is read from them."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT if go_on else signal.SIGSTOP)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class Seen(NamedTuple):
    topic: str
    payload: bytes
    retain: bool
    correlation: bytes | None


class Watcher:
    """A client that notes all that it gets under its topics, in order."""

    def __init__(
        self,
        port: int,
        *topics: str,
        password: tuple[str, str] | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self.seen: list[Seen] = []
        self._subscribed = threading.Event()
        self._topics = topics or ("edgert/#",)
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        if password:
            self.client.username_pw_set(*password)
        if ca_file:
            self.client.tls_set(ca_certs=str(ca_file))
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = self._on_message
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def __enter__(self) -> "Watcher":
        assert self._subscribed.wait(WAIT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        self.client._reset_sockets()  # paho leaves two of its own open

    def payloads(self, topic: str) -> list[bytes]:
        return [seen.payload for seen in list(self.seen) if seen.topic == topic]

    def wait(self, topic: str, payload: bytes | None = None, *, more_than: int = 0) -> bytes:
        """The newest payload of a topic, once there are enough (equal to `payload`)."""

        def found() -> list[bytes]:
            fitting = [p for p in self.payloads(topic) if payload is None or p == payload]
            return fitting if len(fitting) > more_than else []

        return bytes(until(found, f"{topic} {payload!r} among {self.seen}")[-1])

    def _on_connect(self, client: Any, *_: Any) -> None:
        client.subscribe([(topic, 1) for topic in self._topics])

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        correlation = getattr(message.properties, "CorrelationData", None)
        self.seen.append(Seen(message.topic, message.payload, message.retain, correlation))
