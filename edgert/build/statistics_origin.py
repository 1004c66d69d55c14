"""What BatchNorm statistics were measured of, and whether a configuration still is that.

A file of statistics fits any graph with the same layers: that of another image size, of another
supernet, of the same subnet before somebody changed its edits. Only what the file says of itself
tells them apart.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgert.artifacts import FamilyFolder, sha256_from_file
from edgert.errors import PreconditionError
from edgert.records import Configuration, Edit
from edgert.surgery.batchnorm import read_statistics

EDIT = "recalibrate_batchnorm"
# By key of what a file says, what differs where it says something else.
_PARTS = {"graph": "another model", "weights": "another model", "edits": "other edits"}


def origin_of(
    folder: FamilyFolder, configuration: Configuration, before: Sequence[Edit], files: list[Path]
) -> dict[str, str]:
    """What the statistics of a configuration depend on besides pictures, as hashes.

    Args:
        folder: The family.
        configuration: Names the model.
        before: The edits in front of the statistics.
        files: That these edits read.
    """
    model = folder.model_of(configuration)
    contents = {str(path.relative_to(folder.path)): sha256_from_file(path) for path in files}
    edits = msgspec.json.encode([list(before), contents, configuration.model])
    return {
        "graph": model.sha256 or "",
        "weights": model.weights_sha256 or "",
        "edits": hashlib.sha256(edits).hexdigest(),
    }


def check_origin(
    folder: FamilyFolder,
    configuration: Configuration,
    before: Sequence[Edit],
    files: list[Path],
    *,
    subject: str,
) -> None:
    """Refuse statistics that say of themselves that they are another configuration's.

    Args:
        folder: The family.
        configuration: Whose edits have the statistics at `len(before)`.
        before: The edits in front of them.
        files: That these edits read.
        subject: What is derived, for the error line.

    Raises:
        PreconditionError: They were measured of something else. Files that do not say what they
            were measured of pass, and those that can't be read are left to the edit itself.
    """
    parameters = configuration.edits[len(before)].get(EDIT) or {}
    name = parameters.get("statistics")
    if not isinstance(name, str) or not (folder.path / name).is_file():
        return
    try:
        said = read_statistics(folder.path / name).about
    except PreconditionError:
        return
    for key, now in origin_of(folder, configuration, before, files).items():
        if key in said and said[key] != now:
            raise PreconditionError(
                f"{subject} at edits[{len(before)}]: {EDIT} from {folder.path / name}",
                expected=f"statistics that were measured of {configuration.name} as it is",
                got=f"those of {_PARTS[key]}",
                advice="Measure them again: edgert recalibrate FAMILY --images DIR",
            )
