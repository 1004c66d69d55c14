"""A process with a service and its MQTT door, to be killed: PORT DEVICE. Ends with its input."""

import sys

from edgert.daemon.mqtt import MqttDoor
from edgert.settings import MqttSettings
from tests.daemon.fake_service import FakeService

if __name__ == "__main__":
    settings = MqttSettings(host="127.0.0.1", port=int(sys.argv[1]), device=sys.argv[2])
    door = MqttDoor(FakeService(), settings, device="unused")
    door.start()
    sys.stdin.read()
    door.close()
