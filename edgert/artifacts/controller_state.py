"""What a controller has learned, on file from one start to the next."""

from pathlib import Path

from edgert.artifacts.files import write_record
from edgert.errors import ArtifactError
from edgert.records import ControllerState
from edgert.schema import record_from_json


def load_state(path: Path) -> ControllerState:
    """Read a controller's state.

    Raises:
        ArtifactError: The file is missing or damaged.
    """
    return record_from_json(path, ControllerState, ArtifactError)


def save_state(path: Path, state: ControllerState) -> None:
    """Write a controller's state whole or not at all; makes the folder.

    Raises:
        ArtifactError: The disk is full or the folder can't be written to; the old file stays.
    """
    write_record(path, state)
