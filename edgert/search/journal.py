"""The journal: every result of a search on a line of its own, so that a killed search goes on."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgert.errors import ArtifactError

_FORMAT = 1


class Journal:
    """An append-only file of JSON lines; each is on the disk before `append` returns.

    Use as a context manager: it is locked while it is open.

    Args:
        path: The file; its folder exists.
        identity: What results depend on, in words: "base model" to a hash, and so on.

    Raises:
        ArtifactError: Another search has it open, it was started with something else, or a line
            other than the last is damaged. A last line that was cut off is dropped.
    """

    def __init__(self, path: Path, identity: Mapping[str, str]) -> None:
        self.path = path
        self.records: list[dict[str, Any]] = []
        self._file = path.open("a+b")
        try:
            self._lock()
            self._read(dict(identity))
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one line and wait until the disk has it."""
        line = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        try:
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise ArtifactError(
                f"write {self.path}",
                expected="room on the disk",
                got=(error.strerror or str(error)).lower(),
                advice="Free some space and start again: the search goes on",
            ) from error
        self.records.append(dict(record))

    def of_kind(self, kind: str) -> Iterator[dict[str, Any]]:
        """The records of one kind, oldest first."""
        return (record for record in self.records if record.get("kind") == kind)

    @property
    def elapsed_s(self) -> float:
        """How long the search had taken when it last wrote a line."""
        return max((float(record.get("elapsed_s", 0.0)) for record in self.records), default=0.0)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ArtifactError(
                f"open {self.path}",
                expected="no other search using it",
                got="one that is at it",
                advice="Wait for it to end, or name another folder with --work",
            ) from error

    def _read(self, identity: dict[str, str]) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):  # a kill came between two bytes
            self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)
        lines = content[:whole].splitlines()
        if not lines:
            self.append({"kind": "header", "format": _FORMAT, "identity": identity})
            return
        self.records = [self._record(number, line) for number, line in enumerate(lines, start=1)]
        self._check_identity(self.records[0], identity)

    def _record(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            record = json.loads(line)
        except ValueError as error:
            raise ArtifactError(
                f"read {self.path} line {number}",
                expected="a JSON object",
                got=str(error),
                advice="Delete the line, or add --restart to start anew",
            ) from error
        if not isinstance(record, dict):
            raise ArtifactError(
                f"read {self.path} line {number}",
                expected="a JSON object",
                got=type(record).__name__,
                advice="Delete the line, or add --restart to start anew",
            )
        return record

    def _check_identity(self, header: Mapping[str, Any], identity: dict[str, str]) -> None:
        then = header.get("identity")
        if header.get("kind") != "header" or not isinstance(then, dict):
            then = {}
        changed = [
            f"{key} {_short(identity.get(key))} instead of {_short(then.get(key))}"
            for key in sorted({*then, *identity})
            if then.get(key) != identity.get(key)
        ]
        if changed:
            raise ArtifactError(
                f"go on with the search in {self.path.parent}",
                expected="what it was started with",
                got="; ".join(changed),
                advice="Add --restart to start anew, or name another folder with --work",
            )


def _short(value: Any) -> str:
    text = "none" if value is None else str(value) or "none"
    return f"{text[:12]}…" if len(text) == 64 else text
