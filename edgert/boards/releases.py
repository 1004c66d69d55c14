"""Jetson Linux (L4T) releases, and the JetPack that each belongs to."""

import re
from pathlib import Path

from edgert.boards.text import read_text

# First line of the file: "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, ...".
_RELEASE = re.compile(r"R(?P<major>\d+)\b[^\n]*?REVISION:\s*(?P<revision>\d+(\.\d+)*)")

# NVIDIA's JetPack archive. 36.5.2, 39.2.1: as users with these releases report them.
_JETPACK = {
    "35.1.0": "5.0.2", "35.2.1": "5.1", "35.3.1": "5.1.1", "35.4.1": "5.1.2", "35.5.0": "5.1.3",
    "35.6.0": "5.1.4", "35.6.1": "5.1.5", "35.6.2": "5.1.5", "35.6.3": "5.1.5",
    "35.6.4": "5.1.6", "36.3.0": "6.0", "36.4.0": "6.1", "36.4.2": "6.1", "36.4.3": "6.2",
    "36.4.4": "6.2.1", "36.4.7": "6.2.1", "36.5.0": "6.2.2", "36.5.2": "6.2.3",
    "38.2.0": "7.0", "38.2.1": "7.0", "38.2.2": "7.0", "38.4.0": "7.1", "39.2.0": "7.2",
    "39.2.1": "7.2.1",
}  # fmt: skip


def read_l4t(root: Path) -> str:
    """The release as "36.4.3"; "" where this is no Jetson Linux."""
    found = _RELEASE.search(read_text(root / "etc" / "nv_tegra_release"))
    return f"{found['major']}.{found['revision']}" if found else ""


def jetpack_from_l4t(l4t: str) -> str:
    """The JetPack that a release belongs to, "6.2"; "" where the table doesn't have it."""
    return _JETPACK.get(l4t, "")
