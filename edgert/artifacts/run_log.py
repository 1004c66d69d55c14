"""decisions.jsonl: a header line, then one line for each frame of a run."""

from pathlib import Path
from typing import TypeVar

import msgspec

from edgert.errors import ArtifactError
from edgert.records import FrameLog, RunHeader

_Line = TypeVar("_Line", RunHeader, FrameLog)


def read_run(path: Path) -> tuple[RunHeader, list[FrameLog]]:
    """Read a run's log. A last line that was cut off, as by a kill, is left out.

    Raises:
        ArtifactError: The file is missing, or a line other than the last is damaged.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ArtifactError(
            f"read {path}",
            expected="a run's decisions.jsonl",
            got=(error.strerror or str(error)).lower(),
            advice="Check the path",
        ) from error
    frames: list[FrameLog] = []
    header = _decoded(path, 1, lines[0], RunHeader)
    for number, line in enumerate(lines[1:-1], start=2):
        frames.append(_decoded(path, number, line, FrameLog))
    return header, frames


def _decoded(path: Path, number: int, line: bytes, kind: type[_Line]) -> _Line:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.DecodeError as error:
        raise ArtifactError(
            f"read {path} line {number}",
            expected=f"a {kind.__name__} in JSON",
            got=str(error),
            advice="Delete the line, or run again",
        ) from error
