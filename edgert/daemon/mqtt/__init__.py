"""A door through an MQTT 5 broker: figures and events go out, limits come in.

topics      names of topics and of the client, from the device's name
messages    what is written into a message, and read out of one
outbox      what waits to be sent, bounded
broker      a client for one connection: credentials, TLS, Last Will
connection  one connection from its CONNACK to its end
look        whether another daemon of the same name is there
pauses      how long to wait before the next try
door        the thread around it all: connects, sends, comes back
"""

from edgert.daemon.mqtt.door import MqttDoor, MqttFigures

__all__ = ["MqttDoor", "MqttFigures"]
