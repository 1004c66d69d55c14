"""What this machine says of itself, read from files and never from a vendor's tool.

A file that is missing or can't be read leaves its field empty: on a laptop all of them are.
"""

import re
from pathlib import Path

from edgert.boards.nvpmodel import read_power_mode
from edgert.boards.releases import jetpack_from_l4t, read_l4t
from edgert.boards.text import read_strings
from edgert.records import Record

# The module's own EEPROM, as UEFI hands it on: "699-13767-0005-300 W.1" is p3767-0005.
_EEPROM = re.compile(r"^699-\d(?P<board>\d{4})-(?P<sku>\d{4})-")
_ID = re.compile(r"^(?P<board>\d{4})-(?P<sku>\d{4})(-|$)")  # "3767-0005-300", module first
# "nvidia,p3768-0000+p3767-0005-super" is a module (behind the plus) on a carrier board.
_COMPATIBLE = re.compile(r"^nvidia,(?:p\d{4}-\d{4}\+)?(?P<part>p\d{4}-\d{4})(-|$)")
_SOURCE_FILE = re.compile(r"tegra\w+-(?:p\d{4}-\d{4}\+)?(?P<part>p\d{4}-\d{4})")
_SOC = re.compile(r"^nvidia,(?P<soc>tegra\d+)$")


class Machine(Record, frozen=True, kw_only=True):
    """A machine in its own words; a field is "" where the machine doesn't say.

    model: "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
    part_number: of the module, "p3767-0005"
    soc: "tegra234"
    l4t: Jetson Linux, "36.4.3"
    jetpack: "6.2"
    power_mode: NVIDIA's name for it, "25W"; a clock cap, not a power limit
    """

    model: str = ""
    part_number: str = ""
    soc: str = ""
    l4t: str = ""
    jetpack: str = ""
    power_mode: str = ""


def read_machine(root: Path = Path("/")) -> Machine:
    """Read what the machine under `root` says of itself; on any machine, without an error."""
    tree = root / "proc" / "device-tree"
    compatible = read_strings(tree / "compatible")
    l4t = read_l4t(root)
    return Machine(
        model=next(iter(read_strings(tree / "model")), ""),
        part_number=_part_number(tree, compatible),
        soc=next((found["soc"] for text in compatible if (found := _SOC.match(text))), ""),
        l4t=l4t,
        jetpack=jetpack_from_l4t(l4t),
        power_mode=read_power_mode(root),
    )


def _part_number(tree: Path, compatible: list[str]) -> str:
    """The module's, from the best place that has one.

    The EEPROM comes first: a device tree may be one that was written for another module.
    """
    for text in read_strings(tree / "chosen" / "nvidia,sku"):
        if found := _EEPROM.match(text):
            return f"p{found['board']}-{found['sku']}"
    for text in " ".join(read_strings(tree / "chosen" / "ids")).split():
        if found := _ID.match(text):
            return f"p{found['board']}-{found['sku']}"
    for text in compatible:
        if found := _COMPATIBLE.match(text):
            return found["part"]
    for text in read_strings(tree / "nvidia,dtsfilename"):
        if found := _SOURCE_FILE.search(text):
            return found["part"]
    return ""
