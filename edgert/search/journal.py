"""The journal: every result of a search on a line of its own, so that a killed search goes on."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgert.artifacts.lines import LineFile, check_unchanged
from edgert.closing import Closing
from edgert.errors import ArtifactError

_FORMAT = 1


class Journal(Closing):
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
        self._file = LineFile(path, work="search", elsewhere="name another folder with --work")
        try:
            self._read(dict(identity))
        except BaseException:
            self._file.close()
            raise

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one line and wait until the disk has it."""
        line = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        self._file.append(line.encode())
        self.records.append(dict(record))

    def of_kind(self, kind: str) -> Iterator[dict[str, Any]]:
        """The records of one kind, oldest first."""
        return (record for record in self.records if record.get("kind") == kind)

    @property
    def elapsed_s(self) -> float:
        """How long the search had taken when it last wrote a line."""
        return max((float(record.get("elapsed_s", 0.0)) for record in self.records), default=0.0)

    def close(self) -> None:
        """Close the file; another search may open it then."""
        self._file.close()

    def _read(self, identity: dict[str, str]) -> None:
        lines = self._file.lines()
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
        check_unchanged(
            f"go on with the search in {self.path.parent}",
            then,
            identity,
            advice="Add --restart to start anew, or name another folder with --work",
            shown=_short,
        )


def _short(value: Any) -> str:
    text = "none" if value is None else str(value) or "none"
    return f"{text[:12]}…" if len(text) == 64 else text
