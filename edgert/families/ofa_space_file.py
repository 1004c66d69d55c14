"""space.json beside a supernet's base graph: what it may be cut to, for whoever searches it."""

from pathlib import Path
from typing import Any

import msgspec

from edgert.artifacts import write_atomically
from edgert.errors import ArtifactError
from edgert.families.ofa_checkpoint import space_from
from edgert.families.ofa_space import Space
from edgert.schema import record_from_json

SPACE_FILE = "space.json"


def read_space(path: Path) -> Space:
    """Read a space as JSON.

    Raises:
        ArtifactError: It can't be read, or holds something else; the place is named.
    """
    content = record_from_json(path, dict[str, Any], ArtifactError)
    return space_from(content, f"read {path}")


def save_space(path: Path, space: Space) -> None:
    """Write a space as JSON.

    Raises:
        ArtifactError: The folder can't be written to.
    """
    text = msgspec.json.format(msgspec.json.encode(space), indent=1)
    write_atomically(path, text + b"\n")
