"""The power mode that NVIDIA's nvpmodel has set, by its name.

`nvpmodel` keeps the mode's number in /var/lib/nvpmodel/status ("pmode:0001", on older releases
with the fan's mode behind it) and the names in /etc/nvpmodel.conf
("< POWER_MODEL ID=1 NAME=25W >"). Every user can read both; the tool itself is not started.
"""

import re
from pathlib import Path

from edgert.boards.text import read_text

_STATUS = re.compile(r"\bpmode:\s*(?P<number>\d+)")
_MODE = re.compile(r"^\s*<\s*POWER_MODEL\s+(?P<fields>[^>]*)>", re.MULTILINE)
_FIELD = re.compile(r"(?P<key>ID|NAME)\s*=\s*(?P<value>\S+)")


def read_power_mode(root: Path) -> str:
    """The mode's name, "mode 3" where it has none, "" where none is known to be set."""
    status = _STATUS.search(read_text(root / "var" / "lib" / "nvpmodel" / "status"))
    if status is None:
        return ""
    number = int(status["number"])
    return _names(read_text(root / "etc" / "nvpmodel.conf")).get(number, f"mode {number}")


def _names(configuration: str) -> dict[int, str]:
    names = {}
    for mode in _MODE.finditer(configuration):  # a comment's line begins with #, not with <
        fields = {field["key"]: field["value"] for field in _FIELD.finditer(mode["fields"])}
        if fields.get("ID", "").isdecimal() and "NAME" in fields:
            names[int(fields["ID"])] = fields["NAME"]
    return names
