"""A day as JSON lines of `TracePoint`: what happened around a board while it worked."""

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgert.artifacts.files import write_atomically
from edgert.errors import ArtifactError
from edgert.records import TracePoint


def read_trace(path: Path) -> list[TracePoint]:
    """Read the points of a trace, in order of time. Empty lines are left out.

    Raises:
        ArtifactError: No such file, no point in it, a line that is none, or time that runs back;
            one line with the number of the line.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ArtifactError(
            f"read {path}",
            expected="a trace in JSON lines",
            got=(error.strerror or str(error)).lower(),
            advice="Check the path",
        ) from error
    points: list[TracePoint] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            points.append(_point(path, number, line, after=points[-1] if points else None))
    if not points:
        raise ArtifactError(
            f"read {path}",
            expected="at least one point",
            got="an empty file",
            advice="Record the trace again",
        )
    return points


def write_trace(path: Path, points: list[TracePoint]) -> None:
    """Write points, one a line, what says nothing left out.

    Raises:
        ArtifactError: The file can't be written.
    """
    encoder = msgspec.json.Encoder()
    lines = []
    for point in points:
        said = {
            name: value
            for name, value in msgspec.structs.asdict(point).items()
            if value is not None and value not in ({}, "")
        }
        lines.append(encoder.encode(said) + b"\n")
    write_atomically(path, b"".join(lines))


class AmbientCourse:
    """The air of a trace: in a straight line from each point that states it to the next.

    Args:
        points: In order of time; two at one time are a step.
    """

    def __init__(self, points: Sequence[TracePoint]) -> None:
        self._stated = [(p.time_s, p.ambient_c) for p in points if p.ambient_c is not None]

    def at(self, time_s: float) -> float | None:
        """Degrees Celsius; None before the first point that states any, held after the last."""
        after = bisect_right(self._stated, time_s, key=lambda point: point[0])
        if after == 0:
            return None
        start_s, start_c = self._stated[after - 1]
        if after == len(self._stated):
            return start_c
        end_s, end_c = self._stated[after]
        return start_c + (time_s - start_s) / (end_s - start_s) * (end_c - start_c)


def _point(path: Path, number: int, line: bytes, *, after: TracePoint | None) -> TracePoint:
    subject = f"read {path} line {number}"
    try:
        point = msgspec.json.decode(line, type=TracePoint)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(
            subject,
            expected="a TracePoint in JSON",
            got=str(error),
            advice="Mend or delete the line",
        ) from error
    if after is not None and point.time_s < after.time_s:
        raise ArtifactError(
            subject,
            expected=f"time_s from {after.time_s:g} on",
            got=f"{point.time_s:g}",
            advice="Put the lines in order of time",
        )
    return point
