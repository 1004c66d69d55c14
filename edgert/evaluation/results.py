"""The file of results: one JSON line for each controller on each day, added to as they come."""

import hashlib
from pathlib import Path

import msgspec

import edgert
from edgert.errors import ArtifactError
from edgert.evaluation.outcome import Outcome
from edgert.records import PositiveInt, Record

ORACLE = "oracle"
# How results are told changes none of them.
_NOT_STAMPED = ("table.py", "plots.py", "targets.py")
_WORLD, _CONTROL = ("evaluation", "emulator", "records"), ("control",)


class RunKey(Record, frozen=True, kw_only=True):
    """Which run a line is of; a line counts only where all of it matches."""

    controller: str
    scenario: str
    variant: str
    seed: int
    family: str
    duration_s: PositiveInt
    code: str  # `code_stamp` of what the result follows from


class ResultLine(Record, frozen=True, kw_only=True):
    """A result. Exactly one of the two is there; `oracle` is the oracle's accuracy."""

    key: RunKey
    outcome: Outcome | None = None
    oracle: float | None = None

    def __post_init__(self) -> None:
        if (self.outcome is None) == (self.oracle is None):
            raise ValueError("a result has either an outcome or an oracle's accuracy")


def code_stamp(controller: str, root: Path | None = None) -> str:
    """A short hash of the source that a result of this controller follows from.

    The oracle does not depend on controllers, so their changes leave its results alone.

    Args:
        controller: Whose result.
        root: The package's folder; by default that of edgert itself.
    """
    rooms = _WORLD if controller == ORACLE else _WORLD + _CONTROL
    digest = hashlib.sha256()
    root = root or Path(edgert.__file__).parent
    for room in rooms:
        for path in sorted((root / room).rglob("*.py")):
            if path.name not in _NOT_STAMPED:
                digest.update(path.relative_to(root).as_posix().encode() + b"\0")
                digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


class Results:
    """A results file that is open for more.

    A last line without its end, as a kill leaves it, is cut off before anything is added.

    Args:
        path: The file; made where there is none.

    Raises:
        ArtifactError: A line that is no result, or a file that can't be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines: dict[RunKey, ResultLine] = {}
        try:
            content = path.read_bytes() if path.exists() else b""
            whole = content[: content.rfind(b"\n") + 1]
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
            self._file.truncate(len(whole))
        except OSError as error:
            raise _file_error("open", path, error) from error
        try:
            for number, line in enumerate(whole.split(b"\n")[:-1], start=1):
                self._take(number, line)
        except ArtifactError:
            self.close()
            raise

    def add(self, line: ResultLine) -> None:
        """Keep a result, at once.

        Raises:
            ArtifactError: The file can't be written.
        """
        try:
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()
        except OSError as error:
            raise _file_error("write", self._path, error) from error
        self.lines[line.key] = line

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "Results":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, number: int, line: bytes) -> None:
        try:
            result = msgspec.json.decode(line, type=ResultLine)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ArtifactError(
                f"read {self._path} line {number}",
                expected="a result in JSON",
                got=str(error),
                advice="Delete the line: it is run again",
            ) from error
        self.lines[result.key] = result


def _file_error(doing: str, path: Path, error: OSError) -> ArtifactError:
    return ArtifactError(
        f"{doing} {path}",
        expected="a file for results",
        got=(error.strerror or str(error)).lower(),
        advice="Give another --output",
    )
