"""A file of lines that outlives a kill at any byte, so that long work goes on from there.

What a line holds is its owner's business, and so is the header; `check_unchanged` compares what a
header says the work depends on with what it depends on now.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgert.artifacts.lock import lock
from edgert.closing import Closing
from edgert.errors import ArtifactError


class LineFile(Closing):
    """Lines behind one another, locked while it is open; each is on the disk when written.

    A last line that was cut off is taken out of the file when it is opened.

    Args:
        path: The file; its folder exists.
        work: What the lines are the results of, for error lines: "search".
        elsewhere: What else to do than to wait for another's end: "name another file".

    Raises:
        ArtifactError: Another has the file open.
        OSError: It can't be opened or read.
    """

    def __init__(self, path: Path, *, work: str, elsewhere: str) -> None:
        self.path, self._work = path, work
        # Unbuffered: what a full disk refused must not be tried again when the file is closed.
        self._file = path.open("a+b", buffering=0)
        try:
            lock(
                self._file,
                f"open {path}",
                expected=f"no other {work} using it",
                advice=f"Wait for it to end, or {elsewhere}",
            )
            self._drop_torn_line()
        except BaseException:
            self._file.close()
            raise

    def lines(self) -> list[bytes]:
        """All lines, oldest first, without their ends."""
        self._file.seek(0)
        return self._file.read().splitlines()

    def append(self, line: bytes) -> None:
        """Write one line and wait until the disk has it.

        Args:
            line: Without a line end, in it or behind it.

        Raises:
            ArtifactError: The disk is full.
        """
        try:
            rest = memoryview(line + b"\n")
            while rest:  # a write that meets the end of the disk ends short; the next one fails
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise ArtifactError(
                f"write {self.path}",
                expected="room on the disk",
                got=(error.strerror or str(error)).lower(),
                advice=f"Free some space and start again: the {self._work} goes on",
            ) from error

    def close(self) -> None:
        """Close the file, which lets go of the lock."""
        self._file.close()

    def _drop_torn_line(self) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):  # a kill came between two bytes
            self._file.truncate(whole)


def check_unchanged(
    subject: str,
    then: Mapping[str, Any],
    now: Mapping[str, str],
    *,
    advice: str,
    named: Callable[[str], str] = str,
    shown: Callable[[Any], str] = str,
) -> None:
    """Whether finished work can be gone on with: it depends on what it did when it was started.

    Args:
        subject: What is gone on with, and where.
        then: What it was started with, by name.
        now: The same now.
        advice: What to do where it is another.
        named: A name in words.
        shown: A value in words; it gets "none" where there is none.

    Raises:
        ArtifactError: Something has changed; every change is named.
    """
    changes = [
        f"{named(key)} {shown(now.get(key, 'none'))} instead of {shown(then.get(key, 'none'))}"
        for key in sorted({*then, *now})
        if then.get(key) != now.get(key)
    ]
    if changes:
        raise ArtifactError(
            subject,
            expected="what it was started with",
            got="; ".join(changes),
            advice=advice,
        )
