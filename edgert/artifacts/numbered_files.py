"""Files that follow each other under numbers, of which the newest are kept, and lines in them.

They bound what a daemon writes for months: decisions, results, parts of videos.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edgert.closing import Closing


class NumberedFiles:
    """The files of one kind in a folder, in the order of their numbers.

    What is newer has the higher number. Files of the same number go together.

    Args:
        folder: Where they lie.
        pattern: Matches a whole file name; its group "number" is the number, and 1 where it
            matched nothing.
        name_of: The file name of a number.
    """

    def __init__(self, folder: Path, pattern: str, name_of: Callable[[int], str]) -> None:
        self.folder = folder
        self._pattern, self._name_of = re.compile(pattern), name_of

    @classmethod
    def behind(cls, path: Path, *, also: str = "") -> "NumberedFiles":
        """FILE.jsonl, FILE.2.jsonl, FILE.3.jsonl and so on.

        Args:
            path: The first of them.
            also: What may stand before the ending of names that count as well, as ".partial".
        """
        stem, suffix = re.escape(path.stem), re.escape(path.suffix)
        pattern = rf"{stem}(\.(?P<number>[1-9]\d*))?({re.escape(also)})?(?i:{suffix})"

        def name_of(number: int) -> str:
            return path.name if number == 1 else f"{path.stem}.{number}{path.suffix}"

        return cls(path.parent, pattern, name_of)

    def next_path(self) -> Path:
        """The next file's: behind all that are there.

        Raises:
            OSError: The folder can't be read.
        """
        numbers = [number for number, _ in self._found()]
        return self.folder / self._name_of(max(numbers, default=0) + 1)

    def prune(self, *, keep: int) -> None:
        """Remove the oldest; the `keep` newest stay.

        Raises:
            OSError: One could not be removed.
        """
        found = self._found()
        numbers = sorted({number for number, _ in found})
        gone = set(numbers[: max(len(numbers) - keep, 0)])
        for number, path in found:
            if number in gone:
                path.unlink(missing_ok=True)

    def _found(self) -> list[tuple[int, Path]]:
        if not self.folder.exists():
            return []
        matches = ((self._pattern.fullmatch(path.name), path) for path in self.folder.iterdir())
        return [(int(match["number"] or 1), path) for match, path in matches if match]


class LinesOnDisk(Closing):
    """One file of lines; each is on its way to the disk when `append` returns.

    Args:
        path: The file.
        anew: Write over what is there; else a file that is there already is an error.

    Raises:
        OSError: It can't be opened.
    """

    def __init__(self, path: Path, *, anew: bool = False) -> None:
        self.path, self.size_bytes = path, 0
        # Unbuffered: what a full disk refused must not be tried again when the file is closed.
        self._file = path.open("wb" if anew else "xb", buffering=0)

    def append(self, line: bytes | bytearray) -> None:
        """Write one line, with its end.

        Raises:
            OSError: It could not be written. What of it got to the disk is taken back.
        """
        written = 0
        try:
            # Views are given back at once, by whoever made them: a debugger that lists all objects
            # holds on to them, and the caller's bytearray could not grow meanwhile.
            with memoryview(line) as whole:
                while written < len(whole):  # at the disk's end one ends short, the next fails
                    with whole[written:] as rest:
                        written += self._file.write(rest)
        except OSError:
            with suppress(OSError):
                self._file.seek(self.size_bytes)
                self._file.truncate()
            raise
        self.size_bytes += len(line)

    def close(self) -> None:
        """Close the file; does nothing the second time."""
        self._file.close()

    def discard_empty(self) -> None:
        """Close the file, and remove it where nothing was written."""
        self._file.close()
        if not self.size_bytes and self.path.is_file():
            with suppress(OSError):
                self.path.unlink()
