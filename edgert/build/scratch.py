"""Temporary files of checks: a folder that goes away, and an error line where there is no room."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgert.errors import BuildError


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A temporary folder that is gone after the block.

    Args:
        parent: Where it lies; None: where temporary files go.

    Raises:
        BuildError: It can't be made.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="edgert-", dir=parent)
    except OSError as error:
        raise no_room("make a temporary folder", error) from error
    with folder as name:
        yield Path(name)


def no_room(subject: str, error: OSError) -> BuildError:
    """The error line of a temporary file that can't be written."""
    return BuildError(
        subject,
        expected="a temporary folder that can be written, with room for a derived graph",
        got=error.strerror or str(error),
        advice="Free some room, or name another folder in TMPDIR",
    )
