"""profile.json: what was measured of each engine on one board."""

from pathlib import Path

import msgspec

from edgert.artifacts.files import write_atomically
from edgert.errors import ArtifactError
from edgert.records import Profile
from edgert.schema import record_from_json


def load_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        ArtifactError: One line that names the file and what is wrong in it.
    """
    return record_from_json(path, Profile, ArtifactError)


def save_profile(path: Path, profile: Profile) -> None:
    """Write a profile, indented, so that it can be read and compared."""
    write_atomically(path, msgspec.json.format(msgspec.json.encode(profile), indent=2))
