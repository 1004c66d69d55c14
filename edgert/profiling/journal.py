"""What a profile has measured so far, in a folder, so that a killed one goes on from there.

The folder holds `parts.json` (rounds of latency, agreement, accuracy; replaced whole as each part
ends), `energy.jsonl` (the windows, see `energy.journal`) and a lock. It is gone when the profile
is written.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from edgert.artifacts import write_atomically
from edgert.artifacts.lines import check_unchanged
from edgert.artifacts.lock import lock
from edgert.closing import Closing
from edgert.errors import ArtifactError
from edgert.profiling.energy.journal import Window
from edgert.records import Ratio, Record
from edgert.schema import record_from_json

_PARTS, _WINDOWS, _LOCK = "parts.json", "energy.jsonl", "lock"


class Parts(Record, frozen=True, kw_only=True):
    """The finished parts.

    rounds: of latency, each the seconds of its runs by engine.
    agreements: of all engines, measured in one go.
    accuracies: score and number of labelled frames, by engine.
    """

    format: Literal[1] = 1
    identity: dict[str, str]
    rounds: list[dict[str, list[float]]] = msgspec.field(default_factory=list)
    agreements: dict[str, Ratio] = msgspec.field(default_factory=dict)
    accuracies: dict[str, tuple[Ratio, int]] = msgspec.field(default_factory=dict)


class ProfileJournal(Closing):
    """The finished parts of a profile; a context manager. Without a folder they stay in memory.

    Args:
        folder: Made where it is missing.
        identity: What the parts depend on, in words.
        anew: Throw away what is there.

    Raises:
        ArtifactError: Another process has the folder, it belongs to another measurement, or it is
            damaged.
    """

    def __init__(
        self, folder: Path | None, identity: Mapping[str, str], *, anew: bool = False
    ) -> None:
        self.folder = folder
        self.parts = Parts(identity=dict(identity))
        self._lock: IO[bytes] | None = None
        if folder is None:
            return
        self._lock = _locked(folder)
        try:
            if anew:
                _empty(folder)
            self._read(folder / _PARTS, dict(identity))
        except BaseException:
            self._lock.close()
            raise

    @property
    def windows_file(self) -> Path | None:
        """Where the windows of energy are kept."""
        return None if self.folder is None else self.folder / _WINDOWS

    def update(self, **changes: Any) -> None:
        """Replace fields of `parts`; they are on the disk when this returns."""
        self.parts = msgspec.structs.replace(self.parts, **changes)
        if self.folder is not None:
            write_atomically(self.folder / _PARTS, msgspec.json.encode(self.parts) + b"\n")

    def windows(self) -> list[Window]:
        """The windows of energy so far; none where energy was not asked for."""
        file = self.windows_file
        if file is None or not file.is_file():
            return []
        return windows_from(file.read_bytes())

    def finish(self) -> None:
        """Take the folder away: its parts are in the profile."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Let another process have the folder."""
        if self._lock is not None:
            self._lock.close()

    def _read(self, path: Path, identity: dict[str, str]) -> None:
        if not path.is_file():
            self.update()
            return
        try:
            parts = record_from_json(path, Parts, ArtifactError)
        except ArtifactError as error:
            raise ArtifactError(
                error.subject, expected=error.expected, got=error.got, advice=_ANEW
            ) from error
        check_unchanged(
            f"go on with the measurement in {path.parent}",
            parts.identity,
            identity,
            advice=f"Start it as it was, or anew: {_ANEW[0].lower()}{_ANEW[1:]}",
            named=lambda key: key.replace("_", " "),
        )
        self.parts = parts


def windows_from(content: bytes) -> list[Window]:
    """The windows of a journal that was just written: JSON lines behind a header."""
    return [msgspec.json.decode(line, type=Window) for line in content.splitlines()[1:]]


_ANEW = "Add --restart to throw away what it has"


def _empty(folder: Path) -> None:
    for name in (_PARTS, _WINDOWS):
        (folder / name).unlink(missing_ok=True)


def _locked(folder: Path) -> IO[bytes]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK).open("wb")
    except OSError as error:
        raise ArtifactError(
            f"write {folder}",
            expected="a folder that can be written to",
            got=(error.strerror or str(error)).lower(),
            advice="Name another output, or check its permissions",
        ) from error
    try:
        lock(
            file,
            f"measure into {folder}",
            expected="no other measurement of the same profile",
            advice="Wait for it to end, or name another output",
        )
    except ArtifactError:
        file.close()
        raise
    return file
