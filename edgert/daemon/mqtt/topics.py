"""Names of topics, and the name that a device has at its broker."""

import hashlib
import re
from typing import NamedTuple

from edgert.errors import SettingsError

_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MOST_ANSWER_CHARACTERS = 200


class Topics(NamedTuple):
    """Every topic of one device, and its client's name."""

    device: str
    availability: str  # retained: "online" or "offline"
    stats: str
    event: str
    limits_set: str
    limits_ack: str
    client_id: str

    def answer_topic(self, wanted: str | None) -> str:
        """Where an answer goes: to where the request asks for it, unless that is no place for it.

        Whoever may send a request must not have this device write elsewhere in the broker with
        this device's rights: into the commands of another one, or into the broker's own topics.
        """
        if not wanted or len(wanted) > _MOST_ANSWER_CHARACTERS or "\0" in wanted:
            return self.limits_ack
        if wanted.startswith("$") or "+" in wanted or "#" in wanted:
            return self.limits_ack
        if wanted.split("/")[0] == "edgert" and not wanted.startswith(f"{self.limits_ack}/"):
            return self.limits_ack
        return wanted


def topics_of(setting: str, machine: str) -> Topics:
    """The topics of a device.

    The client's name comes from the device's alone, so that a broker sees at once where two
    daemons would write under the same topics. The hash keeps names apart that are alike but for
    what a topic can't hold.

    Args:
        setting: `mqtt.device`; "" takes the machine's name.
        machine: The machine's name; what a topic can't hold is replaced in it.

    Raises:
        SettingsError: The setting can't be part of a topic.
    """
    if setting and not _DEVICE.match(setting):
        raise SettingsError(
            "settings mqtt.device",
            expected="1 to 64 letters, digits, '.', '-' or '_', a letter or digit first",
            got=repr(setting),
            advice="Give the device a name that can be part of a topic",
        )
    device = setting or _UNSAFE.sub("-", machine).lstrip("._-")[:64] or "device"
    root = f"edgert/{device}"
    digest = hashlib.sha256((setting or machine).encode("utf-8", "replace")).hexdigest()[:8]
    return Topics(
        device=device,
        availability=f"{root}/availability",
        stats=f"{root}/stats",
        event=f"{root}/event",
        limits_set=f"{root}/limits/set",
        limits_ack=f"{root}/limits/ack",
        client_id=f"edgert-{device}-{digest}",
    )
