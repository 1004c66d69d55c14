"""The thread that keeps a daemon at its broker: connects, sends, comes back.

What becomes of the broker never reaches frames, HTTP or anything else of the daemon.
"""

import logging
import random
import secrets
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from edgert.clock import Clock, MonotonicClock
from edgert.daemon.base import Service
from edgert.daemon.mqtt import broker
from edgert.daemon.mqtt.connection import Connection
from edgert.daemon.mqtt.look import other_online
from edgert.daemon.mqtt.messages import event_message, stats_message
from edgert.daemon.mqtt.outbox import Outbox
from edgert.daemon.mqtt.pauses import Pauses
from edgert.daemon.mqtt.topics import Topics, topics_of
from edgert.daemon.places import read_secret
from edgert.settings import MqttSettings

logger = logging.getLogger(__name__)

_TURN_S = 0.25  # how long an event may lie until it is sent; four wakes a second cost nothing
_ANSWER_S = 10.0  # for a CONNACK
_FAREWELL_S = 2.0
_LOOKS = 20  # for another daemon, an hour and more; it may have gone without a word
_LOOK_PAUSE_S = (30.0, 300.0)
_STEADY_S = 60.0  # a connection that held this long starts the pauses anew


class MqttFigures(NamedTuple):
    """How the door does."""

    connected: bool
    problem: str  # why it is not connected, in words; "" while it is, and before it was tried
    waiting: int  # messages
    delivered: int
    dropped_stats: int
    dropped_events: int


class MqttDoor:
    """Figures and events of a service to a broker, and its limits from there.

    Args:
        service: Whom it tells of, and asks.
        settings: `mqtt`; `host` is set.
        device: The machine's name, for topics where the settings give none.
        clock: For pauses and for when figures are due.
        jitter: A number from 0 to 1, so that a fleet does not come back all at once.
        new_client: Makes the client of one connection.

    Raises:
        SettingsError: The device's name, the password's file or the certificates are of no use.
        MissingDependencyError: paho-mqtt is not installed.
    """

    def __init__(
        self,
        service: Service,
        settings: MqttSettings,
        *,
        device: str,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        new_client: Callable[..., Any] = broker.new_client,
    ) -> None:
        self.topics = topics_of(settings.device, device)
        self._service = service
        self._settings = settings
        self._clock = clock or MonotonicClock()
        self._new_client = new_client
        self._password = read_secret(settings.password_file, setting="mqtt.password_file")
        self._outbox = Outbox()
        self._pauses = Pauses(1.0, 60.0, jitter)
        self._looks_pauses = Pauses(*_LOOK_PAUSE_S, jitter)
        self._mark = secrets.token_hex(8)
        self._looks = 0  # before the next connection; 0: it is opened without
        self._client(self.topics, self._mark)  # what is wrong with it is said now
        self._last_event = 0
        self._stats_due_s = self._clock.now_s()
        self._problem = ""
        self._connected = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Begin. A broker that can't be reached is no error: it is tried again for ever."""
        if self._password and not self._settings.ca_file:
            logger.warning("mqtt: the password goes to the broker in the clear; set mqtt.ca_file")
        self._thread.start()

    def close(self) -> None:
        """Send what is left, say that the device is offline, and end; takes a few seconds at most.

        Call it after the last event, and while the service still answers.
        """
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2 * _FAREWELL_S + 2 * _ANSWER_S)

    def figures(self) -> MqttFigures:
        """How the door does, from any thread."""
        dropped = self._outbox.dropped
        return MqttFigures(
            connected=self._connected,
            problem=self._problem,
            waiting=len(self._outbox),
            delivered=self._outbox.delivered,
            dropped_stats=dropped["stats"],
            dropped_events=dropped["event"],
        )

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._pause(self._one_connection())
            except Exception:  # this thread's boundary: whatever it is, the daemon goes on
                logger.exception("mqtt: the connection failed; it is tried again")
                self._stop.wait(self._pauses.next_s())

    def _one_connection(self) -> float:
        """Connect, stay as long as it goes, and say how long to pause before the next, seconds."""
        began_s = self._clock.now_s()
        try:
            if self._looks and self._other_online():
                return self._stay_away()
            client = self._client(self.topics, self._mark)
            broker.connect(client, self._settings)
        except OSError as cause:
            where = f"{self._settings.host}:{self._settings.port}"
            self._tell(f"{where} can't be reached: {cause.strerror or cause}")
            return self._pauses.next_s()
        connection = Connection(
            client,
            self.topics,
            self._outbox,
            self._service,
            commands=self._settings.commands,
            mark=self._mark,
        )
        try:
            self._stay(connection, began_s)
        finally:
            self._connected = False
            self._outbox.disconnected()
            connection.close()
        return 0.0 if self._stop.is_set() else self._after(connection, began_s)

    def _after(self, connection: Connection, began_s: float) -> float:
        if connection.was_connected:
            self._looks = _LOOKS
        if connection.taken_over:
            return self._stay_away()
        if connection.was_connected and self._clock.now_s() - began_s > _STEADY_S:
            self._pauses.start_anew()
            self._looks_pauses.start_anew()
        self._tell(connection.end)
        return self._pauses.next_s()

    def _other_online(self) -> bool:
        looker = self.topics._replace(client_id=f"{self.topics.client_id}-{self._mark}")
        client = self._client(looker, "")
        return other_online(client, self._settings, self.topics, self._mark, self._clock)

    def _stay_away(self) -> float:
        self._looks -= 1
        self._tell(
            f"another daemon is connected as {self.topics.device}; both say they are this "
            "device. Set another mqtt.device on one of them"
        )
        return self._looks_pauses.next_s()

    def _client(self, topics: Topics, mark: str) -> Any:
        return self._new_client(self._settings, topics, self._password, mark)

    def _stay(self, connection: Connection, began_s: float) -> None:
        while not self._stop.is_set():
            self._collect()
            if not connection.turn(_TURN_S):
                return
            if connection.connected and not self._connected:
                self._connected = True
                self._tell("")
            elif not connection.connected and self._clock.now_s() - began_s > _ANSWER_S:
                connection.end = "the broker does not answer"
                return
        self._say_goodbye(connection)

    def _say_goodbye(self, connection: Connection) -> None:
        if not connection.connected:
            return
        self._collect()
        until_s = self._clock.now_s() + _FAREWELL_S
        while len(self._outbox) and self._clock.now_s() < until_s and connection.turn(0.05):
            pass
        connection.leave()
        until_s = self._clock.now_s() + _FAREWELL_S
        while not connection.left and self._clock.now_s() < until_s and connection.turn(0.05):
            pass

    def _pause(self, pause_s: float) -> None:
        until_s = self._clock.now_s() + pause_s
        while (left_s := until_s - self._clock.now_s()) > 0 and not self._stop.is_set():
            self._collect()
            self._stop.wait(min(left_s, _TURN_S))

    def _collect(self) -> None:
        for event in self._service.events.since(self._last_event):
            self._outbox.missed(event.id - self._last_event - 1)
            self._last_event = event.id
            self._outbox.add("event", event_message(event))
        now_s = self._clock.now_s()
        if now_s >= self._stats_due_s:
            self._stats_due_s = now_s + self._settings.every_s
            self._outbox.add("stats", stats_message(self._service.status()))

    def _tell(self, problem: str) -> None:
        """Note a problem, or "" for none; said once, not at each attempt."""
        if problem == self._problem:
            return
        self._problem = problem
        text = f"MQTT: {problem}" if problem else "MQTT: connected"
        self._service.events.add("service", text)
