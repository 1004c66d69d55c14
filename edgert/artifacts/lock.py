"""One writer at a time: a lock on a file, let go when the file is closed or its process ends."""

import fcntl
from typing import IO, Any

from edgert.errors import ArtifactError


def lock(file: IO[Any], subject: str, *, expected: str, advice: str) -> None:
    """Lock an open file, or refuse at once where another has it locked.

    Args:
        file: Of any mode; closing it is the caller's.
        subject: What was being done to what, for the error line.
        expected: Whom the lock keeps out, for the error line.
        advice: What to do about it.

    Raises:
        ArtifactError: Another process, or another opening in this one, has the lock.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ArtifactError(
            subject, expected=expected, got="one that is at it", advice=advice
        ) from error
