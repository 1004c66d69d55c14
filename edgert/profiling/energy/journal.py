"""Windows on a file as they end, so that a killed measurement goes on from there.

JSON lines: a header that says what is measured, then one window a line with its raw samples.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import numpy as np

from edgert.artifacts.lines import LineFile, check_unchanged
from edgert.closing import Closing
from edgert.errors import ArtifactError
from edgert.profiling.energy.conditions import Conditions
from edgert.profiling.energy.estimate import Stretch
from edgert.records import Record


class Window(Record, frozen=True, kw_only=True):
    """A stretch of a measurement. `rejected` says why it does not count, "" where it does.

    session: how often the measurement had been started before. Times of one session are on one
        clock; another may have begun after the machine was started again.
    round: which turn of its engine.
    notes: what a reader of its figure should know.
    """

    kind: Literal["idle", "load"]
    engine: str = ""
    session: int = 0
    round: int = 0
    from_s: float
    to_s: float
    inferences: int = 0
    late: int = 0
    time_s: list[float]
    power_w: list[float]
    conditions: Conditions
    rejected: str = ""
    notes: list[str] = msgspec.field(default_factory=list)

    def stretch(self, shift_s: float = 0.0) -> Stretch:
        """Its samples as arrays, on a clock that is moved by `shift_s`."""
        return Stretch(
            np.array(self.time_s) + shift_s,
            np.array(self.power_w),
            self.from_s + shift_s,
            self.to_s + shift_s,
            self.inferences,
        )


class _Header(Record, frozen=True, kw_only=True):
    format: Literal[1] = 1
    kind: Literal["energy"] = "energy"
    identity: dict[str, str]


class WindowJournal(Closing):
    """The windows of a measurement; a context manager. Without a path they are kept in memory.

    Args:
        path: The file; its folder exists.
        identity: What the windows depend on, in words.

    Raises:
        ArtifactError: Another measurement has the file open, it belongs to another measurement, or
            a line but the last is damaged. A last line that was cut off is dropped.
    """

    def __init__(self, path: Path | None, identity: Mapping[str, str]) -> None:
        self.path = path
        self.windows: list[Window] = []
        self._file: LineFile | None = None
        if path is None:
            return
        try:
            self._file = LineFile(path, work="measurement", elsewhere="name another file")
        except OSError as error:
            raise ArtifactError(
                f"write {path}",
                expected="a file that can be written",
                got=(error.strerror or str(error)).lower(),
                advice="Name another one",
            ) from error
        try:
            self._read(self._file.lines(), path, dict(identity))
        except BaseException:
            self._file.close()
            raise

    @property
    def sessions(self) -> int:
        """How many sessions have left windows."""
        return 1 + max((window.session for window in self.windows), default=-1)

    def append(self, window: Window) -> None:
        """Keep a window; it is on the disk when this returns."""
        self._write(msgspec.json.encode(window))
        self.windows.append(window)

    def close(self) -> None:
        """Close the file; another measurement may open it then."""
        if self._file is not None:
            self._file.close()

    def _write(self, line: bytes) -> None:
        if self._file is not None:
            self._file.append(line)

    def _read(self, lines: list[bytes], path: Path, identity: dict[str, str]) -> None:
        if not lines:
            self._write(msgspec.json.encode(_Header(identity=identity)))
            return
        header = _decoded(lines[0], _Header, path, 1)
        check_unchanged(
            f"go on with the measurement in {path}",
            header.identity,
            identity,
            advice="Delete the file to start anew, or name another one",
        )
        self.windows = [
            _decoded(line, Window, path, number) for number, line in enumerate(lines[1:], start=2)
        ]


_Line = TypeVar("_Line", _Header, Window)


def _decoded(line: bytes, kind: type[_Line], path: Path, number: int) -> _Line:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(
            f"read {path} line {number}",
            expected=f"a {kind.__name__.strip('_').lower()} of a measurement in JSON",
            got=str(error).replace("`", ""),
            advice="Delete the line, or the file to start anew",
        ) from error
